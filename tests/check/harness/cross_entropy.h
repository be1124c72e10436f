/* vloss_cross_entropy and vloss_nll as functions under test: see functions.h for the parts. */
#ifndef VLOSS_TESTS_CHECK_CROSS_ENTROPY_H
#define VLOSS_TESTS_CHECK_CROSS_ENTROPY_H

#include "functions.h"

void cross_entropy_describe(struct job *job, struct random *r);
vloss_status cross_entropy_call(const struct job *job);
void cross_entropy_expect(struct job *job);

void nll_describe(struct job *job, struct random *r);
vloss_status nll_call(const struct job *job);
void nll_expect(struct job *job);

#endif
