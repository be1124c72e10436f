/* The same bits on any number of threads: calls large enough to be cut, with executors that run tasks one after the
 * other in an order of chance, and on threads of their own. */
#include <stdatomic.h>
#include <stdio.h>
#ifndef _WIN32
#include <pthread.h>
#endif

#include "check.h"

/* ---- Executors ---- */

struct context {
  struct random r;
  size_t threads, runs, tasks; /* what was run with more than one task; the tasks of the last run */
};

static void count_run(struct context *c, size_t count) {
  if (count > 1) c->runs++;
  c->tasks = count;
}

/* The tasks i, i + step, ... modulo count, where step and count have no common divisor: all of them. */
static void run_shuffled(void *context, size_t count, vloss_task *task, void *argument) {
  struct context *c = context;
  count_run(c, count);
  size_t step = 1 + random_below(&c->r, count);
  for (bool common = true; common;) {
    size_t a = count, b = ++step;
    while (b) {
      const size_t rest = a % b;
      a = b, b = rest;
    }
    common = a != 1;
  }
  size_t at = random_below(&c->r, count);
  for (size_t i = 0; i < count; i++, at = (at + step) % count) task(argument, at);
}

#ifndef _WIN32
struct pool {
  atomic_size_t next;
  size_t count;
  vloss_task *task;
  void *argument;
};
static void *work(void *argument) {
  struct pool *pool = argument;
  for (size_t i; (i = atomic_fetch_add(&pool->next, 1)) < pool->count;) pool->task(pool->argument, i);
  return NULL;
}
static void run_on_threads(void *context, size_t count, vloss_task *task, void *argument) {
  struct context *c = context;
  struct pool pool = {.count = count, .task = task, .argument = argument};
  pthread_t threads[16];
  count_run(c, count);
  size_t started = 0;
  while (started < c->threads - 1 && pthread_create(&threads[started], NULL, work, &pool) == 0) started++;
  work(&pool);
  for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
}
#else
#define run_on_threads run_shuffled
#endif

/* ---- The check ---- */

struct threads {
  struct check *check;
  struct line line;
  struct random r;
  const char *isa;
};

/* A layout and the results in it: then on threads. */
static void with_executors(struct threads *t, struct job *job, struct layout layout, uint64_t layout_seed) {
  static const size_t all[] = {1, 2, 3, 7, 16}, some[] = {3};
  const bool quick = t->check->level == QUICK;
  const size_t *const counts = quick ? some : all, tried = quick ? 1 : 5;
  struct results base;
  if (!check_run(t->check, &t->line, job, layout, layout_seed, t->isa, check_default_environment())) return;
  job_keep(job, &base);
  for (size_t i = 0; i < 2 * tried; i++) {
    struct context context = {.r = {random_bits(&t->r)}, .threads = counts[i / 2]};
    const vloss_executor executor = {&context, counts[i / 2], i % 2 ? run_on_threads : run_shuffled};
    char what[40];
    snprintf(what, sizeof what, "on one thread (there %zu)", counts[i / 2]);
    job_executor = &executor;
    const bool ran = check_run(t->check, &t->line, job, layout, layout_seed, t->isa, check_default_environment());
    job_executor = NULL;
    if (!ran) break;
    check_same(t->check, &t->line, job, &base, t->isa, what);
    if ((context.runs > 0) != (counts[i / 2] > 1))
      report_failure(t->check->report, &t->line, t->isa, check_where(job), "%zu threads, cut in %zu runs",
                     counts[i / 2], context.runs);
  }
  results_destroy(&base);
}

void check_threads(struct check *check, const struct function *function) {
  /* Of 65,536 elements or more: blocks of many rows, of one; many small blocks; a last one of one row. */
  static const size_t sizes[][3] = {{33001, 2, 1}, {4100, 17, 1}, {80, 1030, 16}, {33, 4097, 1}, {240, 1030, 5}};
  struct threads t = {check,
                      {.function = function->name, .what = "any number of threads", .isas = check->isa_count},
                      {random_mix(check->seed, function->name)},
                      NULL};
  const bool lists = function->loss && function->loss->info.operands & VLOSS_TAKES_LABEL_LISTS; /* quadratic */
  const size_t count = check->level == QUICK || lists ? 2 : sizeof sizes / sizeof *sizes;
  const size_t options = check->level == QUICK && function->option_count > 2 ? 2 : function->option_count;
  for (size_t o = 0; o < options; o++)
    for (size_t i = 0; i < count; i++) {
      if ((o + i) % count && check->level != LARGE && function->option_count >= count) continue; /* in turn */
      struct job job;
      job_create(&job, function, &function->options[o], sizes[i][0], sizes[i][1], PLAIN, check->seed);
      for (size_t k = 0; k < check->isa_count; k++) {
        t.isa = check->isas[k];
        struct layout layout = {.count = job.rows,
                                .inner = function->flat_rows ? 1 : sizes[i][2],
                                .outputs = (uint32_t)ALL_OUTPUTS,
                                .dense = o % 2};
        with_executors(&t, &job, layout, o);
        /* Every output in place that may be. */
        size_t inputs = 0;
        for (size_t a = 0; a < job.array_count; a++)
          if (job.arrays[a].output && job.arrays[a].over[0] && job_array(&job, job.arrays[a].over[0]) && !inputs++)
            layout.over[a] = 1;
        if (inputs) with_executors(&t, &job, layout, o);
      }
      job_destroy(&job);
    }
  report_line(check->report, &t.line);
}
