/* The search: tries to break the promised accuracy. From the worst rows of random jobs it climbs, output by output:
 * changes a row in many ways at once, and goes on from the worst of them. Counted in evaluations, not in seconds, so
 * that a seed gives the same search everywhere. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "losses.h"
#include "search.h"

enum { ROWS = 33, STARTS = 6, PATIENCE = 40 }; /* 33: a fast function's run and a tail */

struct search {
  struct check *check;
  struct line line;
  const struct function *function;
  struct random r;
  size_t evaluations; /* an output, still to be spent */
  bool failed;
};

/* ---- One job ---- */

static bool evaluate(struct search *s, struct job *job) {
  const vloss_status status = job_run_flat(job);
  if (status != VLOSS_OK) {
    report_failure(s->check->report, &s->line, s->check->isas[0], check_where(job), "%s", vloss_status_name(status));
    s->failed = true;
    return false;
  }
  s->function->expect(job);
  return true;
}

/* The error of an output in a row. */
static double error_in(const struct job *job, const struct array *output, size_t row) {
  const size_t width = job_row_length(job, output);
  double worst = 0;
  for (size_t i = row * width; i < (row + 1) * width; i++) worst = fmax(worst, check_error(output, i));
  return worst;
}

/* An output that has a number a row or more; null where a job has none of that name. */
static const struct array *output_named(const struct job *job, const char *name) {
  const struct array *array = job_array(job, name);
  return array && array->shape != SCALAR && (array->element == F32 || array->element == F64) ? array : NULL;
}

/* ---- What is found ---- */

static void describe(const struct job *job, size_t row, char *text, size_t size) {
  size_t length = 0;
  for (size_t i = 0; i < job->option->parameter_count; i++)
    length += (size_t)snprintf(text + length, size - length, "%s%s %.17g", length ? "; " : "",
                               job->function->loss->info.parameters[i].name, job->option->parameters[i]);
  if (job->option->smoothing > 0)
    length += (size_t)snprintf(text + length, size - length, "smoothing %.17g", job->option->smoothing);
  for (size_t k = 0; k < job->array_count; k++) {
    const struct array *array = &job->arrays[k];
    if (array->output || length + 40 * MAX_COLUMNS > size) continue;
    const size_t width = job_row_length(job, array);
    const size_t first = array->shape == MATRIX || array->shape == PER_ROW ? row * width : 0;
    length += (size_t)snprintf(text + length, size - length, "%s%s", length ? "; " : "", array->name);
    for (size_t c = first; c < first + width; c++)
      length += (size_t)(array->element == F32 || array->element == F64
                             ? snprintf(text + length, size - length, " %.*g", array->element == F64 ? 17 : 9,
                                        job_value(array, c))
                             : snprintf(text + length, size - length, " %lld",
                                        array->element == I64 ? (long long)((int64_t *)array->values)[c]
                                                              : (long long)((int32_t *)array->values)[c]));
  }
}

/* Says what an output's worst candidate is: on every ISA, as they all have to give these bits. */
static void report_worst(struct search *s, const struct candidate *worst, const char *name) {
  struct job job;
  job_create(&job, s->function, &worst->option, ROWS, worst->classes, PLAIN, 1);
  job_place_flat(&job);
  const struct array *output = output_named(&job, name);
  for (size_t i = 0; i < s->check->isa_count; i++) {
    const char *isa = s->check->isas[i];
    for (size_t row = 0; row < ROWS; row++) candidate_put(worst, &job, row);
    library_use(isa);
    if (!evaluate(s, &job)) break;
    const double error = error_in(&job, output, 0), gate = check_gate(output);
    s->line.cases++;
    report_ulp(&s->line, isa, name, error, gate);
    if (error <= gate) continue;
    char inputs[9000];
    const size_t width = job_row_length(&job, output);
    size_t at = 0;
    for (size_t c = 0; c < width; c++)
      if (check_error(output, c) >= error) at = c;
    describe(&job, 0, inputs, sizeof inputs);
    report_failure(s->check->report, &s->line, isa, "found by climbing",
                   "%s[%zu] is %.17g, expected %.17g (scale %.9g): %.4g ulp, allowed %.3g; reduction %d, flags %u, %s",
                   name, at, job_value(output, at), (double)output->expected[at].value,
                   (double)output->expected[at].scale, error, gate, (int)job.option->reduction, job.option->flags,
                   inputs);
  }
  library_use(s->check->isas[0]);
  job_destroy(&job);
}

/* ---- Climbing ---- */

