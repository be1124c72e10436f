/* The element types that the library is built with: VLOSS_TYPES of CMake, which defines VLOSS_WITHOUT_... for each that
 * is left out. Constants, so that the calls of kernels that are not there vanish. */
#ifndef VLOSS_KERNELS_MEMORY_TYPES_H
#define VLOSS_KERNELS_MEMORY_TYPES_H

#include "vloss/vloss.h"

#ifdef VLOSS_WITHOUT_BF16
#define VLOSS_BUILDS_BF16 0
#else
#define VLOSS_BUILDS_BF16 1
#endif
#ifdef VLOSS_WITHOUT_F16
#define VLOSS_BUILDS_F16 0
#else
#define VLOSS_BUILDS_F16 1
#endif
#ifdef VLOSS_WITHOUT_F64
#define VLOSS_BUILDS_F64 0
#else
#define VLOSS_BUILDS_F64 1
#endif

/* Of a type that is built, not VLOSS_F64: whether it has 16 bits; and of those whether it is bf16. */
#define VLOSS_IS_HALF(type) ((VLOSS_BUILDS_BF16 || VLOSS_BUILDS_F16) && (type) != VLOSS_F32)
#define VLOSS_HALF_IS_BF16(type) (VLOSS_BUILDS_BF16 && (!VLOSS_BUILDS_F16 || (type) == VLOSS_BF16))

static inline int vloss_builds_type(vloss_type type) {
  return type == VLOSS_F32 || (VLOSS_BUILDS_BF16 && type == VLOSS_BF16) || (VLOSS_BUILDS_F16 && type == VLOSS_F16) ||
         (VLOSS_BUILDS_F64 && type == VLOSS_F64);
}

#endif
