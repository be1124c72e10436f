/* See witness.h: ordinary inputs, whose results are normal numbers or 0. */
#include <math.h>
#include <string.h>

#include "half.h"
#include "losses.h"
#include "witness.h"

static const char *const names[ORDINARIES] = {"ordinary",          "one class leads", "saturated",     "small",
                                              "small differences", "large",           "ends and masks"};
const char *ordinary_name(enum ordinary kind) { return names[kind]; }

static bool coin(struct random *r) { return random_below(r, 2); }
static float uniform(struct random *r, float low, float high) { return low + random_unit(r) * (high - low); }
static float either(struct random *r, float x) { return coin(r) ? x : -x; }

/* 2^low to 2^high, above 0. */
static float power(struct random *r, int low, int high) {
  return fabsf(any_with_exponent(r, (uint32_t)(127 + low), (uint32_t)(127 + high)));
}

/* From 2^-100 up, so that sizes and factors do not make denormals of them. */
static float any_real(struct random *r, enum ordinary kind) {
  switch (kind) {
    case LEADING:
    case SATURATED:
      return either(r, uniform(r, 20, 104));
    case SMALL:
      return either(r, power(r, -100, -50));
    case SMALL_DIFFERENCE:
      return either(r, power(r, coin(r) ? -90 : -3, 3));
    case LARGE_NUMBERS:
      return either(r, power(r, 13, 60));
    default:
      return any_bell(r);
  }
}

static float any_probability(struct random *r, enum ordinary kind) {
  static const float ends[] = {0, 1, 1e-12f, 1e-7f, 0x1.fffffep-1f, 1e-30f, 0.5f, 0x1.fffffcp-1f};
  switch (kind) {
    case LEADING:
    case SATURATED:
      return coin(r) ? power(r, -100, -20) : 1 - power(r, -24, -10);
    case SMALL:
      return power(r, -100, -50);
    case ENDS:
      return ends[random_below(r, 8)];
    default:
      return uniform(r, 0x1p-6f, 0x1.f8p-1f);
  }
}

/* One element of an operand that holds what `domain` says. */
static float any_element(struct random *r, enum vloss_domain domain, enum ordinary kind) {
  switch (domain) {
    case DOMAIN_PROBABILITY:
    case DOMAIN_STRICT_PROBABILITY:
    case DOMAIN_UNIT:
    case DOMAIN_WEIGHED:
    case DOMAIN_ROW_PROBABILITY:
      return any_probability(r, kind);
    case DOMAIN_LOG_PROBABILITY:
      return -fabsf(any_real(r, kind));
    case DOMAIN_POSITIVE:
    case DOMAIN_VARIANCE:
    case DOMAIN_RATE:
      return fabsf(any_real(r, kind)) + (kind == ORDINARY ? 0x1p-6f : 0);
    case DOMAIN_FACTOR:
      return kind == ENDS ? power(r, -20, 60) : power(r, -6, 6);
    case DOMAIN_COUNT:
      return kind == SMALL ? power(r, -100, -50) : kind == LARGE_NUMBERS ? power(r, 10, 20) : (float)random_below(r, 9);
    case DOMAIN_SIGN:
    case DOMAIN_HINGE_LABEL:
      return coin(r) ? 1 : -1;
    default:
      return any_real(r, kind);
  }
}

/* A row of logits. Large ones end at 2^16: from there on kernels begin with a pass whose terms nobody uses. */
static void any_logits(struct random *r, enum ordinary kind, size_t n, float *x) {
  static const float masks[] = {-INFINITY, -1e4f, -1e9f, -3.4028235e38f};
  for (size_t c = 0; c < n; c++)
    x[c] = kind == LEADING         ? any_bell(r) * 0.25f
           : kind == LARGE_NUMBERS ? either(r, power(r, 13, 15))
                                   : any_real(r, kind);
  const size_t leader = random_below(r, n), one = random_below(r, n);
  const float ahead = uniform(r, 20, 110), mask = masks[random_below(r, 4)];
  if (kind == LEADING) x[leader] = ahead;
  if (kind == LEADING && coin(r)) x[one] = ahead - uniform(r, 0, 30); /* and a runner-up */
  for (size_t c = 0; kind == ENDS && c < n; c++)
    if (c != leader && random_below(r, 3) == 0) x[c] = mask;
}

/* A row of probabilities: normalised nearly, or as single ones. */
static void any_probabilities(struct random *r, enum ordinary kind, size_t n, float *p) {
  const size_t leader = random_below(r, n);
  const bool one_hot = kind == ENDS && coin(r);
  for (size_t c = 0; c < n; c++) {
    p[c] = one_hot ? 0 : any_probability(r, kind);
    if (p[c] > 0x1p-20f) p[c] /= (float)n;
  }
  if (one_hot || kind == LEADING || kind == SATURATED) p[leader] = 1;
}

/* As numbers of the array's type: what is finite stays so, and what is not 0 no less than its least normal number. */
static float of_type(vloss_type type, float x) {
  if (type == VLOSS_F32 || isinf(x)) return x;
  const float most = type == VLOSS_BF16 ? 0x1.fep127f : 65504, least = 0x1p-14f;
  if (fabsf(x) > most) return copysignf(most, x);
  if (type == VLOSS_F16 && x != 0 && fabsf(x) < least) x = copysignf(least * (1 + fabsf(frexpf(x, &(int){0}))), x);
  return half_widened(type, half_narrowed(type, x));
}
static void fit_type(const struct job *job, const struct array *array) {
  float *x = array->values;
  for (size_t i = 0; array->element == F32 && i < job_length(job, array); i++) x[i] = of_type(array->type, x[i]);
}

