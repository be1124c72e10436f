/* Binary cross-entropy of a logit: (1-t') sp(x) + P t' sp(-x), t' = t (1-a) + a/2 with a the label smoothing, P the
 * weight of the positive class. Gradient (1-t') s(x) - P t' s(-x), to the target (1-a) (P sp(-x) - sp(x)).
 *
 * With y = |x|, e = exp(-y), c the coefficient of sp(y) and c' that of sp(-y): c y + (c + c') log1p(e), and the
 * gradient is (c - c' e) / (1 + e) with the sign of x. */
#ifndef VLOSS_KERNELS_LOSS_BCE_WITH_LOGITS_H
#define VLOSS_KERNELS_LOSS_BCE_WITH_LOGITS_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

/* t' = unsmoothed t + half_smoothing. */
struct bce_with_logits_constants {
  struct call call;
  double unsmoothed, half_smoothing;
};
VFN void bce_with_logits_constants(const double *parameters, struct bce_with_logits_constants *k) {
  k->unsmoothed = 1 - parameters[0];
  k->half_smoothing = parameters[0] / 2;
  k->call.careful = k->call.weighed || parameters[0] != 0;
}

/* Without pos_weight and smoothing, where the loss is (max(0, x) - t x) + log1p(e), c + c' = 1, and the gradient
 * (c (1 + e) - e) / (1 + e). e enters as two factors, so that it need not be a denormal where the results are not. */
struct bce_with_logits_plain {
  vf loss, grad;
};
VFN struct bce_with_logits_plain bce_with_logits_plain(struct element element) {
  const vf x = element.p, zero = vset1(0.0f), half = vset1(0.5f), y = vabs(x);
  /* Up to |x| = 60, a denormal t is nothing beside e. */
  const vf t = element.calm ? vsel(vgt(vset1(60.0f), y), vflush(element.t), element.t) : element.t;
  const struct vexp_halves e = vexp_minus_in_halves(element.calm ? vflush(y) : y);
  const vf exp = vfma(e.mantissa, e.scale, vset1(VLOSS_GUARD));
  const vf square = vfma(e.mantissa, exp, vset1(VLOSS_GUARD));
  const vf log_mantissa = vfma(square, vlog1p_unit_quotient(exp), e.mantissa);
  /* Below |x| = 1 log1p(e) is large, and the product of a small x and a small t is rounded away beside it: there
   * VLOSS_GUARD keeps it from being a denormal. */
  const vf least = vsel(vgt(vset1(1.0f), y), vset1(VLOSS_GUARD), zero);
  const vf factor = element.calm ? vflush_beside(x, t) : x;
  vf linear = vnfma(t, factor, vmax(least, factor));
  if (!element.fast) { /* 0 times infinity is 0 here */
    const vf finite = vmax(vset1(-FLT_MAX), vmin(vset1(FLT_MAX), factor));
    linear = vnfma(t, finite, vmax(least, finite));
    linear = vsel(vmand(veq(y, vset1(INF)), vgt(vabs(linear), zero)), vmul(linear, vset1(INF)), linear);
  }
  /* Half of both sides, as c may be as large as a float is; and c (1 + e) rounded once: of t (1 + e), or of that less
   * than 1 + e. */
  const vm negative = vigt(viset1(0), vbits(x));
  const vf below = vnfma(exp, half, vset1(-0.5f));
  const vf c_below = vnfma(t, below, vsel(negative, zero, below));
  /* Where e has most of the gradient, what rounding 1 + e has lost is taken into account. */
  const vm matters = vgt(exp, vmax(vabs(c_below), vset1(0x1p-30f)));
  const vf large = vsel(matters, exp, zero), lost = vnfma(large, half, vsub(vset1(-0.5f), below));
  const vf corrected = vfma(vsigned(large, x), lost, c_below);
  const vf half_mantissa = vmul(e.mantissa, vsigned(half, x));
  if (element.calm)
    return (struct bce_with_logits_plain){vfma_calm(log_mantissa, e.scale, linear),
                                          vdiv_calm(vfma_calm(half_mantissa, e.scale, corrected), below)};
  return (struct bce_with_logits_plain){vfma(log_mantissa, e.scale, linear),
                                        vdiv(vfma(half_mantissa, e.scale, corrected), below)};
}

struct bce_with_logits_exact {
  vd loss, grad, grad_target;
};
VFN struct bce_with_logits_exact bce_with_logits_exact(struct element e, const struct bce_with_logits_constants *k) {
  const vd zero = dset1(0.0), one = dset1(1.0), unsmoothed = dset1(k->unsmoothed), half = dset1(k->half_smoothing);
  const vd t = dwiden(e.t), weight = dwiden(e.other), y = dwiden(vabs(e.p)), x = dwiden(e.p);
  const vd c_negative = dfma(dsub(one, t), unsmoothed, half), c_positive = dmul(dfma(t, unsmoothed, half), weight);
  const dm negative = dgt(zero, x);
  const vd c = dsel(negative, c_positive, c_negative), c_other = dsel(negative, c_negative, c_positive);
  const vd exp = dexp_minus(y), log = dlog1p_unit(exp);
  const vd size = ddiv(dnfma(c_other, exp, c), dadd(one, exp));
  /* P sp(-x) - sp(x) without what cancels in it. */
  const vd by_x = dsel(negative, dmul_or_zero(weight, y), dsub(zero, y));
  const vd by_target = dmul_or_zero(unsmoothed, dfma(dsub(weight, one), log, by_x));
  return (struct bce_with_logits_exact){dfma(dadd(c_negative, c_positive), log, dmul_or_zero(c, y)),
                                        dsel(negative, dsub(zero, size), size), dsel(dnan(t), t, by_target)};
}

