#!/bin/sh
# man_page.sh HELP2MAN PROGRAM VERSION EXTRA PAGE.gz: the man page of a program, of what it says with --help and of the
# file EXTRA, which has the sections that are not there.
set -eu
name=$(basename "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# help2man knows the synopsis by a capital letter, and by the empty line behind it.
cat >"$work/$name" <<'END'
#!/bin/sh
"$PROGRAM" "$@" | sed '1{s/^usage: [^ ]*/Usage: '"${0##*/}"'/;G;}'
END
chmod 755 "$work/$name"
PROGRAM=$2 "$1" --no-info --section=1 --manual=vloss --source="vloss $3" --version-string="$3" --include="$4" \
  --output="$work/page" "$work/$name"
gzip -9n <"$work/page" >"$5"
