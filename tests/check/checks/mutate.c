/* See search.h: how a job is changed for the next step of the climb, within what the promise speaks of. */
#include <math.h>
#include <string.h>

#include "half.h"
#include "losses.h"
#include "search.h"

static size_t bytes_of(const struct job *job, const struct array *array) {
  const size_t size = array->element == I64 || array->element == F64 ? 8 : 4;
  return job_row_length(job, array) * size;
}

static size_t first_of(const struct job *job, const struct array *array, size_t row) {
  return array->shape == MATRIX || array->shape == PER_ROW ? row * job_row_length(job, array) : 0;
}
static char *place_of(const struct job *job, const struct array *array, size_t row) {
  return (char *)array->values + (array->shape == MATRIX || array->shape == PER_ROW ? row * bytes_of(job, array) : 0);
}

void candidate_take(struct candidate *c, const struct job *job, size_t row) {
  c->option = *job->option;
  c->classes = job->classes;
  for (size_t k = 0; k < job->array_count; k++)
    memcpy(c->arrays[k], place_of(job, &job->arrays[k], row), bytes_of(job, &job->arrays[k]));
}

void candidate_put(const struct candidate *c, struct job *job, size_t row) {
  for (size_t k = 0; k < job->array_count; k++)
    if (!job->arrays[k].output)
      memcpy(place_of(job, &job->arrays[k], row), c->arrays[k], bytes_of(job, &job->arrays[k]));
}

/* ---- Single numbers ---- */

static bool is_floating(const struct array *array) { return array->element == F32 || array->element == F64; }
static vloss_type type_of(const struct array *array) { return array->element == F64 ? VLOSS_F64 : array->type; }
static int digits_of(vloss_type type) {
  return type == VLOSS_F64 ? 52 : type == VLOSS_F32 ? 23 : type == VLOSS_F16 ? 10 : 7;
}

static double from_bits(vloss_type type, uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  if (type == VLOSS_F64) return x;
  if (type != VLOSS_F32) return (double)half_widened(type, (uint16_t)bits);
  float y;
  memcpy(&y, &(uint32_t){(uint32_t)bits}, sizeof y);
  return (double)y;
}
static uint64_t to_bits(vloss_type type, double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (type == VLOSS_F64) return bits;
  const float y = (float)x;
  if (type != VLOSS_F32) return half_narrowed(type, y);
  uint32_t narrow;
  memcpy(&narrow, &y, sizeof narrow);
  return narrow;
}

/* Steps of some ulp, flipped bits, other exponents, values at which something happens. */
static double mutated(double x, vloss_type type, struct random *r) {
  static const float specials[] = {0,      1,   -1,    0.5f,     2, 1e-7f, 0x1.fffffcp-1f, 0x1.fffffep-1f,
                                   1e-12f, 100, -0.0f, 0x1p-126f};
  const int digits = digits_of(type);
  const uint64_t bits = to_bits(type, x);
  const uint64_t step = 1 + random_below(r, (size_t)1 << random_below(r, (size_t)(digits + 1) / 2));
  switch (random_below(r, 12)) {
    case 0:
      return (double)specials[random_below(r, sizeof specials / sizeof *specials)];
    case 1:
      return -x;
    case 2:
      return ldexp(x, (int)random_below(r, 9) - 4);
    case 3:
      return (double)any_bell(r);
    case 4:
      return (double)any_with_exponent(r, 127 - 60, 127 + 30);
    case 5:
    case 6:
      return from_bits(type, bits ^ (uint64_t)1 << random_below(r, (size_t)digits));
    case 7:
      return x * (double)(0.5f + random_unit(r));
    default:
      return from_bits(type, random_below(r, 2) ? bits + step : bits - step);
  }
}

static double clamped(double x, double low, double high) { return x > low ? x < high ? x : high : low; }

/* The nearest number that the promise speaks of. Rows add and compare in double: what their margins are beside cannot
 * be of any size. */
