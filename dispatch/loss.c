/* vloss_loss: check the arguments, choose the kernel, call it, divide the sum. */
#include "check.h"
#include "environment.h"
#include "memory/labels.h"
#include "registry.h"
#include "select.h"

enum { KNOWN_FLAGS = VLOSS_UNCHECKED | VLOSS_EMPTY_MEAN_ZERO };

static int takes(const vloss_loss_info *info, uint32_t what) { return (info->operands & what) != 0; }

/* The fields that stand for themselves, before any array is looked at. */
static vloss_status check_fields(const vloss_loss_args *a, const vloss_loss_info *info) {
  if (a->type < VLOSS_F32 || a->type > VLOSS_BF16 || a->label_type < VLOSS_I64 || a->label_type > VLOSS_I32 ||
      a->reduction < VLOSS_MEAN || a->reduction > VLOSS_KERAS_SUM_OVER_BATCH_SIZE ||
      a->other_spread < VLOSS_PER_ELEMENT || a->other_spread > VLOSS_PER_CALL ||
      a->weights_spread < VLOSS_PER_ELEMENT || a->weights_spread > VLOSS_PER_CALL || a->flags & ~(uint32_t)KNOWN_FLAGS)
    return VLOSS_ERROR_ENUM;
  if (a->type != VLOSS_F32) return VLOSS_ERROR_TYPE;
  const int labels = takes(info, VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS);
  if ((a->labels && !labels) || (a->target && !takes(info, VLOSS_TAKES_TARGET)) ||
      (a->other && !takes(info, VLOSS_TAKES_OTHER)) || (a->grad_target && !takes(info, VLOSS_GRAD_TARGET)) ||
      (a->grad_other && !takes(info, VLOSS_GRAD_OTHER)) || (info->family == VLOSS_ELEMENTWISE && a->inner > 1) ||
      (a->other_spread != VLOSS_PER_ELEMENT && (!takes(info, VLOSS_OTHER_SPREADS) || a->grad_other)))
    return VLOSS_ERROR_ARGUMENTS;
  if (a->weights && info->family == VLOSS_ROWS) {
    const int of_formula = takes(info, VLOSS_WEIGHTS_A_CLASS), by_column = a->weights_spread == VLOSS_PER_COLUMN,
              by_element = a->weights_spread == VLOSS_PER_ELEMENT && takes(info, VLOSS_WEIGHTS_AN_ELEMENT);
    if (of_formula ? !by_column && !by_element : by_column || a->weights_spread == VLOSS_PER_ELEMENT)
      return VLOSS_ERROR_ARGUMENTS;
  }
  if (!a->loss && !a->grad && !a->grad_target && !a->grad_other) return VLOSS_ERROR_NO_OUTPUT;
  return VLOSS_OK;
}

/* Fills values with the parameters, defaults included. */
static vloss_status check_parameters(const vloss_loss_args *a, const vloss_loss_info *info, double *values) {
  if (a->parameter_count > info->parameter_count || (a->parameters && !a->parameter_count))
    return VLOSS_ERROR_PARAMETER_COUNT;
  if (a->parameter_count && !a->parameters) return VLOSS_ERROR_NULL;
  if ((uintptr_t)a->parameters % _Alignof(double)) return VLOSS_ERROR_ALIGNMENT;
  for (size_t i = 0; i < info->parameter_count; i++) {
    const vloss_parameter_info *p = &info->parameters[i];
    const double v = i < a->parameter_count ? a->parameters[i] : p->default_value;
    const int in_range = (p->above_minimum ? v > p->minimum : v >= p->minimum) && v <= p->maximum;
    if (!in_range || (p->whole && v != (double)(int)v)) return p->error;
    values[i] = v;
  }
  return VLOSS_OK;
}

