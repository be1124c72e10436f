/* Rows of logits in 16 bits: as many as a buffer holds are widened into it, and the kernel of floats works there in
 * place. Its results do not depend on which rows it gets at once, nor how they lie, so they are those of floats,
 * rounded. Long rows are read a block of CLASS_BLOCK classes at a time, as often as a function needs them. */
#ifndef VLOSS_KERNELS_HALF_ROWS_H
#define VLOSS_KERNELS_HALF_ROWS_H

#include "groups.h"

#define half_softmax_rows VLOSS_ISA_SYMBOL(vloss_half_softmax_rows)
#define half_block_read VLOSS_ISA_SYMBOL(vloss_half_block_read)
#define half_block_write VLOSS_ISA_SYMBOL(vloss_half_block_write)
#define half_softmax VLOSS_ISA_SYMBOL(vloss_half_softmax)
#define half_log_softmax VLOSS_ISA_SYMBOL(vloss_half_log_softmax)
#define half_log_sum_exp VLOSS_ISA_SYMBOL(vloss_half_log_sum_exp)
#define half_softmax_backward VLOSS_ISA_SYMBOL(vloss_half_softmax_backward)
#define half_log_softmax_backward VLOSS_ISA_SYMBOL(vloss_half_log_softmax_backward)

/* One long row. */
struct half_row {
  void *p; /* class c is element c * step from here; written where it is an output */
  vloss_type type;
  size_t step, classes;
};
VFN struct half_row half_row_of(const struct vloss_softmax_job *job, const void *p, size_t stride, size_t row) {
  void *const first = vloss_element_out((void *)(uintptr_t)p, job->type, row_offset(&job->shape, stride, row));
  return (struct half_row){first, job->type, job->shape.inner, job->shape.classes};
}
/* The classes of the block that begins with class c, to CLASS_BLOCK floats and back; how many there are. */
size_t half_block_read(const struct half_row *row, size_t c, float *to);
void half_block_write(const struct half_row *row, size_t c, const float *from);

/* Of one long row of the job. */
typedef void half_row_kernel(const struct vloss_softmax_job *job, size_t row);
half_row_kernel half_softmax, half_log_softmax, half_log_sum_exp, half_softmax_backward, half_log_softmax_backward;

/* A range of rows by way of the kernel for floats, or, where they are long, one by one. */
void half_softmax_rows(const struct vloss_softmax_job *job, struct vloss_range range, vloss_softmax_kernel *kernel,
                       half_row_kernel *long_row);

#endif