static double fitted(enum vloss_domain domain, bool by_rows, double x) {
  const double highest = by_rows ? 0x1p20 : 0x1p60;
  if (isnan(x)) x = 1;
  switch (domain) {
    case DOMAIN_PROBABILITY:
    case DOMAIN_STRICT_PROBABILITY:
    case DOMAIN_UNIT:
    case DOMAIN_ROW_PROBABILITY:
      return clamped(fabs(x), 0, 1);
    case DOMAIN_WEIGHED:
      return fabs(x) < 0x1p-60 ? 0 : clamped(fabs(x), 0, 1);
    case DOMAIN_LOG_PROBABILITY:
      return -clamped(fabs(x), 0, 0x1p60);
    case DOMAIN_POSITIVE: /* beside an eps, the reference has 64 bits */
      return fabs(x) < 0x1p-30 ? 0 : clamped(fabs(x), 0, 0x1p30);
    case DOMAIN_VARIANCE:
    case DOMAIN_RATE:
      return clamped(fabs(x), 0, 0x1p60);
    case DOMAIN_FACTOR:
      return fabs(x) < 0x1p-60 ? 0 : clamped(fabs(x), 0, 0x1p64);
    case DOMAIN_COUNT:
      return clamped(fabs(x), 0, 0x1p24);
    case DOMAIN_SIGN:
    case DOMAIN_HINGE_LABEL:
      return x < 0 ? -1 : 1;
    default:
      return clamped(x, -highest, highest);
  }
}

/* Of cross-entropy, softmax and the rest. */
static double fitted_to_name(const struct job *job, const char *name, double x) {
  const bool backward = job_array(job, "upstream") && job_array(job, "input");
  const bool of_log = strcmp(job->function->name, "log_softmax_backward") == 0;
  if (strcmp(name, "targets") == 0 || (backward && !of_log && strcmp(name, "input") == 0)) {
    /* Its product with the scale of gradients is a float, whose digits a large weight cannot bring back from denormals.
     */
    const double p = fitted(DOMAIN_PROBABILITY, true, x);
    return fabs(p) < 0x1p-100 ? 0 : p;
  }
  if (backward && of_log && strcmp(name, "input") == 0) return fitted(DOMAIN_LOG_PROBABILITY, true, x);
  return fitted(DOMAIN_REAL, true, x);
}

static double in_range(const struct job *job, const struct array *array, double x) {
  const bool factor = strcmp(array->name, "weights") == 0 || strcmp(array->name, "row_weights") == 0 ||
                      strcmp(array->name, "upstream") == 0;
  if (factor && array->shape != MATRIX) {
    x = isnan(x) ? 1 : x;
    return fabs(x) < 0x1p-60 ? 0 : clamped(x, -0x1p40, 0x1p40);
  }
  if (!job->function->loss) return fitted_to_name(job, array->name, x);
  return fitted(loss_operand_domain(job, array->name), !job->function->flat_rows, x);
}
/* Products of doubles far below 1 are denormals, of which nothing is promised; floats are computed in double. */
static double fitted_in(const struct job *job, const struct array *array, double x) {
  if (array->element == F64 && fabs(x) < 0x1p-300) x = 0;
  return job_fitted(array, in_range(job, array, x));
}

void fit_row(struct job *job, size_t row) {
  for (size_t k = 0; k < job->array_count; k++) {
    struct array *array = &job->arrays[k];
    if (array->output || !is_floating(array)) continue;
    for (size_t c = 0; c < job_row_length(job, array); c++) {
      const size_t i = first_of(job, array, row) + c;
      job_set_value(array, i, fitted_in(job, array, job_value(array, i)));
    }
  }
}

/* ---- Rows ---- */

static struct array *any_input(struct job *job, struct random *r, bool shared) {
  for (int tries = 0; tries < 20; tries++) {
    struct array *array = &job->arrays[random_below(r, job->array_count)];
    const bool is_shared = array->shape == SCALAR || array->shape == PER_CLASS;
    if (!array->output && is_shared == shared) return array;
  }
  return NULL;
}

