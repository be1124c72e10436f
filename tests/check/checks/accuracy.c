/* Every function against the reference, every ISA against the others, and every library against the first. */
#include <stdlib.h>
#include <string.h>

#include "cases.h"

/* Which of the variants that ran the i-th is to equal: its counterpart, or the first of its library; i if none. */
static size_t compare_with(const struct check *check, const bool *ran, size_t i) {
  const struct variant *variant = library_variant(check->isas[i]), *other = library_counterpart(variant);
  for (size_t k = 0; k < i; k++)
    if (ran[k] && strcmp(check->isas[k], other->name) == 0) return k;
  for (size_t k = 0; k < i; k++)
    if (ran[k] && library_variant(check->isas[k])->library == variant->library) return k;
  return i;
}

/* One job: computed by the reference from the arrays as they lie in memory, then by each ISA in that same layout. */
static void accuracy_case(struct check *check, struct line *line, const struct function *function,
                          const struct option *option, struct case_rows rows, size_t classes, enum family family) {
  struct job job;
  struct results kept[MAX_VARIANTS] = {{{NULL}}};
  bool ran[MAX_VARIANTS] = {false};
  job_create(&job, function, option, rows.rows, classes, family, check->seed);
  struct layout layout = {.count = rows.rows, .inner = rows.inner, .outputs = (uint32_t)ALL_OUTPUTS};
  uint64_t layout_seed = random_mix(job.seed, "layout");
  struct random r = {layout_seed};
  job_place(&job, layout, &r);
  if (!check->bits) function->expect(&job);
  for (size_t i = 0; i < check->isa_count; i++) {
    const char *isa = check->isas[i];
    if (!check_run(check, line, &job, layout, layout_seed, isa, check_default_environment())) continue;
    if (!check->bits) check_ulp(check, line, &job, isa);
    const size_t other = compare_with(check, ran, i);
    if (other < i) check_same(check, line, &job, &kept[other], isa, check->isas[other]);
    job_keep(&job, &kept[i]);
    ran[i] = true;
  }
  for (size_t i = 0; i < check->isa_count; i++) results_destroy(&kept[i]);
  job_destroy(&job);
}

/* Families for one number of classes: all of them, or a few in turn where that would take long. */
static size_t families_for(enum level level, const struct function *function, size_t option, size_t classes) {
  if (level == LARGE) return FAMILIES;
  if (classes > 100000) return 1;
  if (level == QUICK || classes > 5000) return 2;
  if (function->loss) return 3; /* there are many */
  return option == 0 ? FAMILIES : 5;
}

static void accuracy_option(struct check *check, struct line *line, const struct function *function,
                            size_t option_index) {
  const struct option *option = &function->options[option_index];
  struct random r = {random_mix(check->seed, function->name)};
  size_t count, next = option_index;
  const size_t *classes = case_classes(check->level, &count);
  for (size_t i = 0; i < count; i++) {
    if (!case_turn(function, option_index, i, count, 1)) continue;
    size_t families = families_for(check->level, function, option_index, classes[i]);
    for (size_t k = 0; k < families; k++, next++) {
      struct case_rows rows = case_rows(&r, classes[i], check->level == LARGE ? 100000 : 8000);
      accuracy_case(check, line, function, option, rows, classes[i], (enum family)(next % FAMILIES));
    }
    next++; /* FAMILIES is prime to few counts: shift, so that every size meets every family over the options */
  }
  accuracy_case(check, line, function, option, (struct case_rows){0, 1}, 10, PLAIN);
  size_t many = check->level == QUICK                                        ? 100
                : check->level == LARGE && !(function->loss && option_index) ? 1000000
                                                                             : 5000;
  accuracy_case(check, line, function, option, (struct case_rows){many, 1}, 3, PLAIN);
}

/* A line an option; a loss has one for all. */
size_t accuracy_lines(const struct function *function) { return function->loss ? 1 : function->option_count; }

void check_accuracy(struct check *check, const struct function *function) {
  struct line line = {.function = function->name, .what = "every option", .isas = check->isa_count};
  for (size_t i = 0; i < function->option_count; i++) {
    if (!function->loss) line = (struct line){function->name, function->options[i].name, .isas = check->isa_count};
    accuracy_option(check, &line, function, i);
    if (!function->loss || i + 1 == function->option_count) report_line(check->report, &line);
  }
}
