/* vloss_log_probs, of whole rows and in parts: check the arguments, choose the kernel, call it. */
#include "check.h"
#include "environment.h"
#include "executor.h"
#include "f64.h"
#include "logits/log_probs_state.h"
#include "memory/labels.h"
#include "select.h"

enum { WHOLE, PARTIAL, FINISH };

/* What a call on whole rows must not have; what the steps must not have, and need. */
static vloss_status check_step(const vloss_log_probs_args *a, int step) {
  if (step == WHOLE) return a->class_offset || a->total_classes || a->states ? VLOSS_ERROR_ARGUMENTS : VLOSS_OK;
  const int results = a->logprob || a->top_id || a->top_logprob || a->max || a->log_sum || a->lse || a->entropy;
  if (a->rank || a->grad || a->upstream || a->entropy_upstream || a->lse_upstream || (step == PARTIAL && results))
    return VLOSS_ERROR_ARGUMENTS;
  if (a->rows && (step == PARTIAL ? !a->states : !results)) return VLOSS_ERROR_NO_OUTPUT;
  return VLOSS_OK;
}

/* The fields that stand for themselves, before any array is looked at. */
static vloss_status check_fields(const vloss_log_probs_args *a, const struct vloss_table *table, int step) {
  if (!vloss_is_type(a->type) || a->label_type < VLOSS_I64 || a->label_type > VLOSS_I32 ||
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
  if (step == WHOLE && !a->logprob && !a->rank && !a->top_id && !a->top_logprob && !a->max && !a->log_sum && !a->lse &&
      !a->entropy && !a->grad)
    return VLOSS_ERROR_NO_OUTPUT;
  const vloss_status fits = check_step(a, step);
  if (fits) return fits;
  return vloss_check_executor(a->executor);
}

/* How many rows, ids and answers of the top a call has, and the bytes of a state. */
struct counts {
  size_t rows, ids, top, state_bytes;
};
static vloss_status count(const vloss_log_probs_args *a, int step, const struct vloss_shape *shape,
                          size_t total_classes, struct counts *counts) {
  const size_t rows = shape->outer * shape->inner;
  size_t bytes;
  counts->rows = rows;
  if (rows && ((step != FINISH && !a->logits && shape->classes) || (a->ids_per_row && !a->ids) ||
               (step != WHOLE && !a->states)))
    return VLOSS_ERROR_NULL;
  if (rows && a->top > total_classes) return VLOSS_ERROR_ARGUMENTS;
  if (!vloss_fits(rows, a->ids_per_row, &counts->ids) || !vloss_fits(counts->ids, sizeof(int64_t), &bytes) ||
      !vloss_fits(rows, a->top, &counts->top) || !vloss_fits(counts->top, sizeof(int64_t), &bytes))
    return VLOSS_ERROR_OVERFLOW;
  counts->state_bytes = step == WHOLE ? 0 : vloss_log_probs_state_bytes(total_classes, a->ids_per_row, a->top);
  if (rows && ((step != WHOLE && !counts->state_bytes) || !vloss_fits(rows, counts->state_bytes, &bytes)))
    return VLOSS_ERROR_OVERFLOW;
  return VLOSS_OK;
}

/* Whether the arrays lie as they may. */
static vloss_status check_arrays(const vloss_log_probs_args *a, int step, const struct counts *n,
                                 struct vloss_array logits, struct vloss_array grad) {
  const size_t number = a->type == VLOSS_F64 ? sizeof(double) : sizeof(float);
  const size_t label = vloss_label_size(a->label_type == VLOSS_I32);
  const struct vloss_array states = vloss_array_flat(a->states, n->rows * (n->state_bytes / 8), 8);
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, logits);
  if (step == PARTIAL)
    vloss_add_output(&memory, states, NULL);
  else
    vloss_add_input(&memory, states);
  vloss_add_input(&memory, vloss_array_flat(a->ids, n->ids, label));
  vloss_add_input(&memory, vloss_array_flat(a->upstream, n->ids, number));
  vloss_add_input(&memory, vloss_array_flat(a->entropy_upstream, n->rows, number));
  vloss_add_input(&memory, vloss_array_flat(a->lse_upstream, n->rows, number));
  vloss_add_output(&memory, vloss_array_flat(a->logprob, n->ids, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->rank, n->ids, label), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->top_id, n->top, label), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->top_logprob, n->top, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->max, n->rows, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->log_sum, n->rows, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->lse, n->rows, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->entropy, n->rows, number), NULL);
  vloss_add_output(&memory, grad, a->logits);
  return vloss_check_memory(&memory);
}

