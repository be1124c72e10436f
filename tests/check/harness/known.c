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
  const struct layout layout = {.count = row->rows, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS};
  job_place(&job, layout, &(struct random){1});
  function->expect(&job);
  for (size_t k = 0; k < check->isa_count; k++) {
    if (!check_run(check, line, &job, layout, k, check->isas[k], check_default_environment())) continue;
    compare(check, line, row, &job, check->isas[k], "loss", row->loss);
    compare(check, line, row, &job, check->isas[k], "grad", row->grad);
    compare(check, line, row, &job, check->isas[k], "lse", row->lse);
    compare(check, line, row, &job, check->isas[k], "output", row->output);
    compare(check, line, row, &job, check->isas[k], "grad_target", row->grad_target);
    compare(check, line, row, &job, check->isas[k], "grad_other", row->grad_other);
    compare(check, line, row, &job, check->isas[k], "grad_targets", row->grad_targets);
    compare(check, line, row, &job, check->isas[k], "z_loss_part", row->z_loss_part);
    compare(check, line, row, &job, check->isas[k], "max", row->max);
    compare(check, line, row, &job, check->isas[k], "log_sum", row->log_sum);
  }
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
