#!/bin/sh
# page_test.sh FOLDER VLOSS_BENCH VLOSS_CHECK: a short run of both, then page_test.py. 77 (skipped) without Chromium.
set -eu
. "$(dirname "$0")/../missing.sh"
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
bench=$2
check=$3
for command in chromium /usr/bin/python3; do
  command -v "$command" >/dev/null || missing "no $command (packages chromium, python3-jinja2)"
done
# Small sizes of all that is measured, for an instant each: the report is on trial, not the speeds.
sizes='(V:1000/N:[0-9]{1,3}|n:[0-9]{4,5})'
if ! "$bench" --threads 2,3 --benchmark_filter="^(limit|rate|call|cold|math|inner)/|/$sizes(/threads:.*)?$" \
  --benchmark_min_time=0.0001 --benchmark_repetitions=2 --benchmark_out="$folder/bench.json" \
  --benchmark_out_format=json >"$folder/bench.txt" 2>&1; then
  cat "$folder/bench.txt"
  exit 1
fi
"$check" --quick --json "$folder/check.json" >/dev/null
exec /usr/bin/python3 "$here/page_test.py" "$folder"
