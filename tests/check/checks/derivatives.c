/* The reference against itself: its gradients must be the derivatives of its losses. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "losses.h"

enum { CLASSES = 7, ROWS = 6 };

/* What the gradient is the gradient of: the results of the forward function times the gradient from above, summed. */
static real weighed(const struct expectation *results, const float *upstream, size_t count) {
  real sum = 0;
  for (size_t i = 0; i < count; i++) sum += results[i].value * (real)(upstream ? upstream[i] : 1);
  return sum;
}

struct pair {
  struct job *forward;
  const char *input, *result;
  const float *upstream;
};

static real evaluate(const struct pair *pair) {
  struct job *job = pair->forward;
  struct random r = {1};
  struct layout layout = {.count = ROWS, .inner = 2, .outputs = (uint32_t)ALL_OUTPUTS};
  job_place(job, layout, &r);
  job->function->expect(job);
  const struct array *result = job_array(job, pair->result);
  return weighed(result->expected, pair->upstream, job_length(job, result));
}

static bool of_variation(const struct job *job) { return job->option->divergence == VLOSS_TOTAL_VARIATION; }

/* Classes of small probability bend the total variation by little, and may do so anywhere: up to this, unnoticed. */
static const double SMALL_BEND = 1e-7;

/* Central differences with steps of 2^-11 and 2^-12, extrapolated: the error is of order 2^-46. Inputs are multiples of
 * 2^-19 below 16, so adding the step is exact. `kink`: the slopes to the left and to the right are not the same. */
static real difference(const struct pair *pair, size_t element, real here, bool *kink) {
  float *x = (float *)job_array(pair->forward, pair->input)->values + element, kept = *x;
  real slope[2];
  *kink = false;
  for (int i = 0; i < 2; i++) {
    float step = i ? 0x1p-12f : 0x1p-11f;
    *x = kept + step;
    real above = evaluate(pair);
    *x = kept - step;
    real below = evaluate(pair);
    slope[i] = (above - below) / (2 * (real)step);
    double bend = fabs((double)((above - here) - (here - below)) / (double)step);
    *kink |= !(bend <= 0.03 * (0.1 + fabs((double)slope[i])));
  }
  *x = kept;
  if (of_variation(pair->forward)) *kink |= fabs((double)(slope[1] - slope[0])) > SMALL_BEND;
  return (4 * slope[1] - slope[0]) / 3;
}

static void compare(struct check *check, struct line *line, const struct pair *pair, const struct expectation *gradient,
                    double tolerance) {
  const real here = evaluate(pair);
  /* Of a difference of losses, over the step. */
  const double epsilon = LDBL_MANT_DIG == 64 ? (double)LDBL_EPSILON : DBL_EPSILON;
  const double noise = fabs((double)here) * epsilon * 0x1p14 + (of_variation(pair->forward) ? SMALL_BEND : 0);
  size_t kinks = 0;
  for (size_t i = 0; i < ROWS * CLASSES; i++, line->cases++) {
    const float x = ((const float *)job_array(pair->forward, pair->input)->values)[i];
    if (isnan(x)) continue; /* of an ignored row */
    bool kink;
    double slope = (double)difference(pair, i, here, &kink), expected = (double)gradient[i].value;
    double allowed = tolerance * (1 + fabs(expected) + (double)gradient[i].scale) + noise;
    if (kink && (pair->forward->function->loss || of_variation(pair->forward))) {
      kinks++;
      continue;
    }
    if (!(fabs(slope - expected) <= allowed))
      report_failure(check->report, line, "reference", check_where(pair->forward),
                     "%s: gradient[%zu] is %.12g, slope %.12g", pair->input, i, expected, slope);
  }
  if (2 * kinks > ROWS * CLASSES)
    report_failure(check->report, line, "reference", check_where(pair->forward), "%s: %zu of %d elements lie at kinks",
                   pair->input, kinks, ROWS * CLASSES);
}

/* A loss's gradients with respect to each of its inputs. */
static void of_loss(struct check *check, struct line *line, const struct function *function,
                    const struct option *with_option) {
  static const char *const inputs[][2] = {{"logits", "grad"},      {"student", "grad"},
                                          {"prediction", "grad"},  {"target", "grad_target"},
                                          {"other", "grad_other"}, {"targets", "grad_targets"}};
  struct option option = *with_option;
  option.flags &= ~(uint32_t)VLOSS_UNCHECKED;                       /* which lets NaN in */
  if (option.scale != 0 && option.softcap == 0) option.scale = 0.5; /* others round the logits */
  struct job job;
  job_create(&job, function, &option, ROWS, CLASSES, PLAIN, check->seed);
  if (!job_array(&job, "loss")) { /* log_probs: published values and dispatch/log_probs look at its slopes */
    job_destroy(&job);
    return;
  }
  const struct array *upstream = job_array(&job, "upstream");
  for (size_t i = 0; upstream && i < job_length(&job, upstream); i++) /* of one size: the rows' losses are summed */
    ((float *)upstream->values)[i] = i % 2 ? 0.5f + (float)(i % 8) : -1.25f;
  struct expectation *gradient = malloc(ROWS * CLASSES * sizeof *gradient);
  if (!gradient) exit(2);
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    struct pair pair = {&job, inputs[i][0], "loss", upstream ? upstream->values : NULL};
    const struct array *grad = job_array(&job, inputs[i][1]);
    if (!grad || !job_array(&job, pair.input)) continue;
    if (isfinite((double)evaluate(&pair))) {
      memcpy(gradient, grad->expected, ROWS * CLASSES * sizeof *gradient);
      compare(check, line, &pair, gradient, function->loss && function->loss->rounds ? 1e-3 : 1e-8);
    } else if (function->loss) {
      report_failure(check->report, line, "reference", check_where(&job), "a loss of plain inputs is not finite");
    }
  }
  free(gradient);
  job_destroy(&job);
}

/* NAME_backward of the rounded output of NAME: the rounding to float is the tolerance. */
static void of_forward(struct check *check, struct line *line, const struct function *backward,
                       const struct function *forward) {
  struct job job, back;
  job_create(&job, forward, forward->options, ROWS, CLASSES, PLAIN, check->seed);
  job_create(&back, backward, backward->options, ROWS, CLASSES, PLAIN, check->seed);
  struct pair pair = {&job, "input", "output", job_array(&back, "upstream")->values};
  (void)evaluate(&pair);
  float *y = job_array(&back, "input")->values;
  for (size_t i = 0; i < ROWS * CLASSES; i++) y[i] = (float)job_array(&job, "output")->expected[i].value;
  struct pair other = {&back, "input", "output", NULL};
  (void)evaluate(&other);
  compare(check, line, &pair, job_array(&back, "output")->expected, 1e-6);
  job_destroy(&back);
  job_destroy(&job);
}

void check_derivatives(struct check *check, const struct function *function) {
  struct line line = {.function = function->name, .what = "reference: derivatives", .isas = 1};
  struct job job;
  job_create(&job, function, function->options, 0, 1, PLAIN, 0);
  bool has_gradient = job_array(&job, "grad");
  job_destroy(&job);
  for (size_t o = 0; has_gradient && o < function->option_count; o++)
    of_loss(check, &line, function, &function->options[o]);
  for (size_t f = 0; f < function_count; f++) {
    size_t length = strlen(functions[f].name);
    if (strncmp(function->name, functions[f].name, length) == 0 && strcmp(function->name + length, "_backward") == 0)
      of_forward(check, &line, function, &functions[f]);
  }
  if (line.cases) report_line(check->report, &line);
}
