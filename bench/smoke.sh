#!/bin/sh
# smoke.sh VLOSS_BENCH [TYPE...]: the rows that scripts and readers filter for exist, and small ones run and agree.
# TYPE: the 16-bit types that are built.
set -eu
bench=$1
shift
types=$*
fail() {
  printf 'FAIL: %s\n' "$*"
  exit 1
}

rows=$("$bench" --memory 256 --benchmark_list_tests)
for row in cross_entropy/forward/scalar/V:50257/N:1335 cross_entropy/forward_gradient/plain-scalar/V:50257/N:667 \
  softmax/plain-scalar/V:128256/N:261 log_softmax/scalar/V:10/N:6553 limit/read/linear/DRAM limit/copy/store/L2 \
  math/exp/scalar/inline call/cross_entropy/forward/scalar/V:10/N:1 huber/forward/scalar/n:65536 \
  mse/forward_gradient/plain-scalar/n:22368256 cosine_similarity/forward/plain-scalar/V:1000/N:33554 \
  call/mse/forward/scalar/n:4096 \
  inputs/confident/cross_entropy/forward_gradient/scalar/V:1000/N:65 inputs/denormal/softmax/plain-scalar/V:128/N:512 \
  inputs/confident/bce/forward/scalar/n:65536 inputs/denormal/cosine_similarity/forward/plain-scalar/V:1000/N:65 \
  $(case $types in *bf16*) echo mse/forward_gradient/plain-scalar/bf16/n:44736512 ;; esac) \
  $(case " $types " in *" f16 "*) echo softmax/scalar/f16/V:50257/N:2 ;; esac) \
  inner/softmax/scalar/V:1000/N:195/inner:3 inner/cross_entropy/forward_gradient/scalar/V:1000/N:196/inner:1; do
  printf '%s\n' "$rows" | grep -qxF "$row" || fail "no row named $row"
done
isas=$(printf '%s\n' "$rows" | sed -n 's,^call/cross_entropy/forward/\([a-z0-9]*\)/V:10/N:1$,\1,p')
vector_isas=$(printf '%s\n' "$isas" | grep -vx scalar || test $? -eq 1)
plains=$(printf '%s\n' "$isas" | sed 's/^/plain-/') # one beside each ISA
for isa in $isas; do
  for rate in fma add shuffle convert any; do
    [ "$isa" = scalar ] || printf '%s\n' "$rows" | grep -qxF "rate/$rate/$isa" || fail "no row named rate/$rate/$isa"
  done
  for name in cross_entropy/forward cross_entropy/forward_gradient softmax log_softmax log_sum_exp log_probs/id; do
    for variant in $isa plain-$isa; do
      [ "$(printf '%s\n' "$rows" | grep -Ec "^call/$name/$variant/V:(10/N:1|128/N:1|128/N:32|256/N:8)$")" -eq 4 ] ||
        fail "not 4 calls of $name on $variant"
    done
    [ "$(printf '%s\n' "$rows" | grep -c "^$name/$isa/V:")" -eq 14 ] || fail "not 14 sizes of $name on $isa"
  done
done

# Other types of every function of logits, three numbers of classes in L2 and in memory: doubles where the library has
# them.
types='bf16 f16'
printf '%s\n' "$rows" | grep -q '^mse/forward/scalar/f64/' && types="$types f64"
for name in cross_entropy/forward cross_entropy/forward_gradient cross_entropy/in_place cross_entropy/z_loss \
  cross_entropy/softcap softmax log_softmax log_sum_exp log_probs/id log_probs/top log_probs/entropy \
  divergence/forward divergence/forward_gradient \
  softmax_backward log_softmax_backward nll/forward nll/forward_gradient; do
  for type in $types; do
    [ "$(printf '%s\n' "$rows" | grep -c "^$name/scalar/$type/V:")" -eq 6 ] || fail "not 6 sizes of $name in $type"
  done
done

# All forms of every loss of the registry, from L1 to memory: `each` of elementwise ones, in no type of 16 bits.
losses=$(sed -n 's/^LOSS([^,]*, \([a-z0-9_]*\), \(ELEMENTWISE\|ROWS\),.*/\1/p' \
  "$(dirname "$0")/../kernels/losses.def")
elementwise=$(sed -n 's/^LOSS([^,]*, \([a-z0-9_]*\), ELEMENTWISE,.*/\1/p' "$(dirname "$0")/../kernels/losses.def")
calls='(n:(16|64|256|1024|4096)|V:[0-9]+/N:(1|8|32))'
forms=0
for loss in $losses; do
  for form in forward forward_gradient each; do
    [ "$form" != each ] || printf '%s\n' "$elementwise" | grep -qx "$loss" || continue
    forms=$((forms + 1))
    for variant in $isas $plains; do
      [ "$(printf '%s\n' "$rows" | grep -Ec "^call/$loss/$form/$variant/$calls$")" -ge 4 ] ||
        fail "not 4 or 5 calls of $loss/$form on $variant"
      [ "$(printf '%s\n' "$rows" | grep -c "^$loss/$form/$variant/[nV]:")" -eq 4 ] ||
        fail "not 4 sizes of $loss/$form on $variant"
      for type in $types; do
        case $form,$type in each,bf16 | each,f16) continue ;; esac
        [ "$(printf '%s\n' "$rows" | grep -c "^$loss/$form/$variant/$type/")" -eq 2 ] ||
          fail "not 2 sizes of $loss/$form on $variant in $type"
      done
    done
  done
