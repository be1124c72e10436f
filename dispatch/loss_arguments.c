/* What vloss_loss checks before it looks into any array: fields, parameters, sizes, strides, memory; and the kernel's
 * job made from them. */
#include "check.h"
#include "executor.h"
#include "f64.h"
#include "loss_call.h"
#include "memory/labels.h"

enum { KNOWN_FLAGS = VLOSS_UNCHECKED | VLOSS_EMPTY_MEAN_ZERO };

/* So many bits of rows and of columns make sizes of arrays that cannot overflow. */
enum { PLAIN_BITS = sizeof(size_t) > 4 ? 24 : 14, FEW_BITS = 13 };
_Static_assert(FEW_ELEMENTS < 1 << FEW_BITS, "bits that hold it");

static int takes(const vloss_loss_info *info, uint32_t what) { return (info->operands & what) != 0; }

/* The fields that stand for themselves, before any array is looked at. */
static vloss_status check_fields(const vloss_loss_args *a, const vloss_loss_info *info,
                                 const struct vloss_table *table) {
  if (!vloss_is_type(a->type) || a->label_type < VLOSS_I64 || a->label_type > VLOSS_I32 || a->reduction < VLOSS_MEAN ||
      a->reduction > VLOSS_KERAS_SUM_OVER_BATCH_SIZE || a->other_spread < VLOSS_PER_ELEMENT ||
      a->other_spread > VLOSS_PER_CALL || a->weights_spread < VLOSS_PER_ELEMENT || a->weights_spread > VLOSS_PER_CALL ||
      a->flags & ~(uint32_t)KNOWN_FLAGS)
    return VLOSS_ERROR_ENUM;
  const vloss_status status = vloss_check_type(a->type, table);
  if (status) return status;
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
  return vloss_check_executor(a->executor);
}

/* Fills in the parameters. */
static vloss_status check_parameters(const vloss_loss_args *a, const vloss_loss_info *info, double *values) {
  if (a->parameter_count > info->parameter_count || (a->parameters && !a->parameter_count))
    return VLOSS_ERROR_PARAMETER_COUNT;
  if (a->parameter_count && !a->parameters) return VLOSS_ERROR_NULL;
  if ((uintptr_t)a->parameters % _Alignof(double)) return VLOSS_ERROR_ALIGNMENT;
  for (size_t i = 0; i < info->parameter_count; i++) {
    const vloss_parameter_info *p = &info->parameters[i];
    const double v = i < a->parameter_count ? a->parameters[i] : p->default_value;
    const int in_range = (p->above_minimum ? v > p->minimum : v >= p->minimum) && v <= p->maximum;
    if (!in_range || (p->whole && v != (double)(int)v)) {
      if (a->bad_index) *a->bad_index = i;
      return VLOSS_ERROR_PARAMETER;
    }
    values[i] = v;
  }
  return VLOSS_OK;
}

/* Fills *shape. An elementwise loss has no classes: there may be no columns, or more than labels can name. */
static vloss_status check_shape(const vloss_loss_args *a, const vloss_loss_info *info, struct vloss_shape *shape) {
  const vloss_status status = vloss_check_shape(a->rows, info->family == VLOSS_ROWS ? a->columns : 1, a->inner, shape);
  if (status) return status;
  shape->classes = a->columns;
  size_t elements, bytes;
  if (!vloss_fits(shape->outer * shape->inner, a->columns, &elements) || !vloss_fits(elements, sizeof(int64_t), &bytes))
    return VLOSS_ERROR_OVERFLOW;
  const int other_needed = takes(info, VLOSS_TAKES_OTHER) && !takes(info, VLOSS_OTHER_OPTIONAL);
  const int labels = takes(info, VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS);
  if (elements && (!a->prediction || (other_needed && !a->other) || (labels ? !a->labels : !a->target)))
    return VLOSS_ERROR_NULL;
  return VLOSS_OK;
}