/* Arrays: pointers, strides, alignment, overlap; and the job that the kernel gets. */
static vloss_status prepare(const vloss_log_probs_args *a, int step, struct vloss_log_probs_job *job) {
  const size_t total_classes = step == WHOLE ? a->classes : a->total_classes;
  const void *const x = step == FINISH ? NULL : a->logits;
  struct vloss_shape shape;
  struct vloss_array logits, grad;
  struct counts n;
  vloss_status status;
  if ((status = vloss_check_shape(a->rows, total_classes, a->inner, &shape))) return status;
  shape.classes = step == FINISH ? 0 : a->classes;
  if ((status = count(a, step, &shape, total_classes, &n)) ||
      (status = vloss_check_tensor(x, &shape, x ? a->logits_stride : 0, a->type, &logits)) ||
      (status = vloss_check_tensor(a->grad, &shape, a->grad_stride, a->type, &grad)))
    return status;
  *job = (struct vloss_log_probs_job){
      .shape = shape,
      .type = a->type,
      .x = x,
      .x_stride = logits.stride,
      .scale = a->scale == 0 ? 1 : a->scale,
      .softcap = a->softcap,
      .ids = {.p = a->ids,
              .narrow = a->label_type == VLOSS_I32,
              .ignoring = a->ignore != VLOSS_IGNORE_NOTHING,
              .ignore_index = a->ignore == VLOSS_IGNORE_DEFAULT && a->ignore_index == 0 ? -100 : a->ignore_index},
      .ids_per_row = a->ids_per_row,
      .top = step != WHOLE || a->top_id || a->top_logprob ? a->top : 0,
      .total_classes = total_classes,
      .class_offset = step == FINISH ? 0 : a->class_offset,
      .states = a->states,
      .state_bytes = n.state_bytes,
      .spread = step == PARTIAL || a->entropy || a->grad,
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
  return check_arrays(a, step, &n, logits, grad);
}

/* That every id is a class, or ignored. Writes bad_row. */
static vloss_status check_ids(const vloss_log_probs_args *a, const struct vloss_log_probs_job *job) {
  const size_t ids = job->shape.outer * job->shape.inner * job->ids_per_row;
  if (!ids || a->flags & VLOSS_UNCHECKED) return VLOSS_OK;
  const struct vloss_label_check check = {.labels = &job->ids, .classes = job->total_classes};
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

/* Complete states of these rows. */
static vloss_status check_states(const struct vloss_log_probs_job *job) {
  for (size_t row = 0; row < job->shape.outer * job->shape.inner; row++) {
    const struct vloss_log_probs_state *const s = vloss_log_probs_state_of(job, row);
    const uint32_t blocks = vloss_state_blocks(job->total_classes);
    if (s->signature != vloss_log_probs_signature(job, row) || s->blocks != blocks || s->total_blocks != blocks ||
        s->ids != job->ids_per_row || s->top != job->top || s->top_count > s->top)
      return VLOSS_ERROR_STATE;
  }
  return VLOSS_OK;
}

static vloss_status run(const void *args, size_t size, int step) {
  const struct vloss_table *table;
  vloss_log_probs_args copy;
  const void *complete;
  struct vloss_log_probs_job job;
  vloss_status status = vloss_check_args(&complete, &copy, sizeof copy, args, size);
  const vloss_log_probs_args *a = complete;
  if (!status) status = vloss_select(&table);
  if (!status) status = check_fields(a, table, step);
  if (!status && step != WHOLE)
    status = vloss_check_shard(a->rows, step == FINISH ? 0 : a->classes, step == FINISH ? 0 : a->class_offset,
                               a->total_classes);
  if (!status) status = prepare(a, step, &job);
  if (!status) status = check_ids(a, &job);
  if (!status && step == FINISH) status = check_states(&job);
  if (status) return status;
  vloss_log_probs_kernel *const of_floats = step == PARTIAL ? table->log_probs_partial : table->log_probs;
  const struct kernel_call call = {a->type != VLOSS_F64 ? of_floats
                                   : step == PARTIAL    ? table->f64->log_probs_partial
                                                        : table->f64->log_probs,
                                   &job};
  vloss_run_rows(a->executor, &job.shape, a->grad && a->grad == a->logits, run_kernel, &call);
  return VLOSS_OK;
}

vloss_status vloss_log_probs_sized(const vloss_log_probs_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, WHOLE);
}
vloss_status vloss_log_probs_partial_sized(const vloss_log_probs_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, PARTIAL);
}
vloss_status vloss_log_probs_finish_sized(const vloss_log_probs_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, FINISH);
}
