#!/bin/sh
# compare_test.sh CASE BUILD LIBVLOSS FORWARDING NM: what vloss-compare says of a build and itself (same), of a slowdown
# of 10% (slow), of a last bit (bit), of two ISAs (isas), of two revisions (revisions), and to mistakes in the command
# (command); and that it takes in everything there is (registry). same and slow time a few kernels, same-all and
# slow-all every row that vloss-compare does by itself.
set -eu
case_=$1 build=$2 real=$3 forwarding=$4 nm=$5
# A verdict on speed that was formed while the machine was busy is asked for again; what is broken stays so.
case ${ATTEMPT:-}$case_ in
  same | slow | same-all | slow-all)
    for attempt in 1 2 3 4; do
      status=0
      ATTEMPT=$attempt sh "$0" "$@" || status=$?
      [ "$status" -ne 0 ] && [ "$status" -ne 77 ] || exit "$status"
    done
    exit "$status"
    ;;
esac
source=$(cd "$(dirname "$0")/../.." && pwd)
compare=$source/tools/vloss-compare
. "$source/tests/missing.sh"
/usr/bin/python3 -c 'import scipy.stats' 2>/dev/null || missing 'no scipy for /usr/bin/python3 (package python3-scipy)'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VLOSS_REAL="$real"
rows='^(log_softmax|softmax|huber/forward)/[a-z0-9]*(/V:1000/N:[0-9]{2}|/n:[0-9]{5})$'

fail() {
  echo "FAIL: $*"
  exit 1
}
# answers STATUS ARGUMENT...: runs it; the report is in $work/out, on stderr what it says meanwhile.
answers() {
  expected=$1
  shift
  got=0
  rm -f "$work/md" "$work/json" "$work/junit"
  "$compare" --build "$build" --quick "$@" --json "$work/json" --junit "$work/junit" --markdown "$work/md" \
    >"$work/out" 2>"$work/err" || got=$?
  cat "$work/err" "$work/out"
  [ "$got" -eq "$expected" ] || fail "exit status $got, expected $expected"
  [ "$got" -eq 3 ] || well_formed "$got"
}
# well_formed STATUS: what every report holds to, whatever it says.
well_formed() {
  wide=$(awk 'length > 100' "$work/out")
  [ -z "$wide" ] || fail "wider than 100 columns: $wide"
  /usr/bin/python3 - "$1" "$work" <<'END'
import json, sys
from pathlib import Path
from xml.etree import ElementTree

status, work = int(sys.argv[1]), Path(sys.argv[2])
report = json.loads((work / "json").read_text())
assert report["status"] == status and report["base"] and report["head"] and report["functions"], report
for row in report["rows"]:
    assert len(row["times"]["base"]) == len(row["times"]["head"]) >= 21 and row["ratio"] > 0, row
slower = [row for row in report["rows"] if row["verdict"] == "slower"]
differs = report["not_measured"] or any(f["unequal"] or f["failures"]["head"] for f in report["functions"].values())
assert status == (1 if differs else 2 if slower else 0), (status, differs, slower)

suite = ElementTree.parse(work / "junit").getroot().find("testsuite")
cases = suite.findall("testcase")
failed = [case.get("name") for case in cases if case.find("failure") is not None]
assert len(cases) == len(report["functions"]) + len(report["rows"]) + len(report["not_measured"]), len(cases)
assert (suite.get("tests"), suite.get("failures")) == (str(len(cases)), str(len(failed))), suite.attrib
assert bool(failed) == (status != 0), failed

tables = [line for line in (work / "md").read_text().splitlines() if line.startswith("|")]
assert len(tables) > len(report["functions"]) and all(line.endswith("|") for line in tables), tables
END
}
# has FILE TEXT...
has() {
  file=$work/$1
  shift
  for text; do
    grep -qF -- "$text" "$file" || fail "no \"$text\" in $file"
  done
}
# hasnt FILE TEXT
hasnt() {
  ! grep -F -- "$2" "$work/$1" || fail "there is \"$2\" in $work/$1"
}
# names FILE REGEX EXPECTED: the functions in the lines that match.
names() {
  found=$(grep -E "$2" "$work/$1" | sed 's,/[^/]*/[Vn]:.*,,; s/[ :].*//' | sort -u | tr '\n' ' ')
  [ "$found" = "$3 " ] || fail "found [$found], expected [$3]"
}
# isas_here: those that can run here, best first.
isas_here() {
  "$build/tests/check/vloss-check" --quick --function log_sum_exp --accuracy | sed -n 's/.*ISAs: //p' | tr ' ' '\n'
}
says_progress() {
  has err 'checked 100%, about 0 s left'
  grep -q 'measured  *[0-9]*%, about [0-9]* s left' "$work/err" || fail 'no progress of the measurement'
}

