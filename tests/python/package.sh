#!/bin/sh
# package.sh SOURCE [BUILD]: the Python package (bindings/python), installed by pip without a network into a fresh
# virtual environment, and its tests. With BUILD, a build of vloss, its source distribution is installed, linked with
# what that build installs; without one it is built by the documented command.
set -eu
. "$(dirname "$0")/install.sh"
source=$1
python_needs pip setuptools wheel numpy torch pytest hypothesis tqdm matplotlib venv
install_package "$@"
extension=$("$folder/venv/bin/python" -c 'from vloss import _core; print(_core.__file__)')
case $extension in
  "$folder"/venv/*) ;;
  *)
    echo "FAIL: another vloss is imported: $extension"
    exit 1
    ;;
esac
license=$(find "$folder/venv" -path '*/vloss-*.dist-info/LICENSE')
cmp "${license:-no license is installed}" "$source/LICENSE"
if ldd "$extension" | grep libvloss; then
  echo "FAIL: the extension needs a libvloss beside it"
  exit 1
fi
if ldd "$extension" | grep sleef | grep -v "$folder"; then
  echo "FAIL: the package does not carry SLEEF"
  exit 1
fi
ldd "$extension" | sed 's/^[[:space:]]*/needs /'
ls -l "$extension" | awk '{print $5, "bytes"}'
"$folder/venv/bin/python" -m pytest -q --no-header -p no:cacheprovider -W ignore "$source/bindings/python/tests"
"$folder/venv/bin/python" "$source/tests/python/readme.py" "$source/README.md" "$source/docs/python.md" \
  "$source/docs/losses.md"
