/* A row gives the same bits wherever it stands and whatever else is asked for. */
#include "cases.h"

enum { ROWS = 240 }; /* has the divisors 2, 3, 15, 16 */

static const size_t quick[] = {1, 3, 17, 64, 130};
static const size_t normal[] = {1,  2,  3,  5,  7,   8,   10,  15,  16,  17,  24,  31,  32,  33,  48,  50,
                                63, 64, 65, 80, 100, 127, 128, 129, 130, 192, 200, 256, 257, 300, 520, 1000};

struct sweep {
  struct check *check;
  struct line *line;
  struct random r;
  const char *isa;
};

typedef void variation(struct sweep *sweep, struct job *job, const struct results *base);

static struct layout whole(size_t rows) {
  return (struct layout){.count = rows, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS, .dense = true};
}

/* Runs the job in another layout and compares. */
static void vary(struct sweep *sweep, struct job *job, const struct results *base, struct layout layout,
                 const char *what) {
  if (check_run(sweep->check, sweep->line, job, layout, random_bits(&sweep->r), sweep->isa,
                check_default_environment()))
    check_same(sweep->check, sweep->line, job, base, sweep->isa, what);
}

/* Jobs of several sizes and families for each set of options; each run plainly first, then in its variations. */
static void sweep(struct check *check, const struct function *function, const char *property, variation *varied) {
  struct line line = {.function = function->name, .what = property, .isas = check->isa_count};
  const size_t *classes = check->level == QUICK ? quick : normal;
  size_t count = check->level == QUICK ? sizeof quick / sizeof *quick : sizeof normal / sizeof *normal;
  struct sweep sweep = {check, &line, {random_mix(check->seed, property)}, NULL};
  for (size_t o = 0; o < function->option_count; o++)
    for (size_t i = o % 3; i<count; i += function->option_count> 1 ? 3 : 1) {
      enum family family = (enum family)random_below(&sweep.r, FAMILIES);
      size_t rows = classes[i] <= 65 && check->level != QUICK ? ROWS : 48;
      struct job job;
      job_create(&job, function, &function->options[o], rows, classes[i], family, check->seed);
      for (size_t k = 0; k < check->isa_count; k++) {
        struct results base;
        sweep.isa = check->isas[k];
        if (!check_run(check, &line, &job, whole(rows), 0, sweep.isa, check_default_environment())) continue;
        job_keep(&job, &base);
        varied(&sweep, &job, &base);
        results_destroy(&base);
      }
      job_destroy(&job);
    }
  report_line(check->report, &line);
}

/* Other strides, alignments and class axes for the whole; and, where rows do not depend on each other, any run of
 * rows by itself, down to single ones. */
static void other_layouts(struct sweep *sweep, struct job *job, const struct results *base) {
  static const size_t inners[] = {1, 2, 3, 15, 16, 17, 48, 50};
  bool separable = true;
  for (size_t i = 0; i < job->array_count; i++)
    if (job->arrays[i].output && job->arrays[i].shape == SCALAR) separable = false;
  for (size_t i = 0; i < sizeof inners / sizeof *inners; i++) {
    struct layout layout = whole(job->rows);
    layout.dense = false;
    layout.inner = inners[i];
    if (job->rows % inners[i] == 0) vary(sweep, job, base, layout, "with classes last, dense");
    if (!separable || inners[i] > job->rows) continue;
    layout.count = inners[i] * (1 + random_below(&sweep->r, job->rows / inners[i]));
    layout.first = random_below(&sweep->r, job->rows - layout.count + 1);
    vary(sweep, job, base, layout, "in the whole batch");
    layout.inner = layout.count = 1;
    layout.first = random_below(&sweep->r, job->rows);
    vary(sweep, job, base, layout, "in the whole batch");
  }
}

static void fewer_outputs(struct sweep *sweep, struct job *job, const struct results *base) {
  uint32_t outputs = 0;
  for (size_t i = 0; i < job->array_count; i++) outputs += job->arrays[i].output;
  for (uint32_t subset = 1; subset < (1u << outputs) - 1; subset++) {
    struct layout layout = whole(job->rows);
    layout.outputs = subset;
    layout.inner = subset % 2 ? 1 : 3;
    vary(sweep, job, base, layout, "with every output");
  }
}

static void over_inputs(struct sweep *sweep, struct job *job, const struct results *base) {
  for (size_t i = 0; i < job->array_count; i++)
    for (int k = 0; k < 2; k++) {
      struct layout layout = whole(job->rows);
      layout.over = job->arrays[i].over[k];
      if (!layout.over) continue;
      vary(sweep, job, base, layout, "in an array of its own");
      layout.inner = 16;
      layout.dense = false;
      vary(sweep, job, base, layout, "in an array of its own");
    }
}

void check_layouts(struct check *check, const struct function *function) {
  sweep(check, function, "any layout", other_layouts);
}

/* Outputs beyond any cache, which kernels may write past it: the whole against runs of its rows. */
void check_past_cache(struct check *check, const struct function *function) {
  enum { MANY_ROWS = 35, MANY_CLASSES = 250001 }; /* 35 MB */
  struct line line = {.function = function->name, .what = "past the cache", .isas = check->isa_count};
  struct job job;
  if (check->level == QUICK) return;
  job_create(&job, function, function->options, MANY_ROWS, MANY_CLASSES, PLAIN, check->seed);
  for (size_t k = 0; k < check->isa_count; k++) {
    struct sweep sweep = {check, &line, {random_mix(check->seed, check->isas[k])}, check->isas[k]};
    struct results base;
    struct layout layout = {.count = MANY_ROWS, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS};
    if (!check_run(check, &line, &job, layout, k, sweep.isa, check_default_environment())) continue;
    job_keep(&job, &base);
    layout.count = 3;
    for (layout.first = 0; layout.first + 3 <= MANY_ROWS; layout.first += 16)
      vary(&sweep, &job, &base, layout, "in the whole batch");
    results_destroy(&base);
  }
  job_destroy(&job);
  report_line(check->report, &line);
}

void check_outputs(struct check *check, const struct function *function) {
  sweep(check, function, "any outputs", fewer_outputs);
}

void check_in_place(struct check *check, const struct function *function) {
  sweep(check, function, "in place", over_inputs);
}
