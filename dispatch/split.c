/* Cross-entropy of rows whose classes are spread over several calls: what is checked beyond a call on whole rows are
 * the shard and the states. */
#include "check.h"
#include "cross_entropy.h"
#include "environment.h"
#include "f64.h"
#include "logits/row_state.h"
#include "select.h"

_Static_assert((size_t)VLOSS_CLASS_BLOCK == CLASS_BLOCK, "vloss.h and the kernels have the same borders");
_Static_assert(sizeof(vloss_row_state) == sizeof(struct vloss_state), "what is opaque holds a state");

enum { PARTIAL, FINISH, GRADIENT };

static vloss_status check_fields(const vloss_cross_entropy_args *a, const struct vloss_table *table, int step) {
  const vloss_status status = vloss_check_cross_entropy_fields(a, table);
  if (status) return status;
  const int losses = a->loss || a->lse || a->predicted || a->z_loss_part || a->correct;
  if (a->targets || a->max || a->log_sum || (step != FINISH && losses) || (step != GRADIENT && a->grad))
    return VLOSS_ERROR_ARGUMENTS;
  if ((step == PARTIAL && !a->states) || (step == FINISH && !losses) || (step == GRADIENT && !a->grad))
    return a->rows ? VLOSS_ERROR_NO_OUTPUT : VLOSS_OK;
  return VLOSS_OK;
}

/* Sizes, arrays, and the job. */
static vloss_status prepare(const vloss_cross_entropy_args *a, int step, struct vloss_cross_entropy_job *job) {
  vloss_cross_entropy_args own = *a; /* without what the step does not read */
  struct vloss_shape shape;          /* of all classes, which bounds what there is to count */
  vloss_status status = vloss_check_shape(a->rows, a->total_classes, a->inner, &shape);
  if (status) return status;
  shape.classes = a->classes;
  if (step == FINISH) {
    shape.classes = own.class_offset = own.logits_stride = 0;
    own.logits = NULL;
  }
  if (step != GRADIENT) own.upstream = NULL;
  if (step == PARTIAL) own.row_weights = NULL;
  own.targets_stride = 0;
  size_t bytes;
  if (!vloss_fits(shape.outer * shape.inner, sizeof *a->states, &bytes)) return VLOSS_ERROR_OVERFLOW;
  if (shape.outer && (!a->labels || !a->states || (shape.classes && !own.logits))) return VLOSS_ERROR_NULL;
  return vloss_prepare_cross_entropy(&own, &shape, a->total_classes, step == PARTIAL, job);
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
  if (!status) status = check_fields(a, table, step);
  if (!status) status = vloss_check_shard(a->rows, a->classes, a->class_offset, a->total_classes);
  if (!status) status = prepare(a, step, &job);
  if (!status && step != PARTIAL) status = check_states(&job);
  if (status) return status;
  vloss_cross_entropy_kernel *kernels[] = {table->cross_entropy_partial, table->cross_entropy_finish,
                                           table->cross_entropy_split_gradient};
  if (a->type == VLOSS_F64) {
    kernels[PARTIAL] = table->f64->cross_entropy->partial;
    kernels[FINISH] = table->f64->cross_entropy->finish;
    kernels[GRADIENT] = table->f64->cross_entropy->split_gradient;
  }
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
  vloss_status status = vloss_select(&table);
  size_t bytes;
  (void)size, (void)unused;
  if (!status) status = vloss_check_merge(m->into, m->from, m->count, sizeof *m->into, &bytes);
  if (status) return status;
  struct vloss_state *const a = (struct vloss_state *)m->into;
  const struct vloss_state *const b = (const struct vloss_state *)m->from;
  uint32_t flags = 0;
  for (size_t i = 0; i < m->count; i++) {
    if (!fit(&a[i], &b[i])) return VLOSS_ERROR_STATE;
    flags |= a[i].flags | b[i].flags;
  }
  const vloss_status computed = flags & STATE_DOUBLES ? vloss_check_f64(table) : VLOSS_OK;
  if (computed) return computed;
  for (size_t i = 0; i < m->count; i++)
    if ((a[i].flags | b[i].flags) & STATE_DOUBLES)
      table->f64->cross_entropy->merge_states(&a[i], &b[i]);
    else
      table->merge_states(&a[i], &b[i]);
  return VLOSS_OK;
}
vloss_status vloss_cross_entropy_merge(vloss_row_state *into, const vloss_row_state *from, size_t count) {
  const struct merge m = {into, from, count};
  return vloss_in_default_environment(run_merge, &m, sizeof m, 0);
}
