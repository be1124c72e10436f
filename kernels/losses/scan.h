/* Passes over an array that only look: for values that a loss does not accept, and for 0/1 labels. */
#ifndef VLOSS_KERNELS_SCAN_H
#define VLOSS_KERNELS_SCAN_H

#include "words/vmath.h"

/* The bits of floats in [0, high] are whole numbers from 0 to those of high. Others, -0 and NaN among them, show in a
 * sign, and where one does all 64 are looked at once more. */
static size_t first_outside(const float *p, size_t n, float high, int nan_welcome) {
  const vi highest = vbits(vset1(high)), zero = viset1(0);
  for (size_t i = 0; i < n; i += 64) {
    const size_t end = n - i < 64 ? n : i + 64;
    if (end == i + 64) {
      vi signs = zero;
      for (size_t j = i; j < end; j += 16) {
        const vi bits = vbits(vload(p + j));
        signs = vior(signs, vior(bits, visub(highest, bits)));
      }
      if (!vany(vigt(zero, signs))) continue;
    }
    for (size_t j = i; j < end; j++)
      if (!(p[j] >= 0 && p[j] <= high) && !(nan_welcome && p[j] != p[j])) return j;
  }
  return n;
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
