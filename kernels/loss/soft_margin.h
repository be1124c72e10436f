/* Soft margin: sp(x), x = -t p, sp(x) = log(1 + e^x). Gradient -t s(x), s the sigmoid. With e = e^-|x|, sp is
 * max(0, x) + log1p(e), and s is 1 / (1 + e) for x >= 0, else e / (1 + e). */
#ifndef VLOSS_KERNELS_LOSS_SOFT_MARGIN_H
#define VLOSS_KERNELS_LOSS_SOFT_MARGIN_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

struct soft_margin_exact {
  vd loss, grad;
};
VFN struct soft_margin_exact soft_margin_exact(vf p, vf t) {
  const vd zero = dset1(0.0), one = dset1(1.0), minus_t = dsub(zero, dwiden(t)),
           x = dmul(minus_t, dwiden(vfactor(t, p)));
  const vd exp = dexp_minus(dmax(dsub(zero, x), x)), s = ddiv(dsel(dgt(zero, x), exp, one), dadd(one, exp));
  return (struct soft_margin_exact){dadd(dmax(zero, x), dlog1p_unit(exp)), dmul_or_zero(minus_t, s)};
}

VFN struct derivatives soft_margin(struct element e) {
  const struct soft_margin_exact exact = soft_margin_exact(e.p, e.t);
  if (e.exact) return (struct derivatives){.loss.exact = exact.loss, .grad.exact = exact.grad};
  const vf zero = vset1(0.0f), one = vset1(1.0f), minus_t = vneg(e.t);
  const vf by_p = vfactor(e.t, e.p), p = e.calm ? vflush_beside(by_p, e.t) : by_p,
           minus = e.calm ? vflush_beside(minus_t, by_p) : minus_t;
  const vf x = vmul(minus, p);
  /* What rounding x lost would be relative error of e. At most 2^-18 where e is not 0; no more may come of infinity. */
  const vf bound = vset1(0x1p-18f), lost = vmax(vset1(-0x1p-18f), vmin(vfma(minus, p, vneg(x)), bound));
  const vm negative = vgt(zero, x);
  /* Beside x > 0 a small e is rounded away: there VLOSS_GUARD keeps it from being a denormal. */
  const struct vexp_halves halves = vexp_minus_sum_in_halves(vabs(x), vsel(negative, vneg(lost), lost));
  const vf guard = vsel(negative, zero, vset1(VLOSS_GUARD));
  const vf exp = e.calm ? vfma_calm(halves.mantissa, halves.scale, guard) : vfma(halves.mantissa, halves.scale, guard);
  /* Sums and quotients in double, as exp may be wrong by an ulp already. */
  const vd wide = dwiden(exp),
           log = dfma(dmul(wide, wide), dwiden(vlog1p_unit_quotient(e.calm ? vflush(exp) : exp)), wide);
  const vf s = dnarrow(ddiv(dwiden(vsel(negative, exp, one)), dadd(dset1(1.0), wide)));
  const vf by_t = vfactor(s, minus_t);
  return (struct derivatives){.loss = {dnarrow(dadd(dwiden(vpositive(x)), log)), exact.loss},
                              .grad = {e.calm ? vmul_calm(s, by_t) : vmul(s, by_t), exact.grad}};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN dm soft_margin_wide_far(struct wide e, const double *k) {
  (void)k;
  return dgt(dabs(dmul(e.p, e.t)), dset1(200.0));
}
/* x in two parts: its rounding would be relative error of e. */
VFN struct wide_result soft_margin_wide(struct wide e, const double *k) {
  (void)k;
  const vd zero = dset1(0.0), one = dset1(1.0), minus_t = dneg(e.t);
  const dm none = deq(e.t, zero);
  struct parts x = product_in(e.near, minus_t, e.p);
  x = (struct parts){dsel(none, zero, x.high), dsel(none, zero, x.low)};
  const dm negative = dgt(zero, x.high);
  const struct parts minus_size = {dneg(dabs(x.high)), dsel(negative, x.low, dneg(x.low))};
  const vd exp = exp_in(e.near, minus_size);
  const vd s = ddiv(dsel(negative, exp, one), dadd(one, exp)), log = log1p_unit(exp);
  return (struct wide_result){.loss = dsel(negative, log, dadd(x.high, dadd(log, x.low))),
                              .grad = dmul_or_zero(s, minus_t)};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula soft_margin_formula(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  const real x = -formula_times(t, p), e = exp(-fabs(x)), s = (x < 0 ? e : 1) / (1 + e);
  return (struct formula){.loss = {(x < 0 ? 0 : x) + log1p(e), 0}, .grad = {-formula_times(s, t), 0}};
}
#endif

#endif
