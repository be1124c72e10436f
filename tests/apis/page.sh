#!/bin/sh
# page.sh APIS.C PAGE [EMULATOR...] vloss-info: the page quotes the snippets of apis.c to the letter, its table has a
# row for each of their APIs, and its reference a section for each loss that serves one of them. A section, also of
# another loss, names the parameters, with default and range, and the APIs that the registry has.
set -eu
source=$1
page=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The head of each function, and each snippet behind its title.
awk '
  /^static void / { quoting = 2; print "```c"; next }
  /^  if \(api\("/ { quoting = 4; split($0, part, "\""); print "```c"; print "/* " part[2] " */"; next }
  quoting && (/^ ? ?}?$/) { quoting = 0; print "```"; next }
  quoting { print substr($0, quoting + 1) }
' "$source" >"$work/snippets"
sed -n '/^```c$/,/^```$/p' "$page" >"$work/quoted"
diff -u "$work/snippets" "$work/quoted" || {
  echo "the snippets of $source (-) and the c blocks of $page (+) differ"
  exit 1
}

awk '
  FILENAME == ARGV[1] {
    if (!/^  if \(api\("/) next
    split($0, part, "\"")
    number = name = part[2]
    sub(/:.*/, "", number)
    sub(/^[0-9]+: /, "", name)
    sub(/\(.*/, "", name)
    row["| " number " | `" name "`"]
    listed[name]
    next
  }
  FILENAME == ARGV[2] {
    for (start in row) if (index($0, start) == 1) delete row[start]
    if (/^##? /) section = ""
    if (/^### /) section = $2
    text[section] = text[section] $0 "\n"
    next
  }
  /^[^ ]/ { loss = $1; losses++; $0 = "### " loss }
  /^  types: / { next } # depends on the build and on the CPU
  { sub(/^  /, "") }
  !(loss in text) && !($0 in listed) { next }
  { if (!index(text[loss], $0)) { print "the section of " loss " lacks: " $0; failed = 1 } }
  END {
    for (start in row) { print "the table lacks: " start; failed = 1 }
    if (!losses) { print "vloss-info lists no losses"; failed = 1 }
    exit failed
  }
' "$source" "$page" - <<EOF
$("$@" --losses)
EOF
echo "$(grep -c '^```c$' "$work/quoted") blocks are those of apis.c"
