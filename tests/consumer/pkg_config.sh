#!/bin/sh
# pkg_config.sh LIBDIR WORK: builds the outside programs with nothing but a compiler and pkg-config, against the shared
# and the static library in LIBDIR, and runs them. From the environment: CC and CXX, flags included, and EMULATOR, the
# command that runs a program where the machine itself cannot; LIBRARIES: shared and static, those that there are;
# OPENMP: 1 where vloss-openmp was installed, too.
set -eu
project=$(dirname "$0")/project
libdir=$1
work=$2
mkdir -p "$work"
export PKG_CONFIG_LIBDIR="$libdir/pkgconfig"

# build_and_run STANDARD COMPILER SOURCE [PACKAGE]: pkg-config quotes its answer for the shell, hence the eval.
build_and_run() {
  package=${4-vloss}
  cflags=$(pkg-config --cflags "$package")
  for library in $LIBRARIES; do
    if [ $library = shared ]; then
      libs="$(pkg-config --libs "$package") -Wl,-rpath,\"\$libdir\""
    else
      # Where both kinds are installed, vloss-openmp is the shared one.
      libs="$(pkg-config --libs --static "$package" | sed 's/-lvloss\( \|$\)/-l:libvloss.a\1/') -Wl,-rpath,\"\$libdir\""
    fi
    program=$work/$1_${package}_$library
    eval "$2 -std=$1 -Wall -Wextra -Wpedantic -Werror $cflags \"\$project/$3\" -o \"\$program\" $libs"
    ${EMULATOR:-} "$program"
    echo "$1 with the $library library of $package: as known"
  done
}
build_and_run c99 "$CC" program.c
build_and_run c11 "$CC" program.c
build_and_run c++17 "$CXX" program.cpp
if [ "$OPENMP" = 1 ]; then
  build_and_run c99 "$CC" openmp.c vloss-openmp
fi
