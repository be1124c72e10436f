/* What the functions of cross-entropy share: those on whole rows, and those on parts of rows (split.c). */
#ifndef VLOSS_DISPATCH_CROSS_ENTROPY_H
#define VLOSS_DISPATCH_CROSS_ENTROPY_H

#include "table.h"
#include "vloss/vloss.h"

/* The fields that stand for themselves, before any array is looked at; which of them a function uses, it knows. */
vloss_status vloss_check_cross_entropy_fields(const vloss_cross_entropy_args *a, const struct vloss_table *table);

/* Arrays: strides, alignment, overlap; and the job that the kernels get, but for what labels decide. Of the fields that
 * a function does not read, those of arrays are null. */
vloss_status vloss_prepare_cross_entropy(const vloss_cross_entropy_args *a, const struct vloss_shape *shape,
                                         size_t total_classes, int writes_states, struct vloss_cross_entropy_job *job);

/* Checks the labels, runs the kernel on a job that is complete but for the scale of gradients, and writes the loss if
 * it is one number. */
vloss_status vloss_run_cross_entropy(const vloss_cross_entropy_args *a, struct vloss_cross_entropy_job *job,
                                     vloss_cross_entropy_kernel *kernel);

#endif
