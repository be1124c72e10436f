/* The fast functions of an elementwise loss that add up its losses, and write the gradient to the prediction; and what
 * all functions of a loss are made of. Operands and results are contiguous here. */
#ifndef VLOSS_KERNELS_FAST_SUMS_H
#define VLOSS_KERNELS_FAST_SUMS_H

#include "block.h"

/* 1 is a valid probability, label and variance: what lies beyond a tail is harmless. */
VFN vf operand_at(const float *p, size_t i, size_t n) { return n < 16 ? vtail(p + i, n, 1.0f) : vload(p + i); }
VFN vf operand_or_1_at(const float *p, size_t i, size_t n) { return p ? operand_at(p, i, n) : vset1(1.0f); }
VFN void result_at(float *p, size_t i, size_t n, vf v) {
  if (n < 16)
    vstore_tail(p + i, v, n);
  else
    vstore(p + i, v);
}

#define BLOCK_INLINE static inline __attribute__((always_inline))
/* Of the loops, which are part of each function of a loss, but in the scalar kernels: these have them once a file, and
 * of a loss two functions for a vector of elements. */
#ifdef VLOSS_ISA_IS_SCALAR
#define SHARED static __attribute__((noinline, unused))
#else
#define SHARED BLOCK_INLINE
#endif

/* What the functions below make of a loss: constant to them. The constants of its parameters come beside it, as a copy
 * that no store can change. */
typedef struct derivatives element_function(struct element e, const void *constants);
struct kernel {
  element_function *element;
  int traits;
  int calm;                 /* element.calm */
  rest_function *rest;      /* fast_blocks: fast_rest of this loss */
  rest_function *calm_rest; /* fast_blocks: the same from an element on, `calm`; null where denormals cost nothing */
};

/* Elements i .. i + n - 1, at most 16. */
BLOCK_INLINE struct element element_at(const struct block *b, size_t i, size_t n, const int traits) {
  return (struct element){.p = operand_at(b->p, i, n),
                          .t = operand_at(b->t, i, n),
                          .other = traits & NEEDS_OTHER ? operand_at(b->other, i, n) : operand_or_1_at(b->other, i, n)};
}
BLOCK_INLINE struct element fast_element(const struct block *b, size_t i, size_t n, const int traits, const int calm) {
  struct element e = element_at(b, i, n, traits);
  e.fast = 1;
  e.calm = calm;
  return e;
}

static int all_finite(vd lanes) {
  const vf narrow = dnarrow(lanes);
  return !vany(vnan(vsub(narrow, narrow)));
}

/* ---- Fast -------------------------------------------------------------------------------------------------------- */

/* Losses that are never negative are added up times SPLIT_SCALE (dsplit_scaled). What a sum of theirs is multiplied by
 * to begin with, and in the end. */
BLOCK_INLINE vd shrunk(vd sum, const int traits) {
  return dmul(sum, dset1(traits & MAY_BE_NEGATIVE ? 1 : SPLIT_SCALE));
}
BLOCK_INLINE vd grown(vd sum, const int traits) {
  return dmul(sum, dset1(traits & MAY_BE_NEGATIVE ? 1 : 1 / SPLIT_SCALE));
}
BLOCK_INLINE vd widened_pairs(vf pairs, const int traits) {
  return traits & MAY_BE_NEGATIVE ? dwiden(pairs) : dsplit_scaled(pairs);
}

/* The lanes, shrunk, plus a pair. */
BLOCK_INLINE vd pair_added(vd lanes, struct derivatives low, struct derivatives high, const int traits) {
  const vf pairs = traits & PRODUCT ? vfma(high.a, high.b, vfma(low.a, low.b, vset1(PAIR_START)))
                                    : vadd(low.loss.rounded, high.loss.rounded);
  return dadd(lanes, widened_pairs(pairs, traits));
}

/* The lanes, shrunk, plus n elements, a multiple of 32. */
BLOCK_INLINE vd fast_added(vd lanes, const struct block *b, const void *k, size_t n, struct kernel loss,
                           const int grad) {
  const vf scale = vset1((float)b->grad_scale);
  for (size_t i = 0; i < n; i += 32) {
    /* Both are read before anything is written: a read may have to wait for a write that ends in the same 12 bits. */
    const struct element e_low = fast_element(b, i, 16, loss.traits, loss.calm);
    const struct element e_high = fast_element(b, i + 16, 16, loss.traits, loss.calm);
    const struct derivatives low = loss.element(e_low, k), high = loss.element(e_high, k);
    const int product = loss.traits & PRODUCT;
    if (product) lanes = pair_added(lanes, low, high, loss.traits); /* here or below: as fewer registers are needed */
    if (grad) {
      const vf grad_low = loss.calm ? vmul_calm(low.grad.rounded, scale) : vmul(low.grad.rounded, scale);
      const vf grad_high = loss.calm ? vmul_calm(high.grad.rounded, scale) : vmul(high.grad.rounded, scale);
      if (b->past_cache) {
        vstream(b->grad + i, grad_low);
        vstream(b->grad + i + 16, grad_high);
      } else {
        vstore(b->grad + i, grad_low);
        vstore(b->grad + i + 16, grad_high);
      }
    }
    if (!product) lanes = pair_added(lanes, low, high, loss.traits);
  }
  return lanes;
}

