/* Where a call may be cut: the borders of the blocks in which losses are added up in order. Sums of blocks are added
 * exactly (exact_sum.h), so that no result shows who did which of them. Borders depend on the numbers of elements, rows
 * and classes only, not on layout, ISA or threads. */
#ifndef VLOSS_KERNELS_MEMORY_BLOCKS_H
#define VLOSS_KERNELS_MEMORY_BLOCKS_H

#include "tuning.h"

/* The rows of a block: one long one, or whole groups of 16, which the kernels over logits do side by side, about
 * TOTAL_ELEMENTS elements in all. */
static inline size_t vloss_block_rows(size_t columns) {
  if (columns >= BLOCK_ROW) return 1;
  const size_t groups = columns ? TOTAL_ELEMENTS / 16 / columns : 1;
  return groups > 1 ? 16 * groups : 16;
}

#endif
