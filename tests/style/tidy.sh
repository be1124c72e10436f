#!/bin/sh
# tidy.sh SOURCE DEFINITION...: clang-tidy finds nothing in dispatch/ of what .clang-tidy asks for.
set -eu
. "$(dirname "$0")/../missing.sh"
cd "$1"
shift
command -v clang-tidy >/dev/null || missing 'no clang-tidy'
clang-tidy --quiet dispatch/*.c -- -std=c11 -O2 -Iinclude -Ikernels -Idispatch '-DVLOSS_VERSION=""' "$@"
echo "ok: clang-tidy finds nothing"
