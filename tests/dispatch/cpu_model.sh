#!/bin/sh
# Which ISA another CPU chooses, and whether it computes the same bits: runs vloss-info and dispatch-compute under
# qemu's model of that CPU. An instruction that the model lacks ends the run.
# Usage: cpu_model.sh QEMU MODEL EXPECTED_ISA VLOSS_INFO DISPATCH_COMPUTE; exit status 77: skipped.
set -eu
. "$(dirname "$0")/../missing.sh"
unset VLOSS_ISA
qemu=$1 model=$2 expected=$3 info=$4 compute=$5

command -v "$qemu" >/dev/null || missing "no $qemu (package qemu-user)"
# qemu's warnings about features that it does not emulate are no concern of this test; they are shown if it fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() { "$qemu" -cpu "$model" "$@" 2>"$log" || { cat "$log" >&2; return 1; }; }

run "$info"
chosen=$(run "$info" --isa-only)
[ "$chosen" = "$expected" ] || {
  echo "FAIL $model chose $chosen, not $expected"
  exit 1
}
here=$("$compute") there=$(run "$compute")
echo "$there"
[ "$here" = "$there" ] || {
  echo "FAIL here the result is: $here"
  exit 1
}