case $case_ in
  registry)
    # Every function of the library is forwarded to, so that the other cases compare every one.
    "$nm" -D --defined-only "$real" | sed 's/.* //' | sort >"$work/real"
    "$nm" -D --defined-only "$forwarding" | sed 's/.* //' | grep '^vloss_' | sort >"$work/forwarding"
    diff "$work/real" "$work/forwarding"

    # Each, but for the steps of cross_entropy_ and log_probs_, and each loss of the registry, is compared and timed on
    # every ISA, without being named anywhere.
    {
      sed -n 's/^vloss_\(.*\)_sized$/\1/p' "$work/real" | grep -vxF loss | grep -v -e '^cross_entropy_' -e '^log_probs_'
      sed -n 's/^LOSS([^,]*, \([a-z0-9_]*\),.*/\1/p' "$source/kernels/losses.def"
    } | sort -u >"$work/expected"
    answers 0 "$real" "$real" --no-speed
    /usr/bin/python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))["functions"], sep="\n")' "$work/json" |
      sort | diff "$work/expected" -
    default=$(sed -n 's/^ROWS = r"\(.*\)"$/\1/p' "$compare")
    "$build/bench/vloss-bench" --library base="$real" --library head="$real" --pairs --benchmark_list_tests \
      --benchmark_filter="$default" >"$work/rows"
    for isa in $(isas_here); do
      grep "/$isa/" "$work/rows" | sed 's,^call/,,; s,^inputs/[a-z]*/,,; s,^inner/,,; s,/.*,,' |
        sort -u | diff "$work/expected" -
    done
    ;;
  same | same-all)
    set --
    [ "$case_" = same-all ] || set -- --rows "$rows"
    answers 0 "$real" "$real" "$@"
    has out 'the same bits and the same speed'
    has md '### vloss-compare: the same bits and the same speed' '| function | cases | bits |'
    says_progress
    ;;
  slow | slow-all)
    set --
    [ "$case_" = slow-all ] || set -- --rows "$rows"
    export VLOSS_PLANT_SLOW=1
    answers 2 "$real" "$forwarding" "$@"
    names out SLOWER log_softmax
    hasnt out faster
    has out ' rows slower by more than 5%'
    has md SLOWER
    has json '"verdict": "slower"'
    has junit 'classname="speed" name="log_softmax/'
    says_progress
    ;;
  bit)
    export VLOSS_PLANT_BIT=1
    answers 1 "$real" "$forwarding" --no-speed
    names out ' DIFFER ' log_sum_exp
    has out 'log_sum_exp [] head:scalar: ' 'output[3] is ' 'classes ' 'results of 1 of '
    has json '"isa": "head:scalar"'
    has junit 'classname="results" name="log_sum_exp"><failure'
    hasnt out 'head:avx'
    hasnt out 'head:neon'
    ;;
  isas)
    best=$(isas_here | head -n 1)
    if [ "$best" = scalar ]; then
      echo 'SKIP: this machine has only the scalar ISA'
      exit 77
    fi
    answers 2 "$real" --isas "$best,scalar" --rows "$rows"
    has out "$best/scalar"
    names out SLOWER 'huber/forward log_softmax softmax'
    ;;
  revisions)
    command -v git >/dev/null || missing 'no git'
    # A repository of this source; then a last bit in one loss; then what does not build.
    tree=$work/tree
    mkdir "$tree"
    tar -C "$source" --exclude=./build --exclude=./.git -cf - . | tar -C "$tree" -xf -
    commit() {
      git -C "$tree" add -A
      git -C "$tree" -c user.name=test -c user.email=test@example.org commit -q --no-gpg-sign -m "$1"
    }
    git -C "$tree" init -q -b main
    commit first
    sed 's/vset1(100\.0f)/vset1(100.00001f)/' "$source/kernels/loss/mape.h" >"$tree/kernels/loss/mape.h"
    commit second
    echo 'message(FATAL_ERROR "not today")' >>"$tree/CMakeLists.txt"
    commit third
    compare=$tree/tools/vloss-compare
    answers 1 main~2 main~1 --rows '^mse/forward/[a-z0-9]*/n:[0-9]{5}$'
    names out ' DIFFER ' mape
    has out 'base main~2' 'head main~1' 'mse/forward'
    answers 3 main main~1 --no-speed
    has err 'could not run: ' 'not today'
    [ "$(git -C "$tree" worktree list | wc -l)" -eq 1 ] || fail 'it left worktrees behind'
    git -C "$tree" diff --quiet || fail 'it changed the working tree'
    ;;
  command)
    answers 3 "$real" "$work/none" --no-speed
    has err 'neither a file nor a git revision'
    answers 3 "$real" --no-speed
    has err 'two libraries or revisions'
    answers 3 "$real" "$real" --rows '^none$'
    has err 'no row of vloss-bench matches'
    answers 3 "$real" "$real" --rows '^('
    has err 'not a regular expression'
    answers 3 "$real" "$real" --repetitions 3
    has err 'fewer than 21'
    answers 3 "$real" --isas scalar,sse9 --no-speed
    has err 'no such ISA: sse9'
    echo 'no library' >"$work/text.so"
    answers 3 "$real" "$work/text.so" --no-speed
    has err 'cannot be loaded'
    answers 3 "$real" "$real" --no-speed --build "$work"
    has err 'vloss-check'
    ;;
esac
