/* Poisson loss of Keras: p - t log(p + eps). Gradient 1 - t / (p + eps), as (p + eps - t) / (p + eps); near t, where
 * that cancels, p - t comes first, which is exact there. */
#ifndef VLOSS_KERNELS_LOSS_POISSON_H
#define VLOSS_KERNELS_LOSS_POISSON_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

VFN struct derivatives poisson(struct element e) {
  const vf eps = vset1(KERAS_EPS), sum = vadd(e.p, eps), zero = vset1(0.0f),
           log = vln_sum(e.calm ? vflush(e.p) : e.p, eps);
  /* At p = inf the gradient is 1, but NaN if t is infinite, too. */
  const vf d = vsub(e.p, e.t);
  const vf over = vsel(vgt(vmul(e.calm ? vflush(e.p) : e.p, vset1(0.5f)), vabs(d)), vadd(d, eps), vsub(sum, e.t));
  const vm nothing = vmand(veq(e.t, zero), veq(sum, zero));
  const vf factor = vfactor(e.t, log), product = e.calm ? vmul_calm(e.t, factor) : vmul(e.t, factor);
  const vf loss = vsub(e.p, product);
  const vf grad =
      vsel(vmor(nothing, veq(sum, vset1(INF))), vfma(zero, e.calm ? vflush(e.t) : e.t, vset1(1.0f)), vdiv(over, sum));
  if (e.fast) return (struct derivatives){.loss.rounded = loss, .grad.rounded = grad};
  const vd p = dwiden(e.p), t = dwiden(e.t), wide_sum = dadd(p, dset1((double)KERAS_EPS));
  const vd exact = dnfma(t, dwiden(vfactor(e.t, log)), p);
  return (struct derivatives){.loss = {kept(loss, exact).rounded, exact},
                              .grad = kept(grad, ddiv(dsub(wide_sum, t), wide_sum))};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN dm poisson_wide_far(struct wide e, const double *k) {
  (void)k;
  return dgt(dset1(0.0), e.p);
}
VFN struct wide_result poisson_wide(struct wide e, const double *k) {
  (void)k;
  const struct parts sum = sum_in(e.near, e.p, dset1(WIDE_KERAS_EPS));
  const vd zero = dset1(0.0), log = log_parts_in(e.near, sum);
  const dm absent = deq(e.t, zero), nothing = dmand(absent, deq(sum.high, zero));
  return (struct wide_result){.loss = dsel(dmand(absent, deq(log, log)), e.p, dnfma(e.t, log, e.p)),
                              .grad = dsub(dset1(1.0), dsel(nothing, zero, ddiv(e.t, sum.high)))};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula poisson_formula(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  /* Near 1 the digits that p + eps loses are the first of its logarithm. */
  const real sum = p + FORMULA_EPS, log_sum = p > (real)0.5 && p < 2 ? log1p((p - 1) + FORMULA_EPS) : log(sum);
  const real term = t == 0 && fabs(log_sum) == (real)INFINITY ? 0 : t * log_sum,
             quotient = t == 0 && sum == 0 ? 0 : t / sum;
  return (struct formula){.loss = {p - term, fabs(p) + fabs(term)}, .grad = {1 - quotient, 1 + fabs(quotient)}};
}
#endif

#endif
