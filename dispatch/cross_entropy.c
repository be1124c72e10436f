/* vloss_cross_entropy and vloss_nll: check the arguments, choose the kernel, call it, divide the sum. The straight way
 * of one row is here, too, as it asks what the checks ask: hence longer than other files. */
#include "cross_entropy.h"

#include <math.h>

#include "check.h"
#include "environment.h"
#include "executor.h"
#include "f64.h"
#include "memory/labels.h"
#include "select.h"
#include "tuning.h"

enum { CROSS_ENTROPY, NLL };

enum { KNOWN_FLAGS = VLOSS_UNCHECKED | VLOSS_EMPTY_MEAN_ZERO };

vloss_status vloss_check_cross_entropy_fields(const vloss_cross_entropy_args *a, const struct vloss_table *table) {
  if (!vloss_is_type(a->type) || a->label_type < VLOSS_I64 || a->label_type > VLOSS_I32 || a->reduction < VLOSS_MEAN ||
      a->reduction > VLOSS_NONE || a->ignore < VLOSS_IGNORE_DEFAULT || a->ignore > VLOSS_IGNORE_NOTHING ||
      a->flags & ~(uint32_t)KNOWN_FLAGS)
    return VLOSS_ERROR_ENUM;
  const vloss_status computed = vloss_check_type(a->type, table);
  if (computed) return computed;
  if (!(a->label_smoothing >= 0 && a->label_smoothing <= 1)) return VLOSS_ERROR_LABEL_SMOOTHING;
  if ((a->scale != 0 || a->softcap != 0 || a->z_loss != 0) &&
      (!vloss_is_scale(a->scale) || !vloss_is_scale(a->softcap) || !(a->z_loss >= 0 && a->z_loss <= __DBL_MAX__)))
    return VLOSS_ERROR_SCALE;
  if (a->labels && a->targets) return VLOSS_ERROR_ARGUMENTS;
  if (a->targets ? a->shift || a->correct : a->grad_targets != NULL) return VLOSS_ERROR_ARGUMENTS;
  if (a->ignore_index != 0 && (a->targets || a->ignore == VLOSS_IGNORE_NOTHING)) return VLOSS_ERROR_IGNORE_INDEX;
  if (a->targets && a->ignore == VLOSS_IGNORE_INDEX) return VLOSS_ERROR_IGNORE_INDEX;
  return vloss_check_executor(a->executor);
}

static vloss_status check_fields(const vloss_cross_entropy_args *a, const struct vloss_table *table, int loss) {
  const vloss_status status = vloss_check_cross_entropy_fields(a, table);
  if (status) return status;
  const int of_logits = a->lse || a->predicted || a->z_loss_part || a->max || a->log_sum || a->correct;
  if (loss == NLL &&
      (a->targets || of_logits || a->label_smoothing != 0 || a->scale != 0 || a->softcap != 0 || a->z_loss != 0))
    return VLOSS_ERROR_ARGUMENTS;
  if (a->class_offset || a->total_classes || a->states) return VLOSS_ERROR_ARGUMENTS;
  return a->loss || a->grad || a->grad_targets || of_logits ? VLOSS_OK : VLOSS_ERROR_NO_OUTPUT;
}

/* What few calls have, beside what all do: kept apart, as a call on one short row costs 100 ns. */

/* Of rows in sequences, whose labels are shifted. */
static vloss_status check_sequences(const vloss_cross_entropy_args *a, size_t rows) {
  if (rows == 0) return VLOSS_OK;
  if (a->sequence && rows % a->sequence) return VLOSS_ERROR_ARGUMENTS;
  return a->shift >= (a->sequence ? a->sequence : rows) ? VLOSS_ERROR_ARGUMENTS : VLOSS_OK;
}

/* Whether any of the fields from `scale` on is given. */
static inline int has_more(const vloss_cross_entropy_args *a) {
  const uintptr_t pointers = (uintptr_t)a->row_weights | (uintptr_t)a->z_loss_part | (uintptr_t)a->max |
                             (uintptr_t)a->log_sum | (uintptr_t)a->correct | (uintptr_t)a->grad_targets;
  return (pointers | a->shift | a->sequence | a->grad_targets_stride) != 0 || a->scale != 0 || a->softcap != 0 ||
         a->z_loss != 0;
}

