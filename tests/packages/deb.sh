#!/bin/sh
# deb.sh SOURCE: Debian's packages, made by the documented command (docs/building.md), have nothing that lintian calls
# an error or a warning; installed by the documented command into a Debian that has nothing else, they work, and leave
# nothing behind when they are removed.
set -eu
. "$(dirname "$0")/../missing.sh"
. "$(dirname "$0")/section.sh"
source=$1
for tool in lintian help2man mmdebstrap dpkg-shlibdeps; do
  command -v $tool >/dev/null || missing "no $tool"
done

commands=$(commands_of "$source/docs/building.md" '## Packages for Debian')
cd "$source"
rm -f build/deb/*.deb
eval "$(echo "$commands" | sed -n 1p)"
lintian --allow-root --fail-on error,warning build/deb/*.deb
echo "ok: lintian has nothing to say against $(ls build/deb/*.deb | wc -l) packages"

unshare --mount true 2>/dev/null || {
  echo 'SKIP: the packages are not installed: a fresh Debian cannot be made where nothing may be mounted'
  exit 77
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
mkdir -p "$folder/vloss/build/deb"
cp build/deb/*.deb "$folder/vloss/build/deb/"
cp README.md examples/minimal.c tests/python/readme.py tests/packages/use_deb.sh "$folder/vloss/"
echo "$commands" | sed 1d >"$folder/vloss/install.sh"
# The packages of a small Debian, from where this one has its own.
set -- /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list
for list; do
  shift
  if [ -s "$list" ]; then
    set -- "$@" "$list"
  fi
done
mmdebstrap --quiet --variant=apt --include=gcc,libc6-dev,pkg-config,python3-numpy,python3-setuptools \
  --customize-hook="cp -R '$folder/vloss' \"\$1/vloss\"" --customize-hook='chroot "$1" sh /vloss/use_deb.sh' \
  '' /dev/null "$@"
