/* vloss-witness: runs the kernels of every function on ordinary inputs whose results are normal numbers or 0, and fails
 * where one of them computes with a denormal: the CPU's flags tell, on every machine. On Intel such an operation costs
 * 150 cycles. --type bf16 and f16: on such inputs; not f64, whose kernels are SLEEF's in good part. Public functions
 * restore the flags, so the tables of kernels that dispatch chooses from are replaced, in this program, by ones that
 * look at the flags around each kernel. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "environment.h"
#include "losses.h"
#include "table.h"
#include "types.h"
#include "witness.h"

/* The exception flags; and those of a denormal operand (x86 only: ARM has a flag for operands that it flushes) and of a
 * result that lost digits below 2^-126. */
#if defined(__aarch64__)
enum { FLAGS = 0x9f, DENORMAL = 0x80, WENT_UNDER = 0x08, TELLS_OPERANDS = 0 };
#elif defined(__SSE__)
enum { FLAGS = 0x3f, DENORMAL = 0x02, WENT_UNDER = 0x10, TELLS_OPERANDS = 1 };
#else
enum { FLAGS = 0, DENORMAL = 0, WENT_UNDER = 0, TELLS_OPERANDS = 0 };
#endif
enum { SKIPPED = 77 };

/* ---- The tables ---- */

static unsigned raised; /* by kernels, since it was cleared */

static void clear_flags(void) { environment_set(environment_get() & ~(uint64_t)FLAGS); }
static void note_flags(void) { raised |= (unsigned)environment_get() & (DENORMAL | WENT_UNDER); }

/* A kernel of an ISA, given its parameters and what it calls with them. */
#define WITNESSED_KERNEL(isa, kernel, parameters, arguments) \
  static void isa##_##kernel parameters {                    \
    clear_flags();                                           \
    vloss_table_##isa.kernel arguments;                      \
    note_flags();                                            \
  }
#define WITNESSED_ROWS(isa, kernel) \
  WITNESSED_KERNEL(isa, kernel, (const struct vloss_softmax_job *job, struct vloss_range range), (job, range))
#define WITNESSED_TOTAL(isa, kernel, type)                                                                  \
  WITNESSED_KERNEL(isa, kernel, (const type *job, struct vloss_range range, struct vloss_partial *partial), \
                   (job, range, partial))
#define WITNESSED_LOG_PROBS(isa, kernel) \
  WITNESSED_KERNEL(isa, kernel, (const struct vloss_log_probs_job *job, struct vloss_range range), (job, range))
#define WITNESSED_LONE(isa, kernel)                                       \
  static int isa##_##kernel(const float *x, size_t classes, float *out) { \
    clear_flags();                                                        \
    const int done = vloss_table_##isa.kernel(x, classes, out);           \
    note_flags();                                                         \
    return done;                                                          \
  }
