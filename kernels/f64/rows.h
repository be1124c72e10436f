/* Rows of doubles over logits: how they are read and written, and what is known of one after its sum. One row at a
 * time, 16 classes at once, whatever the layout. */
#ifndef VLOSS_KERNELS_F64_ROWS_H
#define VLOSS_KERNELS_F64_ROWS_H

#include "sum.h"
#include "table.h"

#define wide_log_sum VLOSS_ISA_SYMBOL(vloss_wide_log_sum)

/* A row of one of the arrays. */
struct wide_row {
  double *p; /* inputs are not written */
  size_t step;
};
VFN struct wide_row wide_row_of(const struct vloss_shape *shape, const void *p, size_t stride, size_t row) {
  const size_t inner = shape->inner;
  const char *const first = (const char *)p + (row / inner * stride + row % inner) * sizeof(double);
  struct wide_row r = {.step = inner};
  memcpy(&r.p, &first, sizeof r.p);
  return r;
}
/* Classes c .. c + n - 1, at most 16; `fill` beyond. */
VFN vd classes_at(struct wide_row r, size_t c, size_t n, double fill) {
  if (r.step == 1) return n < 16 ? dtail(r.p + c, n, fill) : dload(r.p + c);
  double t[16];
  for (size_t i = 0; i < 16; i++) t[i] = i < n ? r.p[(c + i) * r.step] : fill;
  return dload(t);
}
VFN void put_classes(struct wide_row r, size_t c, size_t n, vd v) {
  double t[16];
  dstore(t, dsel(dnan(v), dset1(WIDE_NAN), v));
  for (size_t i = 0; i < n; i++) r.p[(c + i) * r.step] = t[i];
}
VFN size_t at_once(size_t classes, size_t c) { return classes - c < 16 ? classes - c : 16; }
VFN double first_of(vd v) {
  double t[16];
  dstore(t, v);
  return t[0];
}

/* e^(x - m), given the difference in two parts: its rounding would be relative error. */
VFN vd exp_of_parts(struct parts d) {
  const vd exp = sleef_exp(d.high);
  return dfma(exp, d.low, exp);
}

/* Of a row: its maximum m, the sum of e^(x - m) over the classes other than the first at the maximum, and the same
 * without class `but` (another one), too. So log S, S relative to e^m, is log1p(rest), and loses no digits where one
 * class has nearly everything. */
struct log_sum {
  double max, rest, rest_but;
  size_t best;   /* the first class at the maximum; of the first NaN */
  int undefined; /* NaN, +inf, or nothing but -inf; max is NaN, or infinite */
};
enum { WIDE_NO_CLASS = -1 };
struct log_sum wide_log_sum(struct wide_row x, size_t classes, size_t but);

#endif
