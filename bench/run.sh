#!/bin/sh
# sh bench/run.sh [--short]: installs the Debian packages that are missing, builds with gcc, scores a real text with the
# perplexity example, then measures and prints the table: under 5 minutes. --short measures fewer rows for less long, to see
# that it all works. Builds go to build/bench, all measurements to build/bench/bench.json.
set -eu
table=--table
tokens=500
case $#:${1-} in
  0:) ;;
  1:--short)
    table=--table-short
    tokens=100
    ;;
  1:-h | 1:--help)
    sed -n '2,4s/^# //p' "$0"
    exit 0
    ;;
  *)
    echo "run.sh: unknown arguments: $*" >&2
    echo "usage: sh bench/run.sh [--short]" >&2
    exit 2
    ;;
esac
cd "$(dirname "$0")/.."
. tests/packages.sh
build=build/bench

need gcc g++ libc6-dev cmake ninja-build pkg-config libsleef-dev libbenchmark-dev
need libsphinxbase-dev pocketsphinx-en-us bible-kjv bible-kjv-text # for the perplexity example

echo "== build"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ \
  -DVLOSS_BUILD_BENCH=ON -DVLOSS_BUILD_EXAMPLES=ON -DVLOSS_BUILD_TESTS=OFF
cmake --build "$build" --target vloss-bench example_perplexity

echo
echo "== a real text under a real 72,547-word model: examples/perplexity"
"$build/examples/perplexity" --tokens "$tokens"

echo
echo "== vloss-bench, medians of interleaved repetitions"
if [ "$table" = --table-short ]; then
  echo "a short run: fewer rows and repetitions, numbers not to be quoted"
fi
"$build/bench/vloss-bench" "$table" --benchmark_out="$build/bench.json" --benchmark_out_format=json
echo
echo "all measurements: $build/bench.json"