done
[ "$forms" -gt 0 ] || fail "no loss found in the registry"

# The peers, if any are built in: each has a softmax.
peers=$(printf '%s\n' "$rows" | sed -n 's,^softmax/\([a-z0-9]*\)/V:10/N:6553$,\1,p' | grep -vxF -e "$isas" ||
  test $? -eq 1)
for peer in $peers; do
  [ "$(printf '%s\n' "$rows" | grep -c "^softmax/$peer/V:")" -eq 14 ] || fail "not 14 sizes of softmax of $peer"
done

# What other inputs are held against is there: the same row with ordinary inputs.
other=$(printf '%s\n' "$rows" | sed -n 's,^inputs/[a-z]*/,,p' | sort -u)
[ "$(printf '%s\n' "$other" "$rows" | sort | uniq -d)" = "$other" ] ||
  fail "a row of inputs/ has no ordinary one beside it"
for isa in $isas; do
  [ "$(printf '%s\n' "$rows" | grep -c "^inner/.*/$isa/")" -eq 18 ] || fail "not 3 functions with 6 inner on $isa"
done

# Rows of several threads: only if asked for, each beside that of one thread; small ones run, and agree with one thread.
printf '%s\n' "$rows" | grep /threads: && fail "rows of several threads, though nobody asked for them"
threads=$("$bench" --memory 256 --threads 2,3 --benchmark_list_tests | grep /threads:)
for row in cross_entropy/forward/scalar/V:50257/N:1335/threads:2 mse/forward_gradient/scalar/n:22368256/threads:3 \
  huber/forward/scalar/n:65536/threads:2; do
  printf '%s\n' "$threads" | grep -qxF "$row/real_time" || fail "no row named $row/real_time"
done
single=$(printf '%s\n' "$threads" | sed 's,/threads:.*,,' | sort -u)
[ "$(printf '%s\n' "$single" "$rows" | sort | uniq -d)" = "$single" ] || fail "no row of one thread beside: $threads"
table=$("$bench" --memory 64 --threads 2 --table-short --benchmark_min_time=0.001 --benchmark_repetitions=1 \
  --benchmark_filter='^(mse/forward/[a-z0-9]*/n:65536|softmax/[a-z0-9]*/V:128/N:512)(/threads:2/real_time)?$' 2>&1) ||
  fail "the table of threads: $table"
for line in 'mse/forward +' 'softmax +128'; do
  printf '%s\n' "$table" | grep -Eq "^  $line \\| +[0-9.]+ +-\$" || fail "the table of threads lacks $line: $table"
done
for bad in 1 2, 2,x 99999; do
  "$bench" --threads $bad --benchmark_list_tests >/dev/null 2>&1 && fail "--threads $bad is accepted"
done

# Only sizes in L2: every function, in three to four digits of rows.
calls='^call/.*/(V:10/N:1|n:16)$|^cold/.*/V:32000/'
out=$("$bench" --benchmark_filter="/V:128/N:[0-9]{3,4}\$|$calls|^rate/|^math/|^limit/.*/L2\$|^inner/" \
  --benchmark_min_time=0.001) ||
  fail "the small rows: $out"
printf '%s\n' "$out" | grep ERROR && fail "a row reports an error"
[ "$(printf '%s\n' "$out" | grep -c '^[a-z_]*/.*items_per_second=')" -ge 50 ] ||
  fail "fewer rows ran than there are: $out"
for peer in $peers; do
  printf '%s\n' "$out" | grep -q "^softmax/$peer/V:128/.*items_per_second=" || fail "no row of $peer ran: $out"
done

# The table of the same and of the losses, with the comparison of bits that it reports.
table=$("$bench" --table-short --benchmark_filter='/V:128/N:[0-9]{3,4}$|/n:[0-9]{5}$|/V:1000/N:[0-9]{2,3}$' \
  --benchmark_min_time=0.001 --benchmark_repetitions=1 2>&1) || fail "the table: $table"
count=$(printf '%s\n' "$isas" | wc -l)
[ "$(printf '%s\n' "$table" | grep -c "128 classes, in L2 .* $count equal\$")" -eq 17 ] ||
  fail "not 17 functions with $count equal ISAs: $table"
[ "$(printf '%s\n' "$table" | grep -c " |   $count\$")" -eq "$forms" ] ||
  fail "not $forms forms of losses with $count equal ISAs: $table"
printf '%s\n' "$table" | grep -Eq '^  cross_entropy/forward +128( \|( +[0-9.]+){2,}){2}$' ||
  fail "the table does not say what other inputs cost: $table"
for peer in $peers; do
  printf '%s\n' "$table" | grep -Eq "^peer $peer +[^ ].*: " || fail "the table does not say what $peer is: $table"
