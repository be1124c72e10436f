/* What the two kernels of this folder share: the walk over rows, and which calls they decline. A kernel of one's own
 * has the signature of a function of vloss.h; nothing of vloss needs to be linked.
 *
 * They compute the forward cross-entropy of float logits with int64 labels. What they do not compute (a gradient, class
 * weights, smoothing, probabilities as targets, a scale) they answer with VLOSS_ERROR_ARGUMENTS: vloss-check then
 * leaves it out.
 */
#ifndef OWN_KERNEL_H
#define OWN_KERNEL_H

#include <math.h>
#include <stdint.h>

#include "vloss/vloss.h"

/* The loss of a row whose class c is at x[c * step]; label is one of its classes. */
typedef double row_loss(const float *x, size_t classes, size_t step, int64_t label);

static inline vloss_status over_rows(const vloss_cross_entropy_args *args, row_loss *loss_of) {
  const size_t inner = args->inner ? args->inner : 1, rows = args->rows * inner;
  const size_t stride = args->logits_stride ? args->logits_stride : args->classes * inner;
  const int64_t ignored = args->ignore == VLOSS_IGNORE_DEFAULT && !args->ignore_index ? -100 : args->ignore_index;
  float *loss = args->loss;
  double sum = 0;
  size_t live = 0;
  if (args->type != VLOSS_F32) return VLOSS_ERROR_TYPE;
  if (args->label_type != VLOSS_I64 || !args->labels || args->weights || args->label_smoothing > 0 || args->flags ||
      args->grad || args->lse || args->predicted || args->scale != 0 || args->softcap != 0 || args->z_loss != 0 ||
      args->row_weights || args->shift || args->max || args->log_sum || args->correct)
    return VLOSS_ERROR_ARGUMENTS;
  for (size_t r = 0; r < rows; r++) {
    const int64_t label = ((const int64_t *)args->labels)[r];
    const float *x = (const float *)args->logits + r / inner * stride + r % inner;
    double of_row = 0;
    if (args->ignore == VLOSS_IGNORE_NOTHING || label != ignored) {
      if (label < 0 || (size_t)label >= args->classes) return VLOSS_ERROR_LABEL;
      of_row = loss_of(x, args->classes, inner, label);
      live++;
    }
    if (args->reduction == VLOSS_NONE) loss[r] = (float)of_row;
    sum += of_row;
  }
  if (args->reduction == VLOSS_SUM) *loss = (float)sum;
  if (args->reduction == VLOSS_MEAN) *loss = live ? (float)(sum / (double)live) : NAN;
  return VLOSS_OK;
}

#endif
