/* The functions of an elementwise loss that write losses and every gradient: the fast one, the careful one, which takes
 * every input and adds up the losses, too, and the one with factors. */
#ifndef VLOSS_KERNELS_ELEMENT_RESULTS_H
#define VLOSS_KERNELS_ELEMENT_RESULTS_H

#include "fast_sums.h"

/* ---- Results of their own ---------------------------------------------------------------------------------------- */

/* |a| |b|, which raises no underflow where it is 0: the product of two numbers is at most the square of half their sum.
 */
BLOCK_INLINE vf quiet_product(vf a, vf b) {
  const vf first = vabs(a), second = vabs(b);
  return vmul(vsel(vgt(vset1(0x1p-74f), vadd(first, second)), vset1(0.0f), first), second);
}

/* What is wanted of elements i .. i + 15 but their total, where nothing is special. Returns `special`, and NaN in the
 * lanes of a result that is not finite. */
BLOCK_INLINE vf quick_results(const struct block *b, const void *k, size_t i, vf special, struct kernel loss,
                              const int any_grad) {
  const vf scale = vset1((float)b->grad_scale), none = vset1(0.0f);
  struct element e = fast_element(b, i, 16, loss.traits, 0);
  e.written = 1;
  const struct derivatives d = loss.element(e, k);
  const vf grads[3] = {d.grad.rounded, d.grad_target.rounded, d.grad_other.rounded};
  float *const to[3] = {b->grad, b->grad_target, b->grad_other};
  if (!(loss.traits & PRODUCT)) {
    special = vfma(d.loss.rounded, none, special);
    if (b->loss) vstore(b->loss + i, d.loss.rounded);
  } else if (b->loss) {
    const vf product = quiet_product(d.a, d.b);
    special = vfma(product, none, special);
    vstore(b->loss + i, product);
  } else {
    special = vfma(d.a, none, vfma(d.b, none, special));
  }
  UNROLL for (int g = 0; g < 3; g++) {
    if (!any_grad || !to[g]) continue;
    special = vfma(grads[g], none, special);
    vstore(to[g] + i, vmul(grads[g], scale));
  }
  return special;
}
/* Whether all is done. Where it is not, a careful function does the block again. The last 16 elements may overlap those
 * before, as no result lies over an operand here. */
SHARED int quick_block(const struct block *b, const void *k, struct kernel loss, const int any_grad) {
  const struct block copy = *b;                 /* no store can change it */
  vf special = vset1(0.0f), special2 = special; /* two, as each waits for what was added to it before */
  size_t next = 0;
  if (copy.n < 16) return 0;
  for (; loss.traits & FEW_OPERATIONS && !any_grad && copy.n - next >= 32; next += 32) {
    special = quick_results(&copy, k, next, special, loss, 0);
    special2 = quick_results(&copy, k, next + 16, special2, loss, 0);
  }
  for (; next < copy.n; next += 16) {
    const size_t i = next < copy.n - 16 ? next : copy.n - 16;
    special = quick_results(&copy, k, i, special, loss, any_grad);
  }
  return !vany(vnan(vadd(special, special2)));
}

/* ---- Careful ----------------------------------------------------------------------------------------------------- */

/* The loss of a product as quick_block has it; as a careful one has it where that is not finite. */
BLOCK_INLINE vf rounded_product(struct derivatives d) {
  const vf product = quiet_product(d.a, d.b);
  if (__builtin_expect(vany(vnan(vsub(product, product))), 0))
    return vsel(vnan(vsub(product, product)), narrowed(d.loss.exact), product);
  return product;
}

/* Writes what is wanted of elements i .. i + n - 1 of a block. Returns their losses as floats; a product's, which may
 * be too small for one, only if they are wanted. */
BLOCK_INLINE vf written(const struct block *b, size_t i, size_t n, struct derivatives d, const int product,
                        const int calm) {
  const double scale = b->grad_scale;
  if (b->grad) result_at(b->grad, i, n, times_scale(d.grad, scale, calm));
  if (b->grad_target) result_at(b->grad_target, i, n, times_scale(d.grad_target, scale, calm));
  if (b->grad_other) result_at(b->grad_other, i, n, times_scale(d.grad_other, scale, calm));
  if (product && !b->loss) return vset1(0.0f);
  const vf loss = canonical(product ? rounded_product(d) : d.loss.rounded);
  if (b->loss) result_at(b->loss, i, n, loss);
  return loss;
}

/* The lanes plus the block. One vector at a time: speed matters less here than the size of the code. */
SHARED vd careful_block(const struct block *b, const void *k, vd sum, struct kernel loss) {
  const struct block copy = *b; /* no store can change it */
  const int traits = loss.traits;
  vf pair = vset1(0.0f);
  for (size_t i = 0; i < copy.n; i += 16) {
    const size_t n = copy.n - i < 16 ? copy.n - i : 16;
    const struct derivatives d = loss.element(element_at(&copy, i, n, traits), k);
    const vf rounded = written(&copy, i, n, d, traits & PRODUCT, loss.calm);
    if (i % 32 == 0) pair = pair_start(traits);
    pair = pair_plus(pair, n, d, rounded, traits, loss.calm);
    if (i % 32 || i + 16 >= copy.n) sum = dadd(sum, traits & MAY_BE_NEGATIVE ? dwiden(pair) : dsplit(pair));
  }
  return sum;
}

/* The same with factors. A loss that is only added up is not rounded: it may be no float where the sum is one. */
SHARED vd weighted_block(const struct block *b, const void *k, vd sum, struct kernel loss) {
  const struct block copy = *b;
  const vd none = dset1(0.0);
  for (size_t i = 0; i < copy.n; i += 16) {
    const size_t n = copy.n - i < 16 ? copy.n - i : 16;
    struct element e = element_at(&copy, i, n, loss.traits);
    e.exact = 1;
    const struct derivatives d = loss.element(e, k);
    const vd w = dwiden(operand_or_1_at(copy.weights, i, n));
    const vd factor = dmul(dmul(w, dwiden(operand_or_1_at(copy.upstream, i, n))), dset1(copy.grad_scale));
    if (copy.grad) result_at(copy.grad, i, n, times_factor(d.grad.exact, factor));
    if (copy.grad_target) result_at(copy.grad_target, i, n, times_factor(d.grad_target.exact, factor));
    if (copy.grad_other) result_at(copy.grad_other, i, n, times_factor(d.grad_other.exact, factor));
    vd exact = factor_times(d.loss.exact, w);
    /* What no float holds is infinite, as where it is written. */
    exact = dsel(dgt(dabs(exact), dset1(0x1.fffffefffffffp127)), dmul(exact, dset1(0x1p1000)), exact);
    if (copy.loss) result_at(copy.loss, i, n, canonical(narrowed(exact)));
    const vd there = dwiden(first_lanes(vset1(1.0f), n));
    sum = dadd(sum, n < 16 ? dsel(deq(there, none), none, exact) : exact);
  }
  return sum;
}

#endif
