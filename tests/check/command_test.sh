#!/bin/sh
# command_test.sh [EMULATOR...] vloss-check: what the command answers to its options, right and wrong ones.
set -eu
failures=0

# answers STATUS TEXT OPTION...: runs with the options; both outputs together must contain the text.
answers() {
  status=$1
  text=$2
  shift 2
  got=0
  output=$("$work/check" "$@" 2>&1) || got=$?
  if [ "$got" -ne "$status" ] || ! printf '%s\n' "$output" | grep -qF -- "$text"; then
    printf 'vloss-check %s: status %s, expected %s with "%s". It said:\n%s\n' "$*" "$got" "$status" "$text" "$output"
    failures=$((failures + 1))
  fi
}

# The command with its emulator as one executable, so that its path may hold spaces.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
  printf '#!/bin/sh\nexec'
  printf " '%s'" "$@"
  printf ' "$@"\n'
} >"$work/check"
chmod +x "$work/check"

answers 0 'Usage: vloss-check' --help
answers 2 'unknown option: --fast' --fast
answers 2 'not K/N with K from 1 to N: 5/4' --part 5/4
answers 0 '0 failures' --part 20/30 --bits --quick
answers 2 'unknown option: scalar' scalar
answers 2 'a value is missing after: --isa' --isa
answers 2 'no such ISA: sse9' --isa sse9
answers 2 'no such function: sigmoid' --function sigmoid
answers 2 'not a whole number: -1' --seed -1
answers 2 'not a whole number: 7x' --seed 7x
answers 2 'No such file' --hashes "$work/none"
answers 2 'No such file' --write-hashes "$work/none/file"
answers 0 ', seed 5, ISAs: scalar' --quick --function log_sum_exp --isa scalar --seed 5
answers 2 '--progress needs --accuracy' --progress
answers 0 'checked 100%, about 0 s left' --quick --function log_sum_exp --isa scalar --accuracy --progress
answers 2 'not NAME=PATH or NAME:ISA=PATH' --library /none
answers 0 '"seed": 9' --quick --function log_sum_exp --isa scalar --seed 9 --json
answers 0 ', seed 5, ISAs: scalar' --quick --function log_sum_exp --isa scalar --seed 5 --type f32
answers 2 'no type: f8' --type f8

# Hashes: written, read back, and missed when one digit is another.
answers 0 '0 failures' --function softmax --isa scalar --write-hashes "$work/hashes"
answers 0 '0 failures' --function softmax --isa scalar --hashes "$work/hashes"
tr 0123456789abcdef 123456789abcdef0 <"$work/hashes" >"$work/spoilt"
answers 1 'not in the file of hashes' --function nll --isa scalar --hashes "$work/hashes"
answers 1 'FAIL softmax' --function softmax --isa scalar --hashes "$work/spoilt"

[ "$failures" -eq 0 ]
