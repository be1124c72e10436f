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

/* In double: the square doubles every relative error. */
VFN struct derivatives msle(struct element e) {
  const vf eps = vset1(KERAS_EPS), zero = vset1(0.0f);
  const vd one = dset1(1.0), p = dwiden(vmax(eps, e.p)), t = dwiden(vmax(eps, e.t)), d = dsub(p, t);
  const vd distance = dmax(dsub(dset1(0.0), d), d), log = msle_log1p(ddiv(distance, dadd(one, dmin(p, t))));
  /* For infinite p any finite log: 0 times infinity is 0 here. */
  const vd factor = dsel(deq(p, dset1((double)INF)), dmin(one, log), log);
  const vd slope = ddiv(dadd(factor, factor), dadd(one, p)), nothing = dset1(0.0);
  const vd signed_slope = dsel(dgt(nothing, d), dsub(nothing, slope), slope);
  return (struct derivatives){
      .loss = of_double(e, dmul(log, log)),
      .grad = {vsel(vgt(eps, e.p), vmin(zero, dnarrow(log)), vsigned(dnarrow(slope), dnarrow(d))),
               dsel(dgt(dset1((double)KERAS_EPS), dwiden(e.p)), dmin(nothing, log), signed_slope)}};
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
