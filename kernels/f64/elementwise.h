/* The function of an elementwise loss of doubles: what elementwise.c calls for a run of elements whose operands and
 * results are contiguous. Two ways that give the same bits: one for blocks in which no element is far, and one
 * for all inputs, which is apart, as it calls and looks for what is not finite. */
#ifndef VLOSS_KERNELS_F64_ELEMENTWISE_H
#define VLOSS_KERNELS_F64_ELEMENTWISE_H

#include "exp.h"
#include "kernels.h"
#include "log.h"
#include "sum.h"

/* The numbers at n places: results where they are not null. */
struct wide_block {
  size_t n;
  const double *p, *t, *other, *weights, *upstream; /* the last three: null is 1 */
  double scale, scale_low;                          /* multiplies every gradient, in two parts */
  double *loss, *grad, *grad_target, *grad_other;   /* no gradient lies over an operand */
  const double *parameters;
  int near;                      /* neither the parameters nor the scale is far */
  struct lanes *sum;             /* losses are added to it; `loss` is a buffer then */
  struct vloss_exact_sum *exact; /* what add_numbers needs beside it */
};
typedef void wide_function(const struct wide_block *b);
/* The loop of elementwise.c. */
void KERNEL(wide_elementwise)(const struct vloss_loss_job *job, wide_function *function, struct vloss_range range,
                              struct vloss_partial *partial);

/* 1 is a valid probability, label and variance: what lies beyond a tail is harmless. */
VFN vd wide_at(const double *p, size_t i, size_t n) {
  return !p ? dset1(1.0) : n < 16 ? dtail(p + i, n, 1.0) : dload(p + i);
}
VFN void wide_put(double *p, size_t i, size_t n, vd v) {
  if (n == 16) {
    dstore(p + i, v);
    return;
  }
  double t[16];
  dstore(t, v);
  memcpy(p + i, t, n * sizeof *t);
}
VFN vd wide_canonical(vd v) { return dsel(dnan(v), dset1(WIDE_NAN), v); } /* every NaN is the same one */
/* v times a factor of two parts: 0 where that is 0, NaN excepted. */
VFN vd times_parts(vd v, struct parts factor) {
  const vd product = dmul(v, factor.high), both = dfma(v, factor.high, dmul(v, factor.low));
  return dsel(dmand(deq(factor.high, dset1(0.0)), deq(v, v)), dset1(0.0), dsel(dfinite(product), both, product));
}

/* Writes gradient `v` of 16 elements, of which n count. `near`: it is a number. */
VFN void wide_put_gradient(const struct wide_block *b, double *to, size_t i, size_t n, vd v, int near,
                           struct parts factor) {
  if (!__builtin_expect_with_probability(to != NULL, 1, 0.5)) return;
  const int plain = near && !b->weights && !b->upstream; /* both numbers, and the factor is not 0 */
  const vd product = plain ? dfma(v, factor.high, dmul(v, factor.low)) : times_parts(v, factor);
  wide_put(to, i, n, wide_canonical(product));
}
/* Writes the gradients that are wanted of elements i .. i + n - 1; the losses, weighted. */
VFN vd wide_results(const struct wide_block *b, size_t i, size_t n, struct wide_result r, int near) {
  const struct parts scale = {dset1(b->scale), dset1(b->scale_low)};
  const vd w = wide_at(b->weights, i, n);
  struct parts factor = scale;
  if (b->weights || b->upstream) factor = parts_product(product_of(w, wide_at(b->upstream, i, n)), scale);
  wide_put_gradient(b, b->grad, i, n, r.grad, near, factor);
  /* These may be infinite: kl_div's to a target of 0. */
  wide_put_gradient(b, b->grad_target, i, n, r.grad_target, 0, factor);
  wide_put_gradient(b, b->grad_other, i, n, r.grad_other, 0, factor);
  return b->weights ? times_parts(r.loss, whole(w)) : r.loss;
}

typedef struct wide_result wide_element(struct wide e, const double *parameters);
typedef dm wide_far(struct wide e, const double *parameters);
typedef void wide_rest(const struct wide_block *b, size_t i); /* elements i .. n - 1, all inputs */

/* Of at most 16 elements from number i on, all inputs: the operands; the results, which are written. Out of line, as
 * every loss has such a function, and few calls need it for more than their last elements. */
#define wide_all_operands VLOSS_ISA_SYMBOL(vloss_wide_all_operands)
void wide_all_operands(const struct wide_block *b, size_t i, struct wide *e);
#define wide_all_results VLOSS_ISA_SYMBOL(vloss_wide_all_results)
void wide_all_results(const struct wide_block *b, size_t i, const struct wide *e, const struct wide_result *r);

