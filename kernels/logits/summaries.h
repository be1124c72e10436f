/* What is known of rows of logits after their sums of exp: from those of blocks of CLASS_BLOCK classes to summaries of
 * blocks, and from these to that of a row. */
#ifndef VLOSS_KERNELS_SUMMARIES_H
#define VLOSS_KERNELS_SUMMARIES_H

#include "log_probs.h"
#include "top_classes.h"

#define sum_block VLOSS_ISA_SYMBOL(vloss_sum_block)
#define spread_tile_block VLOSS_ISA_SYMBOL(vloss_spread_tile_block)
#define summarize VLOSS_ISA_SYMBOL(vloss_summarize)
#define merged_summaries VLOSS_ISA_SYMBOL(vloss_merged_summaries)

/* Up to 16 blocks, of one row or of several: their sums of exp, and of exp (max - y) in the same units. */
struct block_sums {
  struct row_sums sums;
  ALIGNED double spread[16];
  struct {
    size_t row, c;
  } at[16];
  ALIGNED double leave[16]; /* 1 where there is none */
  size_t count;
};

/* Block number i, with its spread or without. maxima: null, or room for what top_classes.h needs. */
void sum_block(const float *y, size_t n, int spread, float *maxima, struct block_sums *b, size_t i);
/* A block of each of some rows side by side, from class c on, as numbers 0.., with its spread: by tiles (half_rows.h),
 * which are read twice. */
void spread_tile_block(const struct tiled_rows *rows, size_t c, struct block_sums *b);
/* What the sums come to, one a block. Blocks with few great classes are read again, into `block` where they have to be.
 */
void summarize(const struct vloss_log_probs_job *job, struct block_sums *b, float *block, struct row_summary *out);
/* Of n <= 16 parts of a row. */
void merged_summaries(const struct row_summary *parts, size_t n, struct row_summary *row);

#endif