done
[ -z "$peers" ] || [ "$(printf '%s\n' "$table" | grep -Ec "128 classes, in L2 .*[0-9]x [a-z0-9-]+\$")" -ge 1 ] ||
  fail "the table has no peers: $table"
# The table of types, from the rows in L2 that tell of the others.
table=$("$bench" --memory 64 --table-short --benchmark_min_time=0.001 --benchmark_repetitions=1 \
  --benchmark_filter='^mse/forward/[a-z0-9-]*/([a-z0-9]*/)?n:[0-9]{5,6}$' 2>&1) || fail "the table of types: $table"
for isa in $(printf '%s\n' "$isas" | grep -v scalar); do
  [ "$types" = 'bf16 f16' ] || break
  printf '%s\n' "$table" | grep -Eq "^  mse/forward +$isa +L2 ( \|( +[0-9.]+)( +[0-9.]+x){2}){2}" ||
    fail "the table of types lacks $isa: $table"
done
# How often the plain loops are ahead, warm and cold calls, and the rates of arithmetic.
if [ -n "$vector_isas" ]; then
  few='^rate/|^call/mse/forward/|^cold/.*/V:32000/|^mse/forward/.*/n:65536$'
  table=$("$bench" --memory 64 --table --benchmark_filter="$few" \
    --benchmark_min_time=0.001 --benchmark_repetitions=1 2>&1) || fail "the table of calls: $table"
  column=1
  for isa in $vector_isas; do
    printf '%s\n' "$table" | grep -Eq "^$isa +\| +- \| +[01] of +1 +[0-9.]+x \| +- \| +- \| +[0-5] of +5 +[0-9.]+x\$" ||
      fail "the table does not count the plain loops ahead of $isa: $table"
    column=$((column + 1)) # as many as the lines of calls say, by their ratios, and the least of these
    printf '%s\n' "$table" | awk -F'|' -v column=$column -v isa="$isa" '
      BEGIN { worst = 9 }
      /^  mse\/forward +[0-9]+ \|/ { n = split($column, of, " "); ratio = of[n] + 0
        least += ratio < 0.965; most += ratio < 0.977; if (ratio < worst) worst = ratio }
      $1 ~ "^" isa " " { split($6, said, " ") }
      END { exit !(said[1] >= least && said[1] <= most && (worst > 1 || said[4] + 0 == worst)) }' ||
      fail "the table counts the calls of $isa wrong: $table"
    printf '%s\n' "$table" | grep -Eq "^$isa( +[0-9.]+){5}\$" || fail "the table has no rates of $isa: $table"
  done
  for line in 'mse/forward +16' 'cross_entropy/forward +1 x 32000'; do
    printf '%s\n' "$table" | grep -Eq "^  $line( \|[ 0-9]+[ 0-9.]+x)+\$" ||
      fail "the table lacks the call $line: $table"
  done
  long=$(printf '%s\n' "$table" | grep -v ^WARNING: | awk 'length > 120')
  [ -z "$long" ] || fail "wider than 120 columns: $long"
fi
# The table of the class axis; and the warnings: of memory that does not exceed the cache, and of a CPU that is shared.
table=$("$bench" --memory 32 --table-short --benchmark_filter='^inner/' --benchmark_min_time=0.001 \
  --benchmark_repetitions=1 2>&1) || fail "the table of inner: $table"
for isa in $isas; do
  [ "$(printf '%s\n' "$table" | grep -Ec "^  [a-z_/]+ +$isa( +[0-9.]+){5}\$")" -eq 3 ] ||
    fail "not 3 rows of $isa: $table"
done
times=$(printf '%s\n' "$table" |
  sed -n 's/^rows in memory .* 32 MiB, \([0-9.]*\) times the last-level cache of .*/\1/p')
small=$(printf '%s\n' "${times:-9}" | awk '{ print $1 < 2 }')
[ "$(printf '%s\n' "$table" | grep -c '^WARNING: rows "in memory" touch 32 MiB')" -eq "$small" ] ||
  fail "32 MiB are ${times:-an unknown number of} times the last-level cache: $table"
if command -v taskset >/dev/null; then
  cpu=$(taskset -pc $$ | sed 's/.*: *//; s/[,-].*//')
  taskset -c "$cpu" sh -c 'while :; do :; done' &
  trap 'kill $!' EXIT
  table=$(taskset -c "$cpu" "$bench" --table-short --benchmark_filter='^math/exp/' --benchmark_min_time=0.1 \
    --benchmark_repetitions=1 2>&1)
  kill $!
  trap - EXIT
  printf '%s\n' "$table" | grep -q '^WARNING: the machine was busy: rows got [1-8]' ||
    fail "no word of a busy CPU: $table"
fi
long=$(printf '%s\n' "$table" | awk 'length > 120')
[ -z "$long" ] || fail "wider than 120 columns: $long"
printf 'ok: %s rows, ISAs %s, peers %s\n' "$(printf '%s\n' "$rows" | wc -l)" "$(printf '%s' "$isas" | tr '\n' ' ')" \
  "$(printf '%s' "${peers:-none}" | tr '\n' ' ')"
