/* Every function against the reference, and every ISA against the others. */
#include <stdlib.h>

#include "cases.h"

/* One job: computed by the reference from the arrays as they lie in memory, then by each ISA in that same layout. */
static void accuracy_case(struct check *check, struct line *line, const struct function *function,
                          const struct option *option, struct case_rows rows, size_t classes, enum family family) {
  struct job job;
  struct results first = {{NULL}};
  const char *first_isa = NULL;
  job_create(&job, function, option, rows.rows, classes, family, check->seed);
  struct layout layout = {.count = rows.rows, .inner = rows.inner, .outputs = (uint32_t)ALL_OUTPUTS};
  uint64_t layout_seed = random_mix(job.seed, "layout");
  struct random r = {layout_seed};
  job_place(&job, layout, &r);
  function->expect(&job);
  for (size_t i = 0; i < check->isa_count; i++) {
    const char *isa = check->isas[i];
    if (!check_run(check, line, &job, layout, layout_seed, isa, check_default_environment())) continue;
    check_ulp(check, line, &job, isa);
    if (first_isa) {
      check_same(check, line, &job, &first, isa, first_isa);
    } else {
      job_keep(&job, &first);
      first_isa = isa;
    }
  }
  results_destroy(&first);
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
    if (check->level != LARGE && !case_turn(function, option_index, i, count, 1)) continue;
    size_t families = families_for(check->level, function, option_index, classes[i]);
    for (size_t k = 0; k < families; k++, next++) {
      struct case_rows rows = case_rows(&r, classes[i], check->level == LARGE ? 100000 : 8000);
      accuracy_case(check, line, function, option, rows, classes[i], (enum family)(next % FAMILIES));
    }
    next++; /* FAMILIES is prime to few counts: shift, so that every size meets every family over the options */
  }
  accuracy_case(check, line, function, option, (struct case_rows){0, 1}, 10, PLAIN);
  size_t many = check->level == QUICK ? 100 : check->level == NORMAL ? 5000 : 1000000;
  accuracy_case(check, line, function, option, (struct case_rows){many, 1}, 3, PLAIN);
}

/* A line an option; a loss has one for all. */
void check_accuracy(struct check *check, const struct function *function) {
  struct line line = {.function = function->name, .what = "every option", .isas = check->isa_count};
  for (size_t i = 0; i < function->option_count; i++) {
    if (!function->loss) line = (struct line){function->name, function->options[i].name, .isas = check->isa_count};
    accuracy_option(check, &line, function, i);
    if (!function->loss || i + 1 == function->option_count) report_line(check->report, &line);
  }
}
