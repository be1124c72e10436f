/* Log-sum-exp near 0. */
#include "lse.h"

#include "row_sums.h"

/* exp to 2^-52 for -700 <= x <= 700: Taylor to r^13, 0.347^14 / 14! = 4e-18. */
VFN vd dexp_full(vd x) {
  const vd t = dfma(x, dset1(1 / VLOSS_D_LN2_HI), dset1(VLOSS_D_ROUND)), n = dsub(t, dset1(VLOSS_D_ROUND));
  const vd r = dnfma(n, dset1(VLOSS_D_LN2_LO), dnfma(n, dset1(VLOSS_D_LN2_HI), x));
  static const double inverse_factorials[] = {
      1 / 479001600., 1 / 39916800., 1 / 3628800., 1 / 362880., 1 / 40320., 1 / 5040., 1 / 720.,
      1 / 120.,       1 / 24.,       1 / 6.,       1 / 2.,      1,          1};
  vd p = dset1(1 / 6227020800.);
  for (size_t i = 0; i < sizeof inverse_factorials / sizeof *inverse_factorials; i++)
    p = dfma(p, r, dset1(inverse_factorials[i]));
  return dmul(p, dshl52(t));
}

/* sum_{c != best} exp(x_c - max), in double throughout; class c is at x[c * step]. */
static SMALL double others_in_double(const float *x, size_t step, size_t classes, size_t best, float max) {
  const vd least = dset1(-600.0), zero = dset1(0.0);
  vd sum = zero;
  for (size_t c = 0; c < classes; c += 16) {
    ALIGNED float v[16];
    for (size_t i = 0; i < 16; i++) v[i] = c + i < classes && c + i != best ? x[(c + i) * step] : -INF;
    const vd d = dsub(dwiden(vload(v)), dset1((double)max));
    sum = dadd(sum, dsel(dgt(least, d), zero, dexp(dmax(least, d))));
  }
  return dsum(sum);
}

/* lse from an estimate e that is good to 1e-6: e + log(sum exp(x_c - e)), which has no digit before the 2^-40ths of e.
 * What additions round away is added up beside the sum, so that the number of classes does not count. */
static SMALL double lse_in_double(const float *x, size_t step, size_t classes, double estimate) {
  const double e = estimate + 0x1.8p16 - 0x1.8p16;
  const vd least = dset1(-600.0), zero = dset1(0.0);
  vd sum = zero, lost = zero;
  for (size_t c = 0; c < classes; c += 16) {
    ALIGNED float v[16];
    for (size_t i = 0; i < 16; i++) v[i] = c + i < classes ? x[(c + i) * step] : -INF;
    const vd d = dsub(dwiden(vload(v)), dset1(e));
    const vd t = dsel(dgt(least, d), zero, dexp_full(dmax(least, d)));
    const vd next = dadd(sum, t), taken = dsub(next, sum);
    lost = dadd(lost, dadd(dsub(sum, dsub(next, taken)), dsub(t, taken)));
    sum = next;
  }
  ALIGNED double sums[16];
  dstore(sums, sum);
  double f = -1, rest = dsum(lost); /* of numbers between -1 and 1, so that an addition loses 2^-54 at most */
  for (size_t i = 0; i < 16; i++) f += sums[i];
  f += rest;
  return e + (f - 0.5 * f * f);
}

/* exp to 2^-52 of a lone number. */
static SMALL double exp_full(double x) {
  ALIGNED double e[16];
  dstore(e, dexp_full(dset1(x)));
  return e[0];
}

/* The lesser of two maxima is a term of the sum. */
static void lse_hold_out(struct long_row *row, float max) {
  const float lesser = max > row->max ? row->max : max;
  if (max > row->max) row->max = max + 0.0f; /* of -0 and 0 the same, whichever comes first */
  if (lesser >= -600.0f) binned_add(&row->sum, exp_full((double)lesser), 0);
}

/* Within the block in order; what additions round away is added up beside the sum, so that it does not count. */
SMALL void lse_add(struct long_row *row, const float *x, size_t step, size_t classes) {
  size_t best = 0;
  if (step == 1)
    best = row_find(x, 1, classes, row_max(x, classes, NO_CLASS), 0);
  else
    for (size_t c = 1; c < classes; c++)
      if (x[c * step] > x[best * step]) best = c;
  const float max = x[best * step];
  if (max == -INF || max >= LSE_LIMIT) return;
  const vd least = dset1(-600.0), zero = dset1(0.0);
  vd sum = zero, lost = zero;
  for (size_t c = 0; c < classes; c += 16) {
    ALIGNED float v[16];
    for (size_t i = 0; step != 1 && i < 16; i++) v[i] = c + i < classes && c + i != best ? x[(c + i) * step] : -INF;
    const vd d = dwiden(step == 1 ? row_load(x, c, classes, best) : vload(v)),
             t = dsel(dgt(least, d), zero, dexp_full(dmax(least, d)));
    const vd next = dadd(sum, t), taken = dsub(next, sum);
    lost = dadd(lost, dadd(dsub(sum, dsub(next, taken)), dsub(t, taken)));
    sum = next;
  }
  ALIGNED double sums[16];
  dstore(sums, sum);
  double all = 0, rest = dsum(lost);
  for (size_t i = 0; i < 16; i++) {
    const double next = all + sums[i], taken = next - all;
    rest += (all - (next - taken)) + (sums[i] - taken);
    all = next;
  }
  binned_add(&row->sum, all, 0);
  binned_add(&row->sum, rest, 0);
  lse_hold_out(row, max);
}

void lse_merge(struct long_row *into, const struct long_row *from) {
  binned_merge(&into->sum, &from->sum);
  lse_hold_out(into, from->max);
}

