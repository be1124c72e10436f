/* The functions under test, one row each: what they are called, with which options, how a job for them is made, run
 * and computed by the reference. Everything else in this folder works from this table alone. */
#ifndef VLOSS_TESTS_CHECK_FUNCTIONS_H
#define VLOSS_TESTS_CHECK_FUNCTIONS_H

#include "job.h"

/* One combination of the options of a function. */
struct option {
  const char *name;
  vloss_reduction reduction;
  vloss_label_type label_type;
  vloss_ignore ignore;
  int64_t ignore_index;
  double smoothing;
  uint32_t flags;
  bool targets, weights, signed_weights, upstream;
};

struct refusals; /* see refusals.h */

struct function {
  const char *name;
  const struct option *options;
  size_t option_count;
  void (*describe)(struct job *job, struct random *r);
  vloss_status (*call)(const struct job *job);
  void (*expect)(struct job *job);
  void (*refuse)(struct refusals *refusals);
};

extern const struct function functions[];
extern const size_t function_count;

#endif
