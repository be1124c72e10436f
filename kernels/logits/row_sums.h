/* Rows whose classes lie along the vector lanes: their sums, maxima, and where those are. skip, a class that the sum
 * leaves out: -1, or NO_CLASS, for none. */
#ifndef VLOSS_KERNELS_ROW_SUMS_H
#define VLOSS_KERNELS_ROW_SUMS_H

#include "exp_terms.h"

#define row_sum VLOSS_ISA_SYMBOL(vloss_row_sum)
#define row_sum_with_maxima VLOSS_ISA_SYMBOL(vloss_row_sum_with_maxima)
#define row_sum_huge VLOSS_ISA_SYMBOL(vloss_row_sum_huge)
#define calm_row_sum VLOSS_ISA_SYMBOL(vloss_calm_row_sum)
#define calm_sum_below VLOSS_ISA_SYMBOL(vloss_calm_sum_below)
#define calm_short_rows VLOSS_ISA_SYMBOL(vloss_calm_short_rows)
#define row_sum_below VLOSS_ISA_SYMBOL(vloss_row_sum_below)
#define row_blocks_sum VLOSS_ISA_SYMBOL(vloss_row_blocks_sum)
#define short_rows_sum VLOSS_ISA_SYMBOL(vloss_short_rows_sum)
#define row_max VLOSS_ISA_SYMBOL(vloss_row_max)
#define row_find VLOSS_ISA_SYMBOL(vloss_row_find)

/* Rows and blocks have up to CLASS_BLOCK classes. */

/* The sum in one pass over the row, of which out gets lane `row`. With a stash (not x itself), the terms are kept in it
 * for the gradient, stash[c] = exp(x_c) / 2^N, unless the row gets a shift. */
void row_sum(const float *x, size_t classes, size_t skip, float *stash, struct row_sums *out, size_t row);
/* The same beyond the reach of the fast reduction, whatever was summed of the row. */
void row_sum_huge(const float *x, size_t classes, size_t skip, struct row_sums *out, size_t row);
/* The same of all of more than SHORT_ROW classes, and the greatest of each 64 by the lanes: maxima[16 s + l] is that of
 * the classes 64 s + 16 j + l. */
void row_sum_with_maxima(const float *x, size_t classes, float *maxima, struct row_sums *out, size_t row);
/* The sum with a known maximum: N or the shift are fixed by it. */
double row_sum_below(const float *x, size_t classes, size_t skip, float max, float *n, float *shift);
/* The same as row_sum for the blocks of a long row, up to 16 of them, the last of more than SHORT_ROW classes: the
 * blocks get lanes 0.. */
void row_blocks_sum(const float *x, size_t classes, size_t skip, float *stash, struct row_sums *out);
/* The same as row_sum for n rows of up to SHORT_ROW classes; rows with a mark in leave are not read. */
void short_rows_sum(const float *x, size_t stride, size_t n, size_t classes, const int32_t *skip, const double *leave,
                    float *stash, size_t stash_stride, struct row_sums *out);
/* The same by way of copies without denormals (calm.h); classes may be `step` apart. */
void calm_row_sum(const float *x, size_t step, size_t classes, size_t skip, float *stash, struct row_sums *out,
                  size_t row);
double calm_sum_below(const float *x, size_t classes, size_t skip, float max, float *n, float *shift);
void calm_short_rows(const float *x, size_t stride, size_t n, size_t classes, const int32_t *skip, const double *leave,
                     float *stash, size_t stash_stride, struct row_sums *out);
/* The greatest x_c, c != skip; -inf if there is none; some x_c if one is NaN. */
float row_max(const float *x, size_t classes, size_t skip);
/* The first class whose logit is the row's maximum; of the first NaN if `nan`. Where there is none, the last or one
 * behind it. */
size_t row_find(const float *x, size_t step, size_t classes, float max, int nan);

/* Classes c..c+15, with -inf for `skip` and for classes from `classes` on. */
VFN vf row_load(const float *x, size_t c, size_t classes, size_t skip) {
  vf v = c + 16 <= classes ? vload(x + c) : c < classes ? vtail(x + c, classes - c, -INF) : vset1(-INF);
  if (skip - c < 16) v = put_label(v, c, skip, -INF);
  return v;
}
/* Classes c .. c + 63, some of which there may not be, as -inf. */
VFN void row_step_load(const float *x, size_t c, size_t classes, float *to) {
  for (size_t j = 0; j < 64; j += 16) vstore(to + j, row_load(x, c + j, classes, NO_CLASS));
}

#endif