/* The first n lanes, and 0. */
BLOCK_INLINE vf first_lanes(vf v, size_t n) {
  return n < 16 ? vsel(vigt(viset1((int32_t)n), lane_numbers()), v, vset1(0.0f)) : v;
}

/* 0 for denormals whose product with `factor` is less than half an ulp of PAIR_START. */
BLOCK_INLINE vf nothing_beside(vf v, vf factor) { return vsel(vgt(vset1(0x1p-26f), vabs(factor)), vflush(v), v); }
/* The pair plus a vector of n losses. */
BLOCK_INLINE vf pair_plus(vf pair, size_t n, struct derivatives d, vf loss, const int traits, const int calm) {
  if (!(traits & PRODUCT)) return vadd(pair, first_lanes(loss, n));
  const vf a = first_lanes(d.a, n);
  if (calm) return vfma(nothing_beside(a, d.b), nothing_beside(d.b, a), pair);
  return vfma(a, d.b, pair);
}
BLOCK_INLINE vf pair_start(const int traits) { return vset1(traits & PRODUCT ? PAIR_START : 0.0f); }

/* The fewer than 32 elements from i to the end of a block; out of line, so that the loop has the registers for itself.
 * Returns how many were done: none where the sum is not finite. */
SHARED size_t fast_rest(const struct block *b, const void *k, size_t i, vd *sum, struct kernel loss) {
  const vf scale = vset1((float)b->grad_scale);
  vf pairs = pair_start(loss.traits);
  for (size_t at = i; at < b->n; at += 16) {
    const size_t left = b->n - at, n = left < 16 ? left : 16;
    const struct derivatives d = loss.element(fast_element(b, at, n, loss.traits, 0), k);
    if (b->grad) result_at(b->grad, at, n, vmul(d.grad.rounded, scale));
    pairs = pair_plus(pairs, n, d, d.loss.rounded, loss.traits, 0);
  }
  const vd lanes = grown(dadd(shrunk(*sum, loss.traits), widened_pairs(pairs, loss.traits)), loss.traits);
  if (!all_finite(lanes)) return 0;
  *sum = lanes;
  return b->n - i;
}

/* Out of line, so that its constants do not take registers from the loop; asked before a loss copies its own. */
static __attribute__((noinline, unused)) int begins_with_denormals(const struct block *b) { return first_denormals(b); }

/* Whether a careful function is to expect some. */
static __attribute__((noinline, unused)) int has_denormals(const struct block *b) {
  return vmet_denormal() || begins_with_denormals(b);
}

/* The elements from `from` on, any number, FAST_ELEMENTS at a time, until the sum is not finite. A -0 among losses that
 * are never negative is no pair's bits as dsplit_scaled has them, and makes the sum infinite, too. Where denormals are
 * met, calm_rest does it from there on. Returns up to which element all is done. */
SHARED size_t fast_blocks(const struct block *b, const void *k, size_t from, vd *sum, struct kernel loss,
                          const int grad) {
  if (!(loss.traits & MAY_BE_NEGATIVE) && vany(vgt(vset1(0.0f), dnarrow(*sum)))) return from;
  struct block part = *b;
  vd lanes = shrunk(*sum, loss.traits);
  size_t i = from;
  while (b->n - i >= 32) {
    if (loss.calm_rest && vmet_denormal()) return i + loss.calm_rest(b, i, sum);
    const size_t n = b->n - i < FAST_ELEMENTS ? (b->n - i) / 32 * 32 : FAST_ELEMENTS;
    part.p = b->p + i;
    part.t = b->t + i;
    if (b->other) part.other = b->other + i;
    if (grad) part.grad = b->grad + i;
    lanes = fast_added(lanes, &part, k, n, loss, grad);
    const vd so_far = grown(lanes, loss.traits);
    if (!all_finite(so_far)) return i;
    *sum = so_far;
    i += n;
  }
  return i < b->n ? i + loss.rest(b, i, sum) : i;
}

#endif
