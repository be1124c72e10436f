/* Mean absolute percentage error: 100 |d| / max(|t|, eps), d = p - t. Gradient 100 sg(d) / max(|t|, eps), 0 at d = 0.
 */
#ifndef VLOSS_KERNELS_LOSS_MAPE_H
#define VLOSS_KERNELS_LOSS_MAPE_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

VFN struct derivatives mape(struct element e) {
  const vf d = vsub(e.p, e.t), a = vabs(d), zero = vset1(0.0f);
  /* A normal number for every finite t. */
  const vf slope = vdiv(vset1(100.0f), vmax(vset1(KERAS_EPS), vabs(e.t)));
  vf factor = a, other_factor = slope;
  if (e.calm) { /* a power of two moves */
    const vm small = vgt(vset1(0x1p-100f), a);
    factor = vsel(small, vmul_calm(a, vset1(0x1p24f)), a);
    other_factor = vsel(small, vmul(slope, vset1(0x1p-24f)), slope);
  }
  return (struct derivatives){.loss.exact = dmul(dabs(difference(e.p, e.t, d)), dwiden(slope)),
                              .grad = of_float(vsigned(vsel(vgt(a, zero), slope, a), d)),
                              .a = factor,
                              .b = other_factor};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result mape_wide(struct wide e, const double *k) {
  (void)k;
  const struct difference d = difference_in(e.near, e.p, e.t);
  const vd a = dmagnitude(d.high), least = dmax(dset1(WIDE_KERAS_EPS), dmagnitude(e.t)), hundred = dset1(100.0);
  /* The quotient first where 100 |d| is beyond the doubles, else last, where it may be a denormal. */
  const vd factor = dmul(hundred, d.unit), product = dmul(a, factor), small = ddiv(product, least);
  return (struct wide_result){.loss = e.near ? small : dsel(dfinite(product), small, dmul(ddiv(a, least), factor)),
                              .grad = dmul(dsign(d.high), ddiv(hundred, least))};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula mape_formula(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  const real d = p - t, size = fabs(t), divisor = size < FORMULA_EPS ? FORMULA_EPS : size;
  const real sign = d > 0 ? 1 : d < 0 ? -1 : d;
  return (struct formula){.loss = {100 * fabs(d) / divisor, 0}, .grad = {100 * sign / divisor, 0}};
}
#endif

#endif
