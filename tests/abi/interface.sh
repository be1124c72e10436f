#!/bin/sh
# interface.sh SOURCE MAP CC [--update]: programs that were linked with the last released shared library can go on with
# this one: abidiff compares the functions and types with those in vloss.abi. MAP is the linker's list of what is
# exported. --update writes vloss.abi, for a release (docs/versions.md).
# Only dispatch is compiled, with what abidiff needs to know of types: the interface is there, kernels have none of it.
set -eu
. "$(dirname "$0")/../missing.sh"
source=$1 map=$2 cc=$3
released=$source/tests/abi/vloss.abi
command -v abidiff >/dev/null || missing 'no abidiff (package abigail-tools)'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$source"
# The ISAs make no difference to the interface: the scalar one is named, and no kernel is linked.
"$cc" -std=c11 -O0 -g -fPIC -shared -Iinclude -Ikernels -Idispatch -DVLOSS_VERSION='""' -DVLOSS_HAVE_AVX512=0 \
  -DVLOSS_HAVE_AVX2=0 -DVLOSS_HAVE_NEON=0 -DVLOSS_HAVE_SCALAR=1 -Wl,--version-script="$map" \
  -Wl,--unresolved-symbols=ignore-all -Wl,-soname,libvloss.so.0 -o "$work/libvloss.so" \
  $(ls dispatch/*.c | grep -v openmp.c) kernels/memory/exact_sum.c
# Without lines and folders, which are no part of the interface.
abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-parameter-names "$work/libvloss.so" >"$work/now.abi"
if [ "${4-}" = --update ]; then
  cp "$work/now.abi" "$released"
  exit
fi

wrong='the interface changed: docs/versions.md says when it may, and how vloss.abi is then brought up to date'
status=0
abidiff "$released" "$work/now.abi" >"$work/differences" || status=$?
cat "$work/differences"
case $status in
  0) echo "ok: as released" ;;
  4) # something changed: structs may have grown at their end, and functions and enumerators may have come
    removed='[1-9][0-9]* Removed|deletion'
    changed='data member change|offset changed|enumerator change|type name changed|return type changed|entity changed'
    if grep -qE "$removed|$changed|parameter [0-9]+ .* was" "$work/differences"; then
      echo "FAIL: $wrong"
      exit 1
    fi
    echo "ok: it has only grown since the release"
    ;;
  *)
    echo "FAIL: $wrong"
    exit 1
    ;;
esac
