/* Squared hinge: z^2, z = max(0, 1 - t' p), t' as in hinge.h. Gradient -2 t' z. */
#ifndef VLOSS_KERNELS_LOSS_SQUARED_HINGE_H
#define VLOSS_KERNELS_LOSS_SQUARED_HINGE_H

#include "hinge.h"

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

VFN struct derivatives squared_hinge(struct element e, const struct hinge_constants *k) {
  const vf label = hinge_label(e.t, k), z = vpositive(hinge_slack(label, e));
  const vf minus_2_label = vneg(vadd(label, label));
  const vf product = e.calm ? vmul_calm(z, minus_2_label) : vmul(z, minus_2_label);
  const vf grad = vsel(veq(z, vset1(0.0f)), vset1(0.0f), product); /* whatever the label is */
  if (e.fast) return (struct derivatives){.grad.rounded = grad, .a = z, .b = z};
  const vd wide = kept(z, hinge_beyond(label, e)).exact;
  return (struct derivatives){.loss.exact = dmul(wide, wide),
                              .grad = number_or(e, grad, dmul_or_zero(wide, dmul(dset1(-2.0), dwiden(label)))),
                              .a = z,
                              .b = z};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result squared_hinge_wide(struct wide e, const double *k) {
  const struct hinge_wide_terms terms = hinge_wide_terms(e, k);
  const vd z = dpositive(terms.z);
  const vd by_z = dmul(dset1(-2.0), terms.label);
  const vd grad = e.near ? dfma(z, by_z, dset1(0.0)) : dmul_or_zero(z, by_z); /* not -0 */
  return (struct wide_result){.loss = dmul(z, z), .grad = grad};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula squared_hinge_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const real label = parameters[0] == 1 ? 2 * t - 1 : t, product = formula_times(label, p);
  const real z = 1 - product, terms = 2 * (1 + fabs(product));
  return (struct formula){.loss = {z < 0 ? 0 : z * z, z < 0 ? 0 : z * terms},
                          .grad = {z < 0 ? 0 : -2 * z * label, z <= 0 ? 0 : fabs(label) * terms}};
}
#endif

#endif
