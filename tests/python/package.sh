#!/bin/sh
# package.sh SOURCE [BUILD]: the Python package (bindings/python), installed by pip without a network into a fresh
# virtual environment, and its tests. With BUILD, a build of vloss, its source distribution is installed, linked with
# what that build installs; without one it is built by the documented command.
set -eu
. "$(dirname "$0")/../missing.sh"
unset PYTHONPATH
source=$1
python=/usr/bin/python3
command -v $python >/dev/null || missing 'no python3'
for module in pip setuptools wheel numpy torch pytest hypothesis tqdm matplotlib venv; do
  $python -c "import $module" 2>/dev/null || missing "no module $module (package python3-$module)"
done
$python -c 'import sysconfig, os; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
  missing 'no Python.h (package python3-dev)'

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
$python -m venv --without-pip --system-site-packages "$folder/venv"
if [ $# -gt 1 ]; then
  cmake --install "$2" --prefix "$folder/prefix" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
  export VLOSS_INSTALLED=1 CMAKE_PREFIX_PATH="$folder/prefix"
fi
# What pip would otherwise leave beside the sources.
printf '[build]\nbuild_base = %s/build\n[egg_info]\negg_base = %s\n' "$folder" "$folder" >"$folder/folders.cfg"
export DIST_EXTRA_CONFIG="$folder/folders.cfg"
installed=./bindings/python
if [ $# -gt 1 ]; then
  cd "$source/bindings/python"
  $python -c 'import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])' "$folder" \
    >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
  installed=$(ls "$folder"/vloss-*.tar.gz)
fi
cd "$source"
VLOSS_WERROR=ON "$folder/venv/bin/python" -m pip install --no-build-isolation --no-index --disable-pip-version-check \
  "$installed" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
rm -rf "$folder/prefix" "$folder/build" # the package has to carry what it needs

cd "$folder"
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
