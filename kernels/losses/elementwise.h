/* The block functions of an elementwise loss: what elementwise.c calls for a run of elements whose operands and results
 * are contiguous. A loss has five of them.
 *
 *   sum, sum_and_grad  the fast ones: no weights, nothing special; they add up the losses, and where that sum is not
 *                      finite the careful ones do it again. Where there was no need, the careful ones give the same.
 *   losses, everything the careful ones: they take every input
 *   weighted           the same with factors an element: these multiply a result before it is rounded
 */
#ifndef VLOSS_KERNELS_ELEMENTWISE_H
#define VLOSS_KERNELS_ELEMENTWISE_H

#include "kernels.h"
#include "loss.h"
#include "memory/past_cache.h"

/* A buffer of this many elements for each of nine operands and results is on the stack of a call: 36 KiB. */
#define BLOCK_ELEMENTS 1024
/* What a fast function does between two looks at the sum, and the careful one again if it was not finite. */
#define FAST_ELEMENTS 4096

struct block {
  size_t n;
  const float *p, *t, *other, *weights, *upstream; /* the last three: null is 1 */
  double grad_scale;                               /* multiplies every gradient */
  float *loss, *grad, *grad_target, *grad_other;   /* null: not wanted; the fast functions look at grad only */
  int past_cache;                                  /* fast functions: grad is on a 64-byte boundary */
  struct constants k;
};

/* The sum of a block's losses is in 16 lanes, which add up, in double, the pairs e[32 i + j] + e[32 i + j + 16] rounded
 * to float. One rounding a pair is at most half an ulp of what it adds to. Where a loss is a product, fused
 * multiplications form the pair, each rounding once; it starts at PAIR_START, so that no product of small factors is a
 * denormal, and PAIR_START times the number of pairs is subtracted in the end. Weighted losses are added in double,
 * each by itself. */
#define PAIR_START 0x1p-126f
typedef size_t fast_function(const struct block *b, vd *sum);
typedef vd careful_function(const struct block *b, vd sum);

struct elementwise_loss {
  void (*constants)(const double *parameters, struct constants *k);
  fast_function *sum, *sum_and_grad;
  careful_function *losses, *everything, *weighted;
  int product; /* the pairs of sums start at PAIR_START */
};

/* 1 is a valid probability, label and variance: what lies beyond a tail is harmless. */
VFN vf operand_at(const float *p, size_t i, size_t n) { return n < 16 ? vtail(p + i, n, 1.0f) : vload(p + i); }
VFN vf operand_or_1_at(const float *p, size_t i, size_t n) { return p ? operand_at(p, i, n) : vset1(1.0f); }
VFN void result_at(float *p, size_t i, size_t n, vf v) {
  if (n < 16)
    vstore_tail(p + i, v, n);
  else
    vstore(p + i, v);
}

#define BLOCK_INLINE static inline __attribute__((always_inline, unused))
typedef struct derivatives element_function(struct element e, const struct constants *k);

static int all_finite(vd lanes) {
  const vf narrow = dnarrow(lanes);
  return !vany(vnan(vsub(narrow, narrow)));
}

/* ---- Fast -------------------------------------------------------------------------------------------------------- */

/* The lanes plus a pair. Losses that are never negative are added times 2^-896 (dsplit_positive). */
BLOCK_INLINE vd fast_pair_added(vd lanes, struct derivatives low, struct derivatives high) {
  const vf pairs = low.product ? vfma(high.a, high.b, vfma(low.a, low.b, vset1(PAIR_START)))
                               : vadd(low.loss.rounded, high.loss.rounded);
  return dadd(lanes, low.negative ? dwiden(pairs) : dsplit_positive(pairs));
}

