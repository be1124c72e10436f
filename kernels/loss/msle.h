/* Mean squared logarithmic error: (log(1 + p') - log(1 + t'))^2, p' = max(p, eps), t' = max(t, eps). Gradient
 * 2 (log(1 + p') - log(1 + t')) / (1 + p'), 0 for p < eps. The logs differ by
 * log1p(|p' - t'| / (1 + min(p', t'))): nothing cancels. */
#ifndef VLOSS_KERNELS_LOSS_MSLE_H
#define VLOSS_KERNELS_LOSS_MSLE_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

/* log(1 + x) for x >= 0: what rounding 1 + x lost is added again. NaN passes. */
VFN vd msle_log1p(vd x) {
  const vd one = dset1(1.0), inf = dset1((double)INF), u = dadd(one, x);
  return dsel(deq(x, inf), inf, dadd(dlog(u), ddiv(dsub(x, dsub(u, one)), u)));
}

VFN struct derivatives msle_before_rounding(struct element e) {
  const vd one = dset1(1.0), eps = dset1((double)KERAS_EPS), nothing = dset1(0.0);
  const vd p = dmax(eps, dwiden(e.p)), t = dmax(eps, dwiden(e.t)), d = dsub(p, t);
  const vd distance = dmax(dsub(nothing, d), d), log = msle_log1p(ddiv(distance, dadd(one, dmin(p, t))));
  /* For infinite p any finite log: 0 times infinity is 0 here. */
  const vd factor = dsel(deq(p, dset1((double)INF)), dmin(one, log), log);
  const vd slope = ddiv(dadd(factor, factor), dadd(one, p));
  const vd signed_slope = dsel(dgt(nothing, d), dsub(nothing, slope), slope);
  return (struct derivatives){.loss.exact = dmul(log, log),
                              .grad.exact = dsel(dgt(eps, dwiden(e.p)), dmin(nothing, log), signed_slope)};
}

/* What adding the greater one of two positive numbers to the other lost. */
VFN vf msle_lost(vf greater, vf less, vf sum) { return vsub(less, vsub(sum, greater)); }
/* log(1 + x + low), `low` an ulp or two of x >= 0. NaN passes, from `low`. */
VFN vf msle_log1p_sum(vf x, vf low) {
  const vf one = vset1(1.0f), u = vadd(one, x), lost = vadd(msle_lost(vmax(one, x), vmin(one, x), u), low);
  const vi k = vlog_exponent(u);
  const vf whole = vsub(vfloat(visub(vbits(u), vishl(k, 23))), one), n = vitof(k);
  /* Beside large x what was lost is nothing, and 2^-k would be no normal number. */
  const vf scale = vsel(vgt(x, vset1(0x1p64f)), vset1(0.0f), vfloat(vishl(visub(viset1(127), k), 23)));
  const vf f = vfma(lost, scale, whole), rest = vfma(lost, scale, vsub(whole, f)), square = vmul(f, f);
  const vf slope = vfma(f, vlog_polynomial(f), vset1(-0.5f));
  const vf tail = vadd(vfma(square, slope, rest), vmul(n, vset1(VLOSS_LN2_LO)));
  return vfma(n, vset1(VLOSS_LN2_HI), vadd(f, tail));
}
/* v / (1 + p), rounded about once. */
VFN vf msle_slope(vf v, vf p) {
  const vf one = vset1(1.0f), sum = vadd(one, p), low = msle_lost(vmax(one, p), vmin(one, p), sum);
  const vf inverse = vdiv(one, sum), about = vmul(v, inverse);
  return vfma(vnfma(about, low, vnfma(about, sum, v)), inverse, about);
}
/* The difference and 1 + min(p', t') are two floats each, and so is their quotient: the square doubles what is lost of
 * the log. */
VFN struct derivatives msle(struct element e) {
  const vf eps = vset1(KERAS_EPS), zero = vset1(0.0f), one = vset1(1.0f), inf = vset1(INF);
  if (e.exact) return msle_before_rounding(e);
  const vf p = vmax(eps, e.p), t = vmax(eps, e.t), less = vmin(p, t), greater = vmax(p, t);
  const vf d = vsub(p, t), distance = vabs(d), d_low = vsub(vsub(greater, distance), less);
  const vf sum = vadd(one, less), sum_low = msle_lost(vmax(one, less), vmin(one, less), sum);
  const vf inverse = vdiv(one, sum), ratio = vmul(distance, inverse);
  const vf rest = vadd(vnfma(ratio, sum, distance), vnfma(ratio, sum_low, d_low));
  vf log = msle_log1p_sum(ratio, vmul(rest, inverse)), factor = log;
  if (!e.fast) {
    log = vsel(veq(distance, inf), distance, log);
    factor = vsel(veq(p, inf), vmin(one, log), log); /* any finite log: 0 times infinity is 0 here */
  }
  vf slope = msle_slope(vadd(factor, factor), p);
  if (!e.fast) slope = vsel(veq(distance, inf), vdiv(vadd(factor, factor), vadd(one, p)), slope);
  return (struct derivatives){.loss.exact = dmul(dwiden(log), dwiden(log)),
                              .grad = of_float(vsel(vgt(eps, e.p), vmin(zero, log), vsigned(slope, d))),
                              .a = log,
                              .b = log};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result msle_wide(struct wide e, const double *k) {
  (void)k;
  const vd eps = dset1(WIDE_KERAS_EPS), one = dset1(1.0), zero = dset1(0.0), p = dmax(eps, e.p), t = dmax(eps, e.t);
  const vd least = dmin(p, t);
  const struct parts ratio =
      parts_quotient_in(e.near, sum_in(e.near, dmax(p, t), dneg(least)), sum_in(e.near, one, least));
  const vd log = log1p_in(e.near, ratio.high);
  const vd lost = ddiv(ratio.low, dadd(one, ratio.high)), low = e.near ? lost : dsel(dfinite(log), lost, zero);
  /* For infinite p any finite log: 0 times infinity is 0 here. */
  const vd factor = e.near ? log : dsel(deq(p, dset1(WIDE_INF)), dmin(one, log), log);
  const struct parts twice = parts_in(e.near, dadd(factor, factor), dadd(low, low));
  const vd slope = rounded_parts(parts_quotient_in(e.near, twice, sum_in(e.near, one, p)));
  return (struct wide_result){.loss = product_plus_in(e.near, log, log, dmul(dadd(log, log), low)),
                              .grad = dsel(dgt(eps, e.p), zero, dsel(dgt(t, p), dneg(slope), slope))};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula msle_formula(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  const real p1 = p < FORMULA_EPS ? FORMULA_EPS : p, t1 = t < FORMULA_EPS ? FORMULA_EPS : t;
#ifdef VLOSS_FORMULA_OF_DOUBLES /* 64 bits are not enough for the difference of two logarithms near each other */
  const real least = p1 < t1 ? p1 : t1, log = log1p(fabs(p1 - t1) / (1 + least)), difference = p1 < t1 ? -log : log;
#else
  const real difference = log1p(p1) - log1p(t1);
#endif
  const real grad = formula_times(2 / (1 + p1), difference);
  return (struct formula){.loss = {difference * difference, 0}, .grad = {p < FORMULA_EPS ? 0 : grad, 0}};
}
#endif

#endif
