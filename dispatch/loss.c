/* vloss_loss: check the arguments, choose the kernel, call it, divide the sum. */
#include <math.h>

#include "check.h"
#include "environment.h"
#include "executor.h"
#include "loss_call.h"
#include "select.h"

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

/* What multiplies the gradients: 1 / divisor, and the upstream gradient of a reduced loss. */
static void set_grad_scale(struct vloss_loss_job *job, const void *upstream, vloss_type type, double divisor) {
  job->grad_scale = 1 / divisor;
  if (type != VLOSS_F64) {
    if (upstream) job->grad_scale *= (double)*(const float *)upstream;
    return;
  }
  /* In two parts, so that gradients are rounded once. */
  const double factor = upstream ? *(const double *)upstream : 1, scale = job->grad_scale * factor;
  const double lost = fma(-job->grad_scale, divisor, 1) / divisor;
  const double low = fma(job->grad_scale, factor, -scale) + lost * factor;
  job->grad_scale = scale;
  job->grad_scale_low = low - low == 0 && scale - scale == 0 ? low : 0;
}

/* How the losses become numbers, and what multiplies the gradients. */
static void set_form(struct vloss_loss_call *call, double divisor) {
  const vloss_loss_args *a = call->args;
  struct vloss_loss_job *job = &call->job;
  /* One value a row of one column is one an element. */
  const int row_means =
      a->reduction == VLOSS_KERAS_NONE && call->loss->info.family == VLOSS_ELEMENTWISE && a->columns != 1;
  job->form = call->reduced ? VLOSS_FORM_TOTAL : row_means ? VLOSS_FORM_ROW_MEANS : VLOSS_FORM_ELEMENTS;
  if (!call->reduced && a->type == VLOSS_F64) job->wide_loss = a->loss;
  if (!call->reduced && a->type != VLOSS_F64) job->loss = a->loss;
  job->total_wanted = call->reduced && a->loss;
  set_grad_scale(job, call->reduced ? a->upstream : NULL, a->type, divisor);
  if (call->reduced) job->upstream.p = NULL;
}

static void put_loss(const vloss_loss_args *a, size_t i, double value) {
  if (a->type == VLOSS_F64)
    ((double *)a->loss)[i] = value == value ? value : __builtin_nan("");
  else
    ((float *)a->loss)[i] = value == value ? (float)value : __builtin_nanf("");
}

/* What the kernel leaves to do: the reduced loss, and the means of rows of nothing. */
static void write_loss(const struct vloss_loss_call *call, double quotient, double divisor) {
  const vloss_loss_args *a = call->args;
  if (call->job.total_wanted) {
    const int of_keras = a->reduction == VLOSS_KERAS_SUM_OVER_BATCH_SIZE || a->reduction == VLOSS_KERAS_SUM;
    const int empty = of_keras ? call->rows == 0 : divisor == 0 && a->flags & VLOSS_EMPTY_MEAN_ZERO;
    put_loss(a, 0, empty ? 0 : quotient);
  }
  if (a->loss && call->job.form == VLOSS_FORM_ROW_MEANS && a->columns == 0)
    for (size_t row = 0; row < call->rows; row++) put_loss(a, row, __builtin_nan(""));
}

/* The straight way of what most small calls are: a few comparisons, the kernel, the quotient. Returns 0, and has
 * written at most a gradient, for any other, and where the total is no number: which may mean an error. */
static int run_few(struct vloss_loss_call *call) {
  const vloss_loss_args *a = call->args;
  struct vloss_partial partial;
  if (!vloss_loss_prepare_few(call)) return 0;
  const vloss_family family = call->loss->info.family;
  const double divisor = denominator(a->reduction, family, a->rows, a->columns);
  call->job.grad_scale = a->grad ? 1 / divisor : 1;
  vloss_clear_partial(&partial);
  call->table->loss(&call->job, (struct vloss_range){0, family == VLOSS_ROWS ? a->rows : a->rows * a->columns},
                    &partial);
  if (partial.sum.terms != 1 || partial.sum.only != partial.sum.only) return 0;
  if (a->loss) *(float *)a->loss = (float)(partial.sum.only / divisor);
  return 1;
}

static void run_range(const void *call, struct vloss_range range, struct vloss_partial *partial) {
  const struct vloss_loss_call *c = call;
  vloss_loss_kernel *const kernel = c->args->type == VLOSS_F64 ? c->table->f64->loss : c->table->loss;
  kernel(&c->job, range, partial);
}

/* The kernel, and the total of the losses over the divisor. */
static double run_kernel(const struct vloss_loss_call *call, double divisor) {
  const struct vloss_loss_job *job = &call->job;
  const size_t columns = job->columns, elements = call->rows * columns;
  const int of_rows = call->loss->info.family == VLOSS_ROWS;
  struct vloss_work work = {.executor = call->args->executor,
                            .count = of_rows ? call->rows : elements,
                            .step = TOTAL_ELEMENTS,
                            .elements = elements,
                            .task = run_range,
                            .call = call};
  if (of_rows)
    work.step = vloss_row_step(work.executor, columns, job->inner, job->staged_results);
  else if (job->form == VLOSS_FORM_ROW_MEANS && columns)
    work.step = columns < TOTAL_ELEMENTS ? TOTAL_ELEMENTS / columns * columns : columns;
  struct vloss_partial partial;
  vloss_run_work(&work, &partial);
  return vloss_exact_quotient(&partial.sum, divisor);
}

static vloss_status run(const void *args, size_t size, int function) {
  (void)function; /* there is but one */
  vloss_loss_args copy;
  const void *complete;
  struct vloss_loss_call call;
  vloss_status status = vloss_check_args(&complete, &copy, sizeof copy, args, size);
  const vloss_loss_args *a = call.args = complete;
  if (!status) status = vloss_select(&call.table);
  if (!status && run_few(&call)) return VLOSS_OK;
  if (!status) status = vloss_loss_prepare(&call);
  if (status) return status;
  const double divisor = denominator(a->reduction, call.loss->info.family, call.rows, a->columns);
  set_form(&call, divisor);
  /* Kernels make NaN of what lies outside a domain, and of a label that is none. So where the total is all that is
   * wanted, it tells whether to look for that at all, and nothing has been written by then. */
  const int has_domain = vloss_loss_has_domain(&call);
  const int checked = !(a->flags & VLOSS_UNCHECKED) && (has_domain || call.job.labels.p);
  const int total_tells = call.job.total_wanted && !a->grad && !a->grad_target && !a->grad_other;
  if (checked && !total_tells && (status = vloss_loss_check_values(&call))) return status;
  call.job.labels_checked = checked && !total_tells;
  vloss_loss_resolve_label_mode(&call);
  const double quotient = run_kernel(&call, divisor);
  if (checked && total_tells && quotient != quotient && (status = vloss_loss_check_values(&call))) return status;
  write_loss(&call, quotient, divisor);
  return VLOSS_OK;
}

vloss_status vloss_loss_sized(const vloss_loss_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, 0);
}
