/* Binary focal cross-entropy of Keras, of a probability: A q^gamma bce, bce = -(t' log(v + eps) + u' log(1 - v + eps))
 * as in keras_bce.h, t' = t (1-a) + a/2, u' = 1 - t', q = t' (1-p) + u' p of the p that is not clipped, A as in
 * sigmoid_focal.h of t'. Gradient A (q^gamma bce' + gamma q^(gamma-1) (u' - t') bce), bce' 0 where p was clipped; where
 * q is 0 so is the second term, unless gamma is 1.
 *
 * In double, but for the logs and the float sums with eps: a power multiplies the relative error of q. */
#ifndef VLOSS_KERNELS_LOSS_KERAS_BINARY_FOCAL_H
#define VLOSS_KERNELS_LOSS_KERAS_BINARY_FOCAL_H

#include "keras_bce.h"
#include "sigmoid_focal.h"

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

/* t' = unsmoothed t + half_smoothing. */
struct keras_binary_focal_constants {
  struct call call;
  struct focal focal;
  double unsmoothed, half_smoothing;
  float small_below; /* a result of such a p may be below 2^-126: p^gamma is in it */
};
VFN void keras_binary_focal_constants(const double *parameters, struct keras_binary_focal_constants *k) {
  k->focal = focal_of(parameters[0], parameters[1]);
  k->unsmoothed = 1 - parameters[2];
  k->half_smoothing = parameters[2] / 2;
  k->small_below = parameters[1] > 3 ? FLT_MAX : 0x1p-30f;
}

