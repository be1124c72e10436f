#!/bin/sh
# format.sh SOURCE: clang-format would change no file of C or C++, tables (.def) included. Versions disagree about
# details: the project has the form that version 14 gives, Debian 12's.
set -eu
. "$(dirname "$0")/../missing.sh"
cd "$1"
command -v clang-format >/dev/null || missing 'no clang-format'
version=$(clang-format --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
[ "$version" = 14 ] || missing "clang-format is $version, not 14"
find bench bindings/python/core dispatch examples include kernels tests tools \
  -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.hpp' -o -name '*.def' |
  sort | xargs clang-format --dry-run --Werror
echo "ok: clang-format changes nothing"
