/* See losses.h: the options of a loss from its parameters and operands, its inputs and its call; what the reference
 * makes of it is in reference_losses.c. */
#include "losses.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#include "loss_facts.h"
#include "refusals.h"
#include "registry.h"

/* The promise of vloss.h in ulp, of a single loss and of every gradient; sums add the errors of the elements to their
 * own, and sums.c holds them against the elements. */
enum { GATE = 4, SUM_GATE = GATE + 2, SUM_GATE_ELEMENTS = 2 * GATE + 2 };

/* ---- Options: every value of every choice that the registry leaves, each in at least one option. Option number 0 has
 * the first value of every choice. ---- */

enum { NAME = 160 };

struct choices {
  const vloss_reduction *reductions;
  size_t reduction_count, weights, others, flags, label_types, parameter_sets;
};

static const vloss_reduction all_reductions[] = {
    VLOSS_NONE,      VLOSS_MEAN,      VLOSS_SUM, VLOSS_KERAS_NONE, VLOSS_KERAS_SUM_OVER_BATCH_SIZE,
    VLOSS_KERAS_SUM, VLOSS_BATCH_MEAN};
static const char *const reduction_names[] = {
    [VLOSS_MEAN] = "mean",
    [VLOSS_SUM] = "sum",
    [VLOSS_NONE] = "none",
    [VLOSS_BATCH_MEAN] = "batch mean",
    [VLOSS_KERAS_NONE] = "Keras none",
    [VLOSS_KERAS_SUM] = "Keras sum",
    [VLOSS_KERAS_SUM_OVER_BATCH_SIZE] = "Keras sum over batch size",
};
static const char *const spread_names[] = {"per element", "per column", "per row", "per call"};

/* A value worth trying, number i: whole numbers from end to end; else the ends of the range and some within. False:
 * there are not that many. */
static bool parameter_value(const vloss_parameter_info *p, size_t i, double *value) {
  const double within[] = {0.3, 2.5, 1, -1.5, p->above_minimum ? p->minimum + 0x1p-20 : p->minimum, p->maximum};
  for (size_t k = 0;; k++) {
    if (!p->whole && k == sizeof within / sizeof *within) return false;
    *value = p->whole ? p->minimum + (double)k : within[k];
    if (p->whole && *value > p->maximum) return false;
    const bool fits = *value >= p->minimum && *value <= p->maximum && *value != p->default_value;
    if (fits && fabs(*value) != (double)FLT_MAX && i-- == 0) return true;
  }
}

/* Set number `set`: the defaults; then each parameter at each of its values; last, every one at its first value. */
static bool parameter_set(const vloss_loss_info *info, size_t set, struct option *option) {
  double value;
  for (size_t i = 0; i < info->parameter_count; i++) option->parameters[i] = info->parameters[i].default_value;
  option->parameter_count = 0;
  if (set-- == 0) return true;
  for (size_t i = 0; i < info->parameter_count; i++)
    for (size_t k = 0; parameter_value(&info->parameters[i], k, &value); k++) {
      if (set-- > 0) continue;
      option->parameters[i] = value;
      option->parameter_count = i + 1;
      return true;
    }
  for (size_t i = 0; i < info->parameter_count; i++)
    if (parameter_value(&info->parameters[i], 0, &value)) option->parameters[i] = value;
  option->parameter_count = info->parameter_count;
  return set == 0 && info->parameter_count > 1;
}

static struct choices choices_of(const vloss_loss_info *info) {
  const bool by_element = elementwise(info), classes = takes(info, VLOSS_WEIGHTS_A_CLASS);
  struct option ignored = {0};
  struct choices c = {
      .reductions = all_reductions,
      .reduction_count = by_element ? 7 : 6, /* the batch of a row loss is its rows */
      .weights = by_element                              ? 5
                 : takes(info, VLOSS_WEIGHTS_AN_ELEMENT) ? 3
                 : classes                               ? 2
                                                         : 3,
      .others = !takes(info, VLOSS_OTHER_SPREADS)   ? 1
                : takes(info, VLOSS_OTHER_OPTIONAL) ? 5
                                                    : 4,
      .flags = 3,
      .label_types = takes(info, VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS) ? 2 : 1,
  };
  while (parameter_set(info, c.parameter_sets, &ignored)) c.parameter_sets++;
  return c;
}