SMALL double lse_of(const struct long_row *row) {
  const double max = (double)row->max;
  const vd wide_max = dset1(max);
  struct row_sums others;
  ALIGNED double log[16];
  no_sums(&others);
  dstore(others.sum, dset1(binned_read(&row->sum, 0)));
  vd small;
  finish_loss(&small, &others, &wide_max, 1);
  dstore(log, small);
  const double lse = max + log[0];
  if (!(max < 0 && log[0] > (lse < 0 ? -lse : lse))) return lse;
  /* They cancel: from the estimate e, good to 1e-9, e + log(sum exp(x_c) exp(-e)), which has no digit before the
   * 2^-30ths of e. */
  const double e = lse + 0x1.8p16 - 0x1.8p16;
  struct binned_sum all = row->sum;
  binned_add(&all, exp_full(max), 0);
  const double f = binned_read(&all, 0) * exp_full(-e) - 1;
  return e + (f - 0.5 * f * f);
}

/* The lse of a long row, read again. */
static double long_lse(const float *x, size_t step, size_t classes) {
  struct long_row row = lse_begin();
  for (size_t c = 0; c < classes; c += CLASS_BLOCK)
    lse_add(&row, x + c * step, step, classes - c < CLASS_BLOCK ? classes - c : CLASS_BLOCK);
  return lse_of(&row);
}

/* The greatest logit's term is a float, and what outweighs a sum was added in double, so it can be subtracted from the
 * sum again: unless the others are too small to be seen beside it, or lse cancels. Those few rows are read again. */
static SMALL void lse_near_0(vd *lse, const struct sum_rows *rows, const struct row_sums *sums_of, vf left_out) {
  struct row_sums s = *sums_of;
  const vd zero = dset1(0.0), one = dset1(1.0), n = dwiden(vload(s.n)), shift = dwiden(vload(s.shift));
  const vf max = vmax(vload(s.max), left_out);
  const vm read =
      vmand(vigt(viset1((int32_t)rows->g.n), lane_numbers()), vgt(vset1(0.5f), dnarrow(dload(rows->leave))));
  const vm near = vmand(read, vgt(vset1(NEAR_0), vabs(dnarrow_small(*lse))));
  if (!vany(near)) return;
  const struct reference ref = reference_at(vload(s.n));
  const vd rest = dsub(dload(s.sum), dwiden(term(vsub(vload(s.max), vload(s.shift)), &ref)));
  const vd d = dsub(dwiden(left_out), shift);
  const vd power = dnfma(n, dset1(VLOSS_D_LN2_LO), dnfma(n, dset1(VLOSS_D_LN2_HI), d));
  const vd target = dsel(dgt(dset1(-600.0), power), zero, dexp(dmax(dset1(-600.0), dmin(dset1(600.0), power))));
  const vd wide_max = dwiden(max), is_max = dsel(deq(dwiden(left_out), wide_max), one, zero);
  const vd others = dsel(dgt(is_max, zero), dload(s.sum), dadd(rest, target));
  const vd vague = dsel(dgt(dmul(dload(s.sum), dset1(0x1p-20)), others), one, zero);
  ALIGNED double sums[16], is_vague[16], exact[16];
  ALIGNED float maxima[16], is_near[16];
  /* 1 in the other rows: what finish_loss makes of that does not go under. */
  dstore(sums, dsel(dgt(dwiden(vsel(near, vset1(1.0f), vset1(0.0f))), zero), others, one));
  dstore(is_vague, vague);
  vstore(maxima, max);
  vstore(is_near, vsel(near, vset1(1.0f), vset1(0.0f)));
  const size_t step = rows->shape.inner, classes = rows->shape.classes;
  for (size_t i = 0; i < rows->g.n; i++) {
    if (is_near[i] == 0 || is_vague[i] == 0) continue;
    const float *x = rows->x + row_offset(&rows->shape, rows->stride, rows->g.first + i);
    sums[i] = others_in_double(x, step, classes, row_find(x, step, classes, maxima[i], 0), maxima[i]);
    s.n[i] = 0;
    s.shift[i] = maxima[i];
  }
  dstore(s.sum, dload(sums));
  vd small;
  finish_loss(&small, &s, &wide_max, rows->g.n);
  dstore(exact, dsel(dgt(dwiden(vload(is_near)), zero), dadd(wide_max, small), *lse));
  for (size_t i = 0; i < rows->g.n; i++) {
    const double above = exact[i] - (double)maxima[i], size = exact[i] < 0 ? -exact[i] : exact[i];
    if (is_near[i] == 0 || is_vague[i] != 0 || !(maxima[i] < 0 && above > size)) continue;
    const float *x = rows->x + row_offset(&rows->shape, rows->stride, rows->g.first + i);
    exact[i] = lse_in_double(x, step, classes, exact[i]);
  }
  *lse = dload(exact);
}

/* The same of long rows. */
static SMALL void long_lse_near_0(vd *lse, const struct sum_rows *rows) {
  ALIGNED double exact[16];
  dstore(exact, *lse);
  for (size_t i = 0; i < rows->g.n; i++)
    if (rows->leave[i] == 0 && exact[i] > -(double)NEAR_0 && exact[i] < (double)NEAR_0)
      exact[i] = long_lse(rows->x + row_offset(&rows->shape, rows->stride, rows->g.first + i), rows->shape.inner,
                          rows->shape.classes);
  *lse = dload(exact);
}

void group_lse(vd *lse, const struct sum_rows *rows, const struct row_sums *sums, const float *left_out) {
  const vf left = vload(left_out);
  if (rows->shape.classes > CLASS_BLOCK)
    long_lse_near_0(lse, rows);
  else
    lse_near_0(lse, rows, sums, left);
  *lse = dmax(dwiden(left), dmax(dwiden(vload(sums->max)), *lse));
}
