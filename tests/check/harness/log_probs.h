/* vloss_log_probs as a function under test. */
#ifndef VLOSS_TESTS_CHECK_LOG_PROBS_H
#define VLOSS_TESTS_CHECK_LOG_PROBS_H

#include "functions.h"

void log_probs_describe(struct job *job, struct random *r);
vloss_status log_probs_call(const struct job *job);
void log_probs_expect(struct job *job);

#endif
