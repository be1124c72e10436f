/* What every family of functions needs to check its refusals: counting, and the words of a failure. The families'
 * lists are cross_entropy_refusals.c, softmax_refusals.c and loss_refusals.c. */
#ifndef VLOSS_TESTS_CHECK_REFUSALS_H
#define VLOSS_TESTS_CHECK_REFUSALS_H

#include "check.h"

struct refusals {
  struct check *check;
  const struct function *function;
  struct line line;
  const char *isa;
  const char *last; /* the change that was answered last */
};

/* Takes one answer into the report: text is the change that was made to a valid call, written whether the call wrote
 * anything. */
void refusals_note(struct refusals *refusals, const char *text, vloss_status expected, vloss_status got, bool written);

void cross_entropy_refuse(struct refusals *refusals);
void nll_refuse(struct refusals *refusals);
void softmax_refuse(struct refusals *refusals);
void log_softmax_refuse(struct refusals *refusals);
void log_sum_exp_refuse(struct refusals *refusals);
void softmax_backward_refuse(struct refusals *refusals);
void log_softmax_backward_refuse(struct refusals *refusals);
void loss_refuse(struct refusals *refusals);

#endif