static __attribute__((noinline)) vloss_status prepare_more(const vloss_cross_entropy_args *a,
                                                           const struct vloss_shape *shape, struct vloss_memory *memory,
                                                           struct vloss_cross_entropy_job *job) {
  struct vloss_array grad_targets;
  vloss_status status;
  const size_t rows = shape->outer * shape->inner, one_or_rows = a->reduction == VLOSS_NONE ? rows : 1;
  if ((status = check_sequences(a, rows)) ||
      (status = vloss_check_tensor(a->grad_targets, shape, a->grad_targets_stride, a->type, &grad_targets)))
    return status;
  const size_t number = a->type == VLOSS_F64 ? sizeof(double) : sizeof(float);
  vloss_add_input(memory, vloss_array_flat(a->row_weights, rows, number));
  vloss_add_output(memory, vloss_array_flat(a->z_loss_part, one_or_rows, number), NULL);
  vloss_add_output(memory, vloss_array_flat(a->max, rows, number), NULL);
  vloss_add_output(memory, vloss_array_flat(a->log_sum, rows, number), NULL);
  vloss_add_output(memory, vloss_array_flat(a->correct, rows, sizeof *a->correct), NULL);
  vloss_add_output(memory, grad_targets, a->targets);
  if (a->scale != 0) job->scale = a->type == VLOSS_F64 ? a->scale : (double)(float)a->scale;
  job->labels.shift = a->shift;
  job->labels.sequence = a->sequence ? a->sequence : rows;
  job->softcap = a->softcap;
  job->z_loss = job->z_in_grad = a->z_loss;
  job->row_weights = a->row_weights;
  job->z_loss_part = a->reduction == VLOSS_NONE ? a->z_loss_part : NULL;
  job->max = a->max;
  job->log_sum = a->log_sum;
  job->correct = a->correct;
  job->grad_targets_stride = grad_targets.stride;
  job->half.grad_targets = a->grad_targets;
  job->by_block |= job->scale != 1 || job->softcap != 0 || a->max || a->log_sum || a->grad_targets;
  return VLOSS_OK;
}

static inline void set_ignored(const vloss_cross_entropy_args *a, struct vloss_labels *labels) {
  labels->ignoring = a->ignore != VLOSS_IGNORE_NOTHING;
  labels->ignore_index = a->ignore == VLOSS_IGNORE_DEFAULT && a->ignore_index == 0 ? -100 : a->ignore_index;
}

/* Dense floats, labels, a loss and a gradient, none over another but for the gradient in the logits' place: nothing
 * else is to be said of the arrays of most calls. */
