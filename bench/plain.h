/* The plain loops: each computes the same as the function of vloss of that name. They are compiled once for each ISA
 * and each type of elements. */
#ifndef VLOSS_BENCH_PLAIN_H
#define VLOSS_BENCH_PLAIN_H

#include "problem.h"
#include "vloss/vloss.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PLAIN_TOP = 20 };
#define PLAIN_Z_LOSS 1e-4
#define PLAIN_SOFTCAP 30

typedef void plain_loop(const struct problem *p);

/* Of a loss of the registry; null for those that are computed by functions of their own. Elementwise losses give the
 * mean, row losses the sum; `each`, null for these, gives the loss of each element in the matrix. */
struct plain_loss {
  plain_loop *forward, *forward_gradient, *each;
};

struct plain_loops {
  plain_loop *cross_entropy, *cross_entropy_gradient;       /* the loss; loss and gradient */
  plain_loop *cross_entropy_in_place;                       /* loss; the gradient replaces the logits in matrix */
  plain_loop *cross_entropy_z_loss, *cross_entropy_softcap; /* loss and gradient */
  plain_loop *softmax, *log_softmax, *log_sum_exp, *softmax_backward, *log_softmax_backward, *nll, *nll_gradient;
  /* Log-probability and rank of the label; the top PLAIN_TOP classes, and log-sum-exp; the entropy. */
  plain_loop *log_prob_of_id, *log_probs_of_top, *entropy;
  plain_loop *divergence, *divergence_gradient; /* of the rows of upstream from those of input */
  struct plain_loss (*loss)(vloss_loss_kind kind);
  /* Elements from floats, each rounded once, and back. */
  void (*from_floats)(void *to, const float *from, size_t n);
  void (*to_floats)(float *to, const void *from, size_t n);
};
#define ISA(isa, ...)                                                                                  \
  extern const struct plain_loops plain_loops_f32_##isa, plain_loops_f64_##isa, plain_loops_f16_##isa, \
      plain_loops_bf16_##isa;
#include "isas.def"
#undef ISA

#ifdef __cplusplus
}
#endif

#endif
