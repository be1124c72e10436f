/* Log-sum-exp near 0. As the log of a sum, lse has an error of half an ulp of 1, which is much there; and where it
 * cancels its maximum (log-probabilities have lse 0), every ulp of the other terms counts many times. */
#ifndef VLOSS_KERNELS_LSE_H
#define VLOSS_KERNELS_LSE_H

#include "finish.h"
#include "groups.h"

#define group_lse VLOSS_ISA_SYMBOL(vloss_group_lse)

/* The logits of a group's rows, what their sums left out (-inf: nothing), and a mark for rows that are not to be read.
 */
struct lse_rows {
  const struct vloss_shape *shape;
  const struct group *g;
  const float *x;
  size_t x_stride;
  const struct row_sums *sums;
  vf left_out;
  const double *leave;
};

/* What finish() makes of the lse of a group: good to 2 ulp near 0, too, and never below the maximum. */
void group_lse(vd *lse, const struct lse_rows *rows);

#endif
