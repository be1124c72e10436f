/* Binary cross-entropy of Keras: -(t' log(v + eps) + (1-t') log(1 - v + eps)), v = p clipped to [eps, 1 - eps],
 * t' = t (1-a) + a/2 with a the label smoothing. Gradient -(t' / (v + eps) - (1-t') / (1 - v + eps)), 0 where p was
 * clipped. The sums with eps are float sums by definition: what they round is part of the loss. */
#ifndef VLOSS_KERNELS_LOSS_KERAS_BCE_H
#define VLOSS_KERNELS_LOSS_KERAS_BCE_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

/* t' = unsmoothed t + half_smoothing. */
struct keras_bce_constants {
  struct call call;
  double unsmoothed, half_smoothing;
};
VFN void keras_bce_constants(const double *parameters, struct keras_bce_constants *k) {
  k->unsmoothed = 1 - parameters[0];
  k->half_smoothing = parameters[0] / 2;
  k->call.careful = parameters[0] != 0;
}

VFN struct derivatives keras_bce(struct element e, const struct keras_bce_constants *k) {
  const vf zero = vset1(0.0f), one = vset1(1.0f), eps = vset1(KERAS_EPS);
  const vf v = vmin(vset1(KERAS_ONE_MINUS_EPS), vmax(eps, e.p));
  const vf a = vadd(v, eps), b = vadd(vsub(one, v), eps);
  /* A denormal t is all of the loss where log b is 0, and nothing beside any other, and in the gradient. */
  const vf t_seen = e.calm ? vflush_denormal(e.t) : e.t, log_a = vln_normal(a),
           of_log_b = vmul(vsub(e.t, one), vln_normal(b));
  vf loss = vnfma(t_seen, log_a, of_log_b);
  if (e.calm) loss = vsel(vmand(vdenormal(e.t), veq(of_log_b, zero)), vneg(vmul_calm(e.t, log_a)), loss);
  /* (1 - t) a - t b, the larger product not rounded before the sum; over a b, and what the factor to come has lost. */
  const vf rest = vsub(one, t_seen), rest_lost = vsub(vsub(one, rest), t_seen);
  const vf of_a = vnfma(t_seen, a, a), of_b = vmul(t_seen, b);
  const vf by_a = vfma(rest, a, vfma(rest_lost, a, vneg(of_b))), by_b = vnfma(t_seen, b, of_a);
  const vf ab = vfma(a, b, vmul(vmul(a, b), vset1(-k->call.unscaled)));
  const vf quotient = vdiv(vsel(vgt(of_a, of_b), by_a, by_b), ab);
  const vf passes = vsel(veq(v, e.p), one, zero);

  const vd t = dfma(dwiden(e.t), dset1(k->unsmoothed), dset1(k->half_smoothing));
  const vd u = dfma(dsub(dset1(1.0), dwiden(e.t)), dset1(k->unsmoothed), dset1(k->half_smoothing));
  const vd exact_loss = dnfma(t, dlog_of(a), dsub(dset1(0.0), dmul(u, dlog_of(b))));
  const vd exact = ddiv(dnfma(t, dwiden(b), dmul(u, dwiden(a))), dmul(dwiden(a), dwiden(b)));
  const vd exact_grad = dmul_or_zero(dwiden(passes), exact);
  struct derivatives d = {
      .loss = {loss, exact_loss},
      .grad = {vsel(e.fast ? veq(v, e.p) : vmor(veq(v, e.p), vnan(quotient)), quotient, zero), exact_grad}};
  if (!e.fast && k->call.careful) {
    d.loss.rounded = narrowed(exact_loss);
    d.grad.rounded = narrowed(exact_grad);
  }
  return d;
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
/* The logarithms and the slope of both forms of the loss, of p clipped; t' and u' = 1 - t'. The sums with eps are
 * double sums by definition here. `precise`, a constant: the loss in two parts, for what multiplies it. */
struct keras_bce_wide_terms {
  struct parts minus_loss;
  vd slope;
};
VFN struct keras_bce_wide_terms keras_bce_wide_terms(int near, vd p, struct parts t, struct parts u,
                                                     const int precise) {
  const vd eps = dset1(WIDE_KERAS_EPS), v = dmin(dset1(WIDE_KERAS_ONE_MINUS_EPS), dmax(eps, p));
  const vd a = dadd(v, eps), b = dadd(dsub(dset1(1.0), v), eps);
  const struct parts above =
      parts_sum_in(near, parts_product_in(near, u, whole(a)), parts_negated(parts_product_in(near, t, whole(b))));
  const vd slope = rounded_parts(parts_quotient_in(near, above, product_in(near, a, b)));
  const vd passing = dsel(dmor(deq(v, p), dnan(slope)), slope, dset1(0.0));
  if (!precise)
    return (struct keras_bce_wide_terms){whole(dfma(t.high, log_near(a), dmul(u.high, log_near(b)))), passing};
  const struct parts log_a = log_in_parts_near(whole(a)), log_b = log_in_parts_near(whole(b));
  const struct parts of_b = product_in(near, u.high, log_b.high);
  const vd high = dfma(t.high, log_a.high, of_b.high);
  const vd low = dfma(t.low, log_a.high, dfma(u.low, log_b.high, dfma(t.high, log_a.low, dmul(u.high, log_b.low))));
  return (struct keras_bce_wide_terms){parts_in(near, high, dadd(of_b.low, low)), passing};
}
VFN struct wide_result keras_bce_wide(struct wide e, const double *k) {
  const int near = e.near;
  const struct parts t = smoothed_in(near, whole(e.t), k[0]),
                     u = smoothed_in(near, sum_in(near, dset1(1.0), dneg(e.t)), k[0]);
  const struct keras_bce_wide_terms terms = keras_bce_wide_terms(near, e.p, t, u, 0);
  return (struct wide_result){.loss = dneg(terms.minus_loss.high), .grad = terms.slope};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula keras_bce_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const real smoothing = (real)parameters[0];
  const real of_a = t * (1 - smoothing) + smoothing / 2, of_b = (1 - t) * (1 - smoothing) + smoothing / 2;
  const real v = p < FORMULA_EPS ? FORMULA_EPS : p > FORMULA_ONE_MINUS_EPS ? FORMULA_ONE_MINUS_EPS : p;
  const formula_element a = (formula_element)v + FORMULA_ELEMENT_EPS, rest = 1 - (formula_element)v;
  const formula_element b = rest + FORMULA_ELEMENT_EPS;
  const real loss_a = of_a * log((real)a), loss_b = of_b * log((real)b), grad_a = of_a / a, grad_b = of_b / b;
  const real grad = v == p || grad_b - grad_a != grad_b - grad_a ? grad_b - grad_a : 0;
  /* Of targets outside [0, 1]. */
  const real size_a = fabs(t) * (1 - smoothing) + smoothing / 2, size_b = fabs(1 - t) * (1 - smoothing) + smoothing / 2;
  return (struct formula){.loss = {-(loss_a + loss_b), size_a * fabs(log((real)a)) + size_b * fabs(log((real)b))},
                          .grad = {grad, size_a / a + size_b / b}};
}
#endif

#endif
