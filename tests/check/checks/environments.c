/* The caller's floating-point environment neither matters nor changes. */
#include "cases.h"
#include "environment.h"

void check_environment(struct check *check, const struct function *function) {
  static const size_t classes[] = {1, 5, 17, 100, 300};
  struct line line = {.function = function->name, .what = "any environment", .isas = check->isa_count};
  struct random r = {random_mix(check->seed, "environment")};
  size_t count;
  const struct environment *environments = environment_list(&count);
  for (size_t o = 0; o < function->option_count; o++)
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
      if (!case_turn(function, o, i, sizeof classes / sizeof *classes, 1)) continue;
      struct job job;
      enum family family = (enum family)random_below(&r, FAMILIES);
      job_create(&job, function, &function->options[o], 34, classes[i], family, check->seed);
      struct layout layout = {.count = 34, .inner = random_below(&r, 2) ? 1 : 17, .outputs = (uint32_t)ALL_OUTPUTS};
      for (size_t k = 0; k < check->isa_count; k++) {
        const char *isa = check->isas[k];
        struct results base = {{NULL}};
        if (!check_run(check, &line, &job, layout, 0, isa, environments[0].word)) continue;
        job_keep(&job, &base);
        for (size_t e = 1; e < count; e++)
          if (check_run(check, &line, &job, layout, 0, isa, environments[e].word))
            check_same(check, &line, &job, &base, isa, environments[e].name);
        results_destroy(&base);
      }
      job_destroy(&job);
    }
  report_line(check->report, &line);
}
