#!/bin/sh
# smoke.sh VLOSS_BENCH: the rows that scripts and readers filter for exist, and small ones run and agree.
set -eu
bench=$1
fail() {
  printf 'FAIL: %s\n' "$*"
  exit 1
}

rows=$("$bench" --benchmark_list_tests)
for row in cross_entropy/forward/scalar/V:50257/N:1335 cross_entropy/forward_gradient/plain/V:50257/N:667 \
  softmax/plain/V:128256/N:261 log_softmax/scalar/V:10/N:6553 limit/read/linear/DRAM limit/copy/store/L2 \
  math/exp/scalar/inline call/cross_entropy/forward/scalar/V:10/N:1; do
  printf '%s\n' "$rows" | grep -qxF "$row" || fail "no row named $row"
done
isas=$(printf '%s\n' "$rows" | sed -n 's,^call/cross_entropy/forward/\(.*\)/V:10/N:1$,\1,p')
for isa in $isas; do
  for name in cross_entropy/forward cross_entropy/forward_gradient softmax log_softmax log_sum_exp; do
    [ "$(printf '%s\n' "$rows" | grep -c "^$name/$isa/V:")" -eq 12 ] || fail "not 12 sizes of $name on $isa"
  done
done

# Only sizes in L2: every function, in three to four digits of rows.
out=$("$bench" --benchmark_filter='/V:128/N:[0-9]{3,4}$|^call/|^math/|^limit/.*/L2$' --benchmark_min_time=0.001) ||
  fail "the small rows: $out"
printf '%s\n' "$out" | grep ERROR && fail "a row reports an error"
[ "$(printf '%s\n' "$out" | grep -c '^[a-z_]*/.*items_per_second=')" -ge 50 ] || fail "fewer rows ran than there are: $out"

# The table of the same, with the comparison of bits that it reports.
table=$("$bench" --table-short --benchmark_filter='/V:128/N:[0-9]{3,4}$' --benchmark_min_time=0.001 \
  --benchmark_repetitions=1 2>&1) || fail "the table: $table"
count=$(printf '%s\n' "$isas" | wc -l)
[ "$(printf '%s\n' "$table" | grep -c "128 classes, in L2 .* $count equal\$")" -eq 10 ] ||
  fail "not 10 functions with $count equal ISAs: $table"
long=$(printf '%s\n' "$table" | awk 'length > 120')
[ -z "$long" ] || fail "wider than 120 columns: $long"
printf 'ok: %s rows, ISAs %s\n' "$(printf '%s\n' "$rows" | wc -l)" "$(printf '%s' "$isas" | tr '\n' ' ')"
