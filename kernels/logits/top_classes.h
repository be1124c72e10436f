/* The first classes of a row in the order "value down, class number up", found block by block. */
#ifndef VLOSS_KERNELS_TOP_CLASSES_H
#define VLOSS_KERNELS_TOP_CLASSES_H

#include <string.h>

#include "exp_terms.h"

#define block_maximum VLOSS_ISA_SYMBOL(vloss_block_maximum)
#define block_maxima VLOSS_ISA_SYMBOL(vloss_block_maxima)
#define top_begin VLOSS_ISA_SYMBOL(vloss_top_begin)
#define top_add VLOSS_ISA_SYMBOL(vloss_top_add)
#define count_before VLOSS_ISA_SYMBOL(vloss_count_before)
#define count_greater VLOSS_ISA_SYMBOL(vloss_count_greater)

/* In their order; NaN behind them. */
struct top_list {
  size_t room, count;
  int behind; /* only classes that come behind the bound count */
  float bound_y;
  uint32_t bound_c;
  float *y; /* 0 for -0; room for top_floats */
  uint32_t *c;
};
/* What lists for `room` classes have room for; so TOP_CLASSES hold 16 lists of a few. */
enum { FEW_TOP = 32 };
VFN size_t top_floats(size_t room) { return room <= FEW_TOP ? FEW_TOP : (room + 15) / 16 * 16; }

/* An empty list for `room` classes; for those behind the ones that are in it, if `behind`. */
void top_begin(struct top_list *list, size_t room, int behind);
/* Of a block, what is looked at in place of all classes: [16 s + l] is the greatest of 64 s + l + 16 j, -inf where
 * there is none. */
enum { TOP_MAXIMA = CLASS_BLOCK / 4 };
void block_maxima(const float *y, size_t n, float *maxima);
/* Adds classes first .. first + n - 1, blocks in the order of their classes. */
void top_add(struct top_list *list, const float *y, size_t n, size_t first, const float *maxima);
/* Whether a block may have a class for the list, `max` being its maximum. */
VFN int top_may_add(const struct top_list *list, float max) {
  return list->count < list->room || !(max <= list->y[list->room - 1]);
}
/* The greatest of a block's classes, or some of them if one is NaN. */
float block_maximum(const float *y, size_t n);

/* How many of n classes are greater than v; or at least v, where `or_equal`. */
size_t count_greater(const float *y, size_t n, float v, int or_equal);
/* How many of n classes stand before class `before`: are greater, or equal and in front of it. */
size_t count_before(const float *y, size_t n, size_t before);

#endif
