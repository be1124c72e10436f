#!/bin/sh
# compare_test.sh CASE BUILD LIBVLOSS FORWARDING NM: what vloss-compare says of a build and itself (same), of a slowdown
# of 10% (slow), of a last bit (bit), of two ISAs (isas), and to mistakes in the command (command).
set -eu
case_=$1 build=$2 real=$3 forwarding=$4 nm=$5
compare=$(dirname "$0")/../../bench/vloss-compare
if ! /usr/bin/python3 -c 'import scipy.stats' 2>/dev/null; then
  echo 'SKIP: no scipy for /usr/bin/python3 (package python3-scipy)'
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VLOSS_REAL="$real"
rows='^(log_softmax|softmax|huber/forward)/.*(/V:1000/N:[0-9]{2,3}|/n:[0-9]{5})$'

# answers STATUS ARGUMENT...: runs it; the report is in $work/out, on stderr what it says meanwhile.
answers() {
  expected=$1
  shift
  got=0
  "$compare" "$@" --build "$build" --quick --json "$work/json" --junit "$work/junit" --markdown "$work/md" \
    >"$work/out" 2>"$work/err" || got=$?
  cat "$work/err" "$work/out"
  if [ "$got" -ne "$expected" ]; then
    echo "FAIL: exit status $got, expected $expected"
    exit 1
  fi
}
# has FILE TEXT...
has() {
  file=$work/$1
  shift
  for text; do
    grep -qF -- "$text" "$file" || {
      echo "FAIL: no \"$text\" in $file"
      exit 1
    }
  done
}
# hasnt FILE TEXT
hasnt() {
  if grep -F -- "$2" "$work/$1"; then
    echo "FAIL: there is \"$2\" in $work/$1"
    exit 1
  fi
}
# names FILE REGEX EXPECTED: the functions in the lines that match.
names() {
  found=$(grep -E "$2" "$work/$1" | sed 's/[ :].*//' | sort -u | tr '\n' ' ')
  if [ "$found" != "$3 " ]; then
    echo "FAIL: found [$found], expected [$3]"
    exit 1
  fi
}

case $case_ in
  same)
    "$nm" -D --defined-only "$real" | sed 's/.* //' | sort >"$work/real"
    "$nm" -D --defined-only "$forwarding" | sed 's/.* //' | grep '^vloss_' | sort >"$work/forwarding"
    diff "$work/real" "$work/forwarding" # so that the other cases compare every function
    answers 0 "$real" "$real" --rows "$rows"
    has out 'the same bits and the same speed'
    has md '| function | cases | bits |'
    has json '"status": 0'
    has junit 'failures="0"'
    ;;
  slow)
    export VLOSS_PLANT_SLOW=1
    answers 2 "$real" "$forwarding" --rows "$rows"
    names out 'SLOWER' log_softmax
    has md SLOWER
    has json '"verdict": "slower"'
    has junit 'classname="speed" name="log_softmax/'
    ;;
  bit)
    export VLOSS_PLANT_BIT=1
    answers 1 "$real" "$forwarding" --no-speed
    names out ' DIFFER ' log_sum_exp
    has out 'log_sum_exp [] head:scalar: ' 'output[3] is ' 'classes ' 'results of 1 of '
    has json '"isa": "head:scalar"'
    has junit 'classname="results" name="log_sum_exp"><failure'
    hasnt out 'head:avx'
    ;;
  isas)
    best=$("$build/tests/check/vloss-check" --quick --function log_sum_exp --accuracy | sed -n 's/.*ISAs: \([a-z0-9]*\).*/\1/p')
    if [ "$best" = scalar ]; then
      echo 'SKIP: this machine has only the scalar ISA'
      exit 77
    fi
    answers 2 "$real" --isas "$best,scalar" --rows "$rows"
    has out 'huber/forward' SLOWER
    names out SLOWER 'huber/forward log_softmax softmax'
    ;;
  command)
    answers 3 "$real" "$work/none" --no-speed
    has err 'neither a file nor a git revision'
    answers 3 "$real" --no-speed
    has err 'two libraries or revisions'
    answers 3 "$real" "$real" --rows '^none$'
    has err 'no row of vloss-bench matches'
    answers 3 "$real" "$real" --repetitions 3
    has err 'fewer than 9'
    answers 3 "$real" --isas scalar,sse9 --no-speed
    has err 'no such ISA: sse9'
    ;;
esac
