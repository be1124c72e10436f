# The flags that keep the same bits whatever flags a parent project has: they come after the parent's and undo them.
# What they cannot undo, kernels/words/strict.h refuses.
#   VLOSS_KERNEL_FLAGS  of the library's files
#   VLOSS_OPTIMISE      the same files' optimisation
#   VLOSS_ARCH_FLAGS    those of them that decide what float arithmetic is
#   VLOSS_LINK_FLAGS    of the shared library: no start-up code that switches denormals off in the whole process
include(CheckCCompilerFlag)
include(CheckCSourceRuns)

if(NOT CMAKE_C_COMPILER_ID MATCHES "GNU|Clang" OR CMAKE_C_COMPILER_FRONTEND_VARIANT STREQUAL "MSVC")
  message(FATAL_ERROR "vloss needs GCC or Clang (MinGW-w64 on Windows), not ${CMAKE_C_COMPILER_ID}: "
                      "-DCMAKE_C_COMPILER=gcc or clang")
endif()

# -fno-math-errno comes last: -fno-fast-math would set it. No fusing but through the fma word, and no link-time
# optimisation, which would mix code of different ISAs.
set(VLOSS_KERNEL_FLAGS)
set(of_gcc)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU") # Clang has no such mode, ignores the flag and warns of it
  set(of_gcc fno-single-precision-constant)
endif()
set(CMAKE_REQUIRED_FLAGS -w)
foreach(flag fno-fast-math fno-unsafe-math-optimizations fno-associative-math fno-reciprocal-math fno-finite-math-only
             fsigned-zeros ${of_gcc} fno-rounding-math ffp-contract=off fno-math-errno fno-lto)
  string(MAKE_C_IDENTIFIER "VLOSS_HAS_${flag}" has)
  check_c_compiler_flag(-${flag} ${has})
  if(${has})
    list(APPEND VLOSS_KERNEL_FLAGS -${flag})
  endif()
endforeach()
unset(CMAKE_REQUIRED_FLAGS)
set(VLOSS_LINK_FLAGS -fno-fast-math -fno-unsafe-math-optimizations -O2) # the last for -Ofast

# 32-bit x86: SSE2 arithmetic, as x87 rounds to its own precision. s390x: GCC's -std=c11 would compute floats in double.
set(VLOSS_ARCH_FLAGS)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "s390x" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  set(VLOSS_ARCH_FLAGS -fexcess-precision=fast)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "86|AMD64|amd64" AND CMAKE_SIZEOF_VOID_P EQUAL 4)
  set(VLOSS_ARCH_FLAGS -msse2 -mfpmath=sse)
endif()
list(APPEND VLOSS_KERNEL_FLAGS ${VLOSS_ARCH_FLAGS})
list(JOIN VLOSS_KERNEL_FLAGS " " strict)

# The library is always compiled with optimisation. Without, every vector word is a call that passes its vectors through
# the stack: a hundred times slower, and four times the stack that vloss.h promises.
get_directory_property(options COMPILE_OPTIONS)
if("-O0" IN_LIST options OR "-Og" IN_LIST options) # they come after those of the build type
  set(VLOSS_OPTIMISE -O1)
else()
  set(VLOSS_OPTIMISE $<$<NOT:$<CONFIG:Release,RelWithDebInfo,MinSizeRel>>:-O1>)
endif()

# Where the C library's fma rounds twice (MinGW-w64), or nobody can tell as its programs do not run here, the scalar
# kernels have their own. CPUs whose compiler says __FP_FAST_FMA need neither.
set(CMAKE_REQUIRED_FLAGS "${strict} -w -O0 -fno-builtin")
set(CMAKE_REQUIRED_LINK_OPTIONS ${VLOSS_LINK_FLAGS})
if(UNIX)
  set(CMAKE_REQUIRED_LIBRARIES m)
endif()
file(READ ${CMAKE_CURRENT_LIST_DIR}/fma_probe.c probe)
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  set(VLOSS_TRUSTS_FMA FALSE)
else()
  check_c_source_runs("${probe}" VLOSS_TRUSTS_FMA)
endif()
unset(CMAKE_REQUIRED_FLAGS)
unset(CMAKE_REQUIRED_LINK_OPTIONS)
unset(CMAKE_REQUIRED_LIBRARIES)
if(NOT VLOSS_TRUSTS_FMA)
  message(STATUS "vloss: the C library's fma is not known to round once; scalar kernels use their own")
endif()
