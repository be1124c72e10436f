/* Rows of more than CLASS_BLOCK classes are sums of blocks of so many, by the classes' numbers. A block is summed as a
 * row of its own, and what is known of the row is a sum that its blocks may join in any order (memory/binned_sum.h): so
 * parts of a row that are summed apart make the same bits together. */
#ifndef VLOSS_KERNELS_LONG_ROWS_H
#define VLOSS_KERNELS_LONG_ROWS_H

#include "exp_terms.h"
#include "memory/binned_sum.h"

#define long_row_add VLOSS_ISA_SYMBOL(vloss_long_row_add)
#define long_row_add_below VLOSS_ISA_SYMBOL(vloss_long_row_add_below)
#define long_row_merge_below VLOSS_ISA_SYMBOL(vloss_long_row_merge_below)
#define long_row_sums VLOSS_ISA_SYMBOL(vloss_long_row_sums)

VFN size_t class_blocks(size_t classes) { return (classes + CLASS_BLOCK - 1) / CLASS_BLOCK; }

/* The blocks of a row that were added so far. */
struct long_row {
  struct binned_sum sum; /* of exp(x_c) */
  float max;             /* of the classes in it; and, for rows "below", the class that is not in the sum */
};
VFN struct long_row long_row_begin(void) { return (struct long_row){binned_nothing(), -INF}; }

/* Adds a block's sums, lane i of *block. */
void long_row_add(struct long_row *row, const struct row_sums *block, size_t i);
/* The same where the block's sum leaves out the class of its maximum, and the row's is to leave out that of its own:
 * the lesser maxima are terms. */
void long_row_add_below(struct long_row *row, const struct row_sums *block, size_t i);
/* Adds the blocks of another part of the row, both being "below". */
void long_row_merge_below(struct long_row *into, const struct long_row *from);
/* The row's sums, at lane i of *out. */
void long_row_sums(const struct long_row *row, struct row_sums *out, size_t i);

#endif
