/* Sums and means of the losses against the exact sum of their element (or row) losses, as the library itself returns
 * those under VLOSS_NONE: 2 ulp, at any length and for equal elements, whatever else is asked for in the same call. Of
 * doubles also where partial sums are beyond the largest one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#include "cases.h"
#include "losses.h"
#include "ulp.h"

#define GATE 2.0

struct sums {
  struct check *check;
  struct line *line;
  struct job *job;
  const char *isa;
  const struct array *elements; /* the losses under VLOSS_NONE: floats or doubles */
};

static const struct {
  vloss_reduction reduction;
  const char *name;
} reductions[] = {{VLOSS_SUM, "sum"},
                  {VLOSS_MEAN, "mean"},
                  {VLOSS_BATCH_MEAN, "batch mean"},
                  {VLOSS_KERAS_NONE, "Keras none"},
                  {VLOSS_KERAS_SUM, "Keras sum"},
                  {VLOSS_KERAS_SUM_OVER_BATCH_SIZE, "Keras sum over batch size"}};

/* Of `count` losses from `first` on, exactly: what each addition lost is kept beside the sum. */
static struct expectation sum_of(const struct sums *s, size_t first, size_t count, real divisor) {
  struct expectation exact = {0, 0};
  real lost = 0;
  for (size_t i = first; i < first + count; i++) {
    const real term = job_value(s->elements, i), sum = exact.value + term;
    const real of_term = sum - exact.value, error = (exact.value - (sum - of_term)) + (term - of_term);
    if (isfinite(sum)) lost += error;
    exact.value = sum;
    exact.scale += fabs(term);
  }
  return (struct expectation){(exact.value + lost) / divisor, exact.scale / divisor};
}

static void compare(struct sums *s, const char *reduction, real got, size_t first, size_t count, real divisor) {
  /* A row loss beyond the largest number is infinite only when it is written as one. */
  for (size_t i = first; !s->job->function->flat_rows && i < first + count; i++)
    if (isinf(job_value(s->elements, i))) return;
  const struct expectation exact = sum_of(s, first, count, divisor);
  const bool wide = s->elements->element == F64;
  const double error =
      wide ? ulp_error_of_double((double)got, exact, GATE, false) : ulp_error((float)got, exact, GATE, false);
  s->line->cases++;
  report_ulp(s->line, s->isa, "sum", error, GATE);
  if (!(error <= GATE))
    report_failure(s->check->report, s->line, s->isa, check_where(s->job),
                   "%s of %zu losses is %.17g, exactly %.20Lg: %.3g ulp", reduction, count, (double)got,
                   (long double)exact.value, error);
}

static void of_reduction(struct sums *s, size_t k, bool with_grad) {
  const size_t rows = s->job->rows, columns = s->job->classes;
  const bool by_element = s->job->function->flat_rows, by_row = reductions[k].reduction == VLOSS_KERAS_NONE;
  const size_t count = by_row ? rows : 1, width = by_element ? columns : 1;
  if (by_row && rows > 1000000) return; /* row values of one element each: nothing is added */
  const bool wide = s->elements->element == F64;
  double *const results = malloc((count + 1) * sizeof *results); /* or floats */
  if (!results) exit(2);
  vloss_loss_args args = loss_arguments(s->job);
  args.reduction = reductions[k].reduction;
  args.loss = results;
  if (!with_grad) args.grad = args.grad_target = args.grad_other = NULL;
  const vloss_status status = library->loss_sized(&args, sizeof args);
  if (status != VLOSS_OK)
    report_failure(s->check->report, s->line, s->isa, check_where(s->job), "%s", vloss_status_name(status));
  const real n = (real)(rows * width);
  const real divisors[] = {[VLOSS_SUM] = 1,
                           [VLOSS_MEAN] = n,
                           [VLOSS_BATCH_MEAN] = (real)rows,
                           [VLOSS_KERAS_NONE] = (real)width,
                           [VLOSS_KERAS_SUM] = (real)width,
                           [VLOSS_KERAS_SUM_OVER_BATCH_SIZE] = n};
  const size_t terms = rows * width / count;
  for (size_t i = 0; status == VLOSS_OK && i < count; i++)
    compare(s, reductions[k].name, wide ? (real)results[i] : (real)((const float *)(const void *)results)[i], i * terms,
            terms, divisors[args.reduction]);
  free(results);
}

static void of_size(struct check *check, struct line *line, const struct function *function,
                    const struct option *option, enum family family, size_t rows, size_t columns) {
  struct job job;
  struct sums sums = {check, line, &job, NULL, NULL};
  job_create(&job, function, option, rows, columns, family, check->seed);
  for (size_t i = 0; i < check->isa_count; i++) {
    const struct layout layout = {.count = rows, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS, .dense = true};
    sums.isa = check->isas[i];
    if (!check_run(check, line, &job, layout, i, sums.isa, check_default_environment())) continue;
    sums.elements = job_array(&job, "loss");
    job_place(&job, layout, &(struct random){i});
    for (size_t k = 0; k < sizeof reductions / sizeof *reductions; k++)
      if (function->flat_rows || reductions[k].reduction != VLOSS_BATCH_MEAN)
        for (int with_grad = 0; with_grad < 2; with_grad++) of_reduction(&sums, k, with_grad);
  }
  job_destroy(&job);
}

