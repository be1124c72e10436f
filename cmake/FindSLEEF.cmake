# Finds SLEEF as the target sleef::sleef: its own CMake package (3.6 and later) or, without one (3.5.1), header and
# library. SLEEF_ROOT is a prefix to look in first. Sets SLEEF_VERSION, and for each ISA of VLOSS_ISAS that has vector
# functions SLEEF_<isa>_FOUND: a program that names one of them compiles and links.
include(CheckCSourceCompiles)
include(FindPackageHandleStandardArgs)

find_package(sleef CONFIG QUIET) # no version asked for: its version file accepts nothing but the same major one
if(TARGET sleef::sleef)
  get_target_property(SLEEF_INCLUDE_DIR sleef::sleef INTERFACE_INCLUDE_DIRECTORIES)
  set(SLEEF_LIBRARY sleef::sleef)
else()
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND AND NOT CMAKE_CROSSCOMPILING) # there it would answer with the build machine's
    pkg_check_modules(PC_SLEEF QUIET sleef)
  endif()
  find_path(SLEEF_INCLUDE_DIR sleef.h HINTS ${PC_SLEEF_INCLUDE_DIRS} ${PC_SLEEF_INCLUDEDIR})
  find_library(SLEEF_LIBRARY sleef HINTS ${PC_SLEEF_LIBRARY_DIRS} ${PC_SLEEF_LIBDIR})
  mark_as_advanced(SLEEF_INCLUDE_DIR SLEEF_LIBRARY)
endif()

if(SLEEF_INCLUDE_DIR AND SLEEF_LIBRARY)
  find_file(SLEEF_HEADER sleef.h PATHS ${SLEEF_INCLUDE_DIR} NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH NO_CACHE)
  file(STRINGS "${SLEEF_HEADER}" lines REGEX "^#define SLEEF_VERSION_(MAJOR|MINOR|PATCHLEVEL) +[0-9]+")
  list(TRANSFORM lines REPLACE "^.* " "")
  list(JOIN lines "." SLEEF_VERSION)

  if(NOT TARGET sleef::sleef)
    add_library(sleef::sleef UNKNOWN IMPORTED)
    set_target_properties(sleef::sleef PROPERTIES IMPORTED_LOCATION "${SLEEF_LIBRARY}"
                                                  INTERFACE_INCLUDE_DIRECTORIES "${SLEEF_INCLUDE_DIR}")
  endif()

  # The header declares a vector function only to a file compiled for its ISA. The volatile keeps the reference.
  set(function_avx2 Sleef_tanhf8_u10avx2)
  set(function_avx512 Sleef_tanhf16_u10avx512f)
  set(function_neon Sleef_tanhf4_u10advsimd)
  set(SLEEF_LINKS TRUE)
  foreach(isa IN LISTS VLOSS_ISAS)
    if(DEFINED function_${isa})
      list(JOIN VLOSS_FLAGS_${isa} " " CMAKE_REQUIRED_FLAGS)
      set(CMAKE_REQUIRED_LIBRARIES sleef::sleef)
      if(NOT SLEEF_${isa}_FOUND)
        unset(SLEEF_${isa}_FOUND CACHE) # ask again: another SLEEF may have been installed
      endif()
      check_c_source_compiles("#include <sleef.h>
        int main(void) { void *volatile f = (void *)${function_${isa}}; return f == 0; }" SLEEF_${isa}_FOUND)
      if(NOT SLEEF_${isa}_FOUND)
        set(SLEEF_LINKS FALSE)
        set(reason "A program that uses ${function_${isa}} does not link with ${SLEEF_LIBRARY}. ")
      endif()
      unset(CMAKE_REQUIRED_FLAGS)
      unset(CMAKE_REQUIRED_LIBRARIES)
    endif()
  endforeach()
endif()

find_package_handle_standard_args(
  SLEEF
  REQUIRED_VARS SLEEF_LIBRARY SLEEF_INCLUDE_DIR SLEEF_LINKS
  VERSION_VAR SLEEF_VERSION
  REASON_FAILURE_MESSAGE "${reason}Install libsleef-dev (Debian, Ubuntu), sleef-devel (Fedora) or sleef (Arch, Homebrew), \
or name its prefix with -DSLEEF_ROOT=<prefix>. For arm64 under qemu, run tests/arm64_sleef.sh first.")
