#!/bin/sh
# under_qemu.sh MODEL PROGRAM [ARGUMENT]...: runs an x86-64 program on a CPU model of qemu. Exit status 77 means that it
# cannot run here, and why is printed.
set -eu
. "$(dirname "$0")/../missing.sh"
model=$1
shift
command -v qemu-x86_64 >/dev/null || missing "no qemu-x86_64 (package qemu-user)"
if nm "$1" 2>/dev/null | grep -qE "__(asan|tsan|msan)_init"; then
  echo "SKIP $model: sanitizers do not run under qemu"
  exit 77
fi
exec qemu-x86_64 -cpu "$model" "$@"