VFN struct derivatives keras_binary_focal(struct element e, const struct keras_binary_focal_constants *k) {
  const vd one = dset1(1.0), zero = dset1(0.0), p = dwiden(e.p), t_given = dwiden(e.t);
  const vd unsmoothed = dset1(k->unsmoothed), half = dset1(k->half_smoothing);
  const vd t = dfma(t_given, unsmoothed, half), u = dfma(dsub(one, t_given), unsmoothed, half);
  const vf v = vmin(vset1(KERAS_ONE_MINUS_EPS), vmax(vset1(KERAS_EPS), e.p));
  const vf of_t = vadd(v, vset1(KERAS_EPS)), of_u = vadd(vsub(vset1(1.0f), v), vset1(KERAS_EPS));
  const vd a = dwiden(of_t), b = dwiden(of_u);
  const vd minus_bce = dfma(t, dwiden(vln_normal(of_t)), dmul(u, dwiden(vln_normal(of_u))));
  const vd slope = ddiv(dnfma(t, b, dmul(u, a)), dmul(a, b)),
           passes = dwiden(vsel(veq(v, e.p), vset1(1.0f), vset1(0.0f)));

  const vd q = dfma(t, dsub(one, p), dmul(u, p)),
           weight = dfma(dset1(k->focal.of_ones), t, dmul(dset1(k->focal.of_zeros), u));
  const double gamma = k->focal.gamma, sign = k->focal.sign;
  vd power, power_before; /* q^gamma, q^(gamma - 1) */
  if (gamma == 2) {
    power = dmul(q, q), power_before = q;
  } else {
    power = sigmoid_focal_power(q, gamma, sign);
    power_before = sigmoid_focal_power(q, gamma - 1, -sign);
  }
  /* The powers are finite and the last factors to come: 0 times them is 0. The logs drop NaN, the powers keep it. */
  const vd factor = dmul(weight, power), by_q = dmul(dmul(weight, dmul(dset1(gamma), dsub(t, u))), minus_bce);
  return focal_derivatives(e, dsub(zero, dmul(factor, minus_bce)),
                           dfma(power_before, by_q, dmul(factor, dmul(passes, slope))),
                           vany(vgt(vset1(k->small_below), e.p)));
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
/* gamma q^(gamma - 1), 0 where q is unless gamma is 1; q^2 may be no double where 2 q is one. */
VFN struct parts keras_binary_focal_before(int near, struct parts q, double gamma, struct parts power) {
  const vd zero = dset1(0.0);
  if (gamma == 2) return (struct parts){dadd(q.high, q.high), dadd(q.low, q.low)};
  const struct parts r = parts_quotient_in(near, parts_product_in(near, whole(dset1(gamma)), power), q);
  const dm none = deq(q.high, zero);
  return (struct parts){dsel(none, dset1(gamma == 1), r.high), dsel(none, zero, r.low)};
}
VFN dm keras_binary_focal_wide_far(struct wide e, const double *k) {
  (void)k;
  const vd zero = dset1(0.0), one = dset1(1.0);
  const dm p = dmor(dgt(dset1(0x1p-500), e.p), dgt(e.p, one)), t = dmor(dgt(zero, e.t), dgt(e.t, one));
  return dmor(p, t);
}
VFN struct wide_result keras_binary_focal_wide(struct wide e, const double *k) {
  const vd one = dset1(1.0);
  const int near = e.near;
  const struct focal focal = focal_of(k[0], k[1]);
  const struct parts t = smoothed_in(near, whole(e.t), k[2]), u = smoothed_in(near, sum_in(near, one, dneg(e.t)), k[2]);
  const struct parts q = parts_sum_in(near, parts_product_in(near, t, sum_in(near, one, dneg(e.p))),
                                      parts_product_in(near, u, whole(e.p)));
  const struct keras_bce_wide_terms bce = keras_bce_wide_terms(near, e.p, t, u, 1);
  const struct parts power = power_in_parts(near, q, focal.gamma, focal.sign), minus_bce = bce.minus_loss;
  const struct parts weight = focal_wide_weight(near, k[0], t, u), factor = parts_product_in(near, weight, power);
  const struct parts before = parts_product_in(near, weight, keras_binary_focal_before(near, q, focal.gamma, power));
  const struct parts by_q = parts_product_in(near, before, parts_sum_in(near, t, parts_negated(u)));
  const vd low = dfma(by_q.low, minus_bce.high, dfma(by_q.high, minus_bce.low, dmul(factor.low, bce.slope)));
  const vd loss = product_plus_in(near, factor.high, minus_bce.high,
                                  dfma(factor.low, minus_bce.high, dmul(factor.high, minus_bce.low)));
  return (struct wide_result){.loss = dneg(dsel(deq(factor.high, dset1(0.0)), dset1(0.0), loss)),
                              .grad = dadd(dfma(by_q.high, minus_bce.high, dmul(factor.high, bce.slope)), low)};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula keras_binary_focal_formula(real p, real t_given, real other, const double *parameters) {
  const real alpha = (real)parameters[0], gamma = (real)parameters[1], smoothing = (real)parameters[2];
  const double smoothed[] = {parameters[2]};
  const struct formula bce = keras_bce_formula(p, t_given, other, smoothed);
  const real t = t_given * (1 - smoothing) + smoothing / 2, u = (1 - t_given) * (1 - smoothing) + smoothing / 2;
  const real weight = alpha < 0 ? 1 : alpha * t + (1 - alpha) * u, q = t * (1 - p) + u * p;
  const real power = gamma == 2 ? q * q : pow(q, gamma), before = gamma == 2 ? q : pow(q, gamma - 1);
  const real loss = formula_times(weight, formula_times(bce.loss.value, power));
  const real by_q =
      (q == 0 && gamma != 1) || gamma == 0 ? q * 0 : formula_times(weight * gamma * (u - t) * bce.loss.value, before);
  /* With targets or predictions outside [0, 1] terms cancel; in q most of all where gamma is below 1. */
  const real weights = alpha < 0 ? 1 : alpha * fabs(t) + (1 - alpha) * fabs(u), qs = fabs(t * (1 - p)) + fabs(u * p);
  const int steep = gamma > 0 && gamma < 1 && q != 0;
  /* A q, or a power, that is a denormal has lost digits, and a power, or 1 / q, multiplies that. */
#ifdef VLOSS_FORMULA_OF_DOUBLES
  const real lost = qs > 0 ? 1 + (real)DBL_MIN / qs : 1, denormal = qs > 0 ? (real)DBL_MIN / qs : 0;
#else
  const real lost = 1, denormal = 0;
#endif
  const real powers = lost * (steep ? fabs(power) * qs / fabs(q) : gamma == 2 ? qs * qs : pow(qs, gamma));
  const real befores = steep ? lost * fabs(before) * qs / fabs(q) : powers / qs + denormal;
  const real by_qs = q == 0 ? 0 : weights * gamma * fabs(u - t) * bce.loss.scale * befores;
  return (struct formula){.loss = {loss, weights * powers * bce.loss.scale},
                          .grad = {weight * power * bce.grad.value + by_q, weights * powers * bce.grad.scale + by_qs}};
}
#endif

#endif
