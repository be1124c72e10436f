/* The formula as it stands in a textbook, in float: right for a few small logits, and what vloss-check has to catch.
 * exp overflows beyond 88, the sum loses digits as classes grow, and log(S) - x loses them for confident rows. */
#include "own_kernel.h"

static double loss_of(const float *x, size_t classes, size_t step, int64_t label) {
  float sum = 0;
  for (size_t c = 0; c < classes; c++) sum += expf(x[c * step]);
  return (double)(logf(sum) - x[(size_t)label * step]);
}

vloss_status vloss_cross_entropy_sized(const vloss_cross_entropy_args *args, size_t size) {
  return size == sizeof *args ? over_rows(args, loss_of) : VLOSS_ERROR_VERSION;
}
