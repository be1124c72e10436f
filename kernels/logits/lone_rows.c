/* Calls on one short row, of which a loss and a gradient, a softmax or a log-sum-exp is wanted and nothing else: the
 * steps of a group of rows (cross_entropy.c, softmax.c) without the 15 rows that are not there, and with the same bits.
 * Each answers 0, and has written nothing that counts, where a row wants more care than that. */
#include <string.h>

#include "kernels.h"
#include "lse.h"
#include "row_sums.h"
#include "softmax.h"

static float narrow_small(double v) { return vfirst(dnarrow_small(dset1(v))); }

static void put_softmax(const struct row_output *row, double inverse, enum writing writing) {
  struct row_factors factors;
  if (inverse != inverse) {
    fill_row(row->out, NOT_A_NUMBER, row->classes);
    return;
  }
  lone_factors(&factors, inverse);
  row_softmax(row, &factors, 0, writing);
}

int KERNEL(lone_cross_entropy)(const float *x, size_t classes, size_t label, float *grad, double *loss) {
  struct row_sums sums;
  struct lone_finished row;
  const float own = x[label];
  const enum writing writing = grad == x ? CACHED : KEPT;
  if (met_denormals(0, x, 0, classes)) return 0;
  row_sum(x, classes, label, writing == KEPT ? grad : NULL, &sums, 0);
  lone_finish(&row, &sums, own);
  *loss = row.loss;
  if (!grad) return 1;
  const double at_target = row.rest < 0x1p-126 ? 0 : -row.rest;
  const struct row_output result = {.x = x,
                                    .out = grad,
                                    .classes = classes,
                                    .label = label,
                                    .n = sums.n[0],
                                    .shift = sums.shift[0],
                                    .value = (float)at_target};
  put_softmax(&result, row.inverse, writing);
  return 1;
}

int KERNEL(lone_softmax)(const float *x, size_t classes, float *out) {
  struct row_sums sums;
  const enum writing writing = out == x ? CACHED : KEPT;
  if (met_denormals(0, x, 0, classes)) return 0;
  row_sum(x, classes, NO_CLASS, writing == KEPT ? out : NULL, &sums, 0);
  const struct row_output result = {
      .x = x, .out = out, .classes = classes, .label = NO_CLASS, .n = sums.n[0], .shift = sums.shift[0]};
  put_softmax(&result, lone_inverse(&sums), writing);
  return 1;
}

/* log S relative to the maximum, as group_log_sum of softmax.c has it. */
static double log_sum_of(const float *x, size_t classes, struct row_sums *sums, double unshifted) {
  struct lone_finished row;
  const float max = sums->max[0];
  const double log_sum = unshifted - ((double)max - (double)sums->shift[0]);
  if (!((float)log_sum < 0.69f)) return log_sum;
  const size_t best = row_find(x, 1, classes, max, 0);
  sums->sum[0] = row_sum_below(x, classes, best, max, &sums->n[0], &sums->shift[0]);
  lone_finish(&row, sums, max);
  return row.loss;
}

int KERNEL(lone_log_softmax)(const float *x, size_t classes, float *out) {
  struct row_sums sums;
  struct softmax_rows row;
  if (met_denormals(0, x, 0, classes)) return 0;
  row_sum(x, classes, NO_CLASS, NULL, &sums, 0);
  const struct lone_lse lse = lone_lse(&sums);
  if (lse.lse - lse.lse != 0) {
    fill_row(out, NOT_A_NUMBER, classes);
    return 1;
  }
  row.max[0] = sums.max[0];
  const float log_sum = narrow_small(log_sum_of(x, classes, &sums, lse.unshifted));
  /* A denormal log S is what the class at the maximum gets, and nothing to any other. */
  int32_t bits;
  memcpy(&bits, &log_sum, sizeof bits);
  const int alone = bits < 0x00800000;
  const size_t best = alone ? row_find(x, 1, classes, row.max[0], 0) : NO_CLASS;
  row.log_sum[0] = alone ? 0 : log_sum;
  log_softmax_row(x, out, classes, &row, 0, 0);
  if (!alone) return 1;
  if (bits) bits |= INT32_MIN;
  memcpy(out + best, &bits, sizeof bits);
  return 1;
}

int KERNEL(lone_log_sum_exp)(const float *x, size_t classes, float *out) {
  struct row_sums sums;
  if (met_denormals(0, x, 0, classes)) return 0;
  row_sum(x, classes, NO_CLASS, NULL, &sums, 0);
  double lse = lone_lse(&sums).lse;
  const float narrow = narrow_small(lse);
  if (narrow < NEAR_0 && narrow > -NEAR_0) {
    ALIGNED float left_out[16];
    const struct sum_rows row = {{1, classes, 1}, {0, 1, ALONG, 0}, x, classes, no_class, none};
    vd wide = dset1(lse);
    spread_sums_of(&sums, 0);
    vstore(left_out, vset1(-INF));
    group_lse(&wide, &row, &sums, left_out);
    lse = dfirst(wide);
  } else if ((double)sums.max[0] > lse) {
    lse = (double)sums.max[0];
  }
  *out = lse == lse ? narrow_small(lse) : NOT_A_NUMBER;
  return 1;
}
