/* The plain loops: each computes the same as the function of vloss of that name, in f32. */
#ifndef VLOSS_BENCH_PLAIN_H
#define VLOSS_BENCH_PLAIN_H

#include "problem.h"
#include "vloss/vloss.h"

#ifdef __cplusplus
extern "C" {
#endif

void plain_cross_entropy(const struct problem *p);
void plain_cross_entropy_gradient(const struct problem *p); /* loss and gradient */
void plain_cross_entropy_in_place(const struct problem *p); /* loss; the gradient replaces the logits in matrix */
void plain_nll(const struct problem *p);
void plain_nll_gradient(const struct problem *p);
void plain_softmax(const struct problem *p);
void plain_log_softmax(const struct problem *p);
void plain_log_sum_exp(const struct problem *p);
void plain_softmax_backward(const struct problem *p);
void plain_log_softmax_backward(const struct problem *p);

/* Of a loss of the registry; null for those that are computed by functions of their own. Elementwise losses give the
 * mean, row losses the sum. */
struct plain_loss {
  void (*forward)(const struct problem *p);
  void (*forward_gradient)(const struct problem *p);
};
struct plain_loss plain_loss_of(vloss_loss_kind kind);

#ifdef __cplusplus
}
#endif

#endif