/* At most 16 elements from number i on, all inputs. */
VFN void wide_all_inputs(const struct wide_block *b, size_t i, wide_element *const element) {
  struct wide e;
  wide_all_operands(b, i, &e);
  e.near = 0; /* as above, but known to the compiler */
  const struct wide_result r = element(e, b->parameters);
  wide_all_results(b, i, &e, &r);
}

/* The first n elements, a multiple of 16, the near way. Whether that was right: 0 where an operand or a factor is 2^100
 * or more, or NaN, or `far` (null: nothing else is), or a sum that is no number; then all have to be done again. */
VFN int wide_near_inputs(const struct wide_block *given, size_t n, wide_element *const element, wide_far *const far,
                         const int only_sum) {
  const struct wide_block b = *given; /* no store can change it, nor the parameters */
  double k[4];
  memcpy(k, b.parameters, sizeof k);
  struct lanes sum = only_sum || b.sum ? *b.sum : no_lanes();
  vd squares = dset1(0.0);
  dm any_far = dnan(squares);
  for (size_t i = 0; i < n; i += 16) {
    const struct wide e = {wide_at(b.p, i, 16), wide_at(b.t, i, 16), wide_at(b.other, i, 16), 1, b.weights != NULL};
    squares = dfma(e.p, e.p, dfma(e.t, e.t, squares));
    if (b.other) squares = dfma(e.other, e.other, squares);
    if (far) any_far = dmor(any_far, far(e, k));
    const struct wide_result r = element(e, k);
    vd loss = r.loss;
    if (!only_sum) {
      const vd w = wide_at(b.weights, i, 16), u = wide_at(b.upstream, i, 16);
      if (b.weights) squares = dfma(w, w, squares);
      if (b.upstream) squares = dfma(u, u, squares);
      loss = wide_results(&b, i, 16, r, 1);
      if (b.loss && !b.sum) dstore(b.loss + i, wide_canonical(loss));
    }
    if (only_sum || b.sum) sum = lanes_plus(sum, loss);
  }
  if (dany(dmor(any_far, dmor(dgt(squares, dset1(0x1p200)), dnan(squares)))) || !lanes_finite(sum)) return 0;
  if (b.sum) *b.sum = sum;
  return 1;
}

/* Of losses of a few operations that are never negative: what WIDE_PAIRS is told about them. */
enum {
  WIDE_OTHER = 1,         /* the loss has a third operand */
  WIDE_GRADIENT_TELLS = 2 /* a gradient, times a scale, may be beyond the doubles where the loss is not */
};
/* The first n elements, a multiple of 32, where nothing but the scale multiplies a result, and the gradient to the
 * prediction alone is wanted, if `grad`. The losses are added to b->sum by pairs of vectors (`summed`), or written
 * where they are wanted. Whether that was right: where it was not, a loss or gradient is infinite or NaN, so that no
 * operand has to be looked at. */
VFN int wide_near_pairs(const struct wide_block *given, size_t n, wide_element *const element, const int traits,
                        const int summed, const int grad) {
  const struct wide_block b = *given;
  double k[4];
  memcpy(k, b.parameters, sizeof k);
  const vd zero = dset1(0.0), scale = dset1(b.scale), scale_low = dset1(b.scale_low);
  struct lanes sum = summed ? *b.sum : no_lanes();
  vd seen = zero; /* NaN where something was no number */
  for (size_t i = 0; i < n; i += 32) {
    struct wide_result r[2];
    UNROLL for (size_t half = 0; half < 2; half++) {
      const size_t at = i + 16 * half;
      const vd other = traits & WIDE_OTHER ? dload(b.other + at) : dset1(1.0);
      r[half] = element((struct wide){dload(b.p + at), dload(b.t + at), other, 1, 0}, k);
      if (grad) {
        const vd product = dfma(r[half].grad, scale, dmul(r[half].grad, scale_low));
        dstore(b.grad + at, product);
        if (traits & WIDE_GRADIENT_TELLS) seen = dfma(product, zero, seen);
      }
      if (summed) continue;
      seen = dfma(r[half].loss, zero, seen);
      if (b.loss) dstore(b.loss + at, r[half].loss);
    }
    if (summed) sum = lanes_plus_pair(sum, r[0].loss, r[1].loss);
  }
  if (dany(dnan(seen)) || !lanes_finite(sum)) return 0;
  if (summed) *b.sum = sum;
  return 1;
}
/* The scalar kernels, which no CPU needs that has AVX2 or NEON, are to be small. */
#ifdef VLOSS_ISA_IS_SCALAR
#define WIDE_ONE_LOOP 1
#else
#define WIDE_ONE_LOOP 0
#endif
/* All elements of a block: the usual ones in pairs, what is left and the others by `careful`. The sum is the same. */
VFN void wide_pairs(const struct wide_block *b, wide_element *const element, wide_rest *const careful,
                    const int traits) {
  const int factors = b->weights || (b->grad && b->upstream), few = !factors && !b->grad_target && !b->grad_other;
  size_t n = !b->near ? 0 : few ? b->n & ~(size_t)31 : b->n & ~(size_t)15, added = 0;
  int right;
  if (few) {
    right = WIDE_ONE_LOOP ? wide_near_pairs(b, n, element, traits, b->sum != NULL, b->grad != NULL)
            : !b->sum     ? wide_near_pairs(b, n, element, traits, 0, b->grad != NULL)
            : b->grad     ? wide_near_pairs(b, n, element, traits, 1, 1)
                          : wide_near_pairs(b, n, element, traits, 1, 0);
    if (right) added = n;
  } else {
    struct wide_block not_added = *b;
    not_added.sum = NULL;
    right = wide_near_inputs(&not_added, n, element, NULL, 0);
  }
  if (!right) n = 0;
  if (n < b->n) careful(b, n);
  if (!b->sum || added == b->n) return;
  if (b->weights) /* may be negative */
    add_numbers(b->sum, b->exact, b->loss, b->n);
  else
    add_pairs(b->sum, b->exact, b->loss + added, b->n - added);
}