/* Choice number `axis` of option o, of `count` values: all of them in turn, and no two choices in step. */
static size_t turn(size_t o, size_t axis, size_t count) { return (o + o / count * axis) % count; }

__attribute__((format(printf, 2, 3))) static void say(char *name, const char *format, ...) {
  const size_t length = strlen(name);
  va_list args;
  va_start(args, format);
  vsnprintf(name + length, NAME - length, format, args);
  va_end(args);
}

static struct option make_option(const vloss_loss_info *info, const struct choices *c, size_t o, char *name) {
  static const uint32_t flags[] = {0, VLOSS_UNCHECKED, VLOSS_EMPTY_MEAN_ZERO};
  static const vloss_spread row_spreads[] = {VLOSS_PER_ROW, VLOSS_PER_CALL};
  static const vloss_spread class_spreads[] = {VLOSS_PER_COLUMN, VLOSS_PER_ELEMENT};
  struct option option = {.name = name};
  option.reduction = c->reductions[turn(o, 1, c->reduction_count)];
  const size_t weights = turn(o, 2, c->weights), other = turn(o, 3, c->others);
  option.weights = weights > 0;
  if (weights)
    option.weights_spread = elementwise(info)                    ? (vloss_spread)(weights - 1)
                            : takes(info, VLOSS_WEIGHTS_A_CLASS) ? class_spreads[weights - 1]
                                                                 : row_spreads[weights - 1];
  option.signed_weights = turn(o, 1, 3) == 2;
  option.other = takes(info, VLOSS_TAKES_OTHER) && !(takes(info, VLOSS_OTHER_OPTIONAL) && other == 0);
  if (option.other) option.other_spread = (vloss_spread)(takes(info, VLOSS_OTHER_OPTIONAL) ? other - 1 : other);
  option.upstream = turn(o, 1, 2) == 1;
  option.flags = flags[turn(o, 4, c->flags)];
  option.label_type = turn(o, 3, c->label_types) ? VLOSS_I32 : VLOSS_I64;
  parameter_set(info, turn(o, 5, c->parameter_sets), &option);

