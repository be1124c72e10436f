#!/bin/sh
# sh tests/run.sh [--long | --full | --preset NAME | --only REGEX]: installs the Debian packages that are missing,
# builds with gcc and runs the quick tests. --long, which every change has to pass, adds the tests of some minutes each
# (every size and option, emulated older CPUs, whole examples) and the same for arm64, cross-built and run under qemu.
# --full adds clang, the sanitizers, a minute of libFuzzer and the lines that its corpus reaches, the slow tests (all
# inputs, large sizes, parent projects), and the known bits on Windows and five more architectures, under wine and qemu.
# --preset runs the quick and the long tests of that one preset of CMakePresets.json. --only runs the tests of the
# preset release, slow ones too, whose names match. Builds go to build/. The exit status is 0 if every test passed.
set -eu
only=
names=
case $#:${1-} in
  0:) tests=quick ;;
  1:--long) tests=long ;;
  2:--preset)
    tests=long
    only=$2
    ;;
  2:--only)
    tests=all
    only=release
    names=$2
    ;;
  1:--full) tests=all ;;
  1:-h | 1:--help)
    sed -n '2,9s/^# //p' "$0"
    exit 0
    ;;
  *)
    echo "run.sh: unknown arguments: $*" >&2
    echo "usage: sh tests/run.sh [--long | --full | --preset NAME | --only REGEX]" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/.."
. tools/packages.sh

# build_and_test TESTS PRESET: TESTS is quick, long or all, the preset one of CMakePresets.json. Release builds have
# everything, of the peers of the bench those that happen to be installed.
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
  # The time limit is for what hangs: no test may fail because the machine is busy.
  set -- --parallel "$(nproc)" --timeout 7200 --output-on-failure --no-tests=error
  if [ -n "$names" ]; then
    set -- "$@" -R "$names"
  elif [ "$run" = long ]; then
    set -- "$@" -LE '^slow$' -E '^check/functions/' # check/sizes has all that these have
  elif [ "$run" = quick ]; then
    set -- "$@" -LE '^(slow|long)$'
  fi
  ctest --test-dir "build/$preset" "$@"
}

# Where vloss can be but has no kernels of its own for: the known bits, of vloss-info and in the file of hashes.
elsewhere='mingw i686 armhf ppc64le riscv64 s390x'
known_bits() {
  case $1 in
    mingw) need gcc-mingw-w64-x86-64 wine64 ;;
    i686) need gcc-i686-linux-gnu libc6-dev-i386-cross ;;
    armhf) need gcc-arm-linux-gnueabihf libc6-dev-armhf-cross ;;
    ppc64le) need gcc-powerpc64le-linux-gnu libc6-dev-ppc64el-cross ;;
    riscv64) need gcc-riscv64-linux-gnu libc6-dev-riscv64-cross ;;
    s390x) need gcc-s390x-linux-gnu libc6-dev-s390x-cross ;;
  esac
  echo
  echo "== $1: configure, build, and compare with the known bits"
  cmake --preset "$1" -DVLOSS_WERROR=ON
  cmake --build --preset "$1" --target vloss-check vloss-info vloss vloss_static
  ctest --test-dir "build/$1" --parallel "$(nproc)" --timeout 7200 --output-on-failure --no-tests=error \
    -R '^(check/hashes|check/environment|dispatch/self-test|exports)$'
}

need gcc g++ libc6-dev cmake ninja-build pkg-config libsleef-dev libbenchmark-dev qemu-user
need zlib1g-dev libsphinxbase-dev dataset-fashion-mnist bible-kjv bible-kjv-text pocketsphinx-en-us # for the examples
need libopenmpi-dev openmpi-bin # for examples/vocab_parallel.c
need libopenblas-dev            # for examples/linear_cross_entropy.c
need chromium python3 python3-jinja2 # for the report of the bench
need python3 python3-scipy git make # for vloss-compare
need python3 python3-yaml           # for the workflow's test
need clang-format clang-tidy libomp-dev # for the form of the source
need libpthreadpool-dev libtbb-dev      # for the adapters of docs/threads.md
need python3-dev python3-pip python3-setuptools python3-wheel python3-numpy python3-torch python3-pytest \
  python3-hypothesis python3-scipy python3-tqdm python3-matplotlib # for the Python package
need universal-ctags unifdef # for tools/amalgamate
need lintian help2man mmdebstrap dpkg-dev abigail-tools # for Debian's packages, and the interface of the library
need valgrind                            # for the instructions of short calls
[ $tests = quick ] || need rustc cargo   # for the crate
export VLOSS_TESTS_HAVE_ALL=1       # a test that misses one of them fails
case $tests:$only in
  all: | *:release-clang | *:asan-ubsan | *:tsan | *:fuzz) need clang libclang-rt-dev libomp-dev ;;
  *:deb)
    echo "run.sh: the preset deb has no tests of its own: --only packages/deb" >&2
    exit 2
    ;;
esac
fuzz() {
  echo
  echo "== fuzz: configure, build, and libFuzzer for a minute"
  cmake --preset fuzz -DVLOSS_WERROR=ON
  cmake --build --preset fuzz
  ctest --preset fuzz
}
coverage() {
  echo
  echo "== coverage: configure, build, and the lines that the fuzzer's corpus reaches"
  sh tests/fuzz/coverage.sh
}
for preset in $elsewhere; do
  if [ "$only" = "$preset" ]; then
    known_bits "$preset"
    exit
  fi
done
case $only in
  '' | arm64) ;;
  fuzz | coverage)
    $only
    exit
    ;;
  *)
    build_and_test $tests "$only"
    exit
    ;;
esac
[ -n "$only" ] || build_and_test $tests release

if [ $tests = all ]; then
  build_and_test all release-clang
  build_and_test long asan-ubsan
  build_and_test long tsan
  fuzz
  coverage
  for preset in $elsewhere; do
    known_bits "$preset"
  done
fi

[ $tests != quick ] || exit 0
if [ "$(uname -m)" = x86_64 ] || [ "$only" = arm64 ]; then
  need gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross
  sh tests/arm64_sleef.sh build/arm64-root
  build_and_test $tests arm64
fi
