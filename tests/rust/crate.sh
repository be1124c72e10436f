#!/bin/sh
# crate.sh SOURCE BUILD CC: the crate vloss-sys (bindings/rust) without a network. Its own tests, which hold its
# declarations against the header; the bits of its calls against those of C; and its example with an installed vloss, by
# the commands of docs/rust.md. BUILD is a build of vloss.
set -eu
. "$(dirname "$0")/../missing.sh"
. "$(dirname "$0")/../packages/section.sh"
source=$1 build=$2 compiler=$3
PATH=/usr/bin:$PATH # Debian's, which are the oldest that are promised, before others
for tool in cargo rustc pkg-config; do
  command -v $tool >/dev/null || missing "no $tool"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$source/bindings" "$work/" # cargo writes beside its sources
export CARGO_HOME="$work/home" CARGO_TARGET_DIR="$work/target" CARGO_NET_OFFLINE=true RUSTFLAGS="-D warnings"
export VLOSS_SOURCE="$source" CC="$compiler"

quoted=$(sed -n '/^```rust$/,/^```$/{/^```/!p;}' "$source/docs/rust.md" | tr -d '[:space:]')
case $(tr -d '[:space:]' <"$source/bindings/rust/examples/minimal.rs") in
  *"${quoted:-no lines of Rust}"*) ;;
  *)
    echo "FAIL: docs/rust.md quotes what examples/minimal.rs does not have: $quoted"
    exit 1
    ;;
esac

cd "$work/bindings/rust"
export VLOSS_LIB_DIR="$build" LD_LIBRARY_PATH="$build${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
cargo test --locked --quiet
for program in tests/rust/calls examples/minimal; do
  "$compiler" -std=c11 -O2 -I "$source/include" "$source/$program.c" -L "$build" -lvloss -o "$work/program"
  "$work/program" >"$work/${program##*/}"
done
cargo run --locked --quiet --example calls >"$work/in_rust"
cat "$work/in_rust"
cmp "$work/calls" "$work/in_rust"

cd "$work"
unset VLOSS_LIB_DIR LD_LIBRARY_PATH
cmake --install "$build" --prefix "$work/prefix" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
library=$(dirname "$(find "$work/prefix" -name vloss.pc)")
export PKG_CONFIG_PATH="$library" LD_LIBRARY_PATH="${library%/pkgconfig}"
commands_of "$source/docs/rust.md" '## Building' >"$work/commands"
cat "$work/commands"
while read -r command; do
  eval "$command" >"$work/output"
  cat "$work/output"
  cmp "$work/minimal" "$work/output"
  needed=$(ldd "$CARGO_TARGET_DIR/debug/examples/minimal" | grep -c libvloss || true)
  case $command:$needed in
    VLOSS_STATIC=1*:0 | cargo*:1) ;;
    *)
      echo "FAIL: it is linked with the other library"
      exit 1
      ;;
  esac
done <"$work/commands"
