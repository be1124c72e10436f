/* The first classes of a row in the order "value down, class number up", found block by block. */
#ifndef VLOSS_KERNELS_TOP_CLASSES_H
#define VLOSS_KERNELS_TOP_CLASSES_H

#include <string.h>

#include "exp_terms.h"

#define block_maximum VLOSS_ISA_SYMBOL(vloss_block_maximum)
#define top_add VLOSS_ISA_SYMBOL(vloss_top_add)
#define count_greater VLOSS_ISA_SYMBOL(vloss_count_greater)

/* A class as a number: the greater, the earlier it comes. */
VFN uint64_t top_key(float y, uint32_t c) {
  uint32_t bits;
  y += 0.0f; /* of -0 and 0 the same */
  memcpy(&bits, &y, sizeof bits);
  return (uint64_t)(bits >> 31 ? ~bits : bits | 0x80000000u) << 32 | (uint32_t)~c;
}
VFN float top_value(uint64_t key) {
  const uint32_t high = (uint32_t)(key >> 32), bits = high >> 31 ? high & 0x7fffffff : ~high;
  float y;
  memcpy(&y, &bits, sizeof y);
  return y;
}
VFN uint32_t top_class(uint64_t key) { return ~(uint32_t)key; }

/* In their order. */
struct top_list {
  size_t room, count;
  size_t added;   /* by the last block, some of them pushed out again */
  uint64_t bound; /* only classes that come behind this one count; UINT64_MAX: all */
  uint64_t key[TOP_CLASSES];
};

/* Adds classes first .. first + n - 1, blocks in the order of their classes. */
void top_add(struct top_list *list, const float *y, size_t n, size_t first);
/* The greatest of a block's classes, or some of them if one is NaN. */
float block_maximum(const float *y, size_t n);

/* How many of n classes are greater than v; or at least v, where `or_equal`. */
size_t count_greater(const float *y, size_t n, float v, int or_equal);

#endif
