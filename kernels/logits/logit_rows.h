/* Rows of logits as the functions that only read them see them: y = cap tanh(scale x / cap), of any type and layout, a
 * block of CLASS_BLOCK floats at a time. Floats side by side that need no change are read where they lie. */
#ifndef VLOSS_KERNELS_LOGIT_ROWS_H
#define VLOSS_KERNELS_LOGIT_ROWS_H

#include "half_rows.h"
#include "logit_change.h"

#define logit_row_block VLOSS_ISA_SYMBOL(vloss_logit_row_block)
#define logit_row_fill VLOSS_ISA_SYMBOL(vloss_logit_row_fill)
#define logit_row_class VLOSS_ISA_SYMBOL(vloss_logit_row_class)

struct logit_row {
  struct half_row at; /* of any type */
  struct logit_change change;
  float *block; /* CLASS_BLOCK + ASKED_FOR floats, for what does not lie as it is needed */
};
VFN struct logit_row logit_row_of(const void *x, vloss_type type, const struct vloss_shape *shape, size_t stride,
                                  size_t row) {
  const struct half_tensor t = half_tensor_of(x, type, shape, stride);
  return (struct logit_row){.at = half_row_of(&t, row), .change = no_change};
}

/* The block of y that begins with class c, and how many classes it has. */
const float *logit_row_block(const struct logit_row *r, size_t c, size_t *n);
/* y of one class, with the same bits. */
float logit_row_class(const struct logit_row *r, size_t c);
/* One value for all classes of the row of an output, by way of CLASS_BLOCK floats where it is not dense floats. */
void logit_row_fill(const struct half_row *at, float value, float *block);

#endif
