/* What the rows of softmax and log-softmax are written from. */
#ifndef VLOSS_KERNELS_SOFTMAX_H
#define VLOSS_KERNELS_SOFTMAX_H

#include "group_sums.h"
#include "row_softmax.h"

#define write_slabs VLOSS_ISA_SYMBOL(vloss_write_slabs)
#define softmax_rows_of VLOSS_ISA_SYMBOL(vloss_softmax_rows_of)
#define log_softmax_row VLOSS_ISA_SYMBOL(vloss_log_softmax_row)

/* A row that leaves nothing out, and no row of 16 left. */
static const double none[16];
static const int32_t no_class[16] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

enum softmax_kind { SOFTMAX, LOG_SOFTMAX };

/* One row a lane; undefined is 1 for rows that are NaN throughout, else 0. */
struct softmax_rows {
  ALIGNED float n[16], shift[16], undefined[16];
  struct row_factors factors;                     /* softmax */
  struct finished finished;                       /* the same of kept long rows */
  ALIGNED float max[16], log_sum[16], at_max[16]; /* log-softmax; at_max: what the class at the maximum gets */
  int any_alone;                                  /* log_sum is 0 somewhere because nothing but at_max needs it */
};

/* Writes to *sums, for each row whose left_out is not -inf, the sums without the class of its maximum. */
typedef void sum_below(const void *rows, const float *left_out, struct row_sums *sums);
/* What n rows are written from; `below` reads them again where log-softmax needs that. */
void softmax_rows_of(const struct row_sums *sums, size_t n, enum softmax_kind kind, sum_below *below, const void *rows,
                     struct softmax_rows *written);
/* Log-softmax of classes of row i, but for what a class gets that is alone at the maximum. */
void log_softmax_row(const float *x, float *out, size_t classes, const struct softmax_rows *rows, size_t i,
                     int past_cache);

/* x - m - log S. */
VFN vf log_softmax_term(vf x, vf max, vf log_sum, vf at_max) {
  return vsel(veq(x, max), at_max, vsub(vsub(x, max), log_sum));
}

void write_slabs(const struct vloss_softmax_job *job, const struct group *g, const struct softmax_rows *rows,
                 enum softmax_kind kind);

#endif
