/* Mean squared error: d^2, d = p - t. Gradient 2d. No factor 1/2, as in PyTorch and Keras. */
#ifndef VLOSS_KERNELS_LOSS_MSE_H
#define VLOSS_KERNELS_LOSS_MSE_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

VFN struct derivatives mse(struct element e) {
  const vf d = vsub(e.p, e.t), factor = e.calm ? vflush_tiny(d) : d; /* the square is nothing beside PAIR_START */
  if (e.fast)
    return (struct derivatives){
        .grad.rounded = vadd(d, d), .grad_target.rounded = vneg(vadd(d, d)), .a = factor, .b = factor};
  const vd wide = difference(e.p, e.t, d);
  const struct result grad = {vadd(d, d), dadd(wide, wide)};
  return (struct derivatives){
      .loss.exact = dmul(wide, wide), .grad = grad, .grad_target = negated(grad), .a = factor, .b = factor};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result mse_wide(struct wide e, const double *k) {
  (void)k;
  const vd d = dsub(e.p, e.t), grad = dadd(d, d);
  return (struct wide_result){.loss = dmul(d, d), .grad = grad, .grad_target = dneg(grad)};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula mse_formula(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  const real d = p - t;
  return (struct formula){.loss = {d * d, 0}, .grad = {2 * d, 0}, .grad_target = {-2 * d, 0}};
}
#endif

#endif
