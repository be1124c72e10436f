/* Refuses to be compiled with flags under which the same bits cannot be promised. cmake/VlossFlags.cmake undoes those
 * that can be undone; this finds what it missed, and builds that do not use it. */
#ifndef VLOSS_KERNELS_STRICT_H
#define VLOSS_KERNELS_STRICT_H

#include <float.h>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || \
    defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error "vloss promises the same bits everywhere: compile its files without -ffast-math, -Ofast and their parts"
#endif
#if FLT_EVAL_METHOD != 0
#error "vloss needs float and double arithmetic in their own precision (32-bit x86: -msse2 -mfpmath=sse)"
#endif
#if defined(__FLT_RADIX__) && __FLT_RADIX__ != 2
#error "vloss needs IEEE 754 binary arithmetic"
#endif
_Static_assert(sizeof 1.0 == 8 && sizeof 1.0f == 4, "vloss needs IEEE 754 types, and no -fsingle-precision-constant");

#endif