/* A prediction or two that are no finite numbers: the sum is what the element losses make of it, wherever they stand,
 * and the gradients of the others keep their bits. */
static void of_specials(struct check *check, struct line *line, const struct function *function) {
  enum { N = 9001 };
  static const size_t places[][2] = {{0, 1}, {5000, 8999}, {8999, 4000}, {9000, 9000}, {4100, 70}};
  const float infinity = INFINITY,
              values[][2] = {{(float)NAN, (float)NAN}, {infinity, infinity},   {-infinity, -infinity},
                             {infinity, -infinity},    {infinity, (float)NAN}, {(float)NAN, -infinity}};
  struct option option = function->options[0];
  option.flags = VLOSS_UNCHECKED;
  struct job job;
  job_create(&job, function, &option, 1, N, PLAIN, check->seed);
  float *room = malloc(4 * N * sizeof *room), *p = room, *losses = room + N, *grad = room + 2 * N, *kept = room + 3 * N;
  if (!room) exit(2);
  for (size_t isa = 0; isa < check->isa_count; isa++) {
    const struct layout layout = {.count = 1, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS, .dense = true};
    if (!check_run(check, line, &job, layout, isa, check->isas[isa], check_default_environment())) continue;
    job_place(&job, layout, &(struct random){isa});
    memcpy(kept, job_array(&job, "grad")->values, N * sizeof *kept);
    for (size_t k = 0; k < sizeof values / sizeof *values * (sizeof places / sizeof *places); k++) {
      const size_t *at = places[k % 5];
      const float *value = values[k / 5];
      float total = 0;
      real sum = 0;
      memcpy(p, job_data(&job, "prediction"), N * sizeof *p);
      for (size_t i = 0; i < 2; i++) p[at[i]] = value[i];
      vloss_loss_args args = loss_arguments(&job);
      args.prediction = p, args.prediction_stride = 0, args.loss = losses, args.reduction = VLOSS_NONE;
      args.grad = args.grad_target = args.grad_other = NULL;
      vloss_status status = library->loss_sized(&args, sizeof args);
      args.loss = &total, args.reduction = VLOSS_SUM, args.grad = grad, args.grad_stride = 0;
      if (!status) status = library->loss_sized(&args, sizeof args);
      size_t different = 0;
      for (size_t i = 0; i < N; i++) {
        sum += losses[i];
        different += i != at[0] && i != at[1] && memcmp(&grad[i], &kept[i], sizeof *grad) != 0;
      }
      line->cases++;
      const bool right = isnan(sum) ? isnan(total) : isinf(sum) ? (real)total == sum : isfinite(total);
      if (status || different || !right)
        report_failure(check->report, line, check->isas[isa], check_where(&job),
                       "%g at %zu and %g at %zu: status %d, sum %g for %g, %zu other gradients changed",
                       (double)value[0], at[0], (double)value[1], at[1], (int)status, (double)total, (double)sum,
                       different);
    }
  }
  free(room);
  job_destroy(&job);
}

void check_sums(struct check *check, const struct function *function) {
  static const size_t sizes[][2] = {{1, 1},      {1, 31},      {1, 33},       {3, 1},       {16, 16},   {1, 1023},
                                    {1, 1025},   {7, 147},     {1025, 3},     {33, 1000},   {3, 40001}, {400000, 1},
                                    {1, 400000}, {4096, 4096}, {16777216, 1}, {1, 16777216}};
  /* Of floats of_specials has the last two, and more. */
  static const enum family families[] = {PLAIN, EQUAL, RISING, WIDE, SHIFTED, HUGE_RANGE, WITH_INFINITY, WITH_NAN};
  const size_t family_count = job_type == VLOSS_F64 ? 8 : 6;
  static const size_t levels[] = {[QUICK] = 9, [NORMAL] = 11, [LARGE] = 16};
  struct line line = {.function = function->name, .what = "sums of the losses", .isas = check->isa_count};
  if (!function->loss) return;
  struct option plain = function->options[0], weighed = plain; /* number 0: VLOSS_NONE, no weights */
  weighed.name = "none, signed weights";
  weighed.weights = weighed.signed_weights = true;
  const bool classes = function->loss->info.operands & VLOSS_WEIGHTS_A_CLASS;
  weighed.weights_spread = classes ? VLOSS_PER_COLUMN : VLOSS_PER_ROW;
  for (size_t i = 0; i < levels[check->level]; i++)
    for (size_t k = 0; k < (sizes[i][0] * sizes[i][1] > 50000 ? 2 : family_count); k++)
      of_size(check, &line, function, k == 2 || k == 5 ? &weighed : &plain, families[k], sizes[i][0], sizes[i][1]);
  if (job_type == VLOSS_F32 && function->flat_rows && loss_domain(function->loss, &plain, "prediction") == DOMAIN_REAL)
    of_specials(check, &line, function);
  report_line(check->report, &line);
}
