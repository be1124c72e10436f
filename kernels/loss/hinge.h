/* Hinge: max(0, z), z = 1 - t' p. Gradient -t' where z >= 0, else 0. t' is t, or 2t - 1 where labels are 0 and 1: the
 * caller has found out by now, so label_mode is 1 or 2. */
#ifndef VLOSS_KERNELS_LOSS_HINGE_H
#define VLOSS_KERNELS_LOSS_HINGE_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

/* t' = scale t + offset. */
struct hinge_constants {
  struct call call;
  float scale, offset;
};
VFN void hinge_constants(const double *parameters, struct hinge_constants *k) {
  const int zero_one = parameters[0] == 1;
  k->scale = zero_one ? 2.0f : 1.0f;
  k->offset = zero_one ? -1.0f : 0.0f;
}

/* t' and z, for squared_hinge.h too. */
VFN vf hinge_label(vf t, const struct hinge_constants *k) {
  vf label = t;
  if (k->scale != 1) label = vfma(t, vset1(k->scale), vset1(k->offset));
  return label;
}
VFN vf hinge_slack(vf label, struct element e) {
  const vf p = e.fast ? e.p : vfactor(label, e.p);
  if (e.calm) return vnfma(vflush_beside(label, p), vflush_beside(p, label), vset1(1.0f));
  return vnfma(label, p, vset1(1.0f));
}

/* -t where z >= 0, else 0; NaN passes. For margin_ranking.h too. */
VFN vf hinge_slope(vf z, vf t, int fast) {
  const vf zero = vset1(0.0f);
  return vsel(vgt(zero, z), zero, vsub(fast ? zero : vmin(zero, z), t));
}

/* max(0, z) in double, where z is beyond the floats. NaN passes. */
VFN vd hinge_beyond(vf label, struct element e) {
  return dmax(dset1(0.0), dnfma(dwiden(label), dwiden(vfactor(label, e.p)), dset1(1.0)));
}

VFN struct derivatives hinge(struct element e, const struct hinge_constants *k) {
  const vf label = hinge_label(e.t, k), z = hinge_slack(label, e), loss = vpositive(z);
  const vf grad = hinge_slope(z, label, e.fast);
  if (e.fast) return (struct derivatives){.loss.rounded = loss, .grad.rounded = grad};
  return (struct derivatives){.loss = kept(loss, hinge_beyond(label, e)), .grad = of_float(grad)};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
/* t' and z, for squared_hinge.h too. 0 times infinity is 0 here. */
struct hinge_wide_terms {
  vd label, z;
};
VFN struct hinge_wide_terms hinge_wide_terms(struct wide e, const double *k) {
  const vd one = dset1(1.0), label = k[0] == 1 ? dfma(dset1(2.0), e.t, dset1(-1.0)) : e.t;
  const vd z = dnfma(label, e.p, one);
  return (struct hinge_wide_terms){label, e.near ? z : dsel(deq(label, dset1(0.0)), one, z)};
}
VFN struct wide_result hinge_wide(struct wide e, const double *k) {
  const struct hinge_wide_terms terms = hinge_wide_terms(e, k);
  return (struct wide_result){.loss = dpositive(terms.z), .grad = dslope_in(e.near, terms.z, terms.label)};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula hinge_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const real label = parameters[0] == 1 ? 2 * t - 1 : t, product = formula_times(label, p), z = 1 - product;
  return (struct formula){.loss = {z < 0 ? 0 : z, z < 0 ? 0 : 1 + fabs(product)},
                          .grad = {z < 0    ? 0
                                   : z >= 0 ? -label
                                            : z,
                                   0}};
}
#endif

#endif