static void mutate_one(struct job *job, struct array *array, size_t row, struct random *r) {
  char *place = place_of(job, array, row);
  const size_t count = job_row_length(job, array), c = random_below(r, count), i = first_of(job, array, row) + c;
  if (!is_floating(array)) {
    const int64_t label = (int64_t)random_below(r, job->classes);
    if (array->element == I64) memcpy(place + 8 * c, &label, 8);
    if (array->element == I32) memcpy(place + 4 * c, &(int32_t){(int32_t)label}, 4);
    return;
  }
  const double x = job_value(array, i);
  const struct array *other = any_input(job, r, false);
  double y = mutated(x, type_of(array), r);
  if (random_below(r, 6) == 0 && other && is_floating(other)) { /* near, or the same as, another number */
    y = job_value(other, first_of(job, other, row) + random_below(r, job_row_length(job, other)));
    if (random_below(r, 2)) y = from_bits(type_of(array), to_bits(type_of(array), y) + random_below(r, 9) - 4);
    if (random_below(r, 4) == 0) y = x + y;
  }
  job_set_value(array, i, fitted_in(job, array, y));
}

void mutate_row(struct job *job, size_t row, struct random *r) {
  for (size_t times = (size_t)1 << random_below(r, 3); times > 0; times--) {
    struct array *array = any_input(job, r, false);
    if (array) mutate_one(job, array, row, r);
  }
}

/* ---- Options ---- */

/* Within what people use, and a little beyond. */
static double any_parameter(const vloss_parameter_info *p, double old, struct random *r) {
  double x = random_below(r, 2) ? old * (double)(0.5f + random_unit(r)) : (double)random_unit(r) * 4;
  if (random_below(r, 4) == 0) x = p->default_value;
  if (random_below(r, 4) == 0) x = (double)(float)mutated((double)(float)old, VLOSS_F32, r);
  if (strcmp(p->name, "alpha") == 0 && random_below(r, 4) == 0) x = -x;
  if (p->whole) x = p->minimum + (double)random_below(r, (size_t)(p->maximum - p->minimum) + 1);
  if (fabs(x) > 64) x = 64;
  if (fabs(x) < 0x1p-40) x = 0;
  if (!(x >= p->minimum)) x = p->minimum;
  if (!(x <= p->maximum)) x = p->maximum;
  if (p->above_minimum && x <= p->minimum + 0x1p-30) x = p->minimum + 0x1p-30 * (double)(1 + random_unit(r));
  return x;
}

void mutate_shared(struct job *job, struct option *option, struct random *r) {
  struct array *array = any_input(job, r, true);
  if (array) mutate_one(job, array, 0, r);
  if (job->function->loss && option->parameter_count && random_below(r, 2)) {
    const size_t i = random_below(r, option->parameter_count);
    const vloss_parameter_info *p = &job->function->loss->info.parameters[i];
    if (!p->whole) option->parameters[i] = any_parameter(p, option->parameters[i], r);
  }
  if (!job->function->loss && option->smoothing > 0)
    option->smoothing = (double)random_unit(r) * (random_below(r, 2) ? 1 : 1e-3);
}

struct option any_option(const struct function *function, struct random *r) {
  static const vloss_reduction reductions[] = {VLOSS_NONE, VLOSS_NONE, VLOSS_NONE, VLOSS_SUM, VLOSS_MEAN};
  struct option option = function->options[random_below(r, function->option_count)];
  if (option.ids > MAX_COLUMNS) option.ids = 3; /* a candidate has room for no more */
  if (!function->loss) return option;
  const vloss_loss_info *info = &function->loss->info;
  option.reduction = reductions[random_below(r, 5)];
  option.upstream = random_below(r, 2);
  option.weights = random_below(r, 2);
  option.weights_spread = info->operands & VLOSS_WEIGHTS_A_CLASS ? VLOSS_PER_COLUMN : VLOSS_PER_ROW;
  option.other_spread = VLOSS_PER_ELEMENT;
  option.parameter_count = info->parameter_count;
  for (size_t i = 0; i < info->parameter_count; i++)
    option.parameters[i] = any_parameter(&info->parameters[i], info->parameters[i].default_value, r);
  return option;
}
