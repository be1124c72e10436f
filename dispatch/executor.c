/* See executor.h. */
#include "executor.h"

#include <stdatomic.h>

#include "environment.h"
#include "words/strict.h"

vloss_status vloss_check_executor(const vloss_executor *executor) {
  return executor && (!executor->run || !executor->threads) ? VLOSS_ERROR_EXECUTOR : VLOSS_OK;
}

static void merge(struct vloss_partial *p, const struct vloss_partial *other) {
  vloss_exact_merge(&p->sum, &other->sum);
  vloss_exact_merge(&p->z, &other->z);
  p->live += other->live;
  if (other->first_bad < p->first_bad) p->first_bad = other->first_bad;
}

/* Work that is being shared. */
struct shared {
  const struct vloss_work *work;
  size_t steps, tasks; /* each task has as many steps, but for one */
  struct vloss_partial *total;
  atomic_flag merging; /* held for a fraction of a microsecond at the end of a task */
};

static size_t first_of(const struct shared *s, size_t task) {
  /* Without a product that might overflow: the first `steps % tasks` tasks have one step more. */
  const size_t each = s->steps / s->tasks, more = s->steps % s->tasks;
  const size_t step = task * each + (task < more ? task : more);
  return step == s->steps ? s->work->count : step * s->work->step;
}

struct task {
  struct shared *shared;
  size_t index;
};
static vloss_status do_task(const void *argument, size_t size, int unused) {
  const struct task *task = argument;
  struct shared *s = task->shared;
  struct vloss_partial partial;
  (void)size, (void)unused;
  vloss_clear_partial(&partial);
  s->work->task(s->work->call, (struct vloss_range){first_of(s, task->index), first_of(s, task->index + 1)}, &partial);
  while (atomic_flag_test_and_set_explicit(&s->merging, memory_order_acquire)) {
  }
  merge(s->total, &partial);
  atomic_flag_clear_explicit(&s->merging, memory_order_release);
  return VLOSS_OK;
}
/* What executors call. Their threads have environments of their own. */
static void run_task(void *argument, size_t index) {
  struct task task = {argument, index};
  vloss_in_default_environment(do_task, &task, sizeof task, 0);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

int vloss_share_work(const struct vloss_work *work, struct vloss_partial *partial) {
  if (work->executor->threads <= 1 || !work->count) return 0;
  struct shared s = {.work = work, .total = partial, .merging = ATOMIC_FLAG_INIT};
  s.steps = (work->count - 1) / work->step + 1;
  const size_t threads = least(work->executor->threads, SIZE_MAX / TASKS_PER_THREAD);
  s.tasks = least(least(s.steps, work->elements / TASK_ELEMENTS), threads * TASKS_PER_THREAD);
  if (s.tasks <= 1) return 0;
  work->executor->run(work->executor->context, s.tasks, run_task, &s);
  return 1;
}

size_t vloss_step_of_rows(size_t columns, size_t inner, int in_place) {
  size_t block = vloss_block_rows(columns);
  if (inner == 1) return block;
  if (block < 16) block = 16; /* rows side by side are done 16 at a time */
  if (!in_place) return block;
  size_t a = block, b = inner; /* the greatest common divisor */
  while (b) {
    const size_t rest = a % b;
    a = b;
    b = rest;
  }
  size_t both;
  return __builtin_mul_overflow(block / a, inner, &both) ? SIZE_MAX : both;
}

void vloss_put_total(void *to, vloss_type type, const struct vloss_total *t, const struct vloss_total *more) {
  if (type == VLOSS_F64) {
    const double total = vloss_exact_quotient(t->sum, t->divisor);
    const double both = more ? total + vloss_exact_quotient(more->sum, more->divisor) : total;
    *(double *)to = both == both ? both : __builtin_nan("");
  } else {
    const double total = vloss_exact_value(t->sum) / t->divisor;
    const double both = more ? total + vloss_exact_value(more->sum) / more->divisor : total;
    *(float *)to = both == both ? (float)both : __builtin_nanf("");
  }
}
