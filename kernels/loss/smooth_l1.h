/* Smooth L1: d^2 / (2 beta) for |d| < beta, else |d| - beta/2, d = p - t. Gradient d / beta, or sg(d). With
 * q = d / beta clamped to [-1, 1] both cases are q (d - q beta/2), and the gradient is q: nothing overflows that need
 * not, an error of q hardly changes the loss, and L1 is the limit beta = 0. */
#ifndef VLOSS_KERNELS_LOSS_SMOOTH_L1_H
#define VLOSS_KERNELS_LOSS_SMOOTH_L1_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

/* beta is a float, as in PyTorch: its rounding would be one of five. 1 / beta = power inverse (1 + lost), power a power
 * of two that keeps inverse normal; lost is what inverse lost if it was rounded down. For beta = 0 the two take the
 * smallest float beyond 1. As doubles: beta and 1 / beta; an infinite beta is as good as 2^850, and makes no denormal
 * of doubles.
 */
struct smooth_l1_constants {
  struct call call;
  float half_beta, power, inverse, lost;
  double exact_beta, exact_inverse;
};
VFN void smooth_l1_constants(const double *parameters, struct smooth_l1_constants *k) {
  const double given = (double)(float)parameters[0], exact = given < 0x1p850 ? given : 0x1p850;
  const float beta = (float)given, power = beta > 0x1p100f ? 0x1p-30f : beta < 0x1p-100f ? 0x1p30f : 1.0f;
  const double scaled = (double)beta * (double)power, inverse = beta > 0 ? 1 / scaled : 0x1p127;
  k->half_beta = beta / 2;
  k->power = power;
  k->inverse = (float)inverse;
  const float more = (float)(inverse / (double)k->inverse - 1);
  k->lost = more > 0x1p-60f ? more : 0x1p-60f; /* never 0: t may be infinite */
  k->call.usual = beta == 1;
  k->call.careful = given > (double)FLT_MAX || (given > 0 && given < (double)FLT_MIN);
  k->exact_beta = exact;
  k->exact_inverse = exact < 0x1p-1000 ? 0x1p1000 : 1 / exact;
}

/* d / beta; 1 at beta, thanks to `lost`. */
VFN vf smooth_l1_slope(struct element e, vf d, const struct smooth_l1_constants *k, int calm) {
  if (e.usual || k->call.usual) return d;
  if (!calm) {
    const vf t = vmul(vmul(d, vset1(k->power)), vset1(k->inverse));
    return vfma(t, vset1(k->lost), t);
  }
  const vf t = vmul_calm(d, vset1(k->inverse)), normal = vflush(t);
  return vsel(veq(normal, vset1(0.0f)), t, vfma(normal, vset1(k->lost), normal));
}

VFN struct derivatives smooth_l1(struct element e, const struct smooth_l1_constants *k) {
  const vf d = vsub(e.p, e.t), one = vset1(1.0f);
  const int calm = e.calm && k->power == 1 && k->half_beta > 0x1p-40f;
  const vf slope_of_d = !e.fast && k->call.careful ? one : vclamp(smooth_l1_slope(e, d, k, calm), one);
  /* A tiny d, or q: the product is below 2^-151, nothing beside what pairs start at. */
  const vf factor = calm ? vflush_tiny(d) : d;
  const vf first = calm ? vsel(veq(factor, vset1(0.0f)), factor, vflush(slope_of_d)) : slope_of_d;
  if (e.fast)
    return (struct derivatives){.grad.rounded = slope_of_d,
                                .grad_target.rounded = vneg(slope_of_d),
                                .a = first,
                                .b = vnfma(first, vset1(k->half_beta), factor)};
  const vd wide = difference(e.p, e.t, d);
  vd slope = dclamp(dmul(wide, dset1(k->exact_inverse)), 1);
  /* Nothing, whatever multiplies it; beta may be infinite. */
  if (k->call.careful) slope = dsel(dgt(dset1(0x1p-700), dabs(slope)), dmul(slope, dset1(0.0)), slope);
  const vf q = k->call.careful ? one : slope_of_d;
  const struct result grad = k->call.careful ? careful_double(e, slope) : kept(vpoisoned(q, d), slope);
  const vf a = k->call.careful ? narrowed(slope) : first, b = vnfma(a, vset1(k->half_beta), factor);
  const vd in_doubles = dmul(slope, dnfma(slope, dset1(k->exact_beta / 2), wide));
  const dm lost = dmor(dinfinite(dwiden(d)), dgt(dset1(0x1p-126), dabs(slope)));
  const vd loss = k->call.careful ? in_doubles : dsel(lost, in_doubles, dmul(dwiden(a), dwiden(b)));
  return careful_product(e, (struct derivatives){.loss.exact = loss, .grad = grad, .grad_target = negated(grad)}, a, b,
                         k->call.careful);
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
/* beta is a double here. An infinite one is as good as the largest, but where d / beta is formed. */
VFN struct wide_result smooth_l1_wide(struct wide e, const double *k) {
  const struct difference d = difference_in(e.near, e.p, e.t);
  const double beta = k[0] < WIDE_MAX ? k[0] : WIDE_MAX;
  vd slope = d.high; /* of a beta of 1, the usual one */
  if (!e.near || k[0] != 1) {
    const vd quotient = ddiv(d.high, dmul(dset1(k[0]), d.shrink));
    slope = dsel(deq(d.high, dset1(0.0)), d.high, e.near ? quotient : dsel(dis_infinite(d.high), d.high, quotient));
  }
  const vd q = dclamped(slope, 1), rest = dnfma(q, dmul(dset1(beta / 2), d.shrink), d.high);
  const vd loss = k[0] == 1 && !e.weighted ? dmul(q, rest) : dfma(q, rest, dmul(q, d.low));
  return (struct wide_result){.loss = dmul(loss, d.unit), .grad = q, .grad_target = dneg(q)};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula smooth_l1_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const real d = p - t, a = fabs(d), beta = (real)(formula_element)parameters[0];
  const real infinity = (real)INFINITY;
  const real loss = a < beta ? d * d / (2 * beta) : a == infinity ? a : a - beta / 2;
  const real slope = a == infinity ? d : d / beta, grad = d == 0 ? d : slope > 1 ? 1 : slope < -1 ? -1 : slope;
  return (struct formula){.loss = {loss, 0}, .grad = {grad, 0}, .grad_target = {-grad, 0}};
}
#endif

#endif
