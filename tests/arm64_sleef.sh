#!/bin/sh
# sh tests/arm64_sleef.sh DEST: unpacks Debian's arm64 SLEEF under DEST (its prefix is DEST/usr), without installing it
# and without adding an architecture to dpkg: apt works on lists of its own in a temporary folder.
set -eu
if [ $# -ne 1 ]; then
  echo "usage: sh tests/arm64_sleef.sh DEST" >&2
  exit 2
fi
dest=$1
if [ -e "$dest/usr/lib/aarch64-linux-gnu/libsleef.so" ]; then
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/packages"
cat >"$work/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
Dir::State::lists "$work/lists";
Dir::State::status "/dev/null";
Dir::Cache "$work/cache";
Acquire::Retries "3";
END
if ! (
  export APT_CONFIG="$work/apt.conf"
  cd "$work/packages" && apt-get -qq update && apt-get -qq download libsleef3 libsleef-dev
) >"$work/log" 2>&1; then
  cat "$work/log" >&2
  echo "arm64_sleef.sh: apt-get could not fetch libsleef3 and libsleef-dev for arm64" >&2
  exit 1
fi

mkdir -p "$dest"
for package in libsleef3 libsleef-dev; do # the one whose files are looked for above comes last
  dpkg-deb -x "$work/packages/$package"_*.deb "$dest"
done
