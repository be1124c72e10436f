/* The five functions around softmax as functions under test: see functions.h for the parts. */
#ifndef VLOSS_TESTS_CHECK_SOFTMAX_H
#define VLOSS_TESTS_CHECK_SOFTMAX_H

#include "functions.h"

#define DECLARE(name)                                      \
  void name##_describe(struct job *job, struct random *r); \
  vloss_status name##_call(const struct job *job);         \
  void name##_expect(struct job *job)
DECLARE(softmax);
DECLARE(log_softmax);
DECLARE(log_sum_exp);
DECLARE(softmax_backward);
DECLARE(log_softmax_backward);
#undef DECLARE

#endif
