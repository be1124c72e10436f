#!/bin/sh
# snippets.sh SOURCE PREFIX LIBDIR WORK WAY [CMAKE_ARGUMENT...]: examples/minimal.c is built and run by what README.md
# says of that WAY to use vloss: pkg-config or find_package, of what is installed in PREFIX, libraries in its LIBDIR;
# add_subdirectory or FetchContent. The page's lines of C are lines of that program.
set -eu
. "$(dirname "$0")/../missing.sh"
source=$1 prefix=$2 libraries=$3 work=$4 way=$5
shift 5
case $way in
  pkg-config) needed='cc pkg-config' ;;
  FetchContent) needed=git ;;
  *) needed= ;;
esac
for tool in $needed; do
  command -v "$tool" >/dev/null || missing "no $tool"
done
rm -rf "$work"
mkdir -p "$work"
cd "$work"
# Where an installation for all would be found.
export LD_LIBRARY_PATH="$prefix/$libraries${LD_LIBRARY_PATH+:$LD_LIBRARY_PATH}"

# White space apart: the page has shorter lines.
quoted=$(sed -n '/^```c$/,/^```$/{/^```/!p;}' "$source/README.md" | tr -d '[:space:]')
case $(tr -d '[:space:]' <"$source/examples/minimal.c") in
  *"${quoted:-no lines of C}"*) ;;
  *)
    echo "FAIL: README.md quotes what examples/minimal.c does not have: $quoted"
    exit 1
    ;;
esac

if [ "$way" = pkg-config ]; then
  # The page's command is for a folder without spaces in its name, as /usr/local is.
  place=$(mktemp -d)
  trap 'rm -rf "$place"' EXIT
  ln -s "$prefix" "$place/prefix"
  export PKG_CONFIG_PATH="$place/prefix/$libraries/pkgconfig"
  ln -s "$source/examples" examples
  command=$(grep '^    cc examples/minimal.c' "$source/README.md")
  eval "$command" >output
else
  # The paragraph of the page's block that has the way, and the last one, which links.
  snippet=$(awk -v RS= -v way="$way" '/^```cmake/ { inside = 1; sub(/^```cmake\n/, "") }
    inside { last = sub(/\n```$/, ""); if (index($0, way) || last) print; if (last) inside = 0 }' "$source/README.md")
  case $snippet in
    *"$way"*target_link_libraries*) ;;
    *)
      echo "FAIL: README.md has no $way: $snippet"
      exit 1
      ;;
  esac
  cp "$source/examples/minimal.c" .
  printf '%s\n' 'cmake_minimum_required(VERSION 3.22)' 'project(user LANGUAGES C)' 'add_executable(program minimal.c)' \
    "$snippet" >CMakeLists.txt
  mkdir vloss
  for part in CMakeLists.txt cmake include dispatch kernels tools; do
    cp -R "$source/$part" vloss/
  done
  if [ "$way" = FetchContent ]; then
    git init -q -b main vloss
    git -C vloss add .
    git -C vloss -c user.name=test -c user.email=test@localhost commit -q -m all
  fi
  cmake -S . -B build -DCMAKE_PREFIX_PATH="$prefix" -DVLOSS_URL="file://$work/vloss" "$@" >log 2>&1 &&
    cmake --build build --parallel 2 >>log 2>&1 || {
    cat log
    exit 1
  }
  build/program >output
fi
cat output
grep -q '^mean loss 2.22179' output
