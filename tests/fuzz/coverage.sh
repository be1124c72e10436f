#!/bin/sh
# sh tests/fuzz/coverage.sh: installs the Debian packages that are missing, builds with gcc's counters (the preset
# coverage), gives the files of tests/fuzz/corpus to the fuzz target once, and prints how many lines of dispatch/ and of
# kernels/ have run. A line of kernels/, which is compiled for each ISA, has run if it has for one of them; those that
# have for none are in build/coverage/missing.txt. The exit status is 0 if it is 95% of dispatch/ and 90% of kernels/.
set -eu
if [ $# -gt 0 ]; then
  sed -n '2,5s/^# //p' "$0"
  exit 2
fi
cd "$(dirname "$0")/../.."
. tools/packages.sh
need gcc g++ libc6-dev cmake ninja-build libsleef-dev gcovr

build=build/coverage
cmake --preset coverage
cmake --build --preset coverage
find $build -name '*.gcda' -delete # what earlier runs counted
(cd $build && tests/fuzz/fuzz-replay 0 1 ../../tests/fuzz/corpus)
gcovr --root . --filter dispatch/ --filter kernels/ --json $build/lines.json --txt $build/missing.txt \
  $build/CMakeFiles/vloss_objects*.dir

status=0
at_least() { # PERCENT FOLDER
  gcovr --root . --add-tracefile $build/lines.json --filter "$2/" --txt /dev/null --print-summary \
    --fail-under-line "$1" >$build/summary || status=1
  sed -n "s|^lines:|$2:|p" $build/summary
}
at_least 95 dispatch
at_least 90 kernels
exit $status
