/* Cross-entropy of rows that are read block by block (half_rows.h): those in 16 bits, and those of which more is wanted
 * than the kernel of floats does: a scale or a cap of the logits, max and log_sum, the gradient of the targets. */
#ifndef VLOSS_KERNELS_BLOCK_CROSS_ENTROPY_H
#define VLOSS_KERNELS_BLOCK_CROSS_ENTROPY_H

#include "cross_entropy.h"
#include "half_rows.h"
#include "totals.h"

#define cross_entropy_rows VLOSS_ISA_SYMBOL(vloss_cross_entropy_rows)
#define block_partial VLOSS_ISA_SYMBOL(vloss_block_partial)
#define block_gradient VLOSS_ISA_SYMBOL(vloss_block_gradient)
#define block_rows_begin VLOSS_ISA_SYMBOL(vloss_block_rows_begin)
#define block_rows_read VLOSS_ISA_SYMBOL(vloss_block_rows_read)
#define block_row_gradients VLOSS_ISA_SYMBOL(vloss_block_row_gradients)
#define cap_logits VLOSS_ISA_SYMBOL(vloss_cap_logits)
#define times_known_slopes VLOSS_ISA_SYMBOL(vloss_times_known_slopes)
#define block_cross_entropy VLOSS_ISA_SYMBOL(vloss_block_cross_entropy)

/* What the kernel does with rows of floats, and block by block. */
void cross_entropy_rows(const struct vloss_cross_entropy_job *job, struct vloss_range range, struct totals *totals);
void block_cross_entropy(const struct vloss_cross_entropy_job *job, struct vloss_range range, struct totals *totals);

/* The same of what split.c does: the states of rows; and the gradients of a group. */
void block_partial(const struct vloss_cross_entropy_job *job, struct vloss_range range);
void block_gradient(const struct vloss_cross_entropy_job *job, struct group_state *s, const struct group_losses *l);

/* As they lie. */
VFN struct half_tensor half_logits(const struct vloss_cross_entropy_job *job) {
  return half_tensor_of(job->half.x, job->type, &job->shape, job->x_stride);
}
VFN struct half_tensor half_targets(const struct vloss_cross_entropy_job *job) {
  return half_tensor_of(job->half.targets, job->type, &job->shape, job->targets_stride);
}
VFN struct half_tensor half_grad(const struct vloss_cross_entropy_job *job) {
  return half_output_of(job->half.grad, job->type, &job->shape, job->grad_stride, job->half.grad == job->half.x);
}
VFN struct half_tensor half_grad_targets(const struct vloss_cross_entropy_job *job) {
  return half_output_of(job->half.grad_targets, job->type, &job->shape, job->grad_targets_stride,
                        job->half.grad_targets == job->half.targets);
}
VFN struct logit_change change_of(const struct vloss_cross_entropy_job *job) {
  return (struct logit_change){(float)job->scale, job->softcap};
}

/* The block at hand is a job of one row of floats, whose strides are 0: every row begins there. */
struct block_rows {
  const struct vloss_cross_entropy_job *job;
  struct half_tensor raw, logits, targets, grad, grad_targets;
  struct logit_change change;
  float *x, *t;
  struct vloss_cross_entropy_job block;
};
void block_rows_begin(struct block_rows *h, const struct vloss_cross_entropy_job *job, float *x, float *t);
/* Reads the block of a row that begins with class c, and its targets. */
void block_rows_read(struct block_rows *h, size_t row, size_t c);
/* The gradients of a group. labels: those among the classes of the job. */
void block_row_gradients(struct block_rows *h, struct group_state *s, const struct group_losses *l);
/* n logits y of logits x that have a cap, which may be x, and the slopes that dy/dx is made of; and with these dL/dy,
 * in which the scale is, to dL/dx. */
void cap_logits(const struct logit_change *how, const float *x, size_t n, float *y, float *slopes);
void times_known_slopes(const struct logit_change *how, const float *x, const float *slopes, size_t n, float *grad);

#endif
