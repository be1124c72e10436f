/* The values that a call of vloss_loss must not contain, and what the targets decide. */
#include "executor.h"
#include "loss_call.h"
#include "memory/labels.h"

/* Looks at a range of numbers, and sets first_bad where something in it is not as it should be. Returns whether all is
 * well; else *bad is the first such number. */
static int all_well(const struct vloss_loss_call *call, size_t count, vloss_range_task *look, const void *what,
                    size_t *bad) {
  const struct vloss_work work = {.executor = call->args->executor,
                                  .count = count,
                                  .step = TOTAL_ELEMENTS,
                                  .elements = count,
                                  .task = look,
                                  .call = what};
  struct vloss_partial partial;
  vloss_run_work(&work, &partial);
  *bad = partial.first_bad;
  return partial.first_bad == SIZE_MAX;
}

static void look_at_labels(const void *what, struct vloss_range range, struct vloss_partial *partial) {
  const struct vloss_loss_call *call = what;
  const struct vloss_labels *labels = &call->job.labels;
  const int64_t lowest = labels->list ? -1 : 0; /* -1 ends a list */
  const size_t below = labels->list != 0;
  if (vloss_labels_within(labels, range.first, range.last - range.first, below, call->job.columns + below)) return;
  for (size_t i = range.first; i < range.last && partial->first_bad == SIZE_MAX; i++) {
    const int64_t c = vloss_label_at(labels, i);
    if (c < lowest || c >= (int64_t)call->job.columns) partial->first_bad = i;
  }
}
static vloss_status check_labels(const struct vloss_loss_call *call) {
  const struct vloss_labels *labels = &call->job.labels;
  const size_t columns = call->job.columns, count = labels->list ? call->rows * columns : call->rows;
  size_t bad;
  if (!labels->p || all_well(call, count, look_at_labels, call, &bad)) return VLOSS_OK;
  if (call->args->bad_index) *call->args->bad_index = labels->list ? bad / columns : bad;
  return VLOSS_ERROR_LABEL;
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

/* An operand as few runs as its strides allow, what is spread being there once: `lines` of `width` values, and calls
 * of a function that looks at a run and tells where the first bad one is. */
struct runs {
  const struct vloss_loss_call *call;
  const struct vloss_operand *operand;
  size_t lines, width;
  struct bounds bounds;
};
static struct runs runs_of(const struct vloss_loss_call *call, const struct vloss_operand *o, size_t rows) {
  struct runs runs = {.call = call, .operand = o, .width = o->column_stride ? call->job.columns : 1};
  runs.lines = o->row_stride ? rows : rows > 0;
  if (o->row_stride == runs.width) runs.width *= runs.lines, runs.lines = runs.lines > 0;
  return runs;
}
/* Calls find() of the runs in a range of the operand's values, until it finds something. */
typedef size_t find_in_run(const struct runs *runs, const void *p, size_t n);
static void look_at_runs(const struct runs *runs, struct vloss_range range, struct vloss_partial *partial,
                         find_in_run *find) {
  for (size_t at = range.first, n; at < range.last; at += n) {
    const size_t line = at / runs->width, column = at % runs->width, of_line = runs->width - column;
    n = range.last - at < of_line ? range.last - at : of_line;
    const size_t first = line * runs->operand->row_stride + column;
    const size_t found = find(runs, vloss_element(runs->operand->p, runs->operand->type, first), n);
    if (found == n) continue;
    partial->first_bad = at + found;
    return;
  }
}

static size_t find_outside(const struct runs *runs, const void *p, size_t n) {
  if (runs->operand->type == VLOSS_F64)
    return runs->call->table->f64->first_outside(p, n, (double)runs->bounds.high, runs->bounds.nan_welcome);
  return runs->call->table->first_outside(p, runs->operand->type, n, runs->bounds.high, runs->bounds.nan_welcome);
}
static void look_at_bounds(const void *runs, struct vloss_range range, struct vloss_partial *partial) {
  look_at_runs(runs, range, partial, find_outside);
}

vloss_status vloss_loss_check_values(const struct vloss_loss_call *call) {
  const struct bounds bounds = bounds_of(call);
  const size_t columns = call->job.columns;
  const vloss_status status = check_labels(call);
  /* Rows of nothing may be as many as numbers go. */
  if (status || !bounds.operand || columns == 0) return status;
  struct runs runs = runs_of(call, bounds.operand, call->rows);
  runs.bounds = bounds;
  size_t bad;
  if (all_well(call, runs.lines * runs.width, look_at_bounds, &runs, &bad)) return VLOSS_OK;
  const size_t line_length = bounds.operand->column_stride ? columns : 1;
  if (call->args->bad_index) *call->args->bad_index = bad / line_length * columns + bad % line_length;
  return bounds.error;
}

static size_t find_other_than_binary(const struct runs *runs, const void *p, size_t n) {
  if (runs->operand->type == VLOSS_F64) return runs->call->table->f64->all_binary(p, n) ? n : 0;
  return runs->call->table->all_binary(p, runs->operand->type, n) ? n : 0;
}
static void look_at_targets(const void *runs, struct vloss_range range, struct vloss_partial *partial) {
  look_at_runs(runs, range, partial, find_other_than_binary);
}

void vloss_loss_resolve_label_mode(struct vloss_loss_call *call) {
  double *const label_mode = &call->parameters[0];
  if (call->loss->first_parameter != PARAMETER_LABEL_MODE || *label_mode != 0) return;
  *label_mode = 1;
  if (call->job.columns == 0) return;
  const struct runs runs = runs_of(call, &call->job.target, call->job.outer);
  size_t bad;
  if (!all_well(call, runs.lines * runs.width, look_at_targets, &runs, &bad)) *label_mode = 2;
}
