#!/bin/sh
# snippets.sh SOURCE PREFIX WORK WAY [CMAKE_ARGUMENT...]: examples/minimal.c is built and run by what README.md says of
# that WAY to use vloss: pkg-config or find_package, of what is installed in PREFIX; add_subdirectory or FetchContent. The
# page's lines of C are lines of that program.
set -eu
source=$1 prefix=$2 work=$3 way=$4
shift 4
rm -rf "$work"
mkdir -p "$work"
cd "$work"
export LD_LIBRARY_PATH="$prefix/lib${LD_LIBRARY_PATH+:$LD_LIBRARY_PATH}" # where an installation for all would be found

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
  export PKG_CONFIG_PATH="$place/prefix/lib/pkgconfig"
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
