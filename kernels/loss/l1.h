/* L1: |d|, d = p - t. Gradient sg(d), 0 at d = 0. Half an ulp. */
#ifndef VLOSS_KERNELS_LOSS_L1_H
#define VLOSS_KERNELS_LOSS_L1_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

VFN struct derivatives l1(struct element e) {
  const vf d = vsub(e.p, e.t), sign = vsign(d);
  return (struct derivatives){
      .loss = {vabs(d), dabs(difference(e.p, e.t, d))}, .grad = of_float(sign), .grad_target = of_float(vneg(sign))};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result l1_wide(struct wide e, const double *k) {
  (void)k;
  const struct difference d = difference_in(e.near, e.p, e.t);
  const vd sign = dsign(d.high);
  return (struct wide_result){.loss = dmul(dmagnitude(d.high), d.unit), .grad = sign, .grad_target = dneg(sign)};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula l1_formula(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  const real d = p - t, sign = d > 0 ? 1 : d < 0 ? -1 : d;
  return (struct formula){.loss = {fabs(d), 0}, .grad = {sign, 0}, .grad_target = {-sign, 0}};
}
#endif

#endif
