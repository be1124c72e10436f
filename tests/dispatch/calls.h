/* One small call of each public function that computes, to see whether it runs or refuses.
 */
#ifndef VLOSS_TESTS_DISPATCH_CALLS_H
#define VLOSS_TESTS_DISPATCH_CALLS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "vloss/vloss.h"

enum { CALL_COUNT = 7 };

struct call_outputs {
  float loss, per_row[2], matrix[6];
};

/* Function number i on logits {{1, 2, 3}, {0.5, -0.5, 0}} with labels {2, 0}. */
static inline vloss_status call(int i, struct call_outputs *out) {
  static const float logits[6] = {1, 2, 3, 0.5f, -0.5f, 0};
  static const int64_t labels[2] = {2, 0};
  const vloss_cross_entropy_args rows = {
      .rows = 2, .classes = 3, .logits = logits, .labels = labels, .loss = &out->loss, .grad = out->matrix};
  const vloss_softmax_args forward = {.rows = 2, .classes = 3, .input = logits, .output = out->matrix};
  const vloss_softmax_args sums = {.rows = 2, .classes = 3, .input = logits, .output = out->per_row};
  const vloss_softmax_args backward = {
      .rows = 2, .classes = 3, .input = logits, .upstream = logits, .output = out->matrix};
  switch (i) {
    case 0:
      return vloss_cross_entropy(&rows);
    case 1:
      return vloss_nll(&rows);
    case 2:
      return vloss_softmax(&forward);
    case 3:
      return vloss_log_softmax(&forward);
    case 4:
      return vloss_log_sum_exp(&sums);
    case 5:
      return vloss_softmax_backward(&backward);
    default:
      return vloss_log_softmax_backward(&backward);
  }
}

/* Whether function number i wrote what it should: one value of each, in closed form. */
static inline int right(int i, const struct call_outputs *out) {
  const double s0 = exp(1) + exp(2) + exp(3), s1 = exp(0.5) + exp(-0.5) + exp(0);
  const double got[CALL_COUNT] = {(double)out->loss,      (double)out->loss,       (double)out->matrix[0],
                                  (double)out->matrix[0], (double)out->per_row[1], (double)out->matrix[0],
                                  (double)out->matrix[0]};
  const double expected[CALL_COUNT] = {(log(s0) - 3 + log(s1) - 0.5) / 2,
                                       -(3 + 0.5) / 2,
                                       exp(1) / s0,
                                       1 - log(s0),
                                       log(s1),
                                       1 * (1 - 14.0),
                                       1 - exp(1) * 6};
  return fabs(got[i] - expected[i]) <= 1e-6 * fmax(1, fabs(expected[i]));
}

#endif