/* The number of that type above another one, which is neither 0 nor the largest. */
static float above(vloss_type type, float x) {
  if (type == VLOSS_F32) return nextafterf(x, INFINITY);
  return half_widened(type, (uint16_t)(half_narrowed(type, x) + (x > 0 ? 1 : -1)));
}

/* Predictions beside another operand of their type. */
static void beside(struct random *r, const struct array *prediction, const float *other, size_t n) {
  float *const x = prediction->values;
  for (size_t i = 0; i < n; i++) {
    x[i] = other[i];
    for (size_t steps = x[i] != 0 ? random_below(r, 3) : 0; steps > 0; steps--) x[i] = above(prediction->type, x[i]);
    x[i] = of_type(prediction->type, x[i]);
  }
}

static const struct array *matrix(const struct job *job, const char *name) {
  const struct array *array = job_array(job, name);
  return array && array->shape == MATRIX && array->element == F32 ? array : NULL;
}

static void fill_loss(struct job *job, enum ordinary kind, struct random *r) {
  static const char *const operands[] = {"target", "other", "prediction"};
  const struct vloss_loss_row *loss = job->function->loss;
  for (size_t k = 0; k < 3; k++) {
    const struct array *array = job_array(job, operands[k]);
    const enum vloss_domain domain = loss_operand_domain(job, operands[k]);
    if (!array) continue;
    const size_t n = job_length(job, array);
    for (size_t i = 0; i < n; i++) ((float *)array->values)[i] = any_element(r, domain, kind);
    for (size_t row = 0; domain == DOMAIN_ROW_PROBABILITY && row < job->rows; row++)
      any_probabilities(r, kind, job->classes, (float *)array->values + row * job->classes);
    fit_type(job, array);
  }
  const struct array *prediction = job_array(job, "prediction"), *target = matrix(job, "target"),
                     *other = matrix(job, "other");
  if (kind != SMALL_DIFFERENCE || loss->prediction == DOMAIN_LOG_PROBABILITY) return;
  if (target && loss->target != DOMAIN_SIGN && loss->target != DOMAIN_HINGE_LABEL)
    beside(r, prediction, target->values, job_length(job, prediction));
  else if (other && loss->other == DOMAIN_REAL)
    beside(r, prediction, other->values, job_length(job, prediction));
}

void fill_ordinary(struct job *job, enum ordinary kind, struct random *r) {
  if (job->function->loss) {
    fill_loss(job, kind, r);
    return;
  }
  const bool backward = job_array(job, "upstream") && job_array(job, "input");
  const bool of_log = strcmp(job->function->name, "log_softmax_backward") == 0;
  for (size_t k = 0; k < job->array_count; k++) {
    const struct array *array = &job->arrays[k];
    const bool is_input = strcmp(array->name, "input") == 0 || strcmp(array->name, "logits") == 0;
    float *x = array->values;
    for (size_t i = 0; array->shape == PER_ROW && array->element == F32 && !array->output && i < job_length(job, array);
         i++)
      x[i] = uniform(r, -2, 2);
    for (size_t row = 0; array->shape == MATRIX && !array->output && row < job->rows; row++, x += job->classes) {
      if (is_input && !(backward && !of_log))
        any_logits(r, kind, job->classes, x);
      else if (strcmp(array->name, "upstream") == 0)
        fill_upstream(r, job->classes, x);
      else
        any_probabilities(r, kind, job->classes, x);
      for (size_t c = 0; is_input && of_log && c < job->classes; c++) x[c] = -fabsf(x[c]);
    }
    if (!array->output) fit_type(job, array);
  }
}

static float harmless(const struct job *job, const struct array *array, struct random *r) {
  if (strcmp(array->name, "weights") == 0 || strcmp(array->name, "upstream") == 0) return uniform(r, 1, 2);
  if (!job->function->loss)
    return strcmp(array->name, "targets") == 0 ? uniform(r, 0.25f, 0.75f) : any_bell(r) * 0.125f;
  const enum vloss_domain domain = loss_operand_domain(job, array->name);
  if (domain == DOMAIN_SIGN || domain == DOMAIN_HINGE_LABEL) return 1;
  return domain == DOMAIN_LOG_PROBABILITY || domain == DOMAIN_REAL ? -uniform(r, 0.25f, 0.75f)
                                                                   : uniform(r, 0.25f, 0.75f);
}

void fill_harmless(struct job *job, size_t row, size_t column, bool whole_row, struct random *r) {
  for (size_t k = 0; k < job->array_count; k++) {
    const struct array *array = &job->arrays[k];
    if (array->output || array->element != F32) continue;
    float *x = array->values;
    /* What belongs to an element alone: with another factor, others in the row might get small. */
    if (array->shape == PER_ROW && whole_row) x[row] = harmless(job, array, r);
    if (array->shape == PER_CLASS && whole_row) x[column] = harmless(job, array, r);
    if (array->shape == SCALAR && whole_row) x[0] = harmless(job, array, r);
    if (array->shape != MATRIX) continue;
    for (size_t c = whole_row ? 0 : column; c < (whole_row ? job->classes : column + 1); c++)
      x[row * job->classes + c] = of_type(array->type, harmless(job, array, r));
  }
}