#define WITNESSED_TABLE(isa)                                                                                     \
  extern const struct vloss_table witness_table_##isa;                                                           \
  WITNESSED_TOTAL(isa, cross_entropy, struct vloss_cross_entropy_job)                                            \
  WITNESSED_TOTAL(isa, nll, struct vloss_cross_entropy_job)                                                      \
  static int isa##_lone_cross_entropy(const float *x, size_t classes, size_t label, float *grad, double *loss) { \
    clear_flags();                                                                                               \
    const int done = vloss_table_##isa.lone_cross_entropy(x, classes, label, grad, loss);                        \
    note_flags();                                                                                                \
    return done;                                                                                                 \
  }                                                                                                              \
  WITNESSED_LONE(isa, lone_softmax)                                                                              \
  WITNESSED_LONE(isa, lone_log_softmax)                                                                          \
  WITNESSED_LONE(isa, lone_log_sum_exp)                                                                          \
  WITNESSED_TOTAL(isa, cross_entropy_partial, struct vloss_cross_entropy_job)                                    \
  WITNESSED_TOTAL(isa, cross_entropy_finish, struct vloss_cross_entropy_job)                                     \
  WITNESSED_TOTAL(isa, cross_entropy_split_gradient, struct vloss_cross_entropy_job)                             \
  WITNESSED_KERNEL(isa, merge_states, (struct vloss_state * into, const struct vloss_state *from), (into, from)) \
  WITNESSED_ROWS(isa, softmax)                                                                                   \
  WITNESSED_ROWS(isa, log_softmax)                                                                               \
  WITNESSED_ROWS(isa, log_sum_exp)                                                                               \
  WITNESSED_ROWS(isa, softmax_backward)                                                                          \
  WITNESSED_ROWS(isa, log_softmax_backward)                                                                      \
  WITNESSED_LOG_PROBS(isa, log_probs)                                                                            \
  WITNESSED_LOG_PROBS(isa, log_probs_partial)                                                                    \
  WITNESSED_TOTAL(isa, divergence, struct vloss_divergence_job)                                                  \
  WITNESSED_TOTAL(isa, loss, struct vloss_loss_job)                                                              \
  static size_t isa##_first_outside(const void *p, vloss_type type, size_t n, float high, int nan) {             \
    clear_flags();                                                                                               \
    const size_t first = vloss_table_##isa.first_outside(p, type, n, high, nan);                                 \
    note_flags();                                                                                                \
    return first;                                                                                                \
  }                                                                                                              \
  static int isa##_all_binary(const void *p, vloss_type type, size_t n) {                                        \
    clear_flags();                                                                                               \
    const int all = vloss_table_##isa.all_binary(p, type, n);                                                    \
    note_flags();                                                                                                \
    return all;                                                                                                  \
  }                                                                                                              \
  const struct vloss_table witness_table_##isa = {#isa,                                                          \
                                                  isa##_cross_entropy,                                           \
                                                  isa##_nll,                                                     \
                                                  isa##_lone_cross_entropy,                                      \
                                                  isa##_lone_softmax,                                            \
                                                  isa##_lone_log_softmax,                                        \
                                                  isa##_lone_log_sum_exp,                                        \
                                                  isa##_cross_entropy_partial,                                   \
                                                  isa##_cross_entropy_finish,                                    \
                                                  isa##_cross_entropy_split_gradient,                            \
                                                  isa##_merge_states,                                            \
                                                  isa##_softmax,                                                 \
                                                  isa##_log_softmax,                                             \
                                                  isa##_log_sum_exp,                                             \
                                                  isa##_softmax_backward,                                        \
                                                  isa##_log_softmax_backward,                                    \
                                                  isa##_log_probs,                                               \
                                                  isa##_log_probs_partial,                                       \
                                                  isa##_divergence,                                              \
                                                  isa##_loss,                                                    \
                                                  isa##_first_outside,                                           \
                                                  isa##_all_binary,                                              \
                                                  NULL};
#define ISA(isa, ISA, ...) VLOSS_IF_BUILT(ISA, WITNESSED_TABLE(isa))
#include "isas.def"
#undef ISA

/* ---- Jobs ---- */

/* What is looked at. A result in f16 that is less than a normal number of that type is normal as a float: on ARM
 * rounding it raises the flag of what goes under, but not that of denormal operands, as a denormal float would; on x86
 * neither. */
enum looks { BOTH_FLAGS, OPERANDS_FLAG };

/* Not so near to a denormal that the rounding of what is before it decides. 0 as a difference may be a float beside it,
 * which f16 does not hold. */
static bool is_small(const struct array *array, size_t i, enum looks looks) {
  const struct expectation *e = &array->expected[i];
  const double size = fabs((double)e->value);
  if (array->type == VLOSS_F16 && looks == BOTH_FLAGS && !TELLS_OPERANDS)
    return (size != 0 || e->scale != 0) && size < 0x1p-13;
  return !array->flushed && size != 0 && size < 0x1p-125;
}

