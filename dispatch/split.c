/* Cross-entropy of rows whose classes are spread over several calls: what is checked beyond a call on whole rows are
 * the shard and the states. */
#include "check.h"
#include "cross_entropy.h"
#include "environment.h"
#include "logits/row_state.h"
#include "select.h"

_Static_assert((size_t)VLOSS_CLASS_BLOCK == CLASS_BLOCK, "vloss.h and the kernels have the same borders");
_Static_assert(sizeof(vloss_row_state) == sizeof(struct vloss_state), "what is opaque holds a state");

enum { PARTIAL, FINISH, GRADIENT };

static vloss_status check_fields(const vloss_cross_entropy_args *a, int step) {
  const vloss_status status = vloss_check_cross_entropy_fields(a);
  if (status) return status;
  const int losses = a->loss || a->lse || a->predicted;
  if (a->targets || (step != FINISH && losses) || (step != GRADIENT && a->grad)) return VLOSS_ERROR_ARGUMENTS;
  if ((step == PARTIAL && !a->states) || (step == FINISH && !losses) || (step == GRADIENT && !a->grad))
    return a->rows ? VLOSS_ERROR_NO_OUTPUT : VLOSS_OK;
  return VLOSS_OK;
}

static vloss_status check_shard(const vloss_cross_entropy_args *a) {
  const size_t total = a->total_classes, offset = a->class_offset;
  if (total > INT32_MAX) return VLOSS_ERROR_OVERFLOW;
  if (total == 0 && a->rows) return VLOSS_ERROR_NO_CLASSES;
  if (offset > total || a->classes > total - offset) return VLOSS_ERROR_SHARD;
  const size_t end = offset + a->classes;
  if ((offset % CLASS_BLOCK && offset != total) || (end % CLASS_BLOCK && end != total)) return VLOSS_ERROR_SHARD;
  return VLOSS_OK;
}

/* Arrays, and the job. */
static vloss_status prepare(const vloss_cross_entropy_args *a, int step, struct vloss_cross_entropy_job *job) {
  struct vloss_array logits = {NULL, 0, 0, 0, sizeof(float)}, grad;
  struct vloss_shape whole; /* of all classes, which bounds what there is to count */
  vloss_status status = vloss_check_shape(a->rows, a->total_classes, a->inner, &whole);
  if (status) return status;
  const struct vloss_shape shape = {whole.outer, step == FINISH ? 0 : a->classes, whole.inner};
  const size_t rows = shape.outer * shape.inner, one_or_rows = a->reduction == VLOSS_NONE ? rows : 1;
  size_t bytes;
  if (!vloss_fits(rows, sizeof *a->states, &bytes)) return VLOSS_ERROR_OVERFLOW;
  if (rows && (!a->labels || !a->states || (shape.classes && !a->logits))) return VLOSS_ERROR_NULL;
  if (step != FINISH && (status = vloss_check_tensor(a->logits, &shape, a->logits_stride, a->type, &logits)))
    return status;
  if ((status = vloss_check_tensor(a->grad, &shape, a->grad_stride, a->type, &grad))) return status;
  const int narrow = a->label_type == VLOSS_I32;
  const struct vloss_array states = vloss_array_flat(a->states, bytes / 8, 8);
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, logits);
  vloss_add_input(&memory, vloss_array_flat(a->labels, rows, vloss_label_size(narrow)));
  vloss_add_input(&memory, vloss_array_flat(a->weights, a->total_classes, sizeof(float)));
  if (step == GRADIENT) vloss_add_input(&memory, vloss_array_flat(a->upstream, one_or_rows, sizeof(float)));
  if (step == PARTIAL)
    vloss_add_output(&memory, states, NULL);
  else
    vloss_add_input(&memory, states);
  vloss_add_output(&memory, vloss_array_flat(a->loss, one_or_rows, sizeof(float)), NULL);
  vloss_add_output(&memory, grad, a->logits);
  vloss_add_output(&memory, vloss_array_flat(a->lse, rows, sizeof(float)), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->predicted, rows, vloss_label_size(narrow)), NULL);
  *job = (struct vloss_cross_entropy_job){
      .shape = shape,
      .x = a->logits,
      .x_stride = logits.stride,
      .labels = {.p = a->labels,
                 .narrow = narrow,
                 .ignoring = a->ignore != VLOSS_IGNORE_NOTHING,
                 .ignore_index = a->ignore == VLOSS_IGNORE_DEFAULT && a->ignore_index == 0 ? -100 : a->ignore_index},
      .weights = a->weights,
      .smoothing = a->label_smoothing,
      .total_classes = a->total_classes,
      .class_offset = a->class_offset,
      .states = (struct vloss_state *)a->states,
      .upstream = step == GRADIENT ? a->upstream : NULL,
      .upstream_per_row = a->reduction == VLOSS_NONE,
      .grad_scale = 1,
      .loss = a->reduction == VLOSS_NONE ? a->loss : NULL,
      .grad = a->grad,
      .grad_stride = grad.stride,
      .lse = a->lse,
      .predicted = a->predicted,
      .predicted_narrow = narrow,
  };
  return vloss_check_memory(&memory);
}

