#!/bin/sh
# parent.sh CMAKE PROJECT WORK KIND CONFIG CMAKE_ARGUMENT...: builds PROJECT, which has vloss as a subproject, in the
# folder WORK with those arguments, and checks that
#   its build made what it links, a library of that KIND (STATIC or SHARED), and nothing else of vloss;
#   its program works, and vloss-info --self-test finds the known bits;
#   a shared library does not switch denormals off in the process that loads it.
# From the environment: EMULATOR, the command that runs a program where the machine itself cannot; NM.
set -eu
cmake=$1 project=$2 work=$3 expected=$4 config=$5
shift 5
fail() {
  echo "FAIL $1" >&2
  exit 1
}

"$cmake" -S "$project" -B "$work" "$@"
. "$work/files-$config" # program, info, library, other, kind
rm -f "$info" "$library" "$other"
"$cmake" --build "$work" --config "$config" --parallel 2
[ "$kind" = "${expected}_LIBRARY" ] || fail "vloss::vloss is a $kind, not a ${expected}_LIBRARY"
[ -e "$library" ] || fail "no $library"
[ ! -e "$info" ] || fail "the parent's build made vloss-info"
[ "$other" = "$library" ] || [ ! -e "$other" ] || fail "the parent's build made $other, which it does not link"
[ "$kind" = STATIC_LIBRARY ] || ! "$NM" "$library" | grep set_fast_math || fail "$library switches denormals off"

${EMULATOR:-} "$program"
"$cmake" --build "$work" --config "$config" --parallel 2 --target vloss-info
${EMULATOR:-} "$info" --self-test
