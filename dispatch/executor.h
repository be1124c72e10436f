/* Sharing a call among the threads that its caller lends: cutting it into ranges, and putting together what they give.
 * vloss has no threads of its own. */
#ifndef VLOSS_DISPATCH_EXECUTOR_H
#define VLOSS_DISPATCH_EXECUTOR_H

#include "memory/blocks.h"
#include "table.h"
#include "vloss/vloss.h"

vloss_status vloss_check_executor(const vloss_executor *executor);

typedef void vloss_range_task(const void *call, struct vloss_range range, struct vloss_partial *partial);
/* Something to be done for the numbers 0 .. count - 1, which may be cut at multiples of `step`. */
struct vloss_work {
  const vloss_executor *executor; /* null: this thread */
  size_t count, step;
  size_t elements; /* that it reads: what it costs, roughly */
  vloss_range_task *task;
  const void *call;
};

static inline void vloss_clear_partial(struct vloss_partial *p) {
  vloss_exact_clear(&p->sum);
  vloss_exact_clear(&p->z);
  p->live = 0;
  p->first_bad = SIZE_MAX;
}

/* Does all of a work that has an executor, if there is enough for two tasks; else nothing, and answers 0. */
int vloss_share_work(const struct vloss_work *work, struct vloss_partial *partial);

/* Does it all. *partial is set to what the ranges come to, whoever did them. */
static inline void vloss_run_work(const struct vloss_work *work, struct vloss_partial *partial) {
  vloss_clear_partial(partial);
  if (work->executor && vloss_share_work(work, partial)) return;
  work->task(work->call, (struct vloss_range){0, work->count}, partial);
}

/* The step of work on rows, given whether results lie over inputs. Vectors reach into neighbouring rows where these lie
 * side by side (inner > 1), which another thread must not be writing then: cuts are between outer indices. */
size_t vloss_step_of_rows(size_t columns, size_t inner, int in_place);
static inline size_t vloss_row_step(const vloss_executor *executor, size_t columns, size_t inner, int in_place) {
  return executor ? vloss_step_of_rows(columns, inner, in_place) : 0; /* nothing is cut */
}

/* The same of rows with results of their own. in_place: some of these lie over inputs. */
static inline void vloss_run_rows(const vloss_executor *executor, const struct vloss_shape *shape, int in_place,
                                  vloss_range_task *task, const void *call) {
  const size_t rows = shape->outer * shape->inner;
  const struct vloss_work work = {.executor = executor,
                                  .count = rows,
                                  .step = vloss_row_step(executor, shape->classes, shape->inner, in_place),
                                  .elements = rows * shape->classes,
                                  .task = task,
                                  .call = call};
  struct vloss_partial nothing;
  vloss_run_work(&work, &nothing);
}

/* A sum and what it is divided by; both of them, or the first alone, to a double with doubles, else to a float. */
struct vloss_total {
  const struct vloss_exact_sum *sum;
  double divisor;
};
void vloss_put_total(void *to, vloss_type type, const struct vloss_total *t, const struct vloss_total *more);

#endif
