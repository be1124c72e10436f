/* Margin ranking: max(0, z), z = margin - t (p - q), q the second prediction. Gradient -t where z >= 0, else 0; to q
 * its negative. */
#ifndef VLOSS_KERNELS_LOSS_MARGIN_RANKING_H
#define VLOSS_KERNELS_LOSS_MARGIN_RANKING_H

#include "hinge.h"

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

struct margin_ranking_constants {
  struct call call;
  struct margin margin;
};
VFN void margin_ranking_constants(const double *parameters, struct margin_ranking_constants *k) {
  k->margin = margin_of(parameters[0]);
}

/* z of finite d: margin - t d, which alone may be denormal, and what t makes of what rounding d has lost, mostly 0. */
VFN vf margin_ranking_calm_slack(vf t, vf d, vf lost, const struct margin_ranking_constants *k) {
  const vf zero = vset1(0.0f), margin = vset1(k->margin.high), size = vabs(margin);
  vf rounded = vsub(margin, vmul_calm(t, d));
  if (k->margin.high != 0) rounded = vnfma(t, vsel(vgt(size, vset1(0x1p-40f)), vflush_beside(d, t), d), margin);
  if (k->margin.low != 0) rounded = vadd(rounded, vset1(k->margin.low));
  const vm nothing = veq(lost, zero);
  return vsel(nothing, rounded, vnfma(t, lost, vsel(nothing, zero, rounded)));
}

VFN struct derivatives margin_ranking(struct element e, const struct margin_ranking_constants *k) {
  /* d + lost is the exact difference (Knuth's two-sum): at the kink the sign of z decides. With infinite d it is NaN.
   */
  const vf d = vsub(e.p, e.other), from_other = vsub(d, e.p);
  const vf lost = vsub(vsub(e.p, vsub(d, from_other)), vadd(e.other, from_other));
  const vf rounded = vnfma(e.t, e.fast ? d : vfactor(e.t, d), vset1(k->margin.high));
  vf z = vnfma(e.t, lost, k->margin.low == 0 ? rounded : vadd(rounded, vset1(k->margin.low)));
  if (e.calm) z = margin_ranking_calm_slack(e.t, d, lost, k);
  if (e.fast) {
    const vf slope = hinge_slope(z, e.t, 1);
    return (struct derivatives){.loss.rounded = vpositive(z), .grad.rounded = slope};
  }
  z = vsel(vnan(z), rounded, z);
  /* Where d, or its product with t, is beyond the floats. */
  const vd exact = dsub(dwiden(e.p), dwiden(e.other)), wide = dwiden(z);
  const vd in_doubles = dsub(dset1(k->margin.exact), dmul_or_zero(dwiden(e.t), exact));
  const vd slack = dsel(dmor(dinfinite(dwiden(d)), dinfinite(wide)), in_doubles, wide);
  const struct result loss = careful_double(e, dmax(dset1(0.0), slack));
  const struct result grad = of_float(hinge_slope(dnarrow(slack), e.t, 0));
  return (struct derivatives){.loss = loss, .grad = grad, .grad_other = negated(grad)};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result margin_ranking_wide(struct wide e, const double *k) {
  const struct difference d = difference_of(e.p, e.other);
  const vd zero = dset1(0.0), margin = dset1(k[0]), t = dmul(e.t, d.unit);
  const vd z = dsel(dmand(deq(e.t, zero), deq(d.high, d.high)), margin, dnfma(t, d.low, dnfma(t, d.high, margin)));
  const vd grad = dslope(z, e.t);
  return (struct wide_result){.loss = dpositive(z), .grad = grad, .grad_other = dneg(grad)};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula margin_ranking_formula(real p, real t, real other, const double *parameters) {
  const real margin = (real)parameters[0], product = formula_times(t, p - other), z = margin - product;
  const real grad = z < 0 ? 0 : z >= 0 ? -t : z;
  return (struct formula){
      .loss = {z < 0 ? 0 : z, z < 0 ? 0 : fabs(margin) + fabs(product)}, .grad = {grad, 0}, .grad_other = {-grad, 0}};
}
#endif

#endif
