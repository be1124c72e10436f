/* Sums of max(0, margin - p_y + p_c) over columns c, in float: what multi_margin and multilabel_margin have in common.
 */
#ifndef VLOSS_KERNELS_MARGIN_H
#define VLOSS_KERNELS_MARGIN_H

#include "reduce.h"

/* margin - p_y as high - least, two floats, exactly, as it mostly is. q = high + p_c is exact where it is small, and
 * `least` is nothing where it is not: so z_c > 0 where q > least, and max(0, z_c) is max(least, q) - least, where each
 * column is rounded once and all of them have the same `least`. That has up to 20 digits, not 24: then float holds
 * sums of 8 such columns exactly while they are no more than 16 times `least`, and where no column is active nothing is
 * left of the sum. */
struct margin_start {
  float high, least;
  int exact;
};
VFN struct margin_start margin_start(struct difference start) {
  const int in_range = start.high < 0x1p127 && start.high > -0x1p127;
  const float high = in_range ? (float)start.high : 0;
  const double rest = start.high - (double)high, low = rest + start.low;
  const float least = in_range ? (float)-low : 0;
  const int one_part = rest == 0 || start.low == 0;
  int32_t bits;
  memcpy(&bits, &least, sizeof bits);
  return (struct margin_start){high, least, in_range && one_part && (double)least == -low && !(bits & 15)};
}
VFN vf margin_q(vf high, vf p) { return vadd(high, p); }
/* Of columns without the label. NaN stays. */
VFN vf margin_at_least(struct margin_start start, vf p) {
  return vmax(vset1(start.least), margin_q(vset1(start.high), p));
}
VFN vf margin_sum_of_4(const vf *v) { return vadd(vadd(v[0], v[1]), vadd(v[2], v[3])); }

#endif
