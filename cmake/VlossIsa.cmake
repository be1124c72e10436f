# The ISAs of this build, of those in kernels/isas.def, and their compiler flags. Every flag here has its bit in
# dispatch/cpu.c. VLOSS_LEAVE_OUT lists ISAs that are not to be built; scalar, the fallback, always is.
include(CheckCSourceCompiles)
include(CheckSymbolExists)
include(VlossFlags)

# An ISA's flags (tools/amalgamate reads them, too), and a program that tells whether the compiler can build for it.
set(VLOSS_FLAGS_scalar "")
set(VLOSS_FLAGS_avx2 -mavx2 -mfma -mf16c)
set(VLOSS_PROBE_avx2 "#include <immintrin.h>
int main(void) { return _mm256_movemask_ps(_mm256_fmadd_ps(_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps())); }")
set(VLOSS_FLAGS_avx512 -mavx2 -mfma -mf16c -mavx512f -mavx512cd -mavx512bw -mavx512dq -mavx512vl)
set(VLOSS_PROBE_avx512 "#include <immintrin.h>
int main(void) { return (int)_mm512_movepi32_mask(_mm512_setzero_si512()); }")
set(VLOSS_FLAGS_neon "")
set(VLOSS_PROBE_neon "#include <arm_neon.h>
int main(void) { return (int)vgetq_lane_f32(vfmaq_f32(vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0)), 0); }")
# GCC does not schedule before it allocates registers on x86, which have been too few for that. AVX-512 has 32: there
# the losses with a logarithm or an exponential gain 5 to 15 percent.
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  list(APPEND VLOSS_FLAGS_avx512 -fschedule-insns -fsched-pressure)
  # Loops that GCC vectorises on its own get masked loads, and qemu 7.2 reads their masked lanes.
  list(APPEND VLOSS_FLAGS_avx2 -fno-tree-loop-vectorize)
  # Where jumps go to is not aligned, which saves 1.8 percent; loops are.
  foreach(isa IN ITEMS avx512 avx2 scalar)
    list(APPEND VLOSS_FLAGS_${isa} -falign-jumps=1)
  endforeach()
  # To GCC fma is a call that raises no flags, and so it takes those of a rare branch out of it, on CPUs that have an
  # instruction for it: results of ordinary rows would go under that nobody asks for.
  list(APPEND VLOSS_FLAGS_scalar -fno-code-hoisting)
endif()
# On Windows, GCC does not align the stack for vectors of more than 16 bytes, and yet loads and stores them there as if
# it had (its bug 54412): the assembler makes unaligned moves of them, which cost the same.
if(WIN32 AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  check_c_compiler_flag(-Wa,-muse-unaligned-vector-move VLOSS_HAS_UNALIGNED_MOVES)
  if(VLOSS_HAS_UNALIGNED_MOVES)
    list(APPEND VLOSS_FLAGS_avx2 -Wa,-muse-unaligned-vector-move)
    list(APPEND VLOSS_FLAGS_avx512 -Wa,-muse-unaligned-vector-move)
  else()
    message(STATUS "vloss: the assembler is too old to work around GCC's bug 54412: no AVX kernels")
    list(APPEND VLOSS_LEAVE_OUT avx2 avx512)
  endif()
endif()

set(architecture NONE)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  set(architecture X86_64)
  # What is made of its words need not be copied wherever it is used: half the code and compile time, and no slower.
  # Elsewhere GCC's -O2 takes more stack than vloss.h promises (68 KB on arm64).
  list(APPEND VLOSS_FLAGS_scalar $<$<CONFIG:Release>:-O2>)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND VLOSS_FLAGS_scalar $<$<CONFIG:Release>:--param=max-inline-insns-single=20>)
  endif()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(architecture AARCH64)
endif()

# The ISAs that kernels/isas.def has for this architecture, and those of all.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/../kernels/isas.def)
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../kernels/isas.def rows REGEX "^ISA\\(")
set(candidates)
set(known)
foreach(row IN LISTS rows)
  string(REGEX MATCH "^ISA\\(([a-z0-9]+), [A-Z0-9]+, ([A-Z0-9_]+)," row "${row}")
  list(APPEND known ${CMAKE_MATCH_1})
  if(CMAKE_MATCH_2 STREQUAL architecture)
    list(APPEND candidates ${CMAKE_MATCH_1})
  endif()
endforeach()

string(REPLACE "," ";" leave_out "${VLOSS_LEAVE_OUT}")
list(REMOVE_ITEM candidates ${leave_out})
set(VLOSS_ISAS)
foreach(isa IN LISTS candidates)
  list(JOIN VLOSS_FLAGS_${isa} " " CMAKE_REQUIRED_FLAGS)
  string(APPEND CMAKE_REQUIRED_FLAGS " -w") # whatever a parent makes errors of
  check_c_source_compiles("${VLOSS_PROBE_${isa}}" VLOSS_COMPILES_${isa})
  if(VLOSS_COMPILES_${isa})
    list(APPEND VLOSS_ISAS ${isa})
  else()
    message(STATUS "vloss: ${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION} cannot build for ${isa}; left out")
  endif()
endforeach()
unset(CMAKE_REQUIRED_FLAGS)
list(APPEND VLOSS_ISAS scalar)
message(STATUS "vloss: ISAs ${VLOSS_ISAS}")

# What kernels/isas.def has to know of the build.
set(VLOSS_ISA_DEFINITIONS)
foreach(isa IN LISTS known)
  string(TOUPPER VLOSS_HAVE_${isa} have)
  if(isa IN_LIST VLOSS_ISAS)
    list(APPEND VLOSS_ISA_DEFINITIONS ${have}=1)
  else()
    list(APPEND VLOSS_ISA_DEFINITIONS ${have}=0)
  endif()
endforeach()

# The ISA whose code for rare inputs another one takes, to be smaller: the CPU has both.
if("avx2" IN_LIST VLOSS_ISAS)
  set(VLOSS_RARE_ISA_avx512 VLOSS_RARE_ISA=avx2)
endif()

# vloss_isa_sources(<target> <source>...) compiles each C source once per ISA, with VLOSS_ISA defined as the ISA's name,
# and adds the objects to the target. The source includes "isa.h" and exports only names made by VLOSS_ISA_SYMBOL.
function(vloss_isa_sources target)
  foreach(isa IN LISTS VLOSS_ISAS)
    set(objects ${target}_${isa})
    string(TOUPPER ${isa} upper)
    add_library(${objects} OBJECT ${ARGN})
    target_compile_definitions(${objects} PRIVATE VLOSS_ISA=${isa} VLOSS_ISA_IS_${upper}
                                                  ${VLOSS_RARE_ISA_${isa}}
                                                  ${VLOSS_TYPE_DEFINITIONS}
                                                  $<$<NOT:$<BOOL:${VLOSS_TRUSTS_FMA}>>:VLOSS_OWN_FMA>)
    target_compile_options(${objects} PRIVATE ${VLOSS_WARNINGS} ${VLOSS_KERNEL_FLAGS} ${VLOSS_OPTIMISE}
                                              ${VLOSS_FLAGS_${isa}})
    target_include_directories(${objects} PRIVATE ${vloss_SOURCE_DIR}/include ${vloss_SOURCE_DIR}/kernels)
    set_target_properties(${objects} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
  endforeach()
endfunction()