/* The operand as the kernels see it and as the checks of memory do. */
struct given {
  const void *p;
  vloss_spread spread;
  size_t stride;
  vloss_type type; /* of one that is of full size: others are float, or double beside doubles */
};
static vloss_status check_operand(struct given given, const struct vloss_shape *shape, struct vloss_operand *operand,
                                  struct vloss_array *array) {
  const size_t rows = shape->outer * shape->inner;
  const void *p = given.p;
  const vloss_type spread_type = given.type == VLOSS_F64 ? VLOSS_F64 : VLOSS_F32;
  *operand = (struct vloss_operand){p, spread_type, 0, 0};
  if (given.spread == VLOSS_PER_ELEMENT) {
    vloss_status status = vloss_check_tensor(p, shape, given.stride, given.type, array);
    *operand = (struct vloss_operand){p, given.type, array->stride, 1};
    return status;
  }
  const size_t element = vloss_type_size(spread_type);
  *array = (struct vloss_array){NULL, 0, 0, 0, element};
  if (given.stride) return VLOSS_ERROR_ARGUMENTS;
  if (given.spread == VLOSS_PER_COLUMN) operand->column_stride = 1;
  if (given.spread == VLOSS_PER_ROW) operand->row_stride = 1;
  *array = vloss_array_flat(p,
                            given.spread == VLOSS_PER_COLUMN ? shape->classes
                            : given.spread == VLOSS_PER_ROW  ? rows
                                                             : 1,
                            element);
  return VLOSS_OK;
}

static vloss_status check_result(void *p, size_t stride, vloss_type type, const struct vloss_shape *shape,
                                 struct vloss_result *result, struct vloss_array *array) {
  const vloss_status status = vloss_check_tensor(p, shape, stride, type, array);
  *result = (struct vloss_result){p, type, array->stride};
  return status;
}

static void add_result(struct vloss_memory *memory, struct vloss_loss_job *job, struct vloss_array array,
                       const void *in_place, const void *or_in_place) {
  if (array.p && (array.p == in_place || array.p == or_in_place)) job->staged_results = 1;
  vloss_add_output(memory, array, array.p == or_in_place ? or_in_place : in_place);
}

/* What the losses are written as, and what their gradients with respect to upstream are read by. */
static vloss_spread spread_of_losses(const struct vloss_loss_call *call) {
  if (call->reduced) return VLOSS_PER_CALL;
  return call->loss->info.family == VLOSS_ROWS || call->args->reduction == VLOSS_KERAS_NONE ? VLOSS_PER_ROW
                                                                                            : VLOSS_PER_ELEMENT;
}

/* The arrays: operands and results of the job, alignment and overlap. */
static vloss_status check_arrays(struct vloss_loss_call *call, const struct vloss_shape *shape) {
  const vloss_loss_args *a = call->args;
  struct vloss_loss_job *job = &call->job;
  const vloss_spread losses = spread_of_losses(call);
  const int target_per_row = takes(&call->loss->info, VLOSS_TAKES_TARGET_PER_ROW);
  const vloss_spread target_spread = target_per_row ? VLOSS_PER_ROW : VLOSS_PER_ELEMENT;
  struct vloss_array prediction, target, other, weights, upstream, grad, grad_target, grad_other;
  vloss_status status;
  const vloss_type type = a->type, loss_type = type == VLOSS_F64 ? VLOSS_F64 : VLOSS_F32;
  const struct given given_prediction = {a->prediction, VLOSS_PER_ELEMENT, a->prediction_stride, type},
                     given_target = {a->target, target_spread, a->target_stride, type},
                     given_other = {a->other, a->other_spread, a->other_stride, type},
                     given_weights = {a->weights, a->weights_spread, a->weights_stride, type},
                     given_upstream = {a->upstream, losses, 0, loss_type};
  if ((status = check_operand(given_prediction, shape, &job->prediction, &prediction)) ||
      (status = check_operand(given_target, shape, &job->target, &target)) ||
      (status = check_operand(given_other, shape, &job->other, &other)) ||
      (status = check_operand(given_weights, shape, &job->weights, &weights)) ||
      (status = check_operand(given_upstream, shape, &job->upstream, &upstream)) ||
      (status = check_result(a->grad, a->grad_stride, type, shape, &job->grad, &grad)) ||
      (status = check_result(a->grad_target, a->grad_target_stride, type, shape, &job->grad_target, &grad_target)) ||
      (status = check_result(a->grad_other, a->grad_other_stride, type, shape, &job->grad_other, &grad_other)))
    return status;
  const size_t rows = call->rows, elements = rows * a->columns;
  const size_t loss_count = losses == VLOSS_PER_CALL ? 1 : losses == VLOSS_PER_ROW ? rows : elements;
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, prediction);
  vloss_add_input(&memory, target);
  vloss_add_input(&memory, other);
  vloss_add_input(&memory, weights);
  vloss_add_input(&memory, upstream);
  vloss_add_input(
      &memory, vloss_array_flat(a->labels, job->labels.list ? elements : rows, vloss_label_size(job->labels.narrow)));
  vloss_add_output(&memory, vloss_array_flat(a->loss, loss_count, vloss_type_size(loss_type)), NULL);
  /* A list of labels needs the whole prediction for every element of the gradient. */
  const void *p = job->labels.list ? NULL : a->prediction, *t = target_per_row ? NULL : a->target;
  add_result(&memory, job, grad, p, t);
  add_result(&memory, job, grad_target, p, t);
  add_result(&memory, job, grad_other, a->other_spread == VLOSS_PER_ELEMENT ? a->other : NULL, NULL);
  return vloss_check_memory(&memory);
}

