#!/bin/sh
# page_test.sh builds|own SOURCE BUILD: runs the commands of docs/comparing.md as they stand there, those on two builds
# of vloss, which takes minutes, or those on kernels of one's own; and holds what the page quotes against what they
# print.
set -eu
part=$1 source=$2 build=$3
page=$source/docs/comparing.md
. "$source/tests/missing.sh"
for needed in git scipy; do
  case $needed in
    git) command -v git >/dev/null ;;
    scipy) /usr/bin/python3 -c 'import scipy.stats' 2>/dev/null ;;
  esac || missing "no $needed"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "FAIL: $*"
  exit 1
}

# Where the page has its reader: in a clone of vloss with a branch, a build folder, and two builds of each library.
cd "$work"
mkdir tree
cd tree
tar -C "$source" --exclude=./build --exclude=./.git -cf - . | tar -xf -
git init -q -b main
git add -A
git -c user.name=test -c user.email=test@example.org commit -q --no-gpg-sign -m all
git update-ref refs/remotes/origin/main HEAD
ln -s "$build" build
for copy in base.so head.so libvloss.so; do cp "$build/libvloss.so" $copy; done
for side in base head; do
  mkdir $side
  cp "$build/examples/own_kernel/libown_good.so" $side/libmine.so
done
export GITHUB_STEP_SUMMARY="$work/summary"

# commands SECTION: the indented blocks of a section, one command a line.
commands() {
  awk -v section="## $1" '/^#/ { inside = $0 == section } inside && /^    / { print substr($0, 5) }' "$page" |
    sed -e :joined -e '/\\$/{N;s/\\\n *//;b joined' -e '}'
}
# runs STATUS COMMAND: in a shell of its own; what it prints is in $work/out.
runs() {
  echo "== $2"
  got=0
  sh -c "$2" >"$work/out" 2>&1 || got=$?
  [ "$got" -eq "$1" ] || {
    cat "$work/out"
    fail "exit status $got, expected $1"
  }
}
count=0
each_of() {
  commands "$1" >"$work/commands"
  while read -r command <&3; do
    count=$((count + 1))
    expected=0
    case $command in
      *libown_naive*) expected=1 ;; # it is caught
      *avx512*) grep -qs avx512vl /proc/cpuinfo || continue ;;
    esac
    runs $expected "$command"
    case $command in
      *libown_naive*) cp "$work/out" "$work/naive" ;;
      *--benchmark_filter*) grep -q '^cross_entropy/forward/own/V:1000/' "$work/out" || fail 'no own row' ;;
    esac
  done 3<"$work/commands"
}

case $part in
  builds)
    runs 0 "dpkg-query -W $(sed -n 's/^    sudo apt-get install //p' "$page")"
    rm build # so that these are built where a reader would have them built
    each_of 'Two builds'
    # Twenty times would take a quarter of an hour.
    runs 0 "$(commands 'In CI' | sed -n -e 's/seq 20/seq 2/' -e '/^for run/,$p')"
    for report in compare.md compare.json compare.xml; do
      [ -s build/compare/$report ] || fail "no build/compare/$report"
    done
    ;;
  own)
    each_of 'A kernel of your own'
    # Up to the figures, which depend on the C library.
    quoted=$(sed -n '/^```$/,/^```$/p' "$page" | grep -v '^```' | tr '\n' ' ' | sed 's/ is [0-9].*//')
    grep -qF -- "$quoted is " "$work/naive" || fail "it does not say: $quoted"
    commands 'In CI' >"$work/ci"
    runs 0 "$(sed '/^for run/,$d' "$work/ci")"
    grep -qF '### vloss-compare: the same bits and the same speed' "$work/summary" || fail 'no table in the summary'
    sh -n "$work/ci"
    count=$((count + 1))
    ;;
esac
[ "$count" -gt 2 ] || fail "only $count commands found in $page"
echo "ok: $count commands"