/* Replaces what makes a denormal result, as often as that takes. False: it is the one number of a reduction. */
static bool without_small_results(struct job *job, struct layout layout, enum looks looks, struct random *r) {
  for (int tries = 0; tries < 6; tries++) {
    bool any = false;
    job_place(job, layout, &(struct random){1});
    job->function->expect(job);
    for (size_t k = 0; k < job->array_count; k++) {
      const struct array *array = &job->arrays[k];
      if (!array->output || array->element != F32) continue;
      const size_t width = job_row_length(job, array);
      for (size_t i = 0; i < job_length(job, array); i++) {
        if (!is_small(array, i, looks)) continue;
        if (array->shape == SCALAR) return false;
        any = true;
        const bool whole_row = array->shape != MATRIX || !job->function->flat_rows;
        fill_harmless(job, i / width, i % width, whole_row, r);
        if (whole_row) i += width - 1 - i % width; /* done with that row */
      }
    }
    if (!any) return true;
  }
  return false;
}

/* The operands of the job from the one that has a loss an element or row and no factors. */
static void copy_inputs(struct job *job, const struct job *from, struct random *r) {
  for (size_t k = 0; k < job->array_count; k++) {
    struct array *array = &job->arrays[k];
    const struct array *other = job_array(from, array->name);
    if (array->output) continue;
    if (strcmp(array->name, "upstream") == 0 && (job->function->loss || !other || array->shape != MATRIX))
      fill_upstream(r, job_length(job, array), array->values);
    else if (other)
      memcpy(array->values, other->values, job_length(job, array) * (array->element == I64 ? 8 : 4));
  }
}

static void replace_zeros(struct job *job, const char *name) {
  const struct array *array = job_array(job, name);
  for (size_t i = 0; array && array->shape != MATRIX && i < job_length(job, array); i++)
    if (((float *)array->values)[i] == 0) ((float *)array->values)[i] = 1;
}

/* ---- What is found ---- */

struct witness {
  struct check *check;
  enum looks looks;
  struct line line;
  struct random r;
};

static unsigned flags_of(struct witness *w, struct job *job, struct layout layout, const char *isa) {
  raised = 0;
  job_place(job, layout, &w->r);
  const struct outcome outcome = job_run(job, isa, check_default_environment());
  if (outcome.signal || outcome.status != VLOSS_OK)
    report_failure(w->check->report, &w->line, isa, check_where(job), "%s", vloss_status_name(outcome.status));
  return w->looks == BOTH_FLAGS ? raised : raised & DENORMAL;
}

/* Replaces elements one by one with harmless ones where the flags do not need them. *row: one of the rest. */
static void shrink(struct witness *w, struct job *job, struct layout layout, const char *isa, size_t *row,
                   size_t *column) {
  const bool by_element = job->function->flat_rows;
  const size_t count = by_element ? job->rows * job->classes : job->rows, width = by_element ? job->classes : 1;
  for (size_t i = 0; i < count; i++) {
    void *kept[MAX_ARRAYS];
    for (size_t k = 0; k < job->array_count; k++) {
      const size_t bytes = job_length(job, &job->arrays[k]) * (job->arrays[k].element == I64 ? 8 : 4);
      if (!(kept[k] = malloc(bytes + 1))) exit(2);
      memcpy(kept[k], job->arrays[k].values, bytes);
    }
    fill_harmless(job, i / width, i % width, !by_element, &w->r);
    const bool needed = !flags_of(w, job, layout, isa);
    if (needed) *row = i / width, *column = i % width;
    for (size_t k = 0; k < job->array_count; k++) {
      const size_t bytes = job_length(job, &job->arrays[k]) * (job->arrays[k].element == I64 ? 8 : 4);
      if (needed) memcpy(job->arrays[k].values, kept[k], bytes);
      free(kept[k]);
    }
  }
}