/* Whether a call is one without options, whose checks need no more than a few comparisons: floats, side by side in
 * arrays that do not touch, of a size whose products cannot overflow. 0 for any other call, right or wrong. */
static int is_plain(struct vloss_loss_call *call) {
  const vloss_loss_args *a = call->args;
  const vloss_loss_info *info = &call->loss->info;
  const uintptr_t arrays = (uintptr_t)a->prediction | (uintptr_t)a->target | (uintptr_t)a->grad | (uintptr_t)a->loss,
                  others = (uintptr_t)a->other | (uintptr_t)a->weights | (uintptr_t)a->upstream | (uintptr_t)a->labels |
                           (uintptr_t)a->grad_target | (uintptr_t)a->grad_other | (uintptr_t)a->executor;
  const size_t strides = a->prediction_stride | a->target_stride | a->other_stride | a->weights_stride |
                         a->grad_stride | a->grad_target_stride | a->grad_other_stride;
  const unsigned enums = (unsigned)a->type | (unsigned)a->other_spread | (unsigned)a->weights_spread |
                         (unsigned)a->label_type | (a->flags & ~(uint32_t)KNOWN_FLAGS);
  const uint32_t operands =
      VLOSS_TAKES_TARGET | VLOSS_TAKES_TARGET_PER_ROW | VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS;
  if (others | strides | enums | (a->inner > 1) | ((a->rows | a->columns) >> PLAIN_BITS)) return 0;
  if (a->reduction < VLOSS_MEAN || a->reduction > VLOSS_KERAS_SUM_OVER_BATCH_SIZE ||
      (info->operands & operands) != VLOSS_TAKES_TARGET ||
      (info->operands & (VLOSS_TAKES_OTHER | VLOSS_OTHER_OPTIONAL)) == VLOSS_TAKES_OTHER)
    return 0;
  if (!a->prediction || !a->target || !(a->loss || a->grad) || !a->rows || !a->columns || !vloss_aligned_floats(arrays))
    return 0;
  call->rows = a->rows;
  call->reduced = a->reduction != VLOSS_NONE && a->reduction != VLOSS_KERAS_NONE;
  const vloss_spread losses = spread_of_losses(call);
  const size_t bytes = a->rows * a->columns * sizeof(float);
  const size_t loss = losses == VLOSS_PER_CALL  ? sizeof(float)
                      : losses == VLOSS_PER_ROW ? a->rows * sizeof(float)
                                                : bytes;
  if (a->loss && (!vloss_apart(a->loss, loss, a->prediction, bytes) || !vloss_apart(a->loss, loss, a->target, bytes)))
    return 0;
  return !a->grad || (vloss_apart(a->grad, bytes, a->prediction, bytes) &&
                      vloss_apart(a->grad, bytes, a->target, bytes) && vloss_apart(a->grad, bytes, a->loss, loss));
}

