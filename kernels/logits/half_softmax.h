/* The softmax functions of rows in 16 bits (half_rows.h). */
#ifndef VLOSS_KERNELS_HALF_SOFTMAX_H
#define VLOSS_KERNELS_HALF_SOFTMAX_H

#include "half_rows.h"

#define half_softmax_rows VLOSS_ISA_SYMBOL(vloss_half_softmax_rows)
#define half_softmax VLOSS_ISA_SYMBOL(vloss_half_softmax)
#define half_log_softmax VLOSS_ISA_SYMBOL(vloss_half_log_softmax)
#define half_log_sum_exp VLOSS_ISA_SYMBOL(vloss_half_log_sum_exp)
#define half_softmax_backward VLOSS_ISA_SYMBOL(vloss_half_softmax_backward)
#define half_log_softmax_backward VLOSS_ISA_SYMBOL(vloss_half_log_softmax_backward)

VFN struct half_tensor half_input(const struct vloss_softmax_job *job) {
  return half_tensor_of(job->half.x, job->type, &job->shape, job->x_stride);
}
VFN struct half_tensor half_upstream(const struct vloss_softmax_job *job) {
  return half_tensor_of(job->half.upstream, job->type, &job->shape, job->upstream_stride);
}
VFN struct half_tensor half_output(const struct vloss_softmax_job *job) {
  const int in_place = job->half.out == job->half.x || job->half.out == job->half.upstream;
  return half_output_of(job->half.out, job->type, &job->shape, job->out_stride, in_place);
}

/* Of n long rows of the job, at most TILE_ROWS. */
typedef void half_row_kernel(const struct vloss_softmax_job *job, size_t first, size_t n);
half_row_kernel half_softmax, half_log_softmax, half_log_sum_exp, half_softmax_backward, half_log_softmax_backward;

/* A range of rows by way of the kernel for floats, or, where they are long, one by one. */
void half_softmax_rows(const struct vloss_softmax_job *job, struct vloss_range range, vloss_softmax_kernel *kernel,
                       half_row_kernel *long_row);

#endif
