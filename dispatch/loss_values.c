/* The values that a call of vloss_loss must not contain, and what the targets decide. */
#include "loss_call.h"
#include "memory/labels.h"

static vloss_status check_labels(const struct vloss_loss_call *call) {
  const struct vloss_labels *labels = &call->job.labels;
  const size_t columns = call->job.columns, count = labels->list ? call->rows * columns : call->rows;
  const int64_t lowest = labels->list ? -1 : 0; /* -1 ends a list */
  for (size_t i = 0; labels->p && i < count; i++) {
    const int64_t c = vloss_label_at(labels, i);
    if (c >= lowest && c < (int64_t)columns) continue;
    if (call->args->bad_index) *call->args->bad_index = labels->list ? i / columns : i;
    return VLOSS_ERROR_LABEL;
  }
  return VLOSS_OK;
}

/* An operand that must lie in [0, high]: NaN is the kernel's to pass on, if it is welcome. */
struct bounds {
  const struct vloss_operand *operand; /* null: nothing is bounded */
  float high;
  int nan_welcome;
  vloss_status error;
};

static struct bounds bounds_of(const struct vloss_loss_call *call) {
  const struct vloss_loss_row *loss = call->loss;
  const struct vloss_loss_job *job = &call->job;
  const float infinity = __builtin_inff();
  const int log_prediction = loss->first_parameter == PARAMETER_LOG_PREDICTION && call->parameters[0] == 1;
  if (loss->other == DOMAIN_VARIANCE) return (struct bounds){&job->other, infinity, 1, VLOSS_ERROR_VARIANCE};
  if (loss->prediction == DOMAIN_STRICT_PROBABILITY)
    return (struct bounds){&job->prediction, 1, 0, VLOSS_ERROR_PROBABILITY};
  if (loss->prediction == DOMAIN_RATE && !log_prediction)
    return (struct bounds){&job->prediction, infinity, 1, VLOSS_ERROR_RATE};
  return (struct bounds){NULL, 0, 0, VLOSS_OK};
}

int vloss_loss_has_domain(const struct vloss_loss_call *call) { return bounds_of(call).operand != NULL; }

vloss_status vloss_loss_check_values(const struct vloss_loss_call *call) {
  const struct bounds bounds = bounds_of(call);
  const struct vloss_operand *o = bounds.operand;
  const size_t rows = call->rows, columns = call->job.columns;
  const vloss_status status = check_labels(call);
  if (status || !o || columns == 0) return status; /* rows of nothing may be as many as numbers go */
  /* As few runs as the strides allow; what is spread is looked at once. */
  const size_t line_length = o->column_stride ? columns : 1;
  size_t lines = o->row_stride ? rows : rows > 0, width = line_length;
  if (o->row_stride == width) width *= lines, lines = lines > 0;
  for (size_t line = 0; line < lines; line++) {
    const size_t at = call->table->first_outside(o->p + line * o->row_stride, width, bounds.high, bounds.nan_welcome);
    if (at == width) continue;
    if (call->args->bad_index) *call->args->bad_index = (line + at / line_length) * columns + at % line_length;
    return bounds.error;
  }
  return VLOSS_OK;
}

void vloss_loss_resolve_label_mode(struct vloss_loss_call *call) {
  const struct vloss_operand *t = &call->job.target;
  double *const label_mode = &call->parameters[0];
  size_t lines = call->job.outer, width = call->job.columns;
  if (call->loss->first_parameter != PARAMETER_LABEL_MODE || *label_mode != 0) return;
  *label_mode = 1;
  if (width == 0) return; /* rows of nothing may be as many as numbers go */
  if (t->row_stride == width) width *= lines, lines = lines > 0;
  for (size_t line = 0; line < lines && *label_mode == 1; line++)
    if (!call->table->all_binary(t->p + line * t->row_stride, width)) *label_mode = 2;
}