static void set_plain_job(struct vloss_loss_call *call) {
  const vloss_loss_args *a = call->args;
  struct vloss_loss_job *const job = &call->job;
  job->outer = a->rows;
  job->columns = a->columns;
  job->inner = 1;
  job->prediction = (struct vloss_operand){a->prediction, VLOSS_F32, a->columns, 1};
  job->target = (struct vloss_operand){a->target, VLOSS_F32, a->columns, 1};
  job->grad = (struct vloss_result){a->grad, VLOSS_F32, a->columns};
  job->parameters = call->parameters;
  job->plain = 1;
}

int vloss_loss_prepare_few(struct vloss_loss_call *call) {
  const vloss_loss_args *a = call->args;
  struct vloss_loss_job *job = &call->job;
  size_t index;
  if (!vloss_loss_index(a->kind, &index)) return 0;
  const struct vloss_loss_row *const loss = call->loss = vloss_loss_row_at(index);
  const int has_domain = loss->prediction == DOMAIN_STRICT_PROBABILITY || loss->prediction == DOMAIN_RATE;
  if (loss->info.family == VLOSS_LOGITS || loss->first_parameter == PARAMETER_LABEL_MODE ||
      (has_domain && a->grad && !(a->flags & VLOSS_UNCHECKED)) || (a->rows | a->columns) >> FEW_BITS ||
      a->rows * a->columns > FEW_ELEMENTS || !is_plain(call) || !call->reduced)
    return 0;
  const size_t parameters = a->parameter_count | (uintptr_t)a->parameters | loss->info.parameter_count;
  if (parameters && check_parameters(a, &loss->info, call->parameters)) return 0;
  if (loss->info.family == VLOSS_ROWS) {
    vloss_zero(job, sizeof *job);
    set_plain_job(call);
  } else {
    job->prediction.p = a->prediction;
    job->target.p = a->target;
    job->other.p = NULL;
    job->grad.p = a->grad;
    job->parameters = call->parameters;
  }
  job->index = index;
  job->few = 1;
  return 1;
}

vloss_status vloss_loss_prepare(struct vloss_loss_call *call) {
  const vloss_loss_args *a = call->args;
  struct vloss_loss_job *job = &call->job;
  struct vloss_shape shape;
  vloss_status status;
  vloss_zero(job, sizeof *job);
  if (!vloss_loss_index(a->kind, &job->index)) return VLOSS_ERROR_ENUM;
  call->loss = vloss_loss_row_at(job->index);
  const vloss_loss_info *info = &call->loss->info;
  if (info->family == VLOSS_LOGITS) return VLOSS_ERROR_ARGUMENTS;
  if (is_plain(call)) {
    set_plain_job(call);
    return check_parameters(a, info, call->parameters);
  }
  if ((status = check_fields(a, info, call->table)) || (status = check_parameters(a, info, call->parameters)) ||
      (status = check_shape(a, info, &shape)))
    return status;
  call->rows = shape.outer * shape.inner;
  call->reduced = a->reduction != VLOSS_NONE && a->reduction != VLOSS_KERAS_NONE;
  job->outer = shape.outer;
  job->columns = a->columns;
  job->inner = shape.inner;
  job->parameters = call->parameters;
  job->labels = (struct vloss_labels){
      .p = a->labels, .narrow = a->label_type == VLOSS_I32, .list = takes(info, VLOSS_TAKES_LABEL_LISTS)};
  if ((status = check_arrays(call, &shape))) return status;
  if (info->family == VLOSS_ROWS && a->weights_spread == VLOSS_PER_COLUMN) {
    job->class_weights = a->weights;
    job->weights.p = NULL;
  }
  return VLOSS_OK;
}
