/* What the rows of softmax and log-softmax are written from. */
#ifndef VLOSS_KERNELS_SOFTMAX_H
#define VLOSS_KERNELS_SOFTMAX_H

#include "group_sums.h"
#include "row_softmax.h"

#define write_slabs VLOSS_ISA_SYMBOL(vloss_write_slabs)

enum softmax_kind { SOFTMAX, LOG_SOFTMAX };

/* One row a lane; undefined is 1 for rows that are NaN throughout, else 0. */
struct softmax_rows {
  ALIGNED float n[16], shift[16], undefined[16];
  struct row_factors factors;                     /* softmax */
  struct finished finished;                       /* the same of kept long rows */
  ALIGNED float max[16], log_sum[16], at_max[16]; /* log-softmax; at_max: what the class at the maximum gets */
  int any_alone;                                  /* log_sum is 0 somewhere because nothing but at_max needs it */
};

/* x - m - log S. */
VFN vf log_softmax_term(vf x, vf max, vf log_sum, vf at_max) {
  return vsel(veq(x, max), at_max, vsub(vsub(x, max), log_sum));
}

void write_slabs(const struct vloss_softmax_job *job, const struct group *g, const struct softmax_rows *rows,
                 enum softmax_kind kind);

#endif
