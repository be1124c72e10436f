/* See check.h: running a job on an ISA, comparing its results, and what a failure says of where it was. */
#include "check.h"

#include <math.h>
#include <stdio.h>

#include "crash.h"
#include "environment.h"
#include "ulp.h"

uint64_t check_default_environment(void) {
  size_t count;
  return environment_list(&count)[0].word;
}

const char *check_where(const struct job *job) {
  static char text[200];
  snprintf(text, sizeof text, "[%s] classes %zu, rows %zu from %zu of %zu, inner %zu, family %s", job->option->name,
           job->classes, job->count, job->first, job->rows, job->inner, family_name(job->family));
  return text;
}

bool check_run(struct check *check, struct line *line, struct job *job, struct layout layout, uint64_t layout_seed,
               const char *isa, uint64_t environment) {
  struct random r = {layout_seed};
  line->cases++;
  job_place(job, layout, &r);
  struct outcome outcome = job_run(job, isa, environment);
  if (outcome.signal) {
    report_failure(check->report, line, isa, check_where(job), "%s", crash_name(outcome.signal));
    return false;
  }
  /* A kernel that is not all of vloss may decline what it does not compute. */
  if (!library->isa_force && (outcome.status == VLOSS_ERROR_ARGUMENTS || outcome.status == VLOSS_ERROR_TYPE)) {
    line->cases--;
    line->left_out++;
    return false;
  }
  if (outcome.status != VLOSS_OK) {
    report_failure(check->report, line, isa, check_where(job), "%s", vloss_status_name(outcome.status));
    return false;
  }
  if (outcome.environment_changed && library->isa_force) /* that is a promise of vloss, not of any kernel */
    report_failure(check->report, line, isa, check_where(job), "the floating-point environment changed from %#llx",
                   (unsigned long long)environment);
  const char *spoilt = job_collect(job);
  if (spoilt) report_failure(check->report, line, isa, check_where(job), "wrote outside the outputs, near %s", spoilt);
  return !spoilt;
}

static int64_t integer_at(const struct array *array, size_t i) {
  return array->element == I64 ? ((const int64_t *)array->values)[i] : ((const int32_t *)array->values)[i];
}

static bool is_floating(const struct array *array) { return array->element == F32 || array->element == F64; }

/* An element in words, of any precision. */
static void describe_element(const struct array *array, const void *values, size_t i, char *text, size_t size) {
  if (array->element == F32) {
    const float x = ((const float *)values)[i];
    snprintf(text, size, "%.9g (0x%08x)", (double)x, (unsigned)float_bits(x));
  } else if (array->element == F64) {
    snprintf(text, size, "%.17g (%a)", ((const double *)values)[i], ((const double *)values)[i]);
  } else {
    const int64_t x = array->element == I64 ? ((const int64_t *)values)[i] : ((const int32_t *)values)[i];
    snprintf(text, size, "%lld", (long long)x);
  }
}

/* The inputs behind an element of a matrix, for messages. */
static const char *inputs_at(const struct job *job, const struct array *output, size_t i) {
  static char text[300];
  size_t length = 0;
  for (size_t k = 0; k < job->array_count && output->shape == MATRIX; k++) {
    const struct array *input = &job->arrays[k];
    const size_t at = input->shape == MATRIX      ? i
                      : input->shape == PER_ROW   ? i / job->classes
                      : input->shape == PER_CLASS ? i % job->classes
                                                  : 0;
    if (input->output || length >= sizeof text) continue;
    const char *separator = length ? ", " : "; ";
    length += (size_t)(is_floating(input) ? snprintf(text + length, sizeof text - length, "%s%s %.*g", separator,
                                                     input->name, input->element == F64 ? 17 : 9, job_value(input, at))
                                          : snprintf(text + length, sizeof text - length, "%s%s %lld", separator,
                                                     input->name, (long long)integer_at(input, at)));
  }
  return length ? text : "";
}

double check_error(const struct array *array, size_t i) {
  if (array->element == F64)
    return ulp_error_of_double(((const double *)array->values)[i], array->expected[i], array->gate, array->flushed);
  const float got = ((const float *)array->values)[i];
  return array->type == VLOSS_F32
             ? ulp_error(got, array->expected[i], array->gate, array->flushed)
             : ulp_error_of_half(array->type, got, array->expected[i], array->gate, array->flushed);
}

double check_gate(const struct array *array) {
  return array->element == F64 || array->type == VLOSS_F32 ? array->gate : HALF_GATE;
}

static void check_array(struct check *check, struct line *line, struct job *job, const struct array *array,
                        const char *isa) {
  const double gate = check_gate(array);
  double worst = 0;
  size_t worst_at = 0, length = job_length(job, array);
  for (size_t i = 0; i < length; i++) {
    double error;
    if (is_floating(array))
      error = check_error(array, i);
    else
      error = (real)integer_at(array, i) == array->expected[i].value ? 0 : (double)INFINITY;
    if (error > worst) {
      worst = error;
      worst_at = i;
    }
  }
  report_ulp(line, isa, array->name, worst, gate);
  if (worst <= gate) return;
  struct expectation expected = array->expected[worst_at];
  if (is_floating(array)) {
    char got[60];
    describe_element(array, array->values, worst_at, got, sizeof got);
    report_failure(check->report, line, isa, check_where(job),
                   "%s[%zu] is %s, expected %.17g (scale %.9g): %.4g ulp, allowed %.3g%s", array->name, worst_at, got,
                   (double)expected.value, (double)expected.scale, worst, gate, inputs_at(job, array, worst_at));
  } else {
    report_failure(check->report, line, isa, check_where(job), "%s[%zu] is %lld, expected %.0f", array->name, worst_at,
                   (long long)integer_at(array, worst_at), (double)expected.value);
  }
}

void check_ulp(struct check *check, struct line *line, struct job *job, const char *isa) {
  for (size_t i = 0; i < job->array_count; i++)
    if (job->arrays[i].output && job->arrays[i].data) check_array(check, line, job, &job->arrays[i], isa);
}

void check_same(struct check *check, struct line *line, struct job *job, const struct results *kept, const char *isa,
                const char *what) {
  size_t element;
  const struct array *array = job_differs(job, kept, &element);
  if (!array) return;
  line->unequal++;
  const size_t i = (size_t)(array - job->arrays);
  char got[60], other[60];
  describe_element(array, array->values, element, got, sizeof got);
  describe_element(array, kept->values[i], element, other, sizeof other);
  report_failure(check->report, line, isa, check_where(job), "%s: other bits than %s: %s[%zu] is %s there, %s here",
                 array->name, what, array->name, element, other, got);
}
