/* See known.h: runs the rows of the tables of known results against the reference and every ISA. */
#include "known.h"

#include <math.h>
#include <string.h>

#include "check.h"

static void set(struct job *job, const char *name, const void *values) {
  const struct array *array = job_array(job, name);
  const size_t size = array && array->element == I64 ? sizeof(int64_t) : sizeof(float);
  if (array && values) memcpy(array->values, values, job_length(job, array) * size);
}

static bool agrees(double got, double known, double tolerance) {
  if (isnan(known) || isnan(got)) return isnan(known) && isnan(got);
  if (isinf(known) || isinf(got)) return got == known;
  return fabs(got - known) <= tolerance * fabs(known);
}

static void compare(struct check *check, struct line *line, const struct known *row, struct job *job, const char *isa,
                    const char *name, const double *known) {
  const struct array *array = job_array(job, name);
  const double tolerance = row->tolerance > 0 ? row->tolerance : 2e-6;
  for (size_t i = 0; known && i < job_length(job, array); i++) {
    const double by_isa = (double)((const float *)array->values)[i], by_reference = (double)array->expected[i].value;
    const bool right = row->exact ? agrees(by_isa, (double)(float)known[i], 0) : agrees(by_isa, known[i], tolerance);
    if (!right)
      report_failure(check->report, line, isa, row->name, "%s[%zu] is %.9g, expected %.9g", name, i, by_isa, known[i]);
    if (!agrees(by_reference, known[i], tolerance))
      report_failure(check->report, line, "reference", row->name, "%s[%zu] is %.9g, expected %.9g", name, i,
                     by_reference, known[i]);
  }
}

/* The outputs whose values are known. */
struct output {
  const char *name;
  const double *known;
};
enum { OUTPUTS = 10 };
static void list_outputs(const struct known *row, struct output *outputs) {
  const struct output all[OUTPUTS] = {{"loss", row->loss},
                                      {"grad", row->grad},
                                      {"lse", row->lse},
                                      {"output", row->output},
                                      {"grad_target", row->grad_target},
                                      {"grad_other", row->grad_other},
                                      {"grad_targets", row->grad_targets},
                                      {"z_loss_part", row->z_loss_part},
                                      {"max", row->max},
                                      {"log_sum", row->log_sum}};
  memcpy(outputs, all, sizeof all);
}

/* With every output, and with those alone whose values are known: fast ways are for few of them. */
static void compare_outputs(struct check *check, struct line *line, const struct known *row, struct job *job, int all) {
  struct layout layout = {.count = row->rows, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS};
  struct output outputs[OUTPUTS];
  list_outputs(row, outputs);
  for (size_t i = 0, number = 0; !all && i < job->array_count; i++) {
    if (!job->arrays[i].output) continue;
    int known = 0;
    for (size_t o = 0; o < OUTPUTS; o++) known |= outputs[o].known && !strcmp(outputs[o].name, job->arrays[i].name);
    if (!known) layout.outputs &= ~((uint32_t)1 << number);
    number++;
  }
  job_place(job, layout, &(struct random){1});
  for (size_t k = 0; k < check->isa_count; k++) {
    if (!check_run(check, line, job, layout, k, check->isas[k], check_default_environment())) continue;
    for (size_t o = 0; o < OUTPUTS; o++)
      compare(check, line, row, job, check->isas[k], outputs[o].name, outputs[o].known);
  }
}

static void check_row(struct check *check, struct line *line, const struct function *function,
                      const struct known *row) {
  struct job job;
  struct option option = row->option;
  option.name = row->name;
  job_create(&job, function, &option, row->rows, row->columns, PLAIN, check->seed);
  set(&job, "logits", row->prediction);
  set(&job, "prediction", row->prediction);
  set(&job, "input", row->prediction);
  set(&job, "target", row->target);
  set(&job, "targets", row->target);
  set(&job, "other", row->other);
  set(&job, "weights", row->weights);
  set(&job, "row_weights", row->row_weights);
  set(&job, "upstream", row->upstream);
  set(&job, "labels", row->labels);
  job_place(&job, (struct layout){.count = row->rows, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS},
            &(struct random){1});
  function->expect(&job);
  compare_outputs(check, line, row, &job, 1);
  compare_outputs(check, line, row, &job, 0);
  job_destroy(&job);
}

/* A misspelt name would be no test at all. */
static bool has_function(const struct known *row) {
  for (size_t f = 0; f < function_count; f++)
    if (strcmp(row->function, functions[f].name) == 0) return true;
  return false;
}

void check_values(struct check *check, const struct function *function) {
  const struct known_table *const tables[] = {&published_values, &special_values, &edge_values, &factor_values,
                                              &logits_values};
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
    struct line line = {.function = function->name, .what = tables[t]->what, .isas = check->isa_count};
    for (size_t i = 0; i < tables[t]->count; i++) {
      if (!has_function(&tables[t]->rows[i]))
        report_failure(check->report, &line, "any", tables[t]->rows[i].name, "no function %s",
                       tables[t]->rows[i].function);
      if (strcmp(tables[t]->rows[i].function, function->name) == 0)
        check_row(check, &line, function, &tables[t]->rows[i]);
    }
    if (line.cases) report_line(check->report, &line);
  }
}
