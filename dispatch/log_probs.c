/* vloss_log_probs: check the arguments, choose the kernel, call it. */
#include "check.h"
#include "environment.h"
#include "executor.h"
#include "f64.h"
#include "memory/labels.h"
#include "select.h"

/* The fields that stand for themselves, before any array is looked at. */
static vloss_status check_fields(const vloss_log_probs_args *a, const struct vloss_table *table) {
  if (a->type < VLOSS_F32 || a->type > VLOSS_BF16 || a->label_type < VLOSS_I64 || a->label_type > VLOSS_I32 ||
      a->ignore < VLOSS_IGNORE_DEFAULT || a->ignore > VLOSS_IGNORE_NOTHING || a->flags & ~(uint32_t)VLOSS_UNCHECKED)
    return VLOSS_ERROR_ENUM;
  const vloss_status computed = vloss_check_type(a->type, table);
  if (computed) return computed;
  if (!vloss_is_scale(a->scale) || !vloss_is_scale(a->softcap)) return VLOSS_ERROR_SCALE;
  if (a->ignore_index != 0 && a->ignore == VLOSS_IGNORE_NOTHING) return VLOSS_ERROR_IGNORE_INDEX;
  const int of_ids = a->ids || a->logprob || a->rank || a->upstream;
  if ((a->ids_per_row == 0) != !of_ids || (!a->top && (a->top_id || a->top_logprob)) || a->ids_per_row > INT32_MAX ||
      (a->grad && !a->upstream && !a->entropy_upstream && !a->lse_upstream) || (a->grad_stride && !a->grad))
    return VLOSS_ERROR_ARGUMENTS;
  if (!a->logprob && !a->rank && !a->top_id && !a->top_logprob && !a->max && !a->log_sum && !a->lse && !a->entropy &&
      !a->grad)
    return VLOSS_ERROR_NO_OUTPUT;
  return vloss_check_executor(a->executor);
}

/* Arrays: pointers, strides, alignment, overlap; and the job that the kernel gets. */
static vloss_status prepare(const vloss_log_probs_args *a, struct vloss_log_probs_job *job) {
  struct vloss_shape shape;
  struct vloss_array logits, grad;
  size_t ids, top, bytes;
  vloss_status status;
  if ((status = vloss_check_shape(a->rows, a->classes, a->inner, &shape))) return status;
  const size_t rows = shape.outer * shape.inner;
  if (rows && (!a->logits || (a->ids_per_row && !a->ids))) return VLOSS_ERROR_NULL;
  if (rows && a->top > a->classes) return VLOSS_ERROR_ARGUMENTS;
  if (!vloss_fits(rows, a->ids_per_row, &ids) || !vloss_fits(ids, sizeof(int64_t), &bytes) ||
      !vloss_fits(rows, a->top, &top) || !vloss_fits(top, sizeof(int64_t), &bytes))
    return VLOSS_ERROR_OVERFLOW;
  if ((status = vloss_check_tensor(a->logits, &shape, a->logits_stride, a->type, &logits)) ||
      (status = vloss_check_tensor(a->grad, &shape, a->grad_stride, a->type, &grad)))
    return status;
  const int narrow = a->label_type == VLOSS_I32;
  const size_t number = a->type == VLOSS_F64 ? sizeof(double) : sizeof(float), label = vloss_label_size(narrow);
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, logits);
  vloss_add_input(&memory, vloss_array_flat(a->ids, ids, label));
  vloss_add_input(&memory, vloss_array_flat(a->upstream, ids, number));
  vloss_add_input(&memory, vloss_array_flat(a->entropy_upstream, rows, number));
  vloss_add_input(&memory, vloss_array_flat(a->lse_upstream, rows, number));
  vloss_add_output(&memory, vloss_array_flat(a->logprob, ids, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->rank, ids, label), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->top_id, top, label), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->top_logprob, top, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->max, rows, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->log_sum, rows, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->lse, rows, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->entropy, rows, number), NULL);
  vloss_add_output(&memory, grad, a->logits);
  *job = (struct vloss_log_probs_job){
      .shape = shape,
      .type = a->type,
      .x = a->logits,
      .x_stride = logits.stride,
      .scale = a->scale == 0 ? 1 : a->scale,
      .softcap = a->softcap,
      .ids = {.p = a->ids,
              .narrow = narrow,
              .ignoring = a->ignore != VLOSS_IGNORE_NOTHING,
              .ignore_index = a->ignore == VLOSS_IGNORE_DEFAULT && a->ignore_index == 0 ? -100 : a->ignore_index},
      .ids_per_row = a->ids_per_row,
      .top = a->top_id || a->top_logprob ? a->top : 0,
      .logprob = a->logprob,
      .top_logprob = a->top_logprob,
      .rank = a->rank,
      .top_id = a->top_id,
      .max = a->max,
      .log_sum = a->log_sum,
      .lse = a->lse,
      .entropy = a->entropy,
      .upstream = a->upstream,
      .entropy_upstream = a->entropy_upstream,
      .lse_upstream = a->lse_upstream,
      .grad = a->grad,
      .grad_stride = grad.stride};
  return vloss_check_memory(&memory);
}

/* That every id is a class, or ignored. Writes bad_row. */
static vloss_status check_ids(const vloss_log_probs_args *a, const struct vloss_log_probs_job *job) {
  const size_t ids = job->shape.outer * job->shape.inner * job->ids_per_row;
  if (!ids || a->flags & VLOSS_UNCHECKED) return VLOSS_OK;
  const struct vloss_label_check check = {.labels = &job->ids, .classes = job->shape.classes};
  const struct vloss_work work = {a->executor, ids, TOTAL_ELEMENTS, ids, vloss_check_labels, &check};
  struct vloss_partial partial;
  vloss_run_work(&work, &partial);
  if (partial.first_bad == SIZE_MAX) return VLOSS_OK;
  if (a->bad_row) *a->bad_row = partial.first_bad / job->ids_per_row;
  return VLOSS_ERROR_LABEL;
}

struct kernel_call {
  vloss_log_probs_kernel *kernel;
  const struct vloss_log_probs_job *job;
};
static void run_kernel(const void *call, struct vloss_range range, struct vloss_partial *partial) {
  const struct kernel_call *c = call;
  (void)partial; /* each row has its own results */
  c->kernel(c->job, range);
}

static vloss_status run(const void *args, size_t size, int unused) {
  const struct vloss_table *table;
  vloss_log_probs_args copy;
  const void *complete;
  struct vloss_log_probs_job job;
  (void)unused;
  vloss_status status = vloss_check_args(&complete, &copy, sizeof copy, args, size);
  const vloss_log_probs_args *a = complete;
  if (!status) status = vloss_select(&table);
  if (!status) status = check_fields(a, table);
  if (!status) status = prepare(a, &job);
  if (!status) status = check_ids(a, &job);
  if (status) return status;
  const struct kernel_call call = {a->type == VLOSS_F64 ? table->f64->log_probs : table->log_probs, &job};
  vloss_run_rows(a->executor, &job.shape, a->grad == a->logits, run_kernel, &call);
  return VLOSS_OK;
}

vloss_status vloss_log_probs_sized(const vloss_log_probs_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, 0);
}