/* The operands of a row, or of one element of it. */
static void describe(const struct job *job, size_t row, size_t column, char *text, size_t size) {
  size_t length = 0;
  for (size_t k = 0; k < job->array_count; k++) {
    const struct array *array = &job->arrays[k];
    if (array->output || array->element != F32 || length + 60 > size) continue;
    const size_t width = array->shape == MATRIX || array->shape == PER_CLASS ? job->classes : 1;
    const float *x = (const float *)array->values + (array->shape == MATRIX    ? row * width
                                                     : array->shape == PER_ROW ? row
                                                                               : 0);
    length += (size_t)snprintf(text + length, size - length, "%s%s", k ? "; " : "", array->name);
    const bool one = job->function->flat_rows && width > 1;
    for (size_t c = one ? column : 0; c < (one ? column + 1 : width < 8 ? width : 8) && length + 20 < size; c++)
      length += (size_t)snprintf(text + length, size - length, " %.9g", (double)x[c]);
    if (!one && width > 8) length += (size_t)snprintf(text + length, size - length, " ...");
  }
}

/* Functions in plain C, the scalar ISA's, compute results that nobody asks for. */
enum isas { EVERY_ISA, SCALAR_ISA, VECTOR_ISAS };

static void witness_job(struct witness *w, struct job *job, struct layout layout, enum ordinary kind, enum isas isas) {
  for (size_t i = 0; i < w->check->isa_count; i++) {
    const char *isa = w->check->isas[i];
    if (isas != EVERY_ISA && (isas == SCALAR_ISA) != (strcmp(isa, "scalar") == 0)) continue;
    char inputs[800] = "";
    w->line.cases++;
    const unsigned flags = flags_of(w, job, layout, isa);
    if (!flags) continue;
    if (w->line.failures_of[library_variant(isa) - variants] < 3) {
      size_t row = 0, column = 0;
      shrink(w, job, layout, isa, &row, &column);
      describe(job, row, column, inputs, sizeof inputs);
    }
    report_failure(w->check->report, &w->line, isa, check_where(job), "%s:%s%s; it takes: %s", ordinary_name(kind),
                   flags & DENORMAL ? " an operand was denormal" : "", flags & WENT_UNDER ? " a result went under" : "",
                   inputs);
  }
}

/* zeros: some weights and upstream gradients are 0. each_normal: no loss or gradient of an element or row is small
 * without factors, either. */
static void witness_inputs(struct witness *w, const struct function *function, const struct option *option,
                           enum ordinary kind, struct layout layout, size_t classes, bool zeros, bool each_normal,
                           enum isas isas) {
  struct job each, job;
  struct option single = *option;
  const uint64_t seed = random_bits(&w->r);
  single.reduction = VLOSS_NONE;
  if (function->loss) single.upstream = false;
  if (function->loss && option->reduction != VLOSS_KERAS_NONE) single.weights = false;
  job_create(&each, function, &single, layout.count, classes, PLAIN, seed);
  fill_ordinary(&each, kind, &w->r);
  if (!zeros) replace_zeros(&each, "weights"); /* before it is seen what is small */
  if (!each_normal || without_small_results(&each, layout, w->looks, &w->r)) {
    job_create(&job, function, option, layout.count, classes, PLAIN, seed);
    copy_inputs(&job, &each, &w->r);
    if (!zeros) replace_zeros(&job, "weights");
    if (!zeros) replace_zeros(&job, "upstream");
    if (without_small_results(&job, layout, w->looks, &w->r))
      witness_job(w, &job, layout, kind, isas);
    else
      w->line.left_out++;
    job_destroy(&job);
  } else {
    w->line.left_out++;
  }
  job_destroy(&each);
}