/* The operand as the kernels see it and as the checks of memory do. */
static vloss_status check_operand(const void *p, vloss_spread spread, size_t stride, const struct vloss_shape *shape,
                                  struct vloss_operand *operand, struct vloss_array *array) {
  const size_t rows = shape->outer * shape->inner;
  *operand = (struct vloss_operand){p, 0, 0};
  if (spread == VLOSS_PER_ELEMENT) {
    vloss_status status = vloss_check_tensor(p, shape, stride, array);
    *operand = (struct vloss_operand){p, array->stride, 1};
    return status;
  }
  *array = (struct vloss_array){NULL, 0, 0, 0, sizeof(float)};
  if (stride) return VLOSS_ERROR_ARGUMENTS;
  if (spread == VLOSS_PER_COLUMN) operand->column_stride = 1;
  if (spread == VLOSS_PER_ROW) operand->row_stride = 1;
  *array = vloss_array_flat(p,
                            spread == VLOSS_PER_COLUMN ? shape->classes
                            : spread == VLOSS_PER_ROW  ? rows
                                                       : 1,
                            sizeof(float));
  return VLOSS_OK;
}

static vloss_status check_result(void *p, size_t stride, const struct vloss_shape *shape, struct vloss_result *result,
                                 struct vloss_array *array) {
  const vloss_status status = vloss_check_tensor(p, shape, stride, array);
  *result = (struct vloss_result){p, array->stride};
  return status;
}

static void add_result(struct vloss_memory *memory, struct vloss_loss_job *job, struct vloss_array array,
                       const void *in_place, const void *or_in_place) {
  if (array.p && (array.p == in_place || array.p == or_in_place)) job->staged_results = 1;
  vloss_add_output(memory, array, array.p == or_in_place ? or_in_place : in_place);
}

/* An operand that must lie in [0, high]: NaN is the kernel's to pass on, if it is welcome. */
struct domain {
  const struct vloss_operand *operand;
  float high;
  int nan_welcome;
  vloss_status error;
};
static struct domain domain_of(const struct vloss_loss_row *loss, const struct vloss_loss_job *job) {
  const float infinity = __builtin_inff();
  const int any = loss->first_parameter == PARAMETER_LOG_PREDICTION && job->parameters[0] == 1;
  if (loss->other == DOMAIN_VARIANCE) return (struct domain){&job->other, infinity, 1, VLOSS_ERROR_VARIANCE};
  if (loss->prediction == DOMAIN_STRICT_PROBABILITY)
    return (struct domain){&job->prediction, 1, 0, VLOSS_ERROR_PROBABILITY};
  if (loss->prediction == DOMAIN_RATE && !any) return (struct domain){&job->prediction, infinity, 1, VLOSS_ERROR_RATE};
  return (struct domain){NULL, 0, 0, VLOSS_OK};
}

/* The passes over the data that checked mode makes, before anything is written. */
static vloss_status check_values(const vloss_loss_args *a, const struct vloss_loss_row *loss,
                                 const struct vloss_loss_job *job, const struct vloss_table *table) {
  const size_t rows = job->outer * job->inner;
  if (job->labels.p) {
    const size_t count = job->labels.list ? rows * job->columns : rows;
    for (size_t i = 0; i < count; i++) {
      const int64_t c = vloss_label_at(&job->labels, i);
      if (c >= -job->labels.list && c < (int64_t)job->columns) continue;
      if (a->bad_index) *a->bad_index = job->labels.list ? i / job->columns : i;
      return VLOSS_ERROR_LABEL;
    }
  }
  const struct domain domain = domain_of(loss, job);
  const struct vloss_operand *o = domain.operand;
  if (!o || job->columns == 0) return VLOSS_OK; /* rows of nothing may be as many as numbers go */
  /* As few runs as the strides allow; what is spread is looked at once. */
  size_t lines = o->row_stride ? rows : rows > 0, width = o->column_stride ? job->columns : 1;
  size_t step = o->row_stride;
  if (o->row_stride == width) width *= lines, lines = lines > 0;
  for (size_t line = 0; line < lines; line++) {
    const size_t at = table->first_outside(o->p + line * step, width, domain.high, domain.nan_welcome);
    if (at == width) continue;
    const size_t line_length = o->column_stride ? job->columns : 1;
    if (a->bad_index) *a->bad_index = (line + at / line_length) * job->columns + at % line_length;
    return domain.error;
  }
  return VLOSS_OK;
}

