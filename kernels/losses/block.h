/* What elementwise.c, which cuts a call into blocks, and the functions of a loss (elementwise.h) know of each other. */
#ifndef VLOSS_KERNELS_BLOCK_H
#define VLOSS_KERNELS_BLOCK_H

#include "kernels.h"
#include "loss.h"
#include "tuning.h"

struct block {
  size_t n;
  const float *p, *t, *other, *weights, *upstream; /* the last three: null is 1 */
  double grad_scale;                               /* multiplies every gradient */
  float *loss, *grad, *grad_target, *grad_other;   /* null: not wanted; sum and sum_and_grad look at grad only */
  int past_cache;                                  /* fast functions: grad is on a 64-byte boundary */
  const void *constants;                           /* struct call, or what begins with it: struct NAME_constants */
};

/* The sum of a block's losses is in 16 lanes, which add up, in double, the pairs e[32 i + j] + e[32 i + j + 16] rounded
 * to float. One rounding a pair is at most half an ulp of what it adds to. Where a loss is a product, fused
 * multiplications form the pair, each rounding once; it starts at PAIR_START, so that no product of small factors is a
 * denormal, and PAIR_START times the number of pairs is subtracted in the end. Weighted losses are added in double,
 * each by itself. */
#define PAIR_START 0x1p-126f
typedef size_t fast_function(const struct block *b, vd *sum);
typedef size_t rest_function(const struct block *b, size_t i, vd *sum);
typedef int results_function(const struct block *b);
typedef vd careful_function(const struct block *b, vd sum);

/* The functions of a loss:
 *
 *   sum, sum_and_grad  the fast ones: no weights, nothing special; they add up the losses, and where that sum is not
 *                      finite the careful one does it again. Where there was no need, it gives the same.
 *   rest               what they do from element i on, where less than 32 are left
 *   results            a fast one, too: losses and all gradients of the elements, no sum. 0: the careful one must do it
 *   everything         the careful one: it takes every input
 *   weighted           the same with factors an element: these multiply a result before it is rounded
 */
struct elementwise_loss {
  fast_function *sum, *sum_and_grad;
  rest_function *rest;
  results_function *results;
  careful_function *everything, *weighted;
  int traits;
};
/* The loop of elementwise.c, with the constants that the loss made of its parameters. */
void KERNEL(elementwise)(const struct vloss_loss_job *job, const struct elementwise_loss *loss,
                         const struct call *constants, struct vloss_range range, struct vloss_partial *partial);

/* Whether there are denormals among the first 16 elements: flags tell of those that are behind. */
VFN int first_denormals(const struct block *b) {
  return b->n >= 16 && vany(vmor(vdenormal(vload(b->p)), vdenormal(vload(b->t))));
}

/* Whether a rounded gradient may be multiplied by this factor: a normal number, and none that makes large what rounding
 * to a denormal has cost digits. */
VFN int may_round_before(double grad_scale) {
  const double size = grad_scale < 0 ? -grad_scale : grad_scale;
  return size >= 0x1p-100 && size <= 1;
}

#endif
