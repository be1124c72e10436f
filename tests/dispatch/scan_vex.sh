#!/bin/sh
# Shows that code for new CPUs stands only where dispatch keeps old CPUs away from it: no VEX- or EVEX-encoded
# instruction (AVX and later, FMA, F16C, BMI) outside the objects of an x86 ISA, and these export nothing but names that
# end in the ISA's, which no other code calls.
# Usage: scan_vex.sh OBJDUMP STATIC_LIBRARY [SHARED_LIBRARY] (objdump of binutils or of LLVM)
#
# It reads encodings, not mnemonics: in 64-bit code an instruction is VEX or EVEX if its first byte is c4, c5 or 62,
# after any segment or address-size prefix (Intel SDM, volume 2, 2.3.5 and 2.7.1). The archive is judged member by
# member. The shared library has no members, but it is linked from the same objects, so it may hold exactly as many of
# these instructions as the archive's ISA objects do.
set -eu
LC_ALL=C
export LC_ALL
objdump=$1 archive=$2 shared=${3:-}

# Prints one line: instructions inside ISA objects, outside, and ISA objects. Complains about each member at fault.
count() {
  "$objdump" -t -d -w "$1" | awk -v library="$1" '
    function finish() {
      if (isa && extra) {
        print "FAIL " library ": " member " exports what no ISA is named for:" extra >"/dev/stderr"
        bad = 1
      }
      if (isa) { inside += vex; objects++ } else { outside += vex; if (vex) where = where " " member "(" example ")" }
      isa = vex = 0; extra = example = ""
    }
    /file format / { finish(); member = $1; sub(/:$/, "", member); next }
    # A line of the symbol table: after the address g, w or u (global, weak, unique); *UND* marks what is only used.
    /^[0-9a-f]+ [gwu] +/ && !/\*UND\*/ {
      if ($NF ~ /^vloss_[a-z0-9_]+_avx(2|512)$/) isa = 1; else if ($NF !~ /^__/) extra = extra " " $NF
      next
    }
    /^[0-9a-f]+ <.*>:$/ { symbol = $2; gsub(/[<>:]/, "", symbol); next }
    # An instruction: address, bytes, mnemonic. Lines without a mnemonic continue the bytes of the line before.
    /^ *[0-9a-f]+:[ \t].*\t[^ \t]/ {
      instructions++
      i = 2
      while ($i ~ /^(26|2e|36|3e|64|65|67)$/) i++
      if ($i !~ /^(c4|c5|62)$/) next
      vex++
      if (!example) { example = $0; sub(/^[^\t]*\t([0-9a-f ]*\t)?/, symbol ": ", example) }
    }
    END {
      finish()
      if (where) print "VEX or EVEX in:" where >"/dev/stderr"
      print inside + 0, outside + 0, objects + 0, instructions + 0
      exit bad
    }'
}

counts=$(count "$archive")
set -- $counts
inside=$1 outside=$2 objects=$3 instructions=$4
[ "$instructions" -gt 0 ] && [ "$inside" -gt 0 ] || {
  echo "FAIL the scan sees $instructions instructions and $inside of VEX and EVEX: it is blind"
  exit 1
}
[ "$outside" -eq 0 ] || {
  echo "FAIL $archive: $outside VEX or EVEX instructions stand outside the $objects ISA objects"
  exit 1
}
[ -n "$shared" ] || {
  echo "ok $instructions instructions; $inside of VEX or EVEX, all in the $objects ISA objects"
  exit 0
}
# The shared library's table symbols would make the whole of it look like an ISA object: only the total counts.
in_shared=$(count "$shared" 2>/dev/null | awk '{ print $1 + $2 }')
[ "$in_shared" -eq "$inside" ] || {
  echo "FAIL $shared: $in_shared VEX or EVEX instructions, but its ISA objects have $inside"
  exit 1
}
echo "ok $instructions instructions; $inside of VEX or EVEX, all in the $objects ISA objects; as many in $shared"
