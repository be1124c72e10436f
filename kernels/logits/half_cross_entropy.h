/* Cross-entropy of rows that are read block by block (half_rows.h): those in 16 bits, and those of which more is wanted
 * than the kernel of floats does: a scale or a cap of the logits, max and log_sum, the gradient of the targets. */
#ifndef VLOSS_KERNELS_HALF_CROSS_ENTROPY_H
#define VLOSS_KERNELS_HALF_CROSS_ENTROPY_H

#include "cross_entropy.h"
#include "half_rows.h"
#include "totals.h"

#define cross_entropy_rows VLOSS_ISA_SYMBOL(vloss_cross_entropy_rows)
#define half_partial VLOSS_ISA_SYMBOL(vloss_half_partial)
#define half_gradient VLOSS_ISA_SYMBOL(vloss_half_gradient)
#define half_cross_entropy VLOSS_ISA_SYMBOL(vloss_half_cross_entropy)

/* What the kernel does with rows of floats, and block by block. */
void cross_entropy_rows(const struct vloss_cross_entropy_job *job, struct vloss_range range, struct totals *totals);
void half_cross_entropy(const struct vloss_cross_entropy_job *job, struct vloss_range range, struct totals *totals);

/* The same of what split.c does: the states of rows; and the gradients of a group. */
void half_partial(const struct vloss_cross_entropy_job *job, struct vloss_range range);
void half_gradient(const struct vloss_cross_entropy_job *job, struct group_state *s, const struct group_losses *l);

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

#endif