/* The lanes plus n elements, a multiple of 32. */
BLOCK_INLINE vd fast_added(vd lanes, const struct block *b, const struct constants *k, size_t n,
                           element_function *element, const int grad, const int calm) {
  const vf scale = vset1((float)b->grad_scale);
  for (size_t i = 0; i < n; i += 32) {
    /* Both are read before anything is written: a read may have to wait for a write that ends in the same 12 bits. */
    const struct element e_low = {vload(b->p + i), vload(b->t + i), operand_or_1_at(b->other, i, 16), 1, 0, calm};
    const struct element e_high = {
        vload(b->p + i + 16), vload(b->t + i + 16), operand_or_1_at(b->other, i + 16, 16), 1, 0, calm};
    const struct derivatives low = element(e_low, k), high = element(e_high, k);
    if (low.product) lanes = fast_pair_added(lanes, low, high); /* here or below: as fewer registers are needed */
    if (grad) {
      const vf grad_low = calm ? vmul_calm(low.grad.rounded, scale) : vmul(low.grad.rounded, scale);
      const vf grad_high = calm ? vmul_calm(high.grad.rounded, scale) : vmul(high.grad.rounded, scale);
      if (b->past_cache) {
        vstream(b->grad + i, grad_low);
        vstream(b->grad + i + 16, grad_high);
      } else {
        vstore(b->grad + i, grad_low);
        vstore(b->grad + i + 16, grad_high);
      }
    }
    if (!low.product) lanes = fast_pair_added(lanes, low, high);
  }
  return lanes;
}

/* The first n lanes, and 0. */
BLOCK_INLINE vf first_lanes(vf v, size_t n) {
  return n < 16 ? vsel(vigt(viset1((int32_t)n), lane_numbers()), v, vset1(0.0f)) : v;
}

/* The pair plus a vector of n losses. */
BLOCK_INLINE vf pair_plus(vf pair, size_t n, struct derivatives d, vf loss) {
  return d.product ? vfma(first_lanes(d.a, n), d.b, pair) : vadd(pair, first_lanes(loss, n));
}

/* What a fast function multiplies the sum by, and back. */
#define SHRINK(negative) dset1((negative) ? 1 : 0x1p-896)
#define GROW(negative) dset1((negative) ? 1 : 0x1p896)

/* The fewer than 32 elements from i to the end of a block; out of line, so that the loop has the registers for itself.
 * Returns how many were done: none where the sum is not finite. */
BLOCK_INLINE size_t fast_rest(const struct block *b, size_t i, vd *sum, element_function *element) {
  const struct constants k = b->k;
  const vf scale = vset1((float)b->grad_scale);
  vf pairs = vset1(0.0f);
  vd lanes = *sum;
  for (size_t half = 0; half < 32; half += 16) {
    const size_t left = i + half < b->n ? b->n - i - half : 0, n = left < 16 ? left : 16, at = left ? i + half : i;
    const struct element e = {
        operand_at(b->p, at, n), operand_at(b->t, at, n), operand_or_1_at(b->other, at, n), 1, 0, 0};
    const struct derivatives d = element(e, &k);
    if (b->grad) result_at(b->grad, at, n, vmul(d.grad.rounded, scale));
    if (half == 0) pairs = vset1(d.product ? PAIR_START : 0.0f);
    pairs = pair_plus(pairs, n, d, d.loss.rounded);
    if (half == 0) continue;
    const vd shrunk = dmul(lanes, SHRINK(d.negative));
    lanes = dmul(dadd(shrunk, d.negative ? dwiden(pairs) : dsplit_positive(pairs)), GROW(d.negative));
  }
  if (!all_finite(lanes)) return 0;
  *sum = lanes;
  return b->n - i;
}

/* Whether there are denormals among the first 16 elements: flags tell of those that are behind. Out of line, so that
 * its constants do not take registers from the loop. */
static __attribute__((noinline, unused)) int begins_with_denormals(const struct block *b) {
  return b->n >= 16 && vany(vmor(vdenormal(vload(b->p)), vdenormal(vload(b->t))));
}

