/* The vector words of the ISA that this file is compiled for: the build defines VLOSS_ISA as avx512, avx2, neon or
 * scalar, and gives the flags of cmake/VlossIsa.cmake with it. VLOSS_ISA_SYMBOL(x) is x with the ISA's name behind it.
 */
#ifndef VLOSS_KERNELS_ISA_H
#define VLOSS_KERNELS_ISA_H

#include "strict.h"

#define VLOSS_PASTE_(a, b) a##_##b
#define VLOSS_PASTE(a, b) VLOSS_PASTE_(a, b)
#define VLOSS_STRING_(a) #a
#define VLOSS_STRING(a) VLOSS_STRING_(a)
#define VLOSS_ISA_SYMBOL(x) VLOSS_PASTE(x, VLOSS_ISA)
#define VLOSS_ISA_NAME VLOSS_STRING(VLOSS_ISA)

/* In front of a short loop over an array of vectors: unrolled, the array lives in registers. */
#ifdef __clang__
#define UNROLL _Pragma("unroll 16")
#define ROLLED _Pragma("nounroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define ROLLED _Pragma("GCC unroll 1")
#endif

/* What dsplit_scaled (scalar.h) multiplies by. */
#define SPLIT_SCALE 0x1p-896

/* Of functions outside the hot loops. The scalar words are loops over lanes, and a compiler that unrolls those of large
 * functions takes minutes: there, such functions are compiled for size. */
#ifdef VLOSS_ISA_IS_SCALAR
#define SMALL __attribute__((noinline, cold))
#else
#define SMALL __attribute__((noinline))
#endif

/* Of functions for rare inputs: compiled for size everywhere. */
#define RARE __attribute__((noinline, cold, unused))

#ifndef VLOSS_ISA
#error "compile this file through vloss_isa_sources() of cmake/VlossIsa.cmake"
#endif
#include VLOSS_STRING(VLOSS_ISA.h)

#endif
