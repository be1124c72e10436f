/* What the search for the worst input (search.c) climbs with: candidates, and how they change (mutate.c). */
#ifndef VLOSS_TESTS_CHECK_SEARCH_H
#define VLOSS_TESTS_CHECK_SEARCH_H

#include "check.h"

enum { MAX_COLUMNS = 17, ROW_BYTES = MAX_COLUMNS * 8 };

/* One row of a job, and what its rows share: parameters, and the arrays that have one value a class or a call. */
struct candidate {
  struct option option;
  size_t classes;
  double error;
  char arrays[MAX_ARRAYS][ROW_BYTES];
};

void candidate_take(struct candidate *c, const struct job *job, size_t row);
void candidate_put(const struct candidate *c, struct job *job, size_t row);

/* Options for a start: any that the function has, with weights, upstream gradients and parameters at random. */
struct option any_option(const struct function *function, struct random *r);

/* Changes one or a few numbers of a row; and of what rows share, *option (the job's own) included. */
void mutate_row(struct job *job, size_t row, struct random *r);
void mutate_shared(struct job *job, struct option *option, struct random *r);

/* Brings every number of a row, and what rows share, into the range that the function is promised for. */
void fit_row(struct job *job, size_t row);

#endif
