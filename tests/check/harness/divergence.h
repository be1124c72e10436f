/* vloss_divergence as a function under test. */
#ifndef VLOSS_TESTS_CHECK_DIVERGENCE_H
#define VLOSS_TESTS_CHECK_DIVERGENCE_H

#include "functions.h"

void divergence_describe(struct job *job, struct random *r);
vloss_status divergence_call(const struct job *job);
void divergence_expect(struct job *job);

#endif
