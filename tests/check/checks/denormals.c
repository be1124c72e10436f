/* Denormals among ordinary elements: some ISAs have other code for them from the first on that they meet
 * (kernels/losses/elementwise.h, where a sum and its gradient are all that is wanted; kernels/logits/calm.h). It gives
 * the bits that every ISA gives, and the code for what else may be asked for in the same call. */
#include <math.h>

#include "check.h"
#include "losses.h"

enum { ELEMENTS = 9001 };

/* Which elements are denormal: everyone, every eighth, few, those behind the first run of a fast function, the end. */
static bool is_denormal(size_t pattern, size_t i, struct random *r) {
  switch (pattern) {
    case 0:
      return true;
    case 1:
      return i % 8 == 3;
    case 2:
      return random_below(r, 200) == 0;
    case 3:
      return i > 4100 && i % 3;
    default:
      return i > ELEMENTS - 300;
  }
}
enum { PATTERNS = 5 };

/* Where all are denormal, nothing larger hides them in the sum: what is tiny loses its exponent, some is 0. */
static void without_exponents(struct array *array, struct random *r) {
  float *x = array->values;
  for (size_t i = 0; i < ELEMENTS; i++)
    if (fabsf(x[i]) < 0x1p-60f) x[i] = random_below(r, 4) ? copysignf(fmodf(fabsf(x[i]), 0x1p-126f), x[i]) : 0;
}

static void mix(struct job *job, const struct job *tiny, size_t pattern, struct random *r) {
  for (size_t i = 0; i < ELEMENTS; i++) {
    if (!is_denormal(pattern, i, r)) continue;
    const size_t operands = random_below(r, 7) + 1; /* bit k: operand k */
    for (size_t k = 0; k < job->array_count; k++) {
      const struct array *array = &job->arrays[k];
      if (!array->output && array->shape == MATRIX && (pattern == 0 || operands >> k & 1))
        ((float *)array->values)[i] = ((const float *)tiny->arrays[k].values)[i];
    }
  }
  for (size_t k = 0; pattern == 0 && k < job->array_count; k++)
    if (!job->arrays[k].output && job->arrays[k].shape == MATRIX) without_exponents(&job->arrays[k], r);
}

/* Rows of which nearly all, some or few elements are denormals, 0 or so far below the others that their terms are
 * nothing: in the types whose denormals those of floats are. */
static void mix_rows(struct job *job, struct random *r) {
  for (size_t k = 0; k < job->array_count; k++) {
    const struct array *array = &job->arrays[k];
    if (array->output || array->shape != MATRIX || array->element != F32) continue;
    for (size_t row = 0; row < job->rows; row++) {
      const size_t pattern = random_below(r, 8), one_in = pattern < 3 ? 1 : pattern < 6 ? 2 : 100;
      const float below = pattern == 2 || pattern == 5 ? -28 : 0;
      float *const x = (float *)array->values + row * job->classes;
      for (size_t c = 0; c < job->classes; c++) {
        const float size = (float)random_below(r, 128) * 0x1p-133f;
        if (below != 0 && random_below(r, 10))
          x[c] = below;
        else if (pattern == 0 || random_below(r, one_in) == 0)
          x[c] = random_below(r, 2) && pattern < 7 ? -size : size;
      }
    }
  }
}
static void check_rows(struct check *check, const struct function *function) {
  static const size_t sizes[][3] = {{40, 10, 1},  {20, 40, 1},  {3, 100, 1}, {17, 600, 1},
                                    {2, 9000, 1}, {32, 70, 16}, {6, 300, 3}};
  struct line line = {.function = function->name, .what = "rows with denormals", .isas = check->isa_count};
  struct random r = {random_mix(check->seed, function->name)};
  if (job_type != VLOSS_F32 && job_type != VLOSS_BF16) return;
  for (size_t o = 0; o < function->option_count; o++)
    for (size_t k = o % 2; k < sizeof sizes / sizeof *sizes; k += check->level == QUICK ? 3 : 1) {
      struct job job;
      struct results base;
      bool kept = false;
      job_create(&job, function, &function->options[o], sizes[k][0], sizes[k][1], PLAIN, check->seed + k);
      mix_rows(&job, &r);
      for (size_t i = 0; i < check->isa_count; i++) {
        const struct layout layout = {
            .count = sizes[k][0], .inner = sizes[k][2], .outputs = (uint32_t)ALL_OUTPUTS, .dense = true};
        if (!check_run(check, &line, &job, layout, i, check->isas[i], check_default_environment())) continue;
        if (kept)
          check_same(check, &line, &job, &base, check->isas[i], "on another ISA");
        else
          job_keep(&job, &base);
        kept = true;
      }
      if (kept) results_destroy(&base);
      job_destroy(&job);
    }
  report_line(check->report, &line);
}

void check_denormals(struct check *check, const struct function *function) {
  if (!function->loss) check_rows(check, function);
  static const uint32_t outputs[] = {(uint32_t)ALL_OUTPUTS, 3, 1}; /* loss and grad, loss: fast */
  struct line line = {.function = function->name, .what = "denormals among others", .isas = check->isa_count};
  struct random r = {random_mix(check->seed, function->name)};
  if (!function->loss || !function->flat_rows) return;
  for (size_t o = 0; o < function->option_count; o++) {
    struct option option = function->options[o];
    if (option.reduction != VLOSS_SUM && option.reduction != VLOSS_MEAN) continue;
    option.weights = option.upstream = false;
    option.flags |= VLOSS_UNCHECKED;
    for (size_t pattern = 0; pattern < (check->level == QUICK ? 2 : PATTERNS); pattern++) {
      struct job job, tiny;
      struct results base;
      bool kept = false;
      job_create(&job, function, &option, 1, ELEMENTS, PLAIN, check->seed + pattern);
      job_create(&tiny, function, &option, 1, ELEMENTS, TINY, check->seed + pattern);
      mix(&job, &tiny, pattern, &r);
      for (size_t i = 0; i < check->isa_count * 3; i++) {
        const char *isa = check->isas[i / 3];
        const struct layout layout = {.count = 1, .inner = 1, .outputs = outputs[i % 3], .dense = true};
        if (!check_run(check, &line, &job, layout, i, isa, check_default_environment())) continue;
        if (kept)
          check_same(check, &line, &job, &base, isa, "on another ISA, or with more outputs");
        else
          job_keep(&job, &base);
        kept = true;
      }
      if (kept) results_destroy(&base);
      job_destroy(&job);
      job_destroy(&tiny);
    }
  }
  report_line(check->report, &line);
}
