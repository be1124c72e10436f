#!/bin/sh
# tidy.sh SOURCE DEFINITION...: clang-tidy finds nothing in dispatch/ of what .clang-tidy asks for.
set -eu
. "$(dirname "$0")/../missing.sh"
cd "$1"
shift
command -v clang-tidy >/dev/null || missing 'no clang-tidy'
probe=$(mktemp --suffix=.c) # has clang OpenMP's header, for dispatch/openmp.c?
echo '#include <omp.h>' >"$probe"
clang-tidy --quiet "$probe" -- -fopenmp >/dev/null 2>&1 || missing 'no omp.h for clang-tidy (package libomp-dev)'
rm "$probe"
clang-tidy --quiet dispatch/*.c -- -std=c11 -fopenmp -O2 -Iinclude -Ikernels -Idispatch '-DVLOSS_VERSION=""' "$@"
echo "ok: clang-tidy finds nothing"
