/* Passes over an array that only look: for values that a loss does not accept, and for 0/1 labels. */
#ifndef VLOSS_KERNELS_SCAN_H
#define VLOSS_KERNELS_SCAN_H

#include "vmath.h"

/* What the lanes have in common with 0 are those outside: NaN is not within, unless it is welcome. */
VFN vm within(vf v, vf low, vf high, int nan_welcome) {
  const vm in = vmand(vge(v, low), vge(high, v));
  return nan_welcome ? vmor(in, vnan(v)) : in;
}

static size_t first_outside(const float *p, size_t n, float low, float high, int nan_welcome) {
  const vf lows = vset1(low), highs = vset1(high), one = vset1(1.0f);
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    vm in = within(vload(p + i), lows, highs, nan_welcome);
    for (size_t j = 16; j < 64; j += 16) in = vmand(in, within(vload(p + i + j), lows, highs, nan_welcome));
    if (vany(vgt(one, vsel(in, one, vset1(0.0f))))) break;
  }
  for (; i < n; i++)
    if (!(p[i] >= low && p[i] <= high) && !(nan_welcome && p[i] != p[i])) break;
  return i;
}

static int all_binary(const float *p, size_t n) {
  const vf zero = vset1(0.0f), one = vset1(1.0f);
  for (size_t i = 0; i < n; i += 16) {
    const vf v = n - i < 16 ? vtail(p + i, n - i, 0.0f) : vload(p + i);
    if (vany(vgt(one, vsel(vmor(veq(v, zero), veq(v, one)), one, zero)))) return 0;
  }
  return 1;
}

#endif
