#!/bin/sh
# sh bench/run.sh [--short | --full] [--peers] [--threads N[,M...]]: installs the Debian packages that are missing,
# builds with gcc, scores a real text with the perplexity example, checks bits and errors, then measures, prints the
# table and makes the report: 6 minutes on 2 cores that do nothing else. --short measures fewer rows for less
# long, to see that it all works. --full checks all that vloss-check has and measures all rows, every function in every
# size, type and place: an hour. --peers installs PyTorch, oneDNN, XNNPACK and, if there is npm, ONNX Runtime and ggml,
# and measures them, too: under 15 minutes. --threads adds rows of N threads beside those of one, on the best ISA.
# Everything is in build/bench: report.html, its twin report.md, report.json, what github-action-benchmark and bencher
# follow from run to run, and bench.json and check.json, from which all that is made.
set -eu
table=--table
check=--quick
tokens=200
peers=OFF
threads=
while [ $# -gt 0 ]; do
  case $1 in
    --short)
      table=--table-short
      tokens=100
      ;;
    --full)
      table=--table-full
      check=
      tokens=500
      ;;
    --peers) peers=ON ;;
    --threads)
      case ${2-} in
        '' | *[!0-9,]*)
          echo "run.sh: --threads needs numbers, with commas between" >&2
          exit 2
          ;;
      esac
      threads="--threads $2"
      shift
      ;;
    -h | --help)
      sed -n '2,9s/^# //p' "$0"
      exit 0
      ;;
    *)
      echo "run.sh: unknown arguments: $*" >&2
      echo "usage: sh bench/run.sh [--short | --full] [--peers] [--threads N[,M...]]" >&2
      exit 2
      ;;
  esac
  shift
done
cd "$(dirname "$0")/.."
. tools/packages.sh
build=build/bench

need gcc g++ libc6-dev cmake ninja-build pkg-config libsleef-dev libbenchmark-dev
need libsphinxbase-dev pocketsphinx-en-us bible-kjv bible-kjv-text # for the perplexity example
need python3 python3-jinja2                                       # for the report

# Debian has no ONNX Runtime, but npm's package for Node.js contains the library. Nothing else of it is kept, or run.
fetch_onnxruntime() {
  echo "== fetching ONNX Runtime"
  download=$(mktemp -d)
  if (cd "$download" && npm pack onnxruntime-node@1.30.0 >npm.log 2>&1 && tar -xzf onnxruntime-node-*.tgz); then
    mkdir -p "$onnxruntime"
    mv "$download/package/bin/napi-v6/linux/$(node -p process.arch)/libonnxruntime.so.1" "$onnxruntime"
  else
    echo "run.sh: ONNX Runtime is left out, as npm could not get it: $(tail -n 3 "$download/npm.log")" >&2
  fi
  rm -r "$download"
}

# ggml's CPU backend, as the package of node-llama-cpp has it.
fetch_ggml() {
  echo "== fetching ggml"
  download=$(mktemp -d)
  if (cd "$download" && npm pack "@node-llama-cpp/linux-$(node -p process.arch)@3.22.1" >npm.log 2>&1 &&
    tar -xzf node-llama-cpp-*.tgz); then
    mkdir -p "$ggml"
    mv "$download"/package/bins/*/libggml-base.so "$download"/package/bins/*/libggml-cpu*.so "$ggml"
  else
    echo "run.sh: ggml is left out, as npm could not get it: $(tail -n 3 "$download/npm.log")" >&2
  fi
  rm -r "$download"
}

onnxruntime=$PWD/$build/onnxruntime
ggml=$PWD/$build/ggml
if [ "$peers" = ON ]; then
  need libtorch-dev libdnnl-dev libxnnpack-dev libpthreadpool-dev # the last for a header that XNNPACK's includes
  [ -e "$onnxruntime/libonnxruntime.so.1" ] || fetch_onnxruntime
  [ -e "$ggml/libggml-base.so" ] || fetch_ggml
fi

echo "== build"
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ \
  -DVLOSS_BUILD_BENCH=ON -DVLOSS_BUILD_EXAMPLES=ON -DVLOSS_BUILD_TESTS=ON \
  -DVLOSS_BENCH_PEERS=$peers -DONNXRUNTIME_ROOT="$onnxruntime" -DGGML_ROOT="$ggml"
cmake --build "$build" --target vloss-bench vloss-check example_perplexity

echo
echo "== a real text under a real 72,547-word model: examples/perplexity"
"$build/examples/perplexity" --tokens "$tokens"

echo
echo "== vloss-check: bits and errors of every function"
failed=0
"$build/tests/check/vloss-check" $check --json "$build/check.json" >"$build/check.txt" || failed=1
tail -n 1 "$build/check.txt"

echo
echo "== vloss-bench, medians of interleaved repetitions"
if [ "$table" = --table-short ]; then
  echo "a short run: fewer rows and repetitions, numbers not to be quoted"
fi
"$build/bench/vloss-bench" "$table" $threads --benchmark_out="$build/bench.json" --benchmark_out_format=json || failed=1

/usr/bin/python3 bench/report/report.py "$build/bench.json" "$build/check.json" --out "$build"
echo
echo "== the report"
for file in report.html report.md report.json github-action-benchmark.json bencher.json; do
  echo "$build/$file"
done
exit $failed
