/* The losses of the registry as functions under test: options, inputs, call and reference of each are made from its row
 * of kernels/losses.def. */
#ifndef VLOSS_TESTS_CHECK_LOSSES_H
#define VLOSS_TESTS_CHECK_LOSSES_H

#include "functions.h"
#include "loss_inputs.h"

enum { MAX_LOSSES = 64 };

/* Fills in one function for each loss of the registry but those with functions of their own; returns how many. */
size_t losses_collect(struct function *out);

void loss_describe(struct job *job, struct random *r);
vloss_status loss_call(const struct job *job);
void loss_expect(struct job *job);

/* What an operand holds, by its name: "prediction", "target" or "other"; where a parameter says, that. Of the option,
 * and of a job. */
enum vloss_domain loss_domain(const struct vloss_loss_row *loss, const struct option *option, const char *operand);
enum vloss_domain loss_operand_domain(const struct job *job, const char *operand);

/* The call that loss_call makes. It points into the job. */
vloss_loss_args loss_arguments(const struct job *job);

#endif
