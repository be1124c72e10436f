#!/bin/sh
# sh tests/run.sh [--full | --preset NAME]: installs the Debian packages that are missing, builds with gcc and runs the
# quick tests, then cross-builds for arm64 and runs them under qemu. --full adds clang, the sanitizers, and the slow
# tests: exhaustive sweeps and large sizes. --preset runs the quick tests of that one preset of CMakePresets.json. Builds
# go to build/. The exit status is 0 if every test passed.
set -eu
only=
case $#:${1-} in
  0:) tests=quick ;;
  2:--preset)
    tests=quick
    only=$2
    ;;
  1:--full) tests=all ;;
  1:-h | 1:--help)
    sed -n '2,5s/^# //p' "$0"
    exit 0
    ;;
  *)
    echo "run.sh: unknown arguments: $*" >&2
    echo "usage: sh tests/run.sh [--full | --preset NAME]" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/.."
. tests/packages.sh

# build_and_test TESTS PRESET: TESTS is quick or all, the preset one of CMakePresets.json. Release builds have everything,
# of the peers of the bench those that happen to be installed.
build_and_test() {
  run=$1
  preset=$2
  set -- "$preset"
  case $preset in
    release*) set -- "$@" -DVLOSS_BUILD_EXAMPLES=ON -DVLOSS_BUILD_BENCH=ON -DVLOSS_BENCH_PEERS=ON ;;
  esac
  echo
  echo "== $preset: configure and build"
  cmake --preset "$@" -DVLOSS_WERROR=ON
  cmake --build --preset "$preset"
  echo
  echo "== $preset: $run tests"
  set -- --parallel "$(nproc)" --timeout 600 --output-on-failure --no-tests=error
  if [ "$run" = quick ]; then
    set -- "$@" -LE '^slow$'
  fi
  ctest --test-dir "build/$preset" "$@"
}

need gcc g++ libc6-dev cmake ninja-build pkg-config libsleef-dev libbenchmark-dev qemu-user
need zlib1g-dev libsphinxbase-dev dataset-fashion-mnist bible-kjv bible-kjv-text pocketsphinx-en-us # for the examples
need chromium python3 python3-jinja2 # for the report of the bench
need python3 python3-scipy git make # for vloss-compare
need python3 python3-yaml           # for the workflow's test
case $tests:$only in
  all:* | *:release-clang | *:asan-ubsan | *:tsan) need clang libclang-rt-dev ;;
esac
case $only in
  '' | arm64) ;;
  *)
    build_and_test quick "$only"
    exit
    ;;
esac
if [ $tests = all ]; then
  need python3-torch # to compare with
fi
[ -n "$only" ] || build_and_test $tests release

if [ $tests = all ]; then
  build_and_test all release-clang
  build_and_test quick asan-ubsan
  build_and_test quick tsan
fi

if [ "$(uname -m)" = x86_64 ] || [ "$only" = arm64 ]; then
  need gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross
  sh tests/arm64_sleef.sh build/arm64-root
  build_and_test $tests arm64
fi
