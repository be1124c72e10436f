/* The functions of an elementwise loss (struct elementwise_loss in block.h): what elementwise.c calls for a run of
 * elements, as the files of losses define it. */
#ifndef VLOSS_KERNELS_ELEMENTWISE_H
#define VLOSS_KERNELS_ELEMENTWISE_H

#include "element_results.h"

/* A field at a time: a copy of a struct would wait for the stores that made it. */
VFN void begin_call(const struct vloss_loss_job *job, struct call *call) {
  const double scale = job->grad_scale;
  call->weighed = job->other.p != NULL;
  call->unscaled = 0;
  call->careful = call->usual = 0;
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
#define IS_USUAL(traits, block) ((traits)&HAS_USUAL && ((const struct call *)(block)->constants)->usual)
#define ELEMENTWISE_FUNCTIONS(name, type, traits_of)                                                        \
  SHARED struct derivatives name##_quick(struct element e, const void *k) {                                 \
    e.fast = 1;                                                                                             \
    e.calm = 0;                                                                                             \
    return name##_element(e, k);                                                                            \
  }                                                                                                         \
  SHARED struct derivatives name##_usual(struct element e, const void *k) {                                 \
    e.fast = e.usual = 1;                                                                                   \
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
    const struct kernel usual = {name##_usual, traits_of, 0, name##_rest, calm_rest};                       \
    if (IS_USUAL(traits_of, b)) return fast_blocks(b, &k, 0, sum, usual, grad);                             \
    return fast_blocks(b, &k, 0, sum, loss, grad);                                                          \
  }                                                                                                         \
  static size_t name##_sum(const struct block *b, vd *sum) { return name##_fast(b, sum, 0); }               \
  static size_t name##_sum_and_grad(const struct block *b, vd *sum) { return name##_fast(b, sum, 1); }      \
  static SMALL int name##_results(const struct block *b) {                                                  \
    if (CALM(traits_of) && has_denormals(b)) return 0;                                                      \
    const type k = *(const type *)b->constants;                                                             \
    const int any_grad = b->grad || b->grad_target || b->grad_other;                                        \
    const struct kernel loss = {.element = name##_quick, .traits = traits_of};                              \
    const struct kernel usual = {.element = name##_usual, .traits = traits_of};                             \
    if (!any_grad && IS_USUAL(traits_of, b)) return quick_block(b, &k, usual, 0);                           \
    return any_grad ? quick_block(b, &k, loss, 1) : quick_block(b, &k, loss, 0);                            \
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