static int is_dense(const vloss_cross_entropy_args *a, const struct vloss_shape *shape) {
  const uintptr_t more = (uintptr_t)a->targets | (uintptr_t)a->weights | (uintptr_t)a->upstream | (uintptr_t)a->states |
                         (uintptr_t)a->lse | (uintptr_t)a->predicted;
  if (more | a->logits_stride | a->targets_stride | a->grad_stride | (uintptr_t)a->type) return 0;
  const size_t rows = shape->outer * shape->inner, label = vloss_label_size(a->label_type == VLOSS_I32);
  size_t elements, bytes; /* of the logits; those of fewer rows than fit have as many labels as fit */
  if (!vloss_fits(rows, shape->classes, &elements) || !vloss_fits(elements, sizeof(int64_t), &bytes)) return 0;
  const size_t labels = rows * label, losses = (a->reduction == VLOSS_NONE ? rows : 1) * sizeof(float);
  bytes = elements * sizeof(float);
  if (!vloss_aligned_floats((uintptr_t)a->logits | (uintptr_t)a->loss | (uintptr_t)a->grad) ||
      (uintptr_t)a->labels % label || !a->labels)
    return 0;
  if (a->loss && (!vloss_apart(a->loss, losses, a->logits, bytes) || !vloss_apart(a->loss, losses, a->labels, labels)))
    return 0;
  return !a->grad || ((a->grad == a->logits || vloss_apart(a->grad, bytes, a->logits, bytes)) &&
                      vloss_apart(a->grad, bytes, a->labels, labels) && vloss_apart(a->grad, bytes, a->loss, losses));
}
static void dense_job(const vloss_cross_entropy_args *a, const struct vloss_shape *shape, size_t total_classes,
                      struct vloss_cross_entropy_job *job) {
  vloss_zero(job, sizeof *job);
  job->shape = *shape;
  job->x = a->logits;
  job->x_stride = job->targets_stride = job->grad_stride = shape->classes * shape->inner;
  job->labels.p = a->labels;
  job->labels.narrow = job->predicted_narrow = a->label_type == VLOSS_I32;
  set_ignored(a, &job->labels);
  job->smoothing = a->label_smoothing;
  job->total_classes = total_classes;
  job->upstream_per_row = a->reduction == VLOSS_NONE;
  job->grad_scale = job->scale = 1;
  job->loss = a->reduction == VLOSS_NONE ? a->loss : NULL;
  job->grad = a->grad;
  job->half.x = a->logits;
  job->half.grad = a->grad;
}

vloss_status vloss_prepare_cross_entropy(const vloss_cross_entropy_args *a, const struct vloss_shape *shape,
                                         size_t total_classes, int writes_states, struct vloss_cross_entropy_job *job) {
  struct vloss_array logits, targets, grad;
  vloss_status status;
  const size_t rows = shape->outer * shape->inner, one_or_rows = a->reduction == VLOSS_NONE ? rows : 1;
  if (!has_more(a) && is_dense(a, shape)) {
    dense_job(a, shape, total_classes, job);
    return VLOSS_OK;
  }
  if ((status = vloss_check_tensor(a->logits, shape, a->logits_stride, a->type, &logits)) ||
      (status = vloss_check_tensor(a->targets, shape, a->targets_stride, a->type, &targets)) ||
      (status = vloss_check_tensor(a->grad, shape, a->grad_stride, a->type, &grad)))
    return status;
  const int narrow = a->label_type == VLOSS_I32, half = a->type != VLOSS_F32, wide = a->type == VLOSS_F64;
  const size_t number = wide ? sizeof(double) : sizeof(float); /* what has one value a class, a row or a call */
  const struct vloss_array states = vloss_array_flat(a->states, rows * (sizeof *a->states / 8), 8);
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, logits);
  vloss_add_input(&memory, vloss_array_flat(a->labels, rows, vloss_label_size(narrow)));
  vloss_add_input(&memory, targets);
  vloss_add_input(&memory, vloss_array_flat(a->weights, total_classes, number));
  vloss_add_input(&memory, vloss_array_flat(a->upstream, one_or_rows, number));
  if (writes_states)
    vloss_add_output(&memory, states, NULL);
  else
    vloss_add_input(&memory, states);
  vloss_add_output(&memory, vloss_array_flat(a->loss, one_or_rows, number), NULL);
  vloss_add_output(&memory, grad, a->logits);
  vloss_add_output(&memory, vloss_array_flat(a->lse, rows, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->predicted, rows, vloss_label_size(narrow)), NULL);
  *job = (struct vloss_cross_entropy_job){
      .shape = *shape,
      .type = a->type,
      .x = half ? NULL : a->logits,
      .x_stride = logits.stride,
      .labels = {.p = a->labels, .narrow = narrow},
      .targets = half ? NULL : a->targets,
      .targets_stride = targets.stride,
      .weights = wide ? NULL : a->weights,
      .smoothing = a->label_smoothing,
      .total_classes = total_classes,
      .class_offset = a->class_offset,
      .states = (struct vloss_state *)a->states,
      .upstream = wide ? NULL : a->upstream,
      .upstream_per_row = a->reduction == VLOSS_NONE,
      .grad_scale = 1,
      .loss = a->reduction == VLOSS_NONE && !wide ? a->loss : NULL,
      .grad = half ? NULL : a->grad,
      .grad_stride = grad.stride,
      .lse = wide ? NULL : a->lse,
      .predicted = a->predicted,
      .predicted_narrow = narrow,
      .scale = 1,
      .by_block = half,
      .half = {a->logits, a->targets, a->grad, NULL},
  };
  set_ignored(a, &job->labels);
  if (wide)
    job->wide = (struct vloss_wide_rows){.weights = a->weights,
                                         .upstream = a->upstream,
                                         .loss = a->reduction == VLOSS_NONE ? a->loss : NULL,
                                         .lse = a->lse};
  if (has_more(a) && (status = prepare_more(a, shape, &memory, job))) return status;
  return vloss_check_memory(&memory);
}

