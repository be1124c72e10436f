/* The functions of an elementwise loss (struct elementwise_loss in block.h): what elementwise.c calls for a run of
 * elements whose operands and results are contiguous. */
#ifndef VLOSS_KERNELS_ELEMENTWISE_H
#define VLOSS_KERNELS_ELEMENTWISE_H

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
BLOCK_INLINE struct element element_at(const struct block *b, size_t i, size_t n) {
  return (struct element){
      .p = operand_at(b->p, i, n), .t = operand_at(b->t, i, n), .other = operand_or_1_at(b->other, i, n)};
}
BLOCK_INLINE struct element fast_element(const struct block *b, size_t i, size_t n, const int calm) {
  struct element e = element_at(b, i, n);
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
    const struct element e_low = fast_element(b, i, 16, loss.calm), e_high = fast_element(b, i + 16, 16, loss.calm);
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
    const struct derivatives d = loss.element(fast_element(b, at, n, 0), k);
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

/* ---- Results of their own ---------------------------------------------------------------------------------------- */

/* |a| |b|, which raises no underflow where it is 0: the product of two numbers is at most the square of half their sum.
 */
BLOCK_INLINE vf quiet_product(vf a, vf b) {
  const vf first = vabs(a), second = vabs(b);
  return vmul(vsel(vgt(vset1(0x1p-74f), vadd(first, second)), vset1(0.0f), first), second);
}

/* What is wanted of elements i .. i + 15 but their total, where nothing is special. Returns NaN in the lanes of a
 * result that is not finite. */
BLOCK_INLINE vf quick_results(const struct block *b, const void *k, size_t i, struct kernel loss, const int any_grad) {
  const vf scale = vset1((float)b->grad_scale), none = vset1(0.0f);
  struct element e = fast_element(b, i, 16, 0);
  e.written = 1;
  const struct derivatives d = loss.element(e, k);
  const vf grads[3] = {d.grad.rounded, d.grad_target.rounded, d.grad_other.rounded};
  float *const to[3] = {b->grad, b->grad_target, b->grad_other};
  vf special;
  if (!(loss.traits & PRODUCT)) {
    special = vmul(d.loss.rounded, none);
    if (b->loss) vstore(b->loss + i, d.loss.rounded);
  } else if (b->loss) {
    const vf product = quiet_product(d.a, d.b);
    special = vmul(product, none);
    vstore(b->loss + i, product);
  } else {
    special = vfma(d.a, none, vmul(d.b, none));
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
  const struct block copy = *b; /* no store can change it */
  vf special = vset1(0.0f);
  if (copy.n < 16) return 0;
  for (size_t next = 0; next < copy.n; next += 16) {
    const size_t i = next < copy.n - 16 ? next : copy.n - 16;
    special = vadd(special, quick_results(&copy, k, i, loss, any_grad));
  }
  return !vany(vnan(special));
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
    const struct derivatives d = loss.element(element_at(&copy, i, n), k);
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
    struct element e = element_at(&copy, i, n);
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

/* ---- A loss as the files of losses define it --------------------------------------------------------------------- */

/* A field at a time: a copy of a struct would wait for the stores that made it. */
VFN void begin_call(const struct vloss_loss_job *job, struct call *call) {
  const double scale = job->grad_scale;
  call->weighed = job->other.p != NULL;
  call->unscaled = 0;
  call->careful = 0;
  if (job->grad.p && may_round_before(scale)) call->unscaled = (float)(scale / (double)(float)scale - 1);
}

/* ELEMENTWISE_LOSS(mse, PRODUCT | KNOWS_CALM) exports the loss of loss/mse.h; _WITH one that has constants, its own or
 * those of another: ELEMENTWISE_LOSS_WITH(squared_hinge, hinge_constants, PRODUCT | KNOWS_CALM). */
#define ELEMENTWISE_LOSS(name, traits)                                                 \
  BLOCK_INLINE struct derivatives name##_element(struct element e, const void *none) { \
    (void)none;                                                                        \
    return name(e);                                                                    \
  }                                                                                    \
  ELEMENTWISE_FUNCTIONS(name, struct call, traits)                                     \
  LOSS_KERNEL(name) {                                                                  \
    struct call k;                                                                     \
    begin_call(job, &k);                                                               \
    KERNEL(elementwise)(job, &name##_functions, &k, range, partial);                   \
  }
#define ELEMENTWISE_LOSS_WITH(name, constants, traits)                                                   \
  BLOCK_INLINE struct derivatives name##_element(struct element e, const void *k) { return name(e, k); } \
  ELEMENTWISE_FUNCTIONS(name, struct constants, traits)                                                  \
  LOSS_KERNEL(name) {                                                                                    \
    struct constants k;                                                                                  \
    begin_call(job, &k.call);                                                                            \
    constants(job->parameters, &k);                                                                      \
    KERNEL(elementwise)(job, &name##_functions, &k.call, range, partial);                                \
  }

/* The functions of a loss, each with a copy of the constants. */
#define CALM(traits) (DENORMALS_ARE_SLOW && (traits)&KNOWS_CALM)
#define ELEMENTWISE_FUNCTIONS(name, type, traits_of)                                                        \
  SHARED struct derivatives name##_quick(struct element e, const void *k) {                                 \
    e.fast = 1;                                                                                             \
    e.calm = 0;                                                                                             \
    return name##_element(e, k);                                                                            \
  }                                                                                                         \
  SHARED struct derivatives name##_careful(struct element e, const void *k) {                               \
    e.fast = e.calm = 0;                                                                                    \
    return name##_element(e, k);                                                                            \
  }                                                                                                         \
  SHARED struct derivatives name##_careful_of_denormals(struct element e, const void *k) {                  \
    e.fast = 0;                                                                                             \
    e.calm = CALM(traits_of);                                                                               \
    return name##_element(e, k);                                                                            \
  }                                                                                                         \
  static SMALL size_t name##_rest(const struct block *b, size_t i, vd *sum) {                               \
    const type k = *(const type *)b->constants;                                                             \
    return fast_rest(b, &k, i, sum, (struct kernel){.element = name##_quick, .traits = traits_of});         \
  }                                                                                                         \
  static RARE size_t name##_calm(const struct block *b, size_t i, vd *sum) {                                \
    const type k = *(const type *)b->constants;                                                             \
    const struct kernel loss = {name##_element, traits_of, 1, name##_rest, NULL};                           \
    return fast_blocks(b, &k, i, sum, loss, b->grad != NULL) - i;                                           \
  }                                                                                                         \
  SHARED size_t name##_fast(const struct block *b, vd *sum, const int grad) {                               \
    if (CALM(traits_of) && begins_with_denormals(b)) return name##_calm(b, 0, sum);                         \
    const type k = *(const type *)b->constants;                                                             \
    rest_function *const calm_rest = CALM(traits_of) ? name##_calm : NULL;                                  \
    const struct kernel loss = {name##_quick, traits_of, 0, name##_rest, calm_rest};                        \
    return fast_blocks(b, &k, 0, sum, loss, grad);                                                          \
  }                                                                                                         \
  static size_t name##_sum(const struct block *b, vd *sum) { return name##_fast(b, sum, 0); }               \
  static size_t name##_sum_and_grad(const struct block *b, vd *sum) { return name##_fast(b, sum, 1); }      \
  static SMALL int name##_results(const struct block *b) {                                                  \
    if (CALM(traits_of) && has_denormals(b)) return 0;                                                      \
    const type k = *(const type *)b->constants;                                                             \
    const struct kernel loss = {.element = name##_quick, .traits = traits_of};                              \
    if (b->grad || b->grad_target || b->grad_other) return quick_block(b, &k, loss, 1);                     \
    return quick_block(b, &k, loss, 0);                                                                     \
  }                                                                                                         \
  static RARE vd name##_everything(const struct block *b, vd sum) {                                         \
    const type k = *(const type *)b->constants;                                                             \
    const int calm = CALM(traits_of);                                                                       \
    const struct kernel loss = {.element = name##_careful_of_denormals, .traits = traits_of, .calm = calm}; \
    return careful_block(b, &k, sum, loss);                                                                 \
  }                                                                                                         \
  static SMALL vd name##_weighted(const struct block *b, vd sum) {                                          \
    const type k = *(const type *)b->constants;                                                             \
    return weighted_block(b, &k, sum, (struct kernel){.element = name##_careful, .traits = traits_of});     \
  }                                                                                                         \
  static const struct elementwise_loss name##_functions = {.sum = name##_sum,                               \
                                                           .sum_and_grad = name##_sum_and_grad,             \
                                                           .rest = name##_rest,                             \
                                                           .results = name##_results,                       \
                                                           .everything = name##_everything,                 \
                                                           .weighted = name##_weighted,                     \
                                                           .traits = traits_of};

#endif