/* The elements from `from` on, any number, FAST_ELEMENTS at a time, until the sum is not finite, which -0 is taken for
 * where losses are not negative. Where denormals are met, calm_rest does it from there on, which is this with `calm`;
 * null where they cost nothing. Returns up to which element all is done. */
typedef size_t rest_function(const struct block *b, size_t i, vd *sum);
BLOCK_INLINE size_t fast_blocks(const struct block *b, size_t from, vd *sum, element_function *element,
                                rest_function *rest, rest_function *calm_rest, const int grad, const int calm) {
  if (calm_rest && begins_with_denormals(b)) return calm_rest(b, 0, sum);
  const struct constants k = b->k; /* a copy: no store can change it */
  const int negative = element((struct element){vset1(0.0f), vset1(0.0f), vset1(0.0f), 1, 0, 0}, &k).negative;
  if (!negative && vany(vgt(vset1(0.0f), dnarrow(*sum)))) return from;
  struct block part = *b;
  vd lanes = dmul(*sum, SHRINK(negative));
  size_t i = from;
  while (b->n - i >= 32) {
    if (calm_rest && vmet_denormal()) return i + calm_rest(b, i, sum);
    const size_t n = b->n - i < FAST_ELEMENTS ? (b->n - i) / 32 * 32 : FAST_ELEMENTS;
    part.p = b->p + i;
    part.t = b->t + i;
    if (b->other) part.other = b->other + i;
    if (grad) part.grad = b->grad + i;
    lanes = fast_added(lanes, &part, &k, n, element, grad, calm);
    const vd grown = dmul(lanes, GROW(negative));
    if (!all_finite(grown)) return i;
    *sum = grown;
    i += n;
  }
  return i < b->n ? i + rest(b, i, sum) : i;
}

/* ---- Careful ----------------------------------------------------------------------------------------------------- */

/* Writes what is wanted of elements i .. i + n - 1 of a block. Returns their losses as floats; a product's, which may
 * be too small for one, only if they are wanted. */
BLOCK_INLINE vf written(const struct block *b, size_t i, size_t n, struct derivatives d, const int grads) {
  const double scale = b->grad_scale;
  if (grads && b->grad) result_at(b->grad, i, n, times_scale(d.grad, scale));
  if (grads && b->grad_target) result_at(b->grad_target, i, n, times_scale(d.grad_target, scale));
  if (grads && b->grad_other) result_at(b->grad_other, i, n, times_scale(d.grad_other, scale));
  if (d.product && !b->loss) return vset1(0.0f);
  const vf loss = canonical(d.product ? narrowed(d.loss.exact) : d.loss.rounded);
  if (b->loss) result_at(b->loss, i, n, loss);
  return loss;
}

/* The lanes plus the block. One vector at a time: speed matters less here than the size of the code. */
BLOCK_INLINE vd careful_block(const struct block *b, vd sum, element_function *element, const int grads) {
  const struct constants k = b->k; /* copies: no store can change them */
  const struct block copy = *b;
  vf pair = vset1(0.0f);
  for (size_t i = 0; i < copy.n; i += 16) {
    const size_t n = copy.n - i < 16 ? copy.n - i : 16;
    const struct element e = {
        operand_at(copy.p, i, n), operand_at(copy.t, i, n), operand_or_1_at(copy.other, i, n), 0, 0, 0};
    const struct derivatives d = element(e, &k);
    const vf loss = written(&copy, i, n, d, grads);
    if (i % 32 == 0) pair = vset1(d.product ? PAIR_START : 0.0f);
    pair = pair_plus(pair, n, d, loss);
    if (i % 32 || i + 16 >= copy.n) sum = dadd(sum, d.negative ? dwiden(pair) : dsplit(pair));
  }
  return sum;
}

