/* Log-sum-exp near 0. As the log of a sum, lse has an error of half an ulp of 1, which is much there; and where it
 * cancels its maximum (log-probabilities have lse 0), every ulp of the other terms counts many times. */
#ifndef VLOSS_KERNELS_LSE_H
#define VLOSS_KERNELS_LSE_H

#include "group_sums.h"

#define group_lse VLOSS_ISA_SYMBOL(vloss_group_lse)
#define lse_add VLOSS_ISA_SYMBOL(vloss_lse_add)
#define lse_merge VLOSS_ISA_SYMBOL(vloss_lse_merge)
#define lse_of VLOSS_ISA_SYMBOL(vloss_lse_of)

/* What finish() makes of the lse of a group: good to 2 ulp near 0, too, and never below the maximum. left_out has what
 * the sums leave out, -inf for nothing. */
void group_lse(vd *lse, const struct sum_rows *rows, const struct row_sums *sums, const float *left_out);

/* Where an lse is near 0: below it, lse is computed as max + log1p(what the other classes add beside the maximum). */
#define NEAR_0 2.0f

/* A long row's classes that are not at its maximum, in double throughout and without an order. */
VFN struct long_row lse_begin(void) { return long_row_begin(); }
/* Adds a block; class c is at x[c * step]. Blocks with a logit from LSE_LIMIT on are left out, and the row's sum is
 * then nothing: its lse is not near 0. */
#define LSE_LIMIT 2.5f
void lse_add(struct long_row *row, const float *x, size_t step, size_t classes);
void lse_merge(struct long_row *into, const struct long_row *from);
/* The lse of the blocks: right where it is near 0. */
double lse_of(const struct long_row *row);

#endif
