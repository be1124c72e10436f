/* Sums and means of doubles against the element losses, which are added up exactly here: as long doubles, with what
 * each addition lost beside. Also where partial sums are beyond the largest double, and of infinities and NaN. */
#include <math.h>
#include <stdlib.h>
#include <tgmath.h>

#include "check.h"
#include "losses.h"
#include "ulp.h"

enum { GATE = 2 };

static struct expectation sum_of(const double *terms, size_t count, real divisor) {
  struct expectation exact = {0, 0};
  real lost = 0;
  for (size_t i = 0; i < count; i++) {
    const real term = terms[i], sum = exact.value + term;
    const real of_term = sum - exact.value, error = (exact.value - (sum - of_term)) + (term - of_term);
    if (isfinite(sum)) lost += error;
    exact.value = sum;
    exact.scale += fabs(term);
  }
  return (struct expectation){(exact.value + lost) / divisor, exact.scale / divisor};
}

struct sums {
  struct check *check;
  struct line *line;
  struct job *job;
  const char *isa;
  const double *elements;
};

static void of_reduction(struct sums *s, vloss_reduction reduction) {
  const size_t rows = s->job->rows, columns = s->job->classes, width = s->job->function->flat_rows ? columns : 1;
  const bool by_row = reduction == VLOSS_KERAS_NONE;
  const size_t count = by_row ? rows : 1, terms = rows * width / count;
  const real divisor = reduction == VLOSS_SUM ? 1 : by_row ? (real)width : (real)(rows * width);
  double *const results = malloc((count + 1) * sizeof *results);
  if (!results) exit(2);
  vloss_loss_args args = loss_arguments(s->job);
  args.reduction = reduction;
  args.loss = results;
  args.grad = args.grad_target = args.grad_other = NULL;
  const vloss_status status = library->loss_sized(&args, sizeof args);
  if (status != VLOSS_OK)
    report_failure(s->check->report, s->line, s->isa, check_where(s->job), "%s", vloss_status_name(status));
  for (size_t i = 0; status == VLOSS_OK && i < count; i++) {
    const struct expectation exact = sum_of(s->elements + i * terms, terms, divisor);
    const double error = ulp_error_of_double(results[i], exact, GATE, false);
    s->line->cases++;
    report_ulp(s->line, s->isa, "sum", error, GATE);
    if (!(error <= GATE))
      report_failure(s->check->report, s->line, s->isa, check_where(s->job),
                     "reduction %d of %zu losses is %.17g, exactly %.20Lg: %.3g ulp", (int)reduction, terms, results[i],
                     (long double)exact.value, error);
  }
  free(results);
}

void check_sums_of_doubles(struct check *check, const struct function *function) {
  static const size_t sizes[][2] = {{1, 1},    {1, 31},   {3, 1},     {16, 16},   {7, 147},   {1, 1023},
                                    {33, 600}, {1025, 3}, {3, 40001}, {70000, 2}, {1, 200000}};
  static const enum family families[] = {PLAIN, EQUAL, RISING, WIDE, SHIFTED, HUGE_RANGE, WITH_INFINITY, WITH_NAN};
  static const vloss_reduction reductions[] = {VLOSS_SUM, VLOSS_MEAN, VLOSS_KERAS_NONE};
  struct line line = {.function = function->name, .what = "sums of the losses", .isas = check->isa_count};
  if (!function->loss) return;
  struct option plain = function->options[0], weighed = plain; /* number 0: VLOSS_NONE, no weights */
  weighed.name = "none, signed weights";
  weighed.weights = weighed.signed_weights = true;
  const bool classes = function->loss->info.operands & VLOSS_WEIGHTS_A_CLASS;
  weighed.weights_spread = classes ? VLOSS_PER_COLUMN : VLOSS_PER_ROW;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (size_t k = 0; k < sizeof families / sizeof *families; k++) {
      if (check->level == QUICK && sizes[i][0] * sizes[i][1] > 30000 && k) continue;
      struct job job;
      job_create(&job, function, k == 2 || k == 5 ? &weighed : &plain, sizes[i][0], sizes[i][1], families[k],
                 check->seed);
      for (size_t isa = 0; isa < check->isa_count; isa++) {
        struct sums sums = {check, &line, &job, check->isas[isa], NULL};
        const struct layout layout = {.count = job.rows, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS, .dense = true};
        if (!check_run(check, &line, &job, layout, isa, sums.isa, check_default_environment())) continue;
        sums.elements = job_array(&job, "loss")->values;
        job_place(&job, layout, &(struct random){isa});
        for (size_t r = 0; r < sizeof reductions / sizeof *reductions; r++) of_reduction(&sums, reductions[r]);
      }
      job_destroy(&job);
    }
  report_line(check->report, &line);
}