/* The rows that count, and the sum of their class weights. */
struct label_count {
  size_t live;
  double weight;
};
static vloss_status counted_labels(const vloss_cross_entropy_args *a, const struct vloss_partial *partial,
                                   struct label_count *count) {
  if (partial->first_bad != SIZE_MAX) {
    if (a->bad_row) *a->bad_row = partial->first_bad;
    return VLOSS_ERROR_LABEL;
  }
  count->live = partial->live;
  return VLOSS_OK;
}
static vloss_status check_labels(const vloss_cross_entropy_args *a, const struct vloss_cross_entropy_job *job,
                                 struct label_count *count) {
  const size_t rows = job->shape.outer * job->shape.inner;
  *count = (struct label_count){rows, (double)rows};
  if (!a->labels || job->counts_labels) return VLOSS_OK;
  const struct vloss_label_check check = {&job->labels, job->total_classes, a->weights, a->type == VLOSS_F64,
                                          (a->flags & VLOSS_UNCHECKED) != 0};
  const struct vloss_work work = {a->executor, rows, TOTAL_ELEMENTS, rows, vloss_check_labels, &check};
  struct vloss_partial partial;
  vloss_run_work(&work, &partial);
  count->weight = vloss_exact_value(&partial.sum);
  return counted_labels(a, &partial, count);
}

struct kernel_call {
  vloss_cross_entropy_kernel *kernel;
  const struct vloss_cross_entropy_job *job;
};
static void run_kernel(const void *call, struct vloss_range range, struct vloss_partial *partial) {
  const struct kernel_call *c = call;
  c->kernel(c->job, range, partial);
}

static int is_empty(const vloss_cross_entropy_args *a, const struct label_count *count) {
  return count->live == 0 && a->flags & VLOSS_EMPTY_MEAN_ZERO;
}
vloss_status vloss_run_cross_entropy(const vloss_cross_entropy_args *a, struct vloss_cross_entropy_job *job,
                                     vloss_cross_entropy_kernel *kernel) {
  /* Labels, and with them the denominator of the mean. */
  struct label_count count;
  vloss_status status = check_labels(a, job, &count);
  if (status) return status;
  /* Where every live weight is 0 there is no mean: NaN, not what the smoothing's own terms would make of 1/0. */
  double denominator = count.weight == 0 ? (double)__builtin_nanf("") : count.weight;
  if (a->reduction == VLOSS_MEAN && !is_empty(a, &count)) {
    job->grad_scale = 1 / denominator;
    job->z_in_grad = a->z_loss * (denominator / (double)count.live);
    const double low = fma(-job->grad_scale, denominator, 1) / denominator;
    job->wide.grad_scale_low = low - low == 0 ? low : 0;
  }
  const struct kernel_call call = {kernel, job};
  const size_t rows = job->shape.outer * job->shape.inner;
  const int in_place = (a->grad && a->grad == a->logits) || (a->grad_targets && a->grad_targets == a->targets);
  const struct vloss_work work = {.executor = a->executor,
                                  .count = rows,
                                  .step = vloss_row_step(a->executor, job->total_classes, job->shape.inner, in_place),
                                  .elements = rows * job->shape.classes,
                                  .task = run_kernel,
                                  .call = &call};
  struct vloss_partial partial;
  vloss_run_work(&work, &partial);
  if (job->counts_labels) {
    if ((status = counted_labels(a, &partial, &count))) return status;
    denominator = count.live ? (double)count.live : (double)__builtin_nanf("");
  }
  if (a->reduction != VLOSS_NONE) {
    const int divided = a->reduction == VLOSS_MEAN && !is_empty(a, &count);
    const struct vloss_total z = {&partial.z, divided ? (double)count.live : 1};
    const struct vloss_total loss = {&partial.sum, divided ? denominator : 1};
    if (a->loss) vloss_put_total(a->loss, a->type, &loss, a->z_loss > 0 ? &z : NULL);
    if (a->z_loss_part) vloss_put_total(a->z_loss_part, a->type, &z, NULL);
  }
  return VLOSS_OK;
}

