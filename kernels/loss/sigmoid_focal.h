/* Sigmoid focal loss of a logit: A ce q^gamma, A = alpha t + (1-alpha) (1-t), or 1 if alpha < 0,
 * ce = (1-t) sp(x) + t sp(-x), q = t s(-x) + (1-t) s(x). Gradient A (q^gamma ((1-t) s(x) - t s(-x)) -
 * gamma q^(gamma-1) (2t-1) s(x) s(-x) ce); where q is 0 so is its second term.
 *
 * In double: a power multiplies the relative error of q. */
#ifndef VLOSS_KERNELS_LOSS_SIGMOID_FOCAL_H
#define VLOSS_KERNELS_LOSS_SIGMOID_FOCAL_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

/* A = of_ones t + of_zeros (1 - t). For keras_binary_focal.h, too. */
struct focal {
  double of_ones, of_zeros, gamma;
  double sign; /* of powers of negative q, which targets outside [0, 1] make: NaN unless gamma is whole */
};
VFN struct focal focal_of(double alpha, double gamma) {
  const double half = gamma / 2;
  const int small = gamma < 0x1p53, whole = !small || gamma == (double)(int64_t)gamma;
  const int even = !small || half == (double)(int64_t)half;
  return (struct focal){.of_ones = alpha < 0 ? 1 : alpha,
                        .of_zeros = alpha < 0 ? 1 : 1 - alpha,
                        .gamma = gamma,
                        .sign = !whole ? (double)NOT_A_NUMBER
                                : even ? 1.0
                                       : -1.0};
}

struct sigmoid_focal_constants {
  struct call call;
  struct focal focal;
  float small_from; /* a result of such an |x| may be below 2^-126: e^-(gamma + 1) |x| is in it */
};
VFN void sigmoid_focal_constants(const double *parameters, struct sigmoid_focal_constants *k) {
  k->focal = focal_of(parameters[0], parameters[1]);
  k->small_from = (float)(80 / (parameters[1] + 1));
}

/* q^gamma; `sign` is that of the powers of negative q. */
VFN vd sigmoid_focal_power(vd q, double gamma, double sign) {
  const vd power = dpow(dmax(dsub(dset1(0.0), q), q), gamma);
  return dsel(dgt(dset1(0.0), q), dmul(power, dset1(sign)), power);
}

/* Both rounded; `small` if they may be too small for a float, a look that few inputs are worth. */
VFN struct derivatives focal_derivatives(struct element e, vd loss, vd grad, int small) {
  struct derivatives d = {.loss = {.exact = loss}, .grad = {.exact = grad}};
  if (e.exact) return d;
  if (__builtin_expect(small, 0))
    d.loss.rounded = narrowed(loss), d.grad.rounded = narrowed(grad);
  else
    d.loss.rounded = dnarrow(loss), d.grad.rounded = dnarrow(grad);
  return d;
}

