/* Sizes at the thresholds of the kernels and just beyond, with outputs at every place in a cache line: blocks of the
 * elementwise losses, runs of their fast functions, rows that are gathered, short rows, groups of rows that stay in a
 * cache, tiles; and rows as long as the buffers that results beyond the cache go through. */
#include <string.h>

#include "check.h"
#include "losses.h"

enum { LINE = 16 }; /* floats in a cache line */

/* The job with its outputs at these places against the job in one place; and, if rows_alone, some of its rows by
 * themselves, which stay in a cache. */
static void shifted(struct check *check, struct line *line, struct job *job, const char *isa, const size_t *shifts,
                    size_t count, bool rows_alone) {
  struct results base;
  struct layout layout = {.count = job->rows, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS, .dense = true};
  const bool sum = job_array(job, "loss") && job_array(job, "loss")->shape == SCALAR;
  if (sum) layout.outputs = 3; /* loss and grad: fast */
  if (!check_run(check, line, job, layout, 0, isa, check_default_environment())) return;
  job_keep(job, &base);
  for (size_t i = 0; i < count; i++) {
    layout.shift = 1 + shifts[i];
    if (check_run(check, line, job, layout, i, isa, check_default_environment()))
      check_same(check, line, job, &base, isa, "with outputs before a page's end");
  }
  layout.shift = 0;
  layout.first = job->rows / 2;
  layout.count = 2;
  if (sum) layout.outputs = 2;
  if (rows_alone && !job->whole && check_run(check, line, job, layout, 0, isa, check_default_environment()))
    check_same(check, line, job, &base, isa, "in the whole batch");
  results_destroy(&base);
}

/* The first option with a loss of its own for every part, and the first with one for all. */
static const struct option *option_of(const struct function *function, bool sum) {
  for (size_t o = 0; o < function->option_count; o++) {
    const struct option *option = &function->options[o];
    if (sum == (option->reduction == VLOSS_SUM) && !option->upstream && !option->weights && !option->targets)
      return option;
  }
  return function->options;
}

void check_thresholds(struct check *check, const struct function *function) {
  static const size_t sizes[][2] = {{1, 31},   {1, 32},   {1, 33},   {4, 32},   {3, 33},   {17, 31},  {17, 33},
                                    {1, 256},  {1, 257},  {3, 255},  {1, 1023}, {1, 1024}, {1, 1025}, {3, 1025},
                                    {1, 2047}, {1, 2049}, {1, 4095}, {1, 4096}, {1, 4097}, {2, 4097}, {5, 1000}};
  static const size_t every[LINE] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  struct line line = {.function = function->name, .what = "thresholds, every alignment", .isas = check->isa_count};
  for (int sum = 0; sum < 2; sum++)
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      struct job job;
      if (check->level == QUICK && sizes[i][1] > 300) continue;
      job_create(&job, function, option_of(function, sum), sizes[i][0], sizes[i][1], PLAIN, check->seed);
      for (size_t k = 0; k < check->isa_count; k++) shifted(check, &line, &job, check->isas[k], every, LINE, false);
      job_destroy(&job);
    }
  report_line(check->report, &line);
}

/* Outputs beyond any cache, at an element, half a vector and a vector behind a line's beginning: the elementwise losses
 * as one run; rows at the length up to which row losses have buffers, and one column more, of all outputs. */
void check_past_cache_alignment(struct check *check, const struct function *function) {
  static const size_t some[] = {4, 1, 8, 0};
  const uint32_t all_gradients = VLOSS_GRAD_TARGET | VLOSS_GRAD_OTHER;
  const bool most_outputs =
      function->loss && !function->flat_rows && (function->loss->info.operands & all_gradients) == all_gradients;
  struct line line = {.function = function->name, .what = "past the cache, aligned", .isas = check->isa_count};
  if (check->level == QUICK) return;
  if (check->level == NORMAL && function->loss && !most_outputs && !(function->first_of_family && function->flat_rows))
    return;
  for (int i = 0; i < 2; i++) {
    const size_t columns = function->flat_rows || i ? 2049 : 2048, shifts = function->flat_rows ? 4 : i ? 0 : 2;
    struct job job;
    job_create(&job, function, option_of(function, i && function->flat_rows), 4097, columns, PLAIN, check->seed);
    for (size_t k = 0; k < check->isa_count; k++) shifted(check, &line, &job, check->isas[k], some, shifts, true);
    job_destroy(&job);
  }
  report_line(check->report, &line);
}