/* The straight way of one short row with a label, without options: whatever the reduction, its loss is the loss of the
 * call. Returns 0 where that is not all of it, or something is wrong, and nothing has been written that counts. */
static int run_lone(const vloss_cross_entropy_args *a, const struct vloss_table *table) {
  const struct vloss_shape shape = {1, a->classes, 1};
  const unsigned enums = (unsigned)a->label_type > VLOSS_I32 || (unsigned)a->reduction > VLOSS_NONE ||
                         a->ignore != VLOSS_IGNORE_DEFAULT || a->flags & ~(uint32_t)KNOWN_FLAGS;
  if (a->rows != 1 || a->inner > 1 || a->classes > SHORT_ROW || enums || a->label_smoothing != 0 || a->executor ||
      a->class_offset | a->total_classes || !a->logits || !(a->loss || a->grad) || has_more(a) || !is_dense(a, &shape))
    return 0;
  const int64_t label = a->label_type == VLOSS_I32 ? *(const int32_t *)a->labels : *(const int64_t *)a->labels;
  double loss;
  if ((uint64_t)label >= a->classes || (label == a->ignore_index && label != 0) ||
      !table->lone_cross_entropy(a->logits, a->classes, (size_t)label, a->grad, &loss))
    return 0;
  if (a->loss) *(float *)a->loss = loss == loss ? (float)loss : __builtin_nanf("");
  return 1;
}

static vloss_status run(const void *args, size_t size, int loss) {
  const struct vloss_table *table;
  vloss_cross_entropy_args copy;
  const void *complete;
  struct vloss_shape shape;
  struct vloss_cross_entropy_job job;
  vloss_status status = vloss_check_args(&complete, &copy, sizeof copy, args, size);
  const vloss_cross_entropy_args *a = complete;
  if (!status) status = vloss_select(&table);
  if (!status && loss == CROSS_ENTROPY && run_lone(a, table)) return VLOSS_OK;
  if (!status) status = check_fields(a, table, loss);
  if (!status) status = vloss_check_shape(a->rows, a->classes, a->inner, &shape);
  if (!status && shape.outer && (!a->logits || (!a->labels && !a->targets))) status = VLOSS_ERROR_NULL;
  if (!status) status = vloss_prepare_cross_entropy(a, &shape, shape.classes, 0, &job);
  if (status) return status;
  /* What is written only when all is known may be computed before: one pass over the labels. */
  const int writes_rows = job.loss || job.wide.loss || a->grad || a->flags & VLOSS_UNCHECKED;
  const int counts = loss == NLL && (a->type == VLOSS_F32 || a->type == VLOSS_F64);
  job.counts_labels = counts && !a->weights && !writes_rows;
  if (a->type == VLOSS_F64)
    return vloss_run_cross_entropy(
        a, &job, loss == NLL ? table->f64->cross_entropy->nll : table->f64->cross_entropy->cross_entropy);
  return vloss_run_cross_entropy(a, &job, loss == NLL ? table->nll : table->cross_entropy);
}

vloss_status vloss_cross_entropy_sized(const vloss_cross_entropy_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, CROSS_ENTROPY);
}
vloss_status vloss_nll_sized(const vloss_cross_entropy_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, NLL);
}
