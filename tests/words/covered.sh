#!/bin/sh
# covered.sh scalar.h SOURCE...: every vector word that the header defines must occur in the sources of the test.
set -eu
header=$1
shift
words=$(sed -n 's/^VFN [a-z]* \([a-z0-9_]*\)(.*/\1/p; s/^VFN struct [a-z_]* \([a-z0-9_]*\)(.*/\1/p; s/^WORD([a-z]*, EACH[48], \([a-z0-9_]*\),.*/\1/p' "$header")
[ -n "$words" ]
missing=
for word in $words; do
  grep -qw "$word" "$@" || missing="$missing $word"
done
echo "$(echo "$words" | wc -w) words; not tested:${missing:- none}"
[ -z "$missing" ]