/* Goes up from a candidate until nothing has helped for long. */
static void climb(struct search *s, struct candidate *best, const char *name) {
  struct option option = best->option;
  struct job job;
  job_create(&job, s->function, &option, ROWS, best->classes, PLAIN, 1);
  job_place_flat(&job);
  const struct array *output = output_named(&job, name);
  for (int idle = 0; idle < PATIENCE && s->evaluations >= ROWS && !s->failed; idle++) {
    option = best->option;
    for (size_t row = 0; row < ROWS; row++) candidate_put(best, &job, row);
    if (random_below(&s->r, 3) == 0) mutate_shared(&job, &option, &s->r);
    for (size_t row = 1; row < ROWS; row++) mutate_row(&job, row, &s->r);
    s->evaluations -= ROWS;
    if (!evaluate(s, &job)) break;
    size_t worst = 0;
    double error = 0;
    for (size_t row = 0; row < ROWS; row++) {
      const double e = error_in(&job, output, row);
      if (e >= error) error = e, worst = row;
    }
    if (error < best->error) continue;
    if (error > best->error) idle = 0;
    candidate_take(best, &job, worst);
    best->error = error;
    if (error > 1e6) break; /* of the wrong kind: nothing is worse */
  }
  job_destroy(&job);
}

/* Takes a row among the starts if it is worse than the best of them. */
static void keep_start(struct candidate *starts, const struct job *job, size_t row, double error) {
  size_t least = 0;
  for (size_t i = 0; i < STARTS; i++)
    if (starts[i].error < starts[least].error) least = i;
  if (error <= starts[least].error) return;
  candidate_take(&starts[least], job, row);
  starts[least].error = error;
}

static void random_starts(struct search *s, struct candidate *starts, const char *name, size_t evaluations) {
  static const size_t sizes[] = {1, 2, 3, 5, 10, 17};
  for (size_t done = 0; done < evaluations && !s->failed; done += ROWS) {
    const struct option option = any_option(s->function, &s->r);
    const size_t classes = s->function->flat_rows ? 1 : sizes[random_below(&s->r, 6)];
    struct job job;
    job_create(&job, s->function, &option, ROWS, classes, (enum family)random_below(&s->r, FAMILIES),
               random_bits(&s->r));
    const struct array *output = output_named(&job, name);
    job_place_flat(&job);
    for (size_t row = 0; row < ROWS; row++) fit_row(&job, row);
    if (output && evaluate(s, &job))
      for (size_t row = 0; row < ROWS; row++) keep_start(starts, &job, row, error_in(&job, output, row));
    s->evaluations -= s->evaluations < ROWS ? s->evaluations : ROWS;
    job_destroy(&job);
  }
}

/* Rounds of starts and climbs; the worst of all. */
static void search_output(struct search *s, const char *name, size_t evaluations) {
  struct candidate *starts = calloc(STARTS + 1, sizeof *starts), *worst = starts + STARTS;
  if (!starts) exit(2);
  worst->error = -1;
  s->evaluations = evaluations;
  while (s->evaluations >= ROWS && !s->failed) {
    for (size_t i = 0; i < STARTS; i++) starts[i].error = -1;
    random_starts(s, starts, name, evaluations / 20);
    for (size_t i = 0; i < STARTS && starts[i].error >= 0; i++) {
      climb(s, &starts[i], name);
      if (starts[i].error > worst->error) *worst = starts[i];
    }
  }
  if (worst->error >= 0 && !s->failed) report_worst(s, worst, name);
  free(starts);
}

struct guarded {
  struct search *search;
  size_t evaluations;
};

/* Of jobs with a loss a row. */
static bool some_job_has(const struct function *function, const char *name) {
  bool has = false;
  for (size_t o = 0; !has && o < (function->loss ? 1 : function->option_count); o++) {
    struct job job;
    job_create(&job, function, &function->options[o], 1, 1, PLAIN, 1);
    has = output_named(&job, name) != NULL;
    job_destroy(&job);
  }
  return has;
}

static void search_outputs(void *context) {
  static const char *const names[] = {"loss",    "grad",    "grad_target", "grad_other",  "lse",         "output",
                                      "logprob", "log_sum", "entropy",     "z_loss_part", "grad_targets"};
  struct guarded *guarded = context;
  struct search *s = guarded->search;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (some_job_has(s->function, names[i])) search_output(s, names[i], guarded->evaluations);
}

bool search_has_reference(void) { return job_type != VLOSS_F64 || reference_in_quad; }

void check_search(struct check *check, const struct function *function, double seconds) {
  if (!search_has_reference()) return;
  struct search search = {.check = check,
                          .line = {.function = function->name, .what = "search", .isas = check->isa_count},
                          .function = function,
                          .r = {random_mix(check->seed, function->name)}};
  const double rate = function->flat_rows ? 500000 : 200000; /* nominal, of a slow core */
  struct guarded guarded = {&search, (size_t)(seconds * rate)};
  const vloss_status status = library_use(check->isas[0]);
  if (status != VLOSS_OK) {
    report_failure(check->report, &search.line, check->isas[0], "found by climbing", "%s", vloss_status_name(status));
    return;
  }
  const struct reference *const before = reference;
  if (job_type == VLOSS_F64) reference = reference_in_quad;
  const int signal = crash_guard(search_outputs, &guarded);
  reference = before;
  if (signal)
    report_failure(check->report, &search.line, check->isas[0], "found by climbing", "%s", crash_name(signal));
  report_line(check->report, &search.line);
}
