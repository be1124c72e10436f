#!/bin/sh
# What vloss-info says and how it exits. Arguments: vloss.h, isas.def, and the command that runs it (an emulator may
# come first).
set -eu
header=$1
isas=$(sed -n 's/^ISA(\([a-z0-9]*\),.*/\1/p' "$2")
shift 2
unset VLOSS_ISA
failed=0
fail() {
  echo "FAIL $1" >&2
  failed=1
}

all=$("$@") || fail "plain run"
chosen=$("$@" --isa-only) || fail "--isa-only"
echo "$all"
[ -n "$isas" ] || fail "no ISAs in isas.def"
for word in vloss features $isas "ISA       $chosen, "; do
  case $all in *"$word"*) ;; *) fail "the output lacks '$word'" ;; esac
done
case $all in *"not       $chosen "*) fail "it says why $chosen is not chosen" ;; esac

[ "$(VLOSS_ISA=scalar "$@" --isa-only)" = scalar ] || fail "VLOSS_ISA=scalar"
case $(VLOSS_ISA=scalar "$@") in
  *"scalar, because of VLOSS_ISA"*) ;;
  *) fail "VLOSS_ISA is not given as the cause" ;;
esac
[ "$(VLOSS_ISA='' "$@" --isa-only)" = "$chosen" ] || fail "an empty VLOSS_ISA does not count as unset"

for name in avx3 AVX2; do
  if message=$(VLOSS_ISA=$name "$@" --isa-only 2>&1); then fail "VLOSS_ISA=$name: exit status 0"; fi
  case $message in *"\"$name\""*) ;; *) fail "VLOSS_ISA=$name is not named: $message" ;; esac
done
# Bytes that do not print, such as an escape sequence, do not come back.
bad=$(printf 'a\033[31m\nb\377')
if message=$(VLOSS_ISA=$bad "$@" --isa-only 2>&1); then fail "an unprintable VLOSS_ISA: exit status 0"; fi
case $message in *'"a?[31m?b?"'*) ;; *) fail "an unprintable VLOSS_ISA comes back as $message" ;; esac

"$@" --self-test >/dev/null || fail "--self-test: $("$@" --self-test)"

# The registry has a row for every enumerator of the header.
kinds=$(sed -n '/^typedef enum vloss_loss_kind/,/^}/s/^  VLOSS_\([A-Z0-9_]*\).*/\1/p' "$header" | tr A-Z a-z)
losses=$("$@" --losses | sed -n 's/^\([a-z][a-z0-9_]*\) .*/\1/p')
[ -n "$kinds" ] || fail "no enumerators in $header"
[ "$kinds" = "$losses" ] || fail "--losses lists other losses than $header has: $losses"

# Every loss is computed for floats.
typed=$("$@" --losses | grep -c '^  types: f32')
[ "$typed" = "$(echo "$losses" | wc -l)" ] || fail "--losses lists f32 $typed times"

if "$@" --nonsense 2>/dev/null; then fail "an unknown argument is taken"; fi
exit $failed
