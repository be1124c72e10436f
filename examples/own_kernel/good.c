/* The same in double, with the target left out of the sum: log1p(sum over c != label of exp(x_c - x_label)). Slow, but
 * within the gates of vloss-check for any logits and any number of classes. */
#include "own_kernel.h"

static double loss_of(const float *x, size_t classes, size_t step, int64_t label) {
  const double target = (double)x[(size_t)label * step];
  double highest = (double)-INFINITY, sum = 0;
  for (size_t c = 0; c < classes; c++) {
    if (isnan(x[c * step])) return (double)NAN;
    highest = fmax(highest, (double)x[c * step]);
  }
  if (isinf(highest)) return (double)NAN; /* all -inf, or a +inf */
  if (isinf(target)) return (double)INFINITY;
  for (size_t c = 0; c < classes; c++)
    if (c != (size_t)label) sum += exp((double)x[c * step] - highest);
  if (target == highest) return log1p(sum);
  /* sum = exp(target - highest) times the sum of the formula */
  const double others = highest - target + log(sum); /* the formula's sum, as a logarithm */
  return others > 700 ? others : log1p(exp(others));
}

vloss_status vloss_cross_entropy_sized(const vloss_cross_entropy_args *args, size_t size) {
  return size == sizeof *args ? over_rows(args, loss_of) : VLOSS_ERROR_VERSION;
}
