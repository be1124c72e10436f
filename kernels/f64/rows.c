/* Rows of doubles: where fewer than 16 classes are left, or where they do not lie side by side; terms far below 1. */
#include "rows.h"

#include "log.h"

vd wide_some_classes(const double *p, size_t step, size_t n, double fill) {
  double t[16];
  dstore(t, dset1(fill));
  for (size_t i = 0; i < n; i++) t[i] = p[i * step];
  return dload(t);
}
vd wide_changed(const struct wide_change *change, vd x) {
  if (change->cap == 0) return dmul(x, dset1(change->scale));
  return dmul(dset1(change->cap), tanh_of(dmul(x, dset1(change->scale / change->cap))));
}
vd wide_changed_classes(const struct wide_row *r, size_t c, size_t n, double fill) {
  double y[16];
  dstore(y, wide_changed(&r->change, raw_classes_at(*r, c, n, 0.0)));
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

void wide_row_scales(const double *max, size_t rows, struct row_scale *scales) {
  double near[16] = {0}, round[16], high[16], low[16];
  for (size_t i = 0; i < rows; i++) {
    scales[i].near = max[i] <= EXP_NEAR && max[i] >= -EXP_NEAR;
    scales[i].max = max[i];
    if (scales[i].near) near[i] = max[i];
  }
  const vd m = dload(near), magic = dset1(0x1.8p52), steps = dmul(m, dset1(1 / VLOSS_D_LN2_HI));
  const vd of_round = dsub(dset1(VLOSS_D_ROUND), dsub(dadd(steps, magic), magic)), scale = dshl52(of_round);
  const struct parts e = exp_parts_near(m);
  dstore(round, of_round);
  dstore(high, dmul(e.high, scale));
  dstore(low, dmul(e.low, scale));
  for (size_t i = 0; i < rows; i++) {
    scales[i].round = round[i];
    scales[i].least = max[i] > 0 ? max[i] - EXP_NEAR : -EXP_NEAR;
    scales[i].of_max = (struct total){high[i], low[i]};
  }
}

vd wide_far_terms(const struct row_scale *s, vd x) {
  return dmul(exp_of_parts(finite_sum_of(x, dset1(-s->max))), dset1(s->of_max.high));
}

#ifdef VLOSS_ISA_IS_SCALAR
vd tanh_of(vd x) { return inlined_tanh(x); }
struct precise_exp precise_exp_of(struct parts d) {
  return inlined_precise_exp(d);
}
#endif
struct parts wide_log_of(struct parts rest) {
  return log_in_parts_near(parts_sum(whole(dset1(1.0)), rest));
}
