# Sourced by tests, from their folder: what they need of Python, and the package in a fresh virtual environment.
. "$(dirname "$0")/../missing.sh"
unset PYTHONPATH
python=/usr/bin/python3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Skips the test where something is missing.
python_needs() {
  command -v $python >/dev/null || missing 'no python3'
  for module; do
    $python -c "import $module" 2>/dev/null || missing "no module $module (package python3-$module)"
  done
  $python -c 'import sysconfig, os; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
    missing 'no Python.h (package python3-dev)'
}

# logged COMMAND...: prints what it prints only if it fails, and then ends the test.
logged() {
  "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
}

# install_package SOURCE [BUILD]: into $folder/venv, by pip without a network. With BUILD, a build of vloss, the source
# distribution, linked with what that build installs; without one by the documented command.
install_package() {
  $python -m venv --without-pip --system-site-packages "$folder/venv"
  # What pip would otherwise leave beside the sources.
  printf '[build]\nbuild_base = %s/build\n[egg_info]\negg_base = %s\n' "$folder" "$folder" >"$folder/folders.cfg"
  export DIST_EXTRA_CONFIG="$folder/folders.cfg" VLOSS_WERROR=ON
  installed=./bindings/python
  if [ $# -gt 1 ]; then
    logged cmake --install "$2" --prefix "$folder/prefix"
    export VLOSS_INSTALLED=1 CMAKE_PREFIX_PATH="$folder/prefix"
    cd "$1/bindings/python"
    logged $python -c 'import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])' "$folder"
    installed=$(ls "$folder"/vloss-*.tar.gz)
  fi
  cd "$1"
  logged "$folder/venv/bin/python" -m pip install --no-build-isolation --no-index --disable-pip-version-check \
    "$installed"
  rm -rf "$folder/prefix" "$folder/build" # the package has to carry what it needs
  cd "$folder"
}