/* WIDE_LOSS(bce, bce_wide_far) exports the loss of loss/bce.h for doubles. */
#define WIDE_LOSS(name, far)                                 \
  WIDE_CAREFUL(name)                                         \
  static void name##_elements(const struct wide_block *b) {  \
    size_t n = b->near ? b->n & ~(size_t)15 : 0;             \
    if (!wide_near_inputs(b, n, name##_wide, far, 0)) n = 0; \
    name##_rest(b, n);                                       \
  }                                                          \
  WIDE_KERNEL(name)
/* The same of a loss of a few operations: loops of their own for its usual calls. */
#define WIDE_PAIRS(name, traits)                                                     \
  WIDE_CAREFUL(name)                                                                 \
  static void name##_elements(const struct wide_block *b) {                          \
    wide_pairs(b, name##_wide, WIDE_CAREFUL_SYMBOL(vloss_##name##_careful), traits); \
  }                                                                                  \
  WIDE_KERNEL(name)
/* As WIDE_LOSS, with a loop of its own for sums of losses alone, without weights: for those whose gradient costs
 * much. */
#define WIDE_LOSS_AND_SUM(name, far)                                                                          \
  WIDE_CAREFUL(name)                                                                                          \
  static void name##_elements(const struct wide_block *b) {                                                   \
    const size_t n = b->near ? b->n & ~(size_t)15 : 0;                                                        \
    const int only_sum = b->sum && !(b->weights || b->grad || b->grad_target || b->grad_other);               \
    const int right =                                                                                         \
        only_sum ? wide_near_inputs(b, n, name##_wide, far, 1) : wide_near_inputs(b, n, name##_wide, far, 0); \
    name##_rest(b, right ? n : 0);                                                                            \
  }                                                                                                           \
  WIDE_KERNEL(name)

/* The elements from i on, all inputs. AVX-512 takes AVX2's function for that, where it is built: the bits are the same,
 * such inputs are rare, and every such CPU has AVX2, too. */
#define WIDE_CAREFUL(name)                                                                \
  void WIDE_CAREFUL_SYMBOL(vloss_##name##_careful)(const struct wide_block *b, size_t i); \
  WIDE_CAREFUL_HERE(name)                                                                 \
  static inline void name##_rest(const struct wide_block *b, size_t i) {                  \
    if (i == b->n) return;                                                                \
    WIDE_CAREFUL_SYMBOL(vloss_##name##_careful)(b, i);                                    \
    if (b->sum) add_numbers(b->sum, b->exact, b->loss + i, b->n - i);                     \
  }
#ifdef VLOSS_RARE_ISA
#define WIDE_CAREFUL_SYMBOL(x) VLOSS_PASTE(x, VLOSS_RARE_ISA)
#define WIDE_CAREFUL_HERE(name)
#else
#define WIDE_CAREFUL_SYMBOL(x) VLOSS_ISA_SYMBOL(x)
#define WIDE_CAREFUL_HERE(name)                                                                 \
  RARE void WIDE_CAREFUL_SYMBOL(vloss_##name##_careful)(const struct wide_block *b, size_t i) { \
    for (; i < b->n; i += 16) wide_all_inputs(b, i, name##_wide);                               \
  }
#endif
#define WIDE_KERNEL(name)                                                                                              \
  void KERNEL(name##_f64)(const struct vloss_loss_job *job, struct vloss_range range, struct vloss_partial *partial) { \
    KERNEL(wide_elementwise)(job, name##_elements, range, partial);                                                    \
  }

#endif
