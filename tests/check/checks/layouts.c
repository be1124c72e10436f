/* A row gives the same bits wherever it stands and whatever else is asked for. */
#include <string.h>

#include "cases.h"
#include "losses.h"

enum { ROWS = 240 };         /* has the divisors 2, 3, 15, 16 */
enum { LONG_ROW_SIZES = 2 }; /* of several blocks: the last sizes, of functions of logits alone */

static const size_t quick[] = {1, 3, 17, 64, 130};
static const size_t normal[] = {1,  2,  3,  5,   7,   8,   10,  15,  16,  17,  24,  31,  32,  33,  48,   50,   63,
                                64, 65, 80, 100, 127, 128, 129, 130, 192, 200, 256, 257, 300, 520, 1000, 4100, 8449};

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
  if (function->loss && check->level != QUICK) count -= LONG_ROW_SIZES;
  struct sweep sweep = {check, &line, {random_mix(check->seed, property)}, NULL};
  for (size_t o = 0; o < function->option_count; o++)
    for (size_t i = 0; i < count; i++) {
      if (!case_turn(function, o, i, count, 3)) continue;
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
  static const size_t inners[] = {1, 2, 3, 5, 12, 15, 16, 17, 20, 48, 50};
  bool separable = !job->whole;
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
  const uint32_t subsets = (1u << outputs) - 1, some = 40; /* each of them of few outputs, else some */
  for (uint32_t i = 1; i < (outputs > 5 ? some : subsets); i++) {
    const uint32_t subset = outputs <= 5   ? i
                            : i <= outputs ? 1u << (i - 1)
                                           : 1 + (uint32_t)random_below(&sweep->r, subsets - 1);
    struct layout layout = whole(job->rows);
    layout.outputs = subset;
    layout.inner = subset % 2 ? 1 : 3;
    vary(sweep, job, base, layout, "with every output");
  }
}

/* Places every output as `way` says, a number in base 3 with one digit an array: in memory of its own, or over one of
 * two inputs. False: there is no such input, or two outputs would lie over the same. */
static bool places(const struct job *job, size_t way, struct layout *layout) {
  for (size_t i = 0; i < job->array_count; i++) {
    if (!job->arrays[i].output) continue;
    layout->over[i] = (unsigned char)(way % 3);
    way /= 3;
    if (!layout->over[i]) continue;
    const char *input = job->arrays[i].over[layout->over[i] - 1];
    if (!input) return false;
    for (size_t j = 0; j < i; j++)
      if (layout->over[j] && strcmp(job->arrays[j].over[layout->over[j] - 1], input) == 0) return false;
  }
  return way == 0;
}

static void over_inputs(struct sweep *sweep, struct job *job, const struct results *base) {
  for (size_t way = 1; way < 81; way++) { /* four outputs at most */
    struct layout layout = whole(job->rows);
    if (!places(job, way, &layout)) continue;
    vary(sweep, job, base, layout, "in an array of its own");
    layout.dense = false;
    layout.inner = 16;
    vary(sweep, job, base, layout, "in an array of its own");
    layout.inner = 48;
    vary(sweep, job, base, layout, "in an array of its own");
  }
}

static struct array *array_of(struct job *job, const char *name) {
  for (size_t i = 0; i < job->array_count; i++)
    if (strcmp(job->arrays[i].name, name) == 0) return &job->arrays[i];
  return NULL;
}

/* In each row two terms that outweigh the rest by 2^100 and cancel: what is left tells in which order the terms of a
 * row value were added. */
static void cancel(struct job *job, struct random *r) {
  static const char *const inputs[] = {"prediction", "target", "other"};
  struct array *const weights = array_of(job, "weights");
  for (size_t row = 0; row < job->rows; row++) {
    const size_t a = row * job->classes + random_below(r, job->classes);
    size_t b = row * job->classes + random_below(r, job->classes - 1);
    b += b >= a;
    for (size_t c = 0; c < job->classes; c++) job_set_value(weights, row * job->classes + c, 1);
    for (size_t i = 0; i < 3; i++) {
      struct array *const input = array_of(job, inputs[i]);
      if (input && input->shape == MATRIX) job_set_value(input, b, job_value(input, a));
    }
    job_set_value(weights, a, 0x1p100);
    job_set_value(weights, b, -0x1p100);
  }
}

/* The row values of an elementwise loss, wherever the row begins and ends in what kernels take as one block. */
static void check_row_values(struct check *check, const struct function *function) {
  enum { VALUES = 7 };
  static const size_t columns[] = {2, 33, 700, 1500, 4000};
  struct line line = {.function = function->name, .what = "row values anywhere", .isas = check->isa_count};
  const struct option option = {.name = "Keras none, cancelling weights",
                                .reduction = VLOSS_KERAS_NONE,
                                .weights = true,
                                .other = function->loss->info.operands & VLOSS_TAKES_OTHER};
  struct sweep sweep = {check, &line, {random_mix(check->seed, line.what)}, NULL};
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
    struct job job;
    job_create(&job, function, &option, VALUES, columns[i], PLAIN, check->seed);
    cancel(&job, &sweep.r);
    for (size_t k = 0; k < check->isa_count; k++) {
      struct results base;
      struct layout layout = whole(VALUES);
      sweep.isa = check->isas[k];
      if (!check_run(check, &line, &job, layout, 0, sweep.isa, check_default_environment())) continue;
      job_keep(&job, &base);
      layout.count = 1;
      for (layout.first = 0; layout.first < VALUES && !job.whole; layout.first++)
        vary(&sweep, &job, &base, layout, "in the whole batch");
      results_destroy(&base);
    }
    job_destroy(&job);
  }
  report_line(check->report, &line);
}

void check_layouts(struct check *check, const struct function *function) {
  if (function->flat_rows) check_row_values(check, function);
  sweep(check, function, "any layout", other_layouts);
}

/* Outputs beyond any cache, which kernels may write past it: the whole against runs of its rows. */
void check_past_cache(struct check *check, const struct function *function) {
  enum { MANY_ROWS = 35, MANY_CLASSES = 250001, MANY_LOSS_ROWS = 2205, MANY_LOSS_CLASSES = 3969 }; /* 35 MB */
  struct line line = {.function = function->name, .what = "past the cache", .isas = check->isa_count};
  struct job job;
  /* Losses of a family share the code that does this. */
  if (check->level == QUICK || (function->loss && check->level == NORMAL && !function->first_of_family)) return;
  size_t rows = MANY_ROWS, classes = MANY_CLASSES;
  if (function->loss) rows = MANY_LOSS_ROWS, classes = MANY_LOSS_CLASSES;
  job_create(&job, function, function->options, rows, classes, PLAIN, check->seed);
  for (size_t k = 0; k < check->isa_count; k++) {
    struct sweep sweep = {check, &line, {random_mix(check->seed, check->isas[k])}, check->isas[k]};
    struct results base;
    struct layout layout = {.count = rows, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS};
    if (!check_run(check, &line, &job, layout, k, sweep.isa, check_default_environment())) continue;
    job_keep(&job, &base);
    layout.count = 3;
    for (layout.first = 0; layout.first + 3 <= rows; layout.first += rows / 2 - 1)
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
