#!/bin/sh
# sh bench/compare.sh BASE HEAD [OPTION]...: installs the Debian packages that are missing and runs tools/vloss-compare
# on two git revisions or libraries. The report is printed, and is in build/compare as compare.md, .json and .xml
# (JUnit). The exit status is that of vloss-compare: 0 the same, 1 results differ, 2 slower, 3 it could not run.
set -eu
case ${1-} in
  -h | --help)
    sed -n '2,4s/^# //p' "$0"
    exit 0
    ;;
esac
cd "$(dirname "$0")/.."
. tools/packages.sh
need gcc g++ libc6-dev cmake make pkg-config git libsleef-dev libbenchmark-dev python3 python3-scipy >&2 || exit 3
mkdir -p build/compare
exec tools/vloss-compare "$@" --markdown build/compare/compare.md --json build/compare/compare.json \
  --junit build/compare/compare.xml