VFN struct derivatives sigmoid_focal(struct element e, const struct sigmoid_focal_constants *k) {
  const vd one = dset1(1.0), zero = dset1(0.0), t = dwiden(e.t), t_minus = dsub(one, t);
  const vd y = dwiden(vabs(e.p)), y_small = dmin(dset1(VLOSS_D_FAR), y); /* no float beyond */
  const vd exp = dexp(dsub(zero, y_small)), large = ddiv(one, dadd(one, exp)), small = dmul(exp, large);
  const dm negative = dgt(zero, dwiden(e.p));
  const vd s = dsel(negative, small, large), s_minus = dsel(negative, large, small);
  const vd log = dlog1p_unit(exp), c = dsel(negative, t, t_minus);
  /* 0 times infinity is 0 here; a fast loss that is NaN is done again. */
  const vd ce = dfma(c, e.fast ? y : dsel(deq(c, zero), zero, y), log), ce_small = dfma(c, y_small, log);
  const vd q = dfma(t, s_minus, dmul(t_minus, s));
  const vd weight = dfma(dset1(k->focal.of_ones), t, dmul(dset1(k->focal.of_zeros), t_minus));
  const double gamma = k->focal.gamma, sign = k->focal.sign;
  vd power, power_before; /* q^gamma, gamma q^(gamma - 1) */
  if (gamma == 2) {
    power = dmul(q, q), power_before = dadd(q, q);
  } else {
    power = sigmoid_focal_power(q, gamma, sign);
    power_before = dmul(dset1(gamma), sigmoid_focal_power(q, gamma - 1, -sign));
  }
  const vd slope = dmul(dmul(dsub(t, t_minus), dmul(s, s_minus)), ce_small);
  const vd direct = dnfma(t, s_minus, dmul(t_minus, s)), factor = dmul(weight, power);
  const vd product = dmul(factor, ce), loss = e.fast ? product : dsel(deq(factor, zero), factor, product);
  const vd grad = dmul(weight, dnfma(power_before, slope, dmul(power, direct)));
  return focal_derivatives(e, loss, grad, vany(vgt(vabs(e.p), vset1(k->small_from))));
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
/* A of t and 1 - t. */
VFN struct parts focal_wide_weight(int near, double alpha, struct parts t, struct parts u) {
  if (alpha < 0) return whole(dset1(1.0));
  const vd of_ones = dset1(alpha);
  return parts_sum_in(near, parts_product_in(near, whole(of_ones), t),
                      parts_product_in(near, sum_in(near, dset1(1.0), dneg(of_ones)), u));
}
/* gamma slope / q, 0 where q or slope is. */
VFN struct parts focal_wide_by_q(int near, double gamma, struct parts slope, struct parts q) {
  const vd zero = dset1(0.0);
  const struct parts r = parts_quotient_in(near, parts_product_in(near, whole(dset1(gamma)), slope), q);
  const dm none = dmor(deq(q.high, zero), deq(slope.high, zero));
  return (struct parts){dsel(none, zero, r.high), dsel(none, zero, r.low)};
}
VFN dm sigmoid_focal_wide_far(struct wide e, const double *k) {
  return dmor(wide_far_exponent(e, k), dmor(dgt(dset1(0.0), e.t), dgt(e.t, dset1(1.0))));
}
/* A power multiplies relative errors, so all is in two parts. The gradient is
 * A q^gamma ((1-t) s(x) - t s(-x) - gamma (2t-1) s(x) s(-x) ce / q). */
VFN struct wide_result sigmoid_focal_wide(struct wide e, const double *k) {
  const vd zero = dset1(0.0), one = dset1(1.0), y = dabs(e.p);
  const int near = e.near;
  const struct focal focal = focal_of(k[0], k[1]);
  const dm negative = dgt(zero, e.p);
  const struct parts exp = exp_minus_parts_in(near, y), t = whole(e.t), u = sum_in(near, one, dneg(e.t));
  const struct parts large = parts_quotient_in(near, whole(one), parts_sum_in(near, whole(one), exp)),
                     small = parts_product_in(near, exp, large);
  const struct parts s = {dsel(negative, small.high, large.high), dsel(negative, small.low, large.low)};
  const struct parts s_minus = {dsel(negative, large.high, small.high), dsel(negative, large.low, small.low)};
  const struct parts t_s = parts_product_in(near, t, s_minus), u_s = parts_product_in(near, u, s),
                     q = parts_sum_in(near, t_s, u_s);
  const struct parts factor =
      parts_product_in(near, focal_wide_weight(near, k[0], t, u), power_in_parts(near, q, focal.gamma, focal.sign));
  const vd c = dsel(negative, t.high, u.high), c_low = dsel(negative, t.low, u.low);
  const struct parts log = log1p_unit_parts(exp), linear = product_in(near, c, y);
  const dm none = deq(c, zero);
  const struct parts of_y = parts_in(near, dsel(none, zero, linear.high), dsel(none, zero, dfma(c_low, y, linear.low)));
  const struct parts ce = parts_sum_in(near, of_y, log);
  const struct parts slope =
      parts_product_in(near, parts_product_in(near, s, s_minus), parts_sum_in(near, t, parts_negated(u)));
  const struct parts by_q = focal_wide_by_q(near, focal.gamma, slope, q);
  const struct parts term = {dmul_or_zero(by_q.high, ce.high), dmul_or_zero(by_q.low, ce.high)};
  const struct parts inner = parts_sum_in(near, parts_sum_in(near, u_s, parts_negated(t_s)), parts_negated(term));
  const vd loss = product_plus_in(near, factor.high, ce.high, dfma(factor.low, ce.high, dmul(factor.high, ce.low)));
  return (struct wide_result){.loss = dsel(deq(factor.high, zero), zero, loss),
                              .grad = rounded_parts(parts_product_in(near, factor, inner))};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula sigmoid_focal_formula(real x, real t, real other, const double *parameters) {
  (void)other;
  const real alpha = (real)parameters[0], gamma = (real)parameters[1], u = 1 - t;
  const real y = fabs(x), e = exp(-y), s = (x < 0 ? e : 1) / (1 + e), s_minus = (x < 0 ? 1 : e) / (1 + e);
  const real c = x < 0 ? t : u, ce = (c == 0 ? c : c * y) + log1p(e); /* 0 times infinity is 0 */
  const real weight = alpha < 0 ? 1 : alpha * t + (1 - alpha) * u, q = t * s_minus + u * s;
  const real power = gamma == 2 ? q * q : pow(q, gamma), before = gamma == 2 ? q : pow(q, gamma - 1);
  const real loss = weight == 0 || power == 0 ? weight * power : weight * power * ce;
  const real slope = q == 0 || gamma == 0 || s * s_minus == 0 ? q * 0 : gamma * before * (2 * t - 1) * s * s_minus * ce;
  /* With targets outside [0, 1] terms cancel everywhere. */
  const real weights = alpha < 0 ? 1 : alpha * fabs(t) + (1 - alpha) * fabs(u), ces = fabs(c * y) + log1p(e);
  const real qs = fabs(t) * s_minus + fabs(u) * s, powers = gamma == 2 ? qs * qs : pow(qs, gamma);
  const real slopes = q == 0 ? 0 : fabs(slope) + gamma * powers / qs * (fabs(t) + fabs(u)) * s * s_minus * ces;
  return (struct formula){.loss = {loss, weights * powers * ces},
                          .grad = {weight * (power * (u * s - t * s_minus) - slope), weights * (powers * qs + slopes)}};
}
#endif

#endif
