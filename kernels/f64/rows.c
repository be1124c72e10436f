/* Rows of doubles: where fewer than 16 classes are left, or where they do not lie side by side; terms far below 1. */
#include "rows.h"

vd wide_some_classes(const double *p, size_t step, size_t n, double fill) {
  double t[16];
  dstore(t, dset1(fill));
  for (size_t i = 0; i < n; i++) t[i] = p[i * step];
  return dload(t);
}
vd wide_changed_classes(const struct wide_row *r, size_t c, size_t n, double fill) {
  double y[16];
  dstore(y, changed(&r->change, raw_classes_at(*r, c, n, 0.0)));
  return n < 16 ? dtail(y, n, fill) : dload(y);
}
void wide_put_some(double *p, size_t step, size_t n, vd v) {
  double t[16];
  dstore(t, v);
  for (size_t i = 0; i < n; i++) p[i * step] = t[i];
}
const double *wide_copy_64(double *copy, struct wide_row r, size_t classes, size_t c, size_t but, double fill) {
  const size_t n = classes - c < 64 ? classes - c : 64;
  for (size_t i = 0; i < n; i++) copy[i] = r.p[(c + i) * r.step];
  for (size_t i = n; i < 64; i++) copy[i] = fill;
  if (but - c < n) copy[but - c] = fill;
  return copy;
}

vd wide_far_terms(const struct row_scale *s, vd x) {
  return dmul(exp_of_parts(finite_sum_of(x, dset1(-s->max))), s->of_max.high);
}
