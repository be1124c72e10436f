/* The sums of a group of rows, whatever its layout and the number of classes. */
#ifndef VLOSS_KERNELS_GROUP_SUMS_H
#define VLOSS_KERNELS_GROUP_SUMS_H

#include "long_rows.h"
#include "row_softmax.h"
#include "slab_sums.h"

#define group_sums VLOSS_ISA_SYMBOL(vloss_group_sums)
#define band_sums VLOSS_ISA_SYMBOL(vloss_band_sums)
#define long_blocks VLOSS_ISA_SYMBOL(vloss_long_blocks)

/* Rows, the classes that their sums leave out (-1: none), and a mark for those that are not to be read. */
struct sum_rows {
  struct vloss_shape shape;
  struct group g;
  const float *x;
  size_t stride;
  const int32_t *skip;
  const double *leave;
};

/* Where the first pass keeps the terms of rows along their classes, exp(x_c) / 2^N, for the second. */
struct stash {
  float *terms; /* null: nowhere */
  size_t stride;
  float *n;             /* N of each block of a long row: STASHED_BLOCKS of them */
  enum writing writing; /* how the second pass writes; of KEPT long rows CACHED if the terms could not be kept */
};

_Static_assert(CLASS_BLOCK * 16 * sizeof(float) >= GROUP_BYTES,
               "a long row whose terms are kept is a group of its own");

/* The sums of a group's rows, refined; the sums of lanes without a row are 1. A tile's rows get what they leave out, or
 * -inf, in left_out, but for long ones. */
void group_sums(const struct sum_rows *rows, const struct tile *tile, struct stash *stash, struct row_sums *out,
                float *left_out);
/* The same of the groups of a band (groups.h). */
void band_sums(const struct sum_rows *rows, const struct tile *tiles, size_t count, struct row_sums *out,
               float *const *left_out);
/* Adds the blocks of long rows, or of parts of them that begin with a block, to what is known of each. */
void long_blocks(const struct sum_rows *rows, struct stash *stash, struct long_row *sums);

#endif