  say(name, "%s", reduction_names[option.reduction]);
  for (size_t i = 0; i < option.parameter_count; i++)
    say(name, ", %s %g", info->parameters[i].name, option.parameters[i]);
  if (option.weights)
    say(name, ", %sweights %s", option.signed_weights ? "signed " : "", spread_names[option.weights_spread]);
  if (option.other && c->others > 1) say(name, ", %s %s", info->other, spread_names[option.other_spread]);
  if (option.upstream) say(name, ", upstream");
  if (option.flags & VLOSS_UNCHECKED) say(name, ", unchecked");
  if (option.flags & VLOSS_EMPTY_MEAN_ZERO) say(name, ", empty mean 0");
  if (option.label_type == VLOSS_I32) say(name, ", int32");
  return option;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static void *allocate(size_t count, size_t size) {
  void *p = calloc(count ? count : 1, size);
  if (p) return p;
  fprintf(stderr, "vloss-check: out of memory\n");
  exit(2);
}

static const struct option *make_options(const vloss_loss_info *info, size_t *count) {
  const struct choices c = choices_of(info);
  *count = larger(2 * c.reduction_count, larger(c.parameter_sets, 2 * c.others));
  struct option *options = allocate(*count, sizeof *options);
  for (size_t o = 0; o < *count; o++) options[o] = make_option(info, &c, o, allocate(NAME, 1));
  return options;
}

size_t losses_collect(struct function *out) {
  bool seen[2] = {false, false}; /* families */
  size_t count = 0;
  const struct vloss_loss_row *row;
  for (size_t index = 0; (row = vloss_loss_row_at(index)); index++) {
    const vloss_loss_info *info = &row->info;
    if (info->family == VLOSS_LOGITS) continue;
    if (count == MAX_LOSSES) {
      fprintf(stderr, "vloss-check: more than %d losses: raise MAX_LOSSES\n", MAX_LOSSES);
      exit(2);
    }
    struct function *f = &out[count++];
    *f = (struct function){.name = info->name,
                           .describe = loss_describe,
                           .call = loss_call,
                           .expect = loss_expect,
                           .refuse = loss_refuse,
                           .loss = row,
                           .doubles = true,
                           .flat_rows = elementwise(info),
                           .first_of_family = !seen[info->family]};
    seen[info->family] = true;
    f->options = make_options(info, &f->option_count);
  }
  return count;
}

/* Whether the loss's first parameter is that one, and the option, or the default, gives it that value. */
static bool first_parameter_is(const struct vloss_loss_row *loss, const struct option *option,
                               enum vloss_first_parameter what, double value) {
  return loss->first_parameter == what && parameter_at(&loss->info, option, 0) == value;
}

/* ---- Inputs ---- */

static enum shape spread_shape(vloss_spread spread) {
  static const enum shape shapes[] = {MATRIX, PER_CLASS, PER_ROW, SCALAR};
  return shapes[spread];
}

static void set_integer(struct array *array, size_t i, int64_t value) {
  if (array->element == I64)
    ((int64_t *)array->values)[i] = value;
  else
    ((int32_t *)array->values)[i] = (int32_t)value;
}

/* Labels one a row, or lists that end with the first -1, if there is one. */
static void add_labels(struct job *job, struct random *r, bool lists) {
  const bool bad = job->option->flags & VLOSS_UNCHECKED, wide = job->option->label_type == VLOSS_I64;
  struct array *labels = job_add(job, "labels", lists ? MATRIX : PER_ROW, wide ? I64 : I32);
  labels->flat = true;
  for (size_t i = 0; i < job_length(job, labels); i++) {
    int64_t label;
    fill_labels(r, 1, job->classes, &label);
    if (lists && random_below(r, 4) == 0) label = -1;
    if (bad && random_below(r, lists ? 40 * job->classes : 4) == 0)
      label = random_below(r, 2) ? (int64_t)job->classes : lists ? -2 : -1;
    set_integer(labels, i, label);
  }
}

enum vloss_domain loss_domain(const struct vloss_loss_row *loss, const struct option *option, const char *operand) {
  if (strcmp(operand, "other") == 0) return loss->other;
  if (strcmp(operand, "target") == 0)
    return first_parameter_is(loss, option, PARAMETER_LOG_TARGET, 1) ? loss->prediction : loss->target;
  if (strcmp(operand, "prediction") == 0 && !first_parameter_is(loss, option, PARAMETER_LOG_PREDICTION, 1))
    return loss->prediction;
  return DOMAIN_REAL;
}

enum vloss_domain loss_operand_domain(const struct job *job, const char *operand) {
  return loss_domain(job->function->loss, job->option, operand);
}

void loss_describe(struct job *job, struct random *r) {
  const struct option *option = job->option;
  const struct vloss_loss_row *loss = job->function->loss;
  const vloss_loss_info *info = &loss->info;
  const bool lists = takes(info, VLOSS_TAKES_LABEL_LISTS), labels = lists || takes(info, VLOSS_TAKES_LABELS);
  float kinks[16] = {0, 1, 1e-7f, 0x1.fffffep-1f, 2, 100};
  struct draw d = {.family = job->family,
                   .unchecked = option->flags & VLOSS_UNCHECKED,
                   .rarity = elementwise(info) ? 8 : 3 * larger(job->classes, 1),
                   .kinks = kinks,
                   .kink_count = 6};
  for (size_t i = 0; i < info->parameter_count; i++) kinks[d.kink_count++] = (float)option->parameters[i];

  struct array *prediction = job_add(job, "prediction", MATRIX, F32), *target = NULL, *other = NULL;
  if (labels) add_labels(job, r, lists);
  if (takes(info, VLOSS_TAKES_TARGET)) {
    const bool per_row = takes(info, VLOSS_TAKES_TARGET_PER_ROW);
    target = job_add(job, "target", per_row ? PER_ROW : MATRIX, F32);
    d.domain = loss_operand_domain(job, "target");
    fill_operand(r, &d, job->rows, per_row ? 1 : job->classes, target->values);
  }
  if (option->other) {
    other = job_add(job, "other", spread_shape(option->other_spread), F32);
    d.domain = loss->other;
    fill_operand(r, &d, 1, job_length(job, other), other->values);
  }
  d.domain = loss_operand_domain(job, "prediction");
  const struct array *beside = target && target->shape == MATRIX && random_below(r, 2) ? target : other;
  d.near = beside && beside->shape == MATRIX ? beside->values : NULL;
  fill_operand(r, &d, job->rows, job->classes, prediction->values);

  if (option->weights) {
    struct array *weights = job_add(job, "weights", spread_shape(option->weights_spread), F32);
    float *w = weights->values;
    fill_weights(r, option->signed_weights, job_length(job, weights), w);
    if (job->family == WITH_NAN && job_length(job, weights)) {
      const float nan = any_nan(r); /* in an order that does not depend on the compiler */
      w[random_below(r, job_length(job, weights))] = nan;
    }
  }
  const vloss_reduction reduction = option->reduction;
  const enum shape per_loss = reduction == VLOSS_NONE         ? elementwise(info) ? MATRIX : PER_ROW
                              : reduction == VLOSS_KERAS_NONE ? PER_ROW
                                                              : SCALAR;
  if (option->upstream) {
    struct array *upstream = job_add(job, "upstream", per_loss, F32);
    fill_scales(r, !option->weights, job_length(job, upstream), upstream->values);
    upstream->flat = true;
  }
  const int sum_gate = elementwise(info) ? SUM_GATE_ELEMENTS : SUM_GATE;
  job_add_output(job, "loss", per_loss, F32, reduction == VLOSS_NONE ? GATE : sum_gate)->flat = true;
  struct array *grad = job_add_output(job, "grad", MATRIX, F32, GATE);
  grad->over[0] = lists ? NULL : "prediction";
  grad->over[1] = target && target->shape == MATRIX ? "target" : NULL;
  if (takes(info, VLOSS_GRAD_TARGET)) {
    struct array *grad_target = job_add_output(job, "grad_target", MATRIX, F32, GATE);
    memcpy(grad_target->over, job_array(job, "grad")->over, sizeof grad_target->over);
  }
  if (takes(info, VLOSS_GRAD_OTHER) && other->shape == MATRIX)
    job_add_output(job, "grad_other", MATRIX, F32, GATE)->over[0] = "other";
  job->whole = first_parameter_is(loss, option, PARAMETER_LABEL_MODE, 0);
}

/* ---- Call ---- */

vloss_loss_args loss_arguments(const struct job *job) {
  const struct option *option = job->option;
  const vloss_loss_info *info = &job->function->loss->info;
  const bool target_rows = takes(info, VLOSS_TAKES_TARGET_PER_ROW);
  return (vloss_loss_args){
      .kind = info->kind,
      .rows = job->count / job->inner,
      .columns = job->classes,
      .inner = job->inner,
      .prediction = job_data(job, "prediction"),
      .prediction_stride = job_stride(job, "prediction"),
      .target = job_data(job, "target"),
      .target_stride = target_rows ? 0 : job_stride(job, "target"),
      .other = job_data(job, "other"),
      .other_stride = option->other_spread == VLOSS_PER_ELEMENT ? job_stride(job, "other") : 0,
      .other_spread = option->other_spread,
      .type = job_type,
      .labels = job_data(job, "labels"),
      .label_type = option->label_type,
      .weights = job_data(job, "weights"),
      .weights_stride = option->weights_spread == VLOSS_PER_ELEMENT ? job_stride(job, "weights") : 0,
      .weights_spread = option->weights_spread,
      .parameters = option->parameter_count ? option->parameters : NULL,
      .parameter_count = option->parameter_count,
      .reduction = option->reduction,
      .flags = option->flags,
      .upstream = job_data(job, "upstream"),
      .loss = job_data(job, "loss"),
      .grad = job_data(job, "grad"),
      .grad_stride = job_stride(job, "grad"),
      .grad_target = job_data(job, "grad_target"),
      .grad_target_stride = job_stride(job, "grad_target"),
      .grad_other = job_data(job, "grad_other"),
      .grad_other_stride = job_stride(job, "grad_other"),
      .executor = job_executor,
  };
}

vloss_status loss_call(const struct job *job) {
  vloss_loss_args args = loss_arguments(job);
  return library->loss_sized(&args, sizeof args);
}

void loss_expect(struct job *job) { reference->loss(job); }