/* hinge's label_mode 0: 1 (targets are 0 and 1) if every target of the call is 0 or 1, else 2. */
static void resolve_label_mode(const struct vloss_loss_job *job, const struct vloss_table *table, double *label_mode) {
  const struct vloss_operand *t = &job->target;
  size_t lines = job->outer, width = job->columns;
  if (*label_mode != 0) return;
  *label_mode = 1;
  if (width == 0) return; /* rows of nothing may be as many as numbers go */
  if (t->row_stride == width) width *= lines, lines = lines > 0;
  for (size_t line = 0; line < lines && *label_mode == 1; line++)
    if (!table->all_binary(t->p + line * t->row_stride, width)) *label_mode = 2;
}

/* What a reduction divides the total by. */
static double denominator(vloss_reduction reduction, vloss_family family, size_t rows, size_t columns) {
  const double per_row = family == VLOSS_ROWS ? 1 : (double)columns;
  switch (reduction) {
    case VLOSS_MEAN:
    case VLOSS_KERAS_SUM_OVER_BATCH_SIZE:
      return (double)rows * per_row;
    case VLOSS_BATCH_MEAN:
      return (double)rows;
    case VLOSS_KERAS_NONE:
    case VLOSS_KERAS_SUM:
      return per_row;
    case VLOSS_SUM:
    case VLOSS_NONE:
      break;
  }
  return 1;
}