/* The same with factors. A loss that is only added up is not rounded: it may be no float where the sum is one. */
BLOCK_INLINE vd weighted_block(const struct block *b, vd sum, element_function *element) {
  const struct constants k = b->k;
  const struct block copy = *b;
  const vd none = dset1(0.0);
  for (size_t i = 0; i < copy.n; i += 16) {
    const size_t n = copy.n - i < 16 ? copy.n - i : 16;
    const struct element e = {
        operand_at(copy.p, i, n), operand_at(copy.t, i, n), operand_or_1_at(copy.other, i, n), 0, 1, 0};
    const struct derivatives d = element(e, &k);
    const vd w = dwiden(operand_or_1_at(copy.weights, i, n));
    const vd factor = dmul(dmul(w, dwiden(operand_or_1_at(copy.upstream, i, n))), dset1(copy.grad_scale));
    if (copy.grad) result_at(copy.grad, i, n, times_factor(d.grad.exact, factor));
    if (copy.grad_target) result_at(copy.grad_target, i, n, times_factor(d.grad_target.exact, factor));
    if (copy.grad_other) result_at(copy.grad_other, i, n, times_factor(d.grad_other.exact, factor));
    vd loss = factor_times(d.loss.exact, w);
    /* What no float holds is infinite, as where it is written. */
    loss = dsel(dgt(dabs(loss), dset1(0x1.fffffefffffffp127)), dmul(loss, dset1(0x1p1000)), loss);
    if (copy.loss) result_at(copy.loss, i, n, canonical(narrowed(loss)));
    const vd there = dwiden(first_lanes(vset1(1.0f), n));
    sum = dadd(sum, n < 16 ? dsel(deq(there, none), none, loss) : loss);
  }
  return sum;
}

#define NO_CALM(name) ((rest_function *)0)
#define CALM_OF(name) (DENORMALS_ARE_SLOW ? name##_calm : (rest_function *)0)
#define CALM_FUNCTION(name)                                                                               \
  static size_t name##_rest(const struct block *b, size_t i, vd *sum);                                    \
  static __attribute__((noinline, unused)) size_t name##_calm(const struct block *b, size_t i, vd *sum) { \
    return fast_blocks(b, i, sum, name, name##_rest, NULL, b->grad != NULL, 1) - i;                       \
  }
/* In the calm ones there is code for denormals (struct element). */
#define ELEMENTWISE_LOSS(name) ELEMENTWISE_LOSS_OF(name, 0, NO_CALM)
#define CALM_LOSS(name) CALM_FUNCTION(name) ELEMENTWISE_LOSS_OF(name, 0, CALM_OF)
#define CALM_PRODUCT_LOSS(name) CALM_FUNCTION(name) ELEMENTWISE_LOSS_OF(name, 1, CALM_OF)
#define ELEMENTWISE_LOSS_OF(name, product, calm_of)                                                                \
  static SMALL size_t name##_rest(const struct block *b, size_t i, vd *sum) { return fast_rest(b, i, sum, name); } \
  static size_t name##_sum(const struct block *b, vd *sum) {                                                       \
    return fast_blocks(b, 0, sum, name, name##_rest, calm_of(name), 0, 0);                                         \
  }                                                                                                                \
  static size_t name##_sum_and_grad(const struct block *b, vd *sum) {                                              \
    return fast_blocks(b, 0, sum, name, name##_rest, calm_of(name), 1, 0);                                         \
  }                                                                                                                \
  static SMALL vd name##_losses(const struct block *b, vd sum) { return careful_block(b, sum, name, 0); }          \
  static SMALL vd name##_everything(const struct block *b, vd sum) { return careful_block(b, sum, name, 1); }      \
  static SMALL vd name##_weighted(const struct block *b, vd sum) { return weighted_block(b, sum, name); }          \
  const struct elementwise_loss KERNEL(name) = {                                                                   \
      name##_constants, name##_sum, name##_sum_and_grad, name##_losses, name##_everything, name##_weighted, product};

#endif
