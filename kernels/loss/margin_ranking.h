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
  float near; /* the kink: what is farther from it keeps its sign whatever rounding d has lost */
};
/* With |t d| at most 2^20 + 2 times |z|, its last digit is nothing beside z. The first case is no denormal. */
VFN void margin_ranking_constants(const double *parameters, struct margin_ranking_constants *k) {
  k->margin = margin_of(parameters[0]);
  k->call.usual = k->margin.exact == 0;
  const float size = k->margin.high < 0 ? -k->margin.high : k->margin.high;
  k->near = size > 0x1p-100f ? size * 0x1p-20f : size;
}

/* margin - t d, which alone may be denormal, of finite d. */
VFN vf margin_ranking_calm_slack(vf t, vf d, const struct margin_ranking_constants *k) {
  const vf margin = vset1(k->margin.high), size = vabs(margin);
  if (k->margin.high == 0) return dnarrow(dnfma(dwiden(t), dwiden(d), dset1(0.0)));
  return vnfma(t, vsel(vgt(size, vset1(0x1p-40f)), vflush_beside(d, t), d), margin);
}

/* The loss may round d: it is within 4 ulp of margin + |t d|. At the kink the sign of z decides about the gradient: z
 * has what rounding d has lost, too, mostly 0, from Knuth's two-sum. With infinite d that is NaN. */
struct margin_ranking_slack {
  vf rounded, z;
};
VFN struct margin_ranking_slack margin_ranking_slack(struct element e, vf d, const struct margin_ranking_constants *k) {
  const vf by_t = e.fast ? d : vfactor(e.t, d);
  vf rounded = e.calm ? margin_ranking_calm_slack(e.t, by_t, k) : vnfma(e.t, by_t, vset1(k->margin.high));
  if (e.usual) return (struct margin_ranking_slack){rounded, rounded}; /* d has the sign of p - q */
  if (e.fast || k->margin.low != 0) rounded = vadd(rounded, vset1(k->margin.low));
  if (e.fast && !e.calm && __builtin_expect(!vany(vgt(vset1(k->near), vabs(rounded))), 1))
    return (struct margin_ranking_slack){rounded, rounded};
  const vf from_other = vsub(d, e.p), lost = vsub(vsub(e.p, vsub(d, from_other)), vadd(e.other, from_other));
  if (!e.calm) return (struct margin_ranking_slack){rounded, vnfma(e.t, lost, rounded)};
  const vf seen = vsel(vgt(vabs(rounded), vset1(0x1p-40f)), vflush_beside(lost, e.t), lost);
  const vm nothing = veq(seen, vset1(0.0f));
  return (struct margin_ranking_slack){rounded,
                                       vsel(nothing, rounded, vnfma(e.t, seen, vsel(nothing, vset1(0.0f), rounded)))};
}

VFN struct derivatives margin_ranking(struct element e, const struct margin_ranking_constants *k) {
  const vf d = vsub(e.p, e.other);
  const struct margin_ranking_slack slack = margin_ranking_slack(e, d, k);
  if (e.fast) { /* NaN at -inf, where z may be NaN: such a loss is done again, with its gradient; no -0 */
    const vf slope = hinge_slope(slack.z, e.t, 1);
    return (struct derivatives){.loss.rounded = vnfma(slack.rounded, vset1(0.0f), vpositive(slack.rounded)),
                                .grad.rounded = slope,
                                .grad_other.rounded = vneg(slope)};
  }
  const vf z = vsel(vnan(slack.z), slack.rounded, slack.z);
  /* Where d, or its product with t, is beyond the floats. */
  const vd difference = dsub(dwiden(e.p), dwiden(e.other));
  const vd in_doubles = dsub(dset1(k->margin.exact), dmul_or_zero(dwiden(e.t), difference));
  const dm beyond = dmor(dinfinite(dwiden(d)), dinfinite(dwiden(slack.rounded)));
  const vd zero = dset1(0.0), wide = dmax(zero, dsel(beyond, in_doubles, dwiden(slack.rounded)));
  const struct result loss = careful_double(e, dadd(wide, zero)); /* not -0 */
  const struct result grad = of_float(hinge_slope(dnarrow(dsel(beyond, in_doubles, dwiden(z))), e.t, 0));
  return (struct derivatives){.loss = loss, .grad = grad, .grad_other = negated(grad)};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result margin_ranking_wide(struct wide e, const double *k) {
  const struct difference d = difference_in(e.near, e.p, e.other);
  const vd zero = dset1(0.0), margin = dset1(k[0]), t = dsel(deq(d.high, zero), e.t, dmul(e.t, d.unit));
  const vd z = dnfma(t, d.low, dnfma(t, d.high, margin)), positive = dpositive(z);
  if (e.near) { /* NaN at -infinity: of a difference beyond the doubles, times a t that may be small */
    const vd grad = dslope_in(1, z, e.t);
    return (struct wide_result){.loss = dnfma(z, zero, positive), .grad = grad, .grad_other = dneg(grad)};
  }
  const vd seen = dsel(dmand(deq(e.t, zero), deq(d.high, d.high)), margin, z), grad = dslope_in(0, seen, e.t);
  return (struct wide_result){.loss = dadd(dpositive(seen), zero), .grad = grad, .grad_other = dneg(grad)};
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