/* Complete states of these rows. */
static vloss_status check_states(const struct vloss_cross_entropy_job *job) {
  const size_t rows = job->shape.outer * job->shape.inner;
  const uint32_t blocks = vloss_state_blocks(job->total_classes);
  const uint64_t coverage = rows ? vloss_state_coverage(0, job->total_classes) : 0;
  for (size_t row = 0; row < rows; row++) {
    const struct vloss_state *s = &job->states[row];
    if (s->signature != vloss_state_signature(job, row) || s->blocks != blocks || s->coverage != coverage)
      return VLOSS_ERROR_STATE;
  }
  return VLOSS_OK;
}

static vloss_status run(const void *args, size_t size, int step) {
  const struct vloss_table *table;
  vloss_cross_entropy_args copy;
  const void *complete;
  struct vloss_cross_entropy_job job;
  vloss_status status = vloss_check_args(&complete, &copy, sizeof copy, args, size);
  const vloss_cross_entropy_args *a = complete;
  if (!status) status = vloss_select(&table);
  if (!status) status = check_fields(a, step);
  if (!status) status = check_shard(a);
  if (!status) status = prepare(a, step, &job);
  if (!status && step != PARTIAL) status = check_states(&job);
  if (status) return status;
  vloss_cross_entropy_kernel *const kernels[] = {table->cross_entropy_partial, table->cross_entropy_finish,
                                                 table->cross_entropy_split_gradient};
  return vloss_run_cross_entropy(a, &job, kernels[step]);
}

vloss_status vloss_cross_entropy_partial_sized(const vloss_cross_entropy_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, PARTIAL);
}
vloss_status vloss_cross_entropy_finish_sized(const vloss_cross_entropy_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, FINISH);
}
vloss_status vloss_cross_entropy_partial_gradient_sized(const vloss_cross_entropy_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, GRADIENT);
}

struct merge {
  vloss_row_state *into;
  const vloss_row_state *from;
  size_t count;
};

/* Whether two states may be of different classes of one row. */
static int fit(const struct vloss_state *a, const struct vloss_state *b) {
  if (a->signature == 0 || b->signature == 0) return 1;
  return a->signature == b->signature && a->total_blocks == b->total_blocks &&
         (uint64_t)a->blocks + b->blocks <= a->total_blocks && !(a->flags & b->flags & STATE_HAS_TARGET);
}
static vloss_status run_merge(const void *arguments, size_t size, int unused) {
  const struct merge *m = arguments;
  const struct vloss_table *table;
  const vloss_status status = vloss_select(&table);
  (void)size, (void)unused;
  if (status) return status;
  if (m->count && (!m->into || !m->from)) return VLOSS_ERROR_NULL;
  size_t bytes;
  if (!vloss_fits(m->count, sizeof *m->into, &bytes)) return VLOSS_ERROR_OVERFLOW;
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, vloss_array_flat(m->from, bytes / 8, 8));
  vloss_add_output(&memory, vloss_array_flat(m->into, bytes / 8, 8), NULL);
  const vloss_status placed = vloss_check_memory(&memory);
  if (placed) return placed;
  struct vloss_state *const a = (struct vloss_state *)m->into;
  const struct vloss_state *const b = (const struct vloss_state *)m->from;
  for (size_t i = 0; i < m->count; i++)
    if (!fit(&a[i], &b[i])) return VLOSS_ERROR_STATE;
  for (size_t i = 0; i < m->count; i++) table->merge_states(&a[i], &b[i]);
  return VLOSS_OK;
}
vloss_status vloss_cross_entropy_merge(vloss_row_state *into, const vloss_row_state *from, size_t count) {
  const struct merge m = {into, from, count};
  return vloss_in_default_environment(run_merge, &m, sizeof m, 0);
}