static vloss_status run(const void *args, size_t size, int function) {
  (void)function; /* there is but one */
  const struct vloss_table *table;
  vloss_loss_args copy;
  const void *complete;
  vloss_status status = vloss_check_args(&complete, &copy, sizeof copy, args, size);
  const vloss_loss_args *a = complete;
  if (!status) status = vloss_select(&table);
  if (status) return status;
  struct vloss_loss_job job = {0};
  if (!vloss_loss_index(a->kind, &job.index)) return VLOSS_ERROR_ENUM;
  const struct vloss_loss_row *loss = vloss_loss_row_at(job.index);
  const vloss_loss_info *info = &loss->info;
  double parameters[VLOSS_MAX_PARAMETERS];
  if (info->family == VLOSS_LOGITS) return VLOSS_ERROR_ARGUMENTS;
  if ((status = check_fields(a, info)) || (status = check_parameters(a, info, parameters))) return status;

  /* Shape and operands. */
  const int by_rows = info->family == VLOSS_ROWS;
  struct vloss_shape shape;
  if ((status = vloss_check_shape(a->rows, by_rows ? a->columns : 1, a->inner, &shape))) return status;
  shape.classes = a->columns;
  const size_t rows = shape.outer * shape.inner;
  size_t elements;
  if (!vloss_fits(rows, a->columns, &elements) || !vloss_fits(elements, sizeof(int64_t), &elements))
    return VLOSS_ERROR_OVERFLOW;
  elements = rows * a->columns;
  const int other_needed = takes(info, VLOSS_TAKES_OTHER) && !takes(info, VLOSS_OTHER_OPTIONAL);
  const int labels = takes(info, VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS);
  if (elements && (!a->prediction || (other_needed && !a->other) || (labels ? !a->labels : !a->target)))
    return VLOSS_ERROR_NULL;

  const int per_row = by_rows || a->reduction == VLOSS_KERAS_NONE;
  const int reduced = a->reduction != VLOSS_NONE && a->reduction != VLOSS_KERAS_NONE;
  const size_t losses = reduced ? 1 : per_row ? rows : elements;
  const vloss_spread per_loss = reduced ? VLOSS_PER_CALL : per_row ? VLOSS_PER_ROW : VLOSS_PER_ELEMENT;
  const vloss_spread target_spread = takes(info, VLOSS_TAKES_TARGET_PER_ROW) ? VLOSS_PER_ROW : VLOSS_PER_ELEMENT;
  struct vloss_array prediction, target, other, weights, upstream, grad, grad_target, grad_other;
  if ((status = check_operand(a->prediction, VLOSS_PER_ELEMENT, a->prediction_stride, &shape, &job.prediction,
                              &prediction)) ||
      (status = check_operand(a->target, target_spread, a->target_stride, &shape, &job.target, &target)) ||
      (status = check_operand(a->other, a->other_spread, a->other_stride, &shape, &job.other, &other)) ||
      (status = check_operand(a->weights, a->weights_spread, a->weights_stride, &shape, &job.weights, &weights)) ||
      (status = check_operand(a->upstream, per_loss, 0, &shape, &job.upstream, &upstream)) ||
      (status = check_result(a->grad, a->grad_stride, &shape, &job.grad, &grad)) ||
      (status = check_result(a->grad_target, a->grad_target_stride, &shape, &job.grad_target, &grad_target)) ||
      (status = check_result(a->grad_other, a->grad_other_stride, &shape, &job.grad_other, &grad_other)))
    return status;
  job.labels = (struct vloss_labels){
      .p = a->labels, .narrow = a->label_type == VLOSS_I32, .list = takes(info, VLOSS_TAKES_LABEL_LISTS)};

  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, prediction);
  vloss_add_input(&memory, target);
  vloss_add_input(&memory, other);
  vloss_add_input(&memory, weights);
  vloss_add_input(&memory, upstream);
  vloss_add_input(&memory,
                  vloss_array_flat(a->labels, job.labels.list ? elements : rows, vloss_label_size(job.labels.narrow)));
  vloss_add_output(&memory, vloss_array_flat(a->loss, losses, sizeof(float)), NULL);
  /* A list of labels needs the whole prediction for every element of the gradient. */
  const void *p = job.labels.list ? NULL : a->prediction, *t = target_spread == VLOSS_PER_ROW ? NULL : a->target;
  add_result(&memory, &job, grad, p, t);
  add_result(&memory, &job, grad_target, p, t);
  add_result(&memory, &job, grad_other, a->other_spread == VLOSS_PER_ELEMENT ? a->other : NULL, NULL);
  if ((status = vloss_check_memory(&memory))) return status;

  job.outer = shape.outer;
  job.columns = a->columns;
  job.inner = shape.inner;
  if (by_rows && a->weights_spread == VLOSS_PER_COLUMN) {
    job.class_weights = a->weights;
    job.weights.p = NULL;
  }
  job.parameters = parameters;
  /* Kernels make NaN of what lies outside a domain. So where the total is all that is wanted, it tells whether to look
   * for that at all, and nothing has been written by then. */
  const int checked = !(a->flags & VLOSS_UNCHECKED);
  const int sum_checks =
      domain_of(loss, &job).operand && reduced && a->loss && !a->grad && !a->grad_target && !a->grad_other;
  if (checked && !sum_checks && (status = check_values(a, loss, &job, table))) return status;
  if (loss->first_parameter == PARAMETER_LABEL_MODE) resolve_label_mode(&job, table, &parameters[0]);

  /* One value a row of one column is one an element. */
  const double divisor = denominator(a->reduction, info->family, rows, a->columns);
  job.form = reduced                                  ? VLOSS_FORM_TOTAL
             : per_row && !by_rows && a->columns != 1 ? VLOSS_FORM_ROW_MEANS
                                                      : VLOSS_FORM_ELEMENTS;
  job.loss = reduced ? NULL : a->loss;
  job.total_wanted = reduced && a->loss;
  job.grad_scale = 1 / divisor;
  if (reduced && a->upstream) {
    job.grad_scale *= (double)*(const float *)a->upstream;
    job.upstream.p = NULL;
  }
  if (by_rows)
    table->rows(&job);
  else
    table->elementwise(&job);
  if (checked && sum_checks && job.total != job.total && (status = check_values(a, loss, &job, table))) return status;
  if (a->loss && reduced) {
    const int none = a->reduction == VLOSS_KERAS_SUM_OVER_BATCH_SIZE || a->reduction == VLOSS_KERAS_SUM
                         ? rows == 0
                         : divisor == 0 && a->flags & VLOSS_EMPTY_MEAN_ZERO;
    const double value = none ? 0 : job.total / divisor;
    *(float *)a->loss = value == value ? (float)value : __builtin_nanf("");
  }
  if (a->loss && job.form == VLOSS_FORM_ROW_MEANS && a->columns == 0)
    for (size_t row = 0; row < rows; row++) ((float *)a->loss)[row] = __builtin_nanf("");
  return VLOSS_OK;
}

vloss_status vloss_loss_sized(const vloss_loss_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, 0);
}
