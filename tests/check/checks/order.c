/* Nothing is written before the last check: calls that are refused for the contents of an input, with every reduction
 * and every choice of outputs, at sizes of one block and of many; and for each pair of arrays, outputs that overlap. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "crash.h"
#include "losses.h"

struct order {
  struct check *check;
  struct line line;
  struct random r;
  const char *isa;
};

/* Whether the outputs of a job that was placed and called are as they were placed: poison. */
static bool untouched(const struct job *job) {
  for (size_t k = 0; k < job->array_count; k++) {
    const struct array *array = &job->arrays[k];
    const size_t words = job_length(job, array) * (array->element == I64 ? 2 : 1);
    uint32_t poison;
    buffer_poison(&poison, sizeof poison);
    for (size_t i = 0; array->output && array->data && i < words; i++)
      if (memcmp(array->data + 4 * i, &poison, sizeof poison) != 0) return false;
  }
  return true;
}

static void refused(struct order *order, struct job *job, vloss_status expected, const char *what) {
  const struct outcome outcome = job_run(job, order->isa, check_default_environment());
  order->line.cases++;
  if (outcome.signal || outcome.status != expected)
    report_failure(order->check->report, &order->line, order->isa, check_where(job), "%s: %s, expected %s", what,
                   outcome.signal ? crash_name(outcome.signal) : vloss_status_name(outcome.status),
                   vloss_status_name(expected));
  else if (!untouched(job))
    report_failure(order->check->report, &order->line, order->isa, check_where(job), "%s: refused, but wrote", what);
}

/* ---- Contents ---- */

/* Spoils one value of an input that is checked, near the end or the beginning. VLOSS_OK: nothing is checked. */
static vloss_status spoil(struct job *job, bool late) {
  const struct array *labels = job_array(job, "labels");
  if (labels) {
    const size_t first = job->whole ? job->option->shift : 0; /* those before are no row's */
    const size_t i = late ? job_length(job, labels) - 1 : first;
    if (labels->element == I64)
      ((int64_t *)labels->values)[i] = (int64_t)job->classes;
    else
      ((int32_t *)labels->values)[i] = (int32_t)job->classes;
    return VLOSS_ERROR_LABEL;
  }
  const struct vloss_loss_row *loss = job->function->loss;
  const bool probability = loss && loss->prediction == DOMAIN_STRICT_PROBABILITY;
  if (!probability && !(loss && loss->other == DOMAIN_VARIANCE)) return VLOSS_OK;
  const struct array *array = job_array(job, probability ? "prediction" : "other");
  const float bad[] = {probability ? NAN : -1, -0x1p-149f, probability ? 1 + 0x1p-23f : -INFINITY};
  ((float *)array->values)[late ? job_length(job, array) - 1 : 0] = bad[job->rows % 3];
  return probability ? VLOSS_ERROR_PROBABILITY : VLOSS_ERROR_VARIANCE;
}

static void contents(struct order *order, const struct function *function) {
  static const size_t sizes[][2] = {{1, 2}, {5, 6}, {33, 9}, {70, 101}};
  for (size_t o = 0; o < function->option_count; o++)
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
      const struct option *option = &function->options[o];
      struct job job;
      if (option->flags & VLOSS_UNCHECKED) continue;
      job_create(&job, function, option, sizes[i / 2][0], sizes[i / 2][1], PLAIN, order->check->seed);
      const vloss_status status = spoil(&job, i % 2);
      uint32_t outputs = 0;
      for (size_t k = 0; k < job.array_count; k++) outputs += job.arrays[k].output;
      for (uint32_t subset = 1; status != VLOSS_OK && subset < 1u << outputs; subset++) {
        job_place(&job, (struct layout){.count = job.rows, .inner = 1, .outputs = subset, .dense = true}, &order->r);
        refused(order, &job, status, "a bad value");
      }
      job_destroy(&job);
    }
}

/* ---- Pairs of arrays ---- */

static bool may_lie_over(const struct array *output, const struct array *input) {
  for (size_t i = 0; i < 2; i++)
    if (output->over[i] && strcmp(output->over[i], input->name) == 0) return true;
  return false;
}

/* An output at the other array's place, and one element into it. What the output's own place holds tells nothing then,
 * so both are looked at: the other's bytes must stay, and every other output's. */
static void pair(struct order *order, struct job *job, size_t o, size_t other) {
  struct array *output = &job->arrays[o], *array = &job->arrays[other];
  static char before[1 << 16];
  char *const home = output->data;
  const size_t bytes = job_length(job, array) * (array->element == I64 ? 8 : 4);
  if (bytes > sizeof before) {
    report_failure(order->check->report, &order->line, order->isa, check_where(job),
                   "%s is longer than the check's room", array->name);
    return;
  }
  memcpy(before, array->data, bytes);
  for (size_t shift = 0; shift < 2; shift++) {
    char text[80];
    snprintf(text, sizeof text, "%s over %s%s", output->name, array->name, shift ? ", one element later" : "");
    if (shift && bytes <= 8) continue;
    if (!shift && (array->output ? false : may_lie_over(output, array))) continue;
    output->data = array->data + shift * 8; /* labels may be 8 bytes wide */
    const struct outcome outcome = job_run(job, order->isa, check_default_environment());
    output->data = home;
    order->line.cases++;
    const bool refused = outcome.status == VLOSS_ERROR_OVERLAP || outcome.status == VLOSS_ERROR_ALIGNMENT;
    if (outcome.signal || !refused)
      report_failure(order->check->report, &order->line, order->isa, check_where(job), "%s: %s", text,
                     outcome.signal ? crash_name(outcome.signal) : vloss_status_name(outcome.status));
    else if (memcmp(before, array->data, bytes) != 0 || !untouched(job))
      report_failure(order->check->report, &order->line, order->isa, check_where(job), "%s: refused, but wrote", text);
    if (outcome.status == VLOSS_OK) return; /* what it wrote where is reported */
  }
}

static void pairs(struct order *order, const struct function *function) {
  static const size_t sizes[][2] = {{5, 6}, {6, 6}, {1, 6}, {6, 1}}; /* square: sizes of a row and of all rows agree */
  for (size_t o = 0; o < function->option_count; o++)
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
      struct job job;
      job_create(&job, function, &function->options[o], sizes[i][0], sizes[i][1], PLAIN, order->check->seed);
      for (size_t k = 0; k < job.array_count; k++)
        for (size_t other = 0; other < job.array_count; other++) {
          if (!job.arrays[k].output || k == other) continue;
          job_place(&job,
                    (struct layout){.count = job.rows, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS, .dense = true},
                    &order->r);
          pair(order, &job, k, other);
        }
      job_destroy(&job);
    }
}

void check_order(struct check *check, const struct function *function) {
  struct order order = {check,
                        {.function = function->name, .what = "refusals before writing", .isas = check->isa_count},
                        {random_mix(check->seed, function->name)},
                        NULL};
  for (size_t i = 0; i < check->isa_count; i++) {
    order.isa = check->isas[i];
    contents(&order, function);
    pairs(&order, function);
  }
  report_line(check->report, &order.line);
}
