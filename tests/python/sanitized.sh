#!/bin/sh
# sanitized.sh SOURCE BUILD FLAGS: the tests of the Python package with the extension and the library built with a
# sanitizer. FLAGS are the compiler's; BUILD is a build of vloss with them. Python itself is built without, so the
# sanitizer's library is loaded before it. What CPython leaves to the end of the process is no leak of ours.
set -eu
. "$(dirname "$0")/install.sh"
source=$1
flags=$3
python_needs pip setuptools wheel numpy torch pytest hypothesis venv
case $flags in
  *address*) names="libclang_rt.asan-$(uname -m).so libasan.so" cc=${CC:-cc} ;;
  *) names=libtsan.so cc=gcc ;; # it has clang's interface; clang 14's own cannot be loaded before a program
esac
for name in $names; do
  runtime=$($cc -print-file-name="$name")
  [ ! -e "$runtime" ] || break
done
[ -e "$runtime" ] || missing "none of $names (package libclang-rt-dev)"
export CMAKE_ARGS="'-DCMAKE_C_FLAGS=$flags' -DCMAKE_BUILD_TYPE=RelWithDebInfo"
install_package "$source" "$2"

# Without the tests of time and memory, and those that start processes. Only what Python prints is captured.
options=allocator_may_return_null=1
export ASAN_OPTIONS=detect_leaks=0:$options TSAN_OPTIONS=halt_on_error=1:$options PYTHONMALLOC=malloc
env LD_PRELOAD="$runtime" "$folder/venv/bin/python" -m pytest -q --no-header --capture=sys -p no:cacheprovider \
  -W ignore --ignore "$source/bindings/python/tests/test_example.py" \
  -k 'not leaks and not costs and not meanwhile and not optional' "$source/bindings/python/tests"
