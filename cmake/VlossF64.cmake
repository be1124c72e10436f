# Kernels of doubles, whose exp and logarithms are SLEEF's. VLOSS_F64 says whether they are built: ON needs SLEEF; AUTO
# takes it where vloss is built alone and it is found; without them VLOSS_F64 (the type) is refused. Sets VLOSS_SLEEF to
# the target to link with, or to nothing, and VLOSS_SLEEF_FOLDER to where it lies unless linkers look there by
# themselves.
set(VLOSS_F64 AUTO CACHE STRING "Compute doubles, by SLEEF: ON, OFF or AUTO (if vloss is built alone and finds SLEEF)")
set_property(CACHE VLOSS_F64 PROPERTY STRINGS AUTO ON OFF)
set(VLOSS_SLEEF)
set(VLOSS_SLEEF_FOLDER)
set(reason)
string(TOUPPER "${VLOSS_F64}" wanted)
if(NOT wanted STREQUAL "AUTO")
  if(VLOSS_F64)
    set(wanted ON)
  else()
    set(wanted OFF)
  endif()
elseif(NOT PROJECT_IS_TOP_LEVEL)
  set(wanted OFF)
endif()
if(NOT "f64" IN_LIST VLOSS_BUILT_TYPES)
  if(wanted STREQUAL "ON")
    message(FATAL_ERROR "vloss: VLOSS_F64=ON, but VLOSS_TYPES leaves f64 out.")
  endif()
  return()
endif()

# Elsewhere nobody has compared SLEEF's bits.
if(NOT wanted STREQUAL "OFF" AND NOT (CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64|aarch64|arm64|ARM64)$"
                                      AND CMAKE_SIZEOF_VOID_P EQUAL 8))
  set(reason "it is for x86-64 and arm64 only")
elseif(NOT wanted STREQUAL "OFF")
  find_package(SLEEF QUIET)
  set(reason "SLEEF was not found, or lacks functions for an ISA of this build")
  if(SLEEF_FOUND)
    set(CMAKE_REQUIRED_LIBRARIES sleef::sleef)
    check_c_source_compiles("double Sleef_powd1_u10purecfma(double, double);
      int main(void) { return Sleef_powd1_u10purecfma(1, 1) != 1; }" VLOSS_SLEEF_HAS_PURECFMA)
    unset(CMAKE_REQUIRED_LIBRARIES)
    if(VLOSS_SLEEF_HAS_PURECFMA)
      set(reason)
    endif()
  endif()
endif()

if(wanted STREQUAL "OFF")
  return()
endif()
if(reason)
  if(wanted STREQUAL "ON")
    message(FATAL_ERROR "vloss: VLOSS_F64=ON, but ${reason}. Install libsleef-dev (Debian, Ubuntu), sleef-devel "
                        "(Fedora) or sleef (Arch, Homebrew), or name its prefix with -DSLEEF_ROOT=<prefix>.")
  endif()
  message(STATUS "vloss: no kernels of doubles: ${reason}")
  return()
endif()

message(STATUS "vloss: doubles by SLEEF ${SLEEF_VERSION}")
set(VLOSS_SLEEF sleef::sleef)
get_target_property(location sleef::sleef LOCATION)
cmake_path(GET location PARENT_PATH folder)
if(NOT folder IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
  set(VLOSS_SLEEF_FOLDER ${folder})
endif()
# Beyond -O2 they only grow, by half; the scalar ones, which no CPU needs that has AVX2 or NEON, to four times their
# size.
set_source_files_properties(
  ${VLOSS_F64_SOURCES} PROPERTIES COMPILE_OPTIONS
                                  "$<$<CONFIG:Release>:$<IF:$<STREQUAL:$<TARGET_PROPERTY:VLOSS_ISA>,scalar>,-Os,-O2>>")
foreach(isa IN LISTS VLOSS_ISAS)
  set(objects vloss_objects_${isa})
  set_target_properties(${objects} PROPERTIES VLOSS_ISA ${isa})
  target_compile_definitions(${objects} PRIVATE VLOSS_WITH_F64)
  target_include_directories(${objects} SYSTEM PRIVATE $<TARGET_PROPERTY:sleef::sleef,INTERFACE_INCLUDE_DIRECTORIES>)
  target_sources(${objects} PRIVATE ${VLOSS_F64_SOURCES})
endforeach()
