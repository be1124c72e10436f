/* The losses of the registry as functions under test: options, inputs, call and reference of each are made from its
 * registry entry and one row of a table in losses.c. */
#ifndef VLOSS_TESTS_CHECK_LOSSES_H
#define VLOSS_TESTS_CHECK_LOSSES_H

#include "functions.h"
#include "loss_inputs.h"

struct loss {
  vloss_loss_kind kind;
  enum domain prediction, target, other; /* what the operands hold; other: 1 where it is left out */
  double loss_gate, grad_gate;           /* ulp of a single loss, and of every gradient */
  bool rounds;                           /* its formula rounds to float on the way, so its loss has steps */
  const vloss_loss_info *info;           /* filled in by losses_collect */
};

enum { MAX_LOSSES = 64 };

/* Fills in one function for each loss of the registry but those with functions of their own; returns how many. Ends the
 * program if one has no row in the table, or a row no loss. */
size_t losses_collect(struct function *out);

void loss_describe(struct job *job, struct random *r);
vloss_status loss_call(const struct job *job);
void loss_expect(struct job *job);

/* What an operand of the job holds, by its name; where a parameter says, that. */
enum domain loss_operand_domain(const struct job *job, const char *operand);

/* The call that loss_call makes. It points into the job. */
vloss_loss_args loss_arguments(const struct job *job);

#endif