static void witness_option(struct witness *w, const struct function *function, const struct option *option,
                           enum ordinary kind, size_t rows, size_t classes, size_t inner, bool zeros) {
  const struct layout layout = {.count = rows, .inner = inner, .outputs = (uint32_t)ALL_OUTPUTS, .dense = true};
  /* Row values of Keras are means of losses that are floats. */
  const bool floats = zeros || option->reduction == VLOSS_KERAS_NONE;
  if (floats || !function->loss) {
    witness_inputs(w, function, option, kind, layout, classes, zeros, floats, EVERY_ISA);
  } else {
    witness_inputs(w, function, option, kind, layout, classes, zeros, false, VECTOR_ISAS);
    witness_inputs(w, function, option, kind, layout, classes, zeros, true, SCALAR_ISA);
  }
}

/* Every option with every class of inputs, in sizes that take turns: short rows, gathered, along and across; blocks of
 * the fast functions with and without a tail. */
static void witness_function(struct check *check, const struct function *function, enum looks looks) {
  static const struct {
    size_t rows, classes, inner;
  } sizes[] = {{17, 3, 1},  {4, 10, 1}, {32, 33, 1}, {3, 100, 1},  {1, 400, 1},
               {48, 5, 16}, {6, 40, 3}, {2, 270, 2}, {2, 9000, 1}, {16, 4400, 16}};
  const size_t count = function->loss ? 8 : 10; /* the last ones are rows of several blocks of logits */
  const char *what = looks == BOTH_FLAGS ? "no denormal" : "no denormal operand";
  struct witness w = {
      .check = check, .looks = looks, .line = {.function = function->name, .what = what, .isas = check->isa_count}};
  w.r.state = random_mix(check->seed, function->name);
  size_t size = 0;
  for (size_t o = 0; o < function->option_count; o++)
    for (size_t kind = 0; kind < ORDINARIES; kind++)
      for (size_t times = 0; times < (function->option_count == 1 ? 8 : 2); times++, size++)
        witness_option(&w, function, &function->options[o], (enum ordinary)kind, sizes[size % count].rows,
                       sizes[size % count].classes, sizes[size % count].inner, times % 2);
  report_line(check->report, &w.line);
}

int main(int count, char **words) {
  struct report report = {.seed = 1, .arguments = "", .isas = "every one", .program = "vloss-witness"};
  struct check check = {.seed = 1, .level = NORMAL, .report = &report};
  const char *only = NULL, *isa = NULL;
  if (!FLAGS) return fprintf(stderr, "SKIP the flags of this CPU are not known here\n"), SKIPPED;
  for (int i = 1; i < count; i += 2) {
    if (i + 1 < count && strcmp(words[i], "--function") == 0)
      only = words[i + 1];
    else if (i + 1 < count && strcmp(words[i], "--isa") == 0)
      isa = words[i + 1];
    else if (i + 1 < count && strcmp(words[i], "--seed") == 0)
      report.seed = check.seed = strtoull(words[i + 1], NULL, 10);
    else if (i + 1 == count || strcmp(words[i], "--type") != 0 || !type_named(words[i + 1], &job_type) ||
             job_type == VLOSS_F64)
      return fprintf(stderr, "Usage: vloss-witness [--function NAME] [--isa NAME] [--type f32|bf16|f16] [--seed N]\n"),
             2;
  }
  char arguments[20] = "";
  if (job_type != VLOSS_F32) snprintf(arguments, sizeof arguments, " --type %s", type_name(job_type));
  report.arguments = arguments;
  library_list_variants();
  library = libraries;
  for (size_t i = 0; i < variant_count; i++)
    if (!isa || strcmp(isa, variants[i].name) == 0) check.isas[check.isa_count++] = variants[i].name;
  if (isa && check.isa_count) report.isas = isa;
  functions_collect();
  report_begin(&report);
  for (size_t f = 0; f < function_count; f++)
    if (!only || strcmp(only, functions[f].name) == 0) {
      witness_function(&check, &functions[f], BOTH_FLAGS);
      if (job_type == VLOSS_F16 && TELLS_OPERANDS) witness_function(&check, &functions[f], OPERANDS_FLAG);
    }
  if (!report.count || !check.isa_count) return fprintf(stderr, "vloss-witness: no such function or ISA\n"), 2;
  return report_end(&report);
}