VFN struct derivatives bce_with_logits(struct element e, const struct bce_with_logits_constants *k) {
  const struct bce_with_logits_exact exact = bce_with_logits_exact(e, k);
  struct derivatives d = {
      .loss = {.exact = exact.loss}, .grad = {.exact = exact.grad}, .grad_target = {.exact = exact.grad_target}};
  if (!e.fast && k->call.careful) {
    d.loss.rounded = narrowed(exact.loss);
    d.grad.rounded = narrowed(exact.grad);
    d.grad_target.rounded = narrowed(exact.grad_target);
  } else {
    const struct bce_with_logits_plain plain = bce_with_logits_plain(e);
    d.loss.rounded = plain.loss;
    d.grad.rounded = plain.grad;
    d.grad_target.rounded = vpoisoned(vneg(e.p), e.t);
  }
  return d;
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result bce_with_logits_wide(struct wide e, const double *k) {
  const vd zero = dset1(0.0), one = dset1(1.0), x = e.p, y = dabs(x), weight = e.other;
  const int near = e.near;
  const struct parts c_negative = smoothed_in(near, sum_in(near, one, dneg(e.t)), k[0]);
  const struct parts c_positive = parts_product_in(near, smoothed_in(near, whole(e.t), k[0]), whole(weight));
  const dm negative = dgt(zero, x);
  const struct parts c = {dsel(negative, c_positive.high, c_negative.high),
                          dsel(negative, c_positive.low, c_negative.low)};
  const vd c_other = dsel(negative, c_negative.high, c_positive.high);
  const struct parts exp_parts = exp_parts_in(near, dneg(y)), log = log1p_unit_parts(exp_parts);
  const vd exp = exp_parts.high;
  const vd c_low = dsel(negative, c_negative.low, c_positive.low);
  const vd less = dnfma(c_other, exp_parts.low, dnfma(c_low, exp, c.low));
  const struct parts slope = parts_in(near, dnfma(c_other, exp, c.high), less);
  const vd size = quotient_in(near, slope, sum_in(near, one, exp));
  const struct parts both = parts_sum_in(near, c_negative, c_positive);
  const vd main = dfma(both.high, log.high, product_or_zero_in(near, c.high, y));
  const vd beside = dfma(both.high, log.low, dfma(both.low, log.high, dmul(c.low, y)));
  /* P sp(-x) - sp(x) without what cancels in it. */
  const struct parts above = sum_in(near, weight, dset1(-1.0)), weighed = product_in(near, weight, y);
  const vd by_x = dsel(negative, dmul_or_zero(weight, y), dneg(y));
  const struct parts by_log = product_in(near, above.high, log.high), sum = sum_in(near, by_log.high, by_x);
  const vd of_log = dfma(above.low, log.high, dfma(above.high, log.low, by_log.low));
  const struct parts by_target =
      parts_in(near, sum.high, dadd(sum.low, dadd(of_log, dsel(negative, weighed.low, zero))));
  const struct parts unsmoothed = sum_in(near, one, dset1(-k[0]));
  return (struct wide_result){
      .loss = rounded_parts(parts_in(near, main, beside)),
      .grad = dsel(negative, dneg(size), size),
      .grad_target = dsel(deq(unsmoothed.high, zero), zero,
                          product_plus_in(near, unsmoothed.high, by_target.high,
                                          dfma(unsmoothed.high, by_target.low, dmul(unsmoothed.low, by_target.high))))};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula bce_with_logits_formula(real x, real t, real weight, const double *parameters) {
  const real smoothing = (real)parameters[0], unsmoothed = 1 - smoothing, half = smoothing / 2;
  const real positive = weight * (t * unsmoothed + half), negative = (1 - t) * unsmoothed + half;
  const real y = fabs(x), e = exp(-y), l = log1p(e);
  const real s = (x < 0 ? e : 1) / (1 + e), s_minus = (x < 0 ? 1 : e) / (1 + e);
  const real c = x < 0 ? positive : negative, linear = c == 0 ? c : c * y; /* 0 times infinity is 0 */
  const real by_x = x < 0 ? (weight == 0 ? weight : weight * y) : -y, by_l = (weight - 1) * l;
  const real by_target = unsmoothed == 0 && by_l == by_l ? 0 : unsmoothed * (by_x + by_l);
  /* Of targets outside [0, 1]. */
  const real positives = fabs(weight) * (fabs(t) * unsmoothed + half), negatives = fabs(1 - t) * unsmoothed + half;
  const real cs = x < 0 ? positives : negatives;
  return (struct formula){
      .loss = {linear + (negative + positive) * l, (c == 0 ? 0 : cs * y) + (negatives + positives) * l},
      .grad = {negative * s - positive * s_minus, negatives * s + positives * s_minus},
      .grad_target = {t == t ? by_target : t, unsmoothed * (fabs(by_x) + fabs(by_l))}};
}
#endif

#endif
