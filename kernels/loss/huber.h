/* Huber: d^2 / 2 for |d| <= delta, else delta (|d| - delta/2), d = p - t. Gradient d, or delta sg(d). With c =
 * d clamped to [-delta, delta] both cases are c (d - c/2), and nothing overflows that need not. */
#ifndef VLOSS_KERNELS_LOSS_HUBER_H
#define VLOSS_KERNELS_LOSS_HUBER_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

struct huber_constants {
  struct call call;
  float delta;
  double exact_delta; /* an infinite one is as good as 2^1000: beyond what doubles make of d */
};
VFN void huber_constants(const double *parameters, struct huber_constants *k) {
  const double delta = parameters[0];
  k->delta = (float)delta;
  k->exact_delta = delta < 0x1p1000 ? delta : 0x1p1000;
  k->call.careful = delta < (double)FLT_MIN;
}

VFN struct derivatives huber(struct element e, const struct huber_constants *k) {
  const vf d = vsub(e.p, e.t);
  /* The product of what is tiny is nothing beside PAIR_START; of -0 it is -0. */
  const vf seen = e.calm ? vsel(veq(d, vset1(0.0f)), d, vflush_tiny(d)) : d;
  const vf a = vclamp(seen, vset1(k->delta)), b = vnfma(vset1(0.5f), a, seen);
  if (e.fast) {
    const vf slope = e.calm ? vclamp(d, vset1(k->delta)) : a;
    return (struct derivatives){.grad.rounded = slope, .grad_target.rounded = vneg(slope), .a = a, .b = b};
  }
  const vd wide = difference(e.p, e.t, d), clamped = dclamp(wide, k->exact_delta);
  const vd in_floats = dmul(dwiden(a), dwiden(b)), in_doubles = dmul(clamped, dnfma(dset1(0.5), clamped, wide));
  const vd loss = k->call.careful ? in_doubles : dsel(dinfinite(dwiden(d)), in_doubles, in_floats);
  const struct result grad = careful_double(e, clamped);
  return careful_product(e, (struct derivatives){.loss.exact = loss, .grad = grad, .grad_target = negated(grad)}, a, b,
                         k->call.careful);
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result huber_wide(struct wide e, const double *k) {
  const struct difference d = difference_in(e.near, e.p, e.t);
  const vd grad = dclamped(dmul(d.high, d.unit), k[0]);
  const vd c = e.near ? grad : dclamped(grad, k[0] < 0x1p1000 ? k[0] : 0x1p1000); /* beyond, the loss is infinite */
  const vd rest = dnfma(c, dmul(dset1(0.5), d.shrink), d.high);
  const vd loss = e.weighted ? product_plus_in(e.near, c, rest, dmul(c, d.low)) : dmul(c, rest);
  return (struct wide_result){.loss = dmul(loss, d.unit), .grad = grad, .grad_target = dneg(grad)};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula huber_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const real d = p - t, a = fabs(d), delta = (real)parameters[0];
  const real loss = a > delta ? delta * (a - delta / 2) : d * d / 2; /* an infinite delta: never more */
  const real grad = d > delta ? delta : d < -delta ? -delta : d;
  return (struct formula){.loss = {loss, 0}, .grad = {grad, 0}, .grad_target = {-grad, 0}};
}
#endif

#endif
