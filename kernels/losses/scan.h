/* Passes over an array that only look: for values that a loss does not accept, and for 0/1 labels. */
#ifndef VLOSS_KERNELS_SCAN_H
#define VLOSS_KERNELS_SCAN_H

#include "memory/view.h"
#include "words/vmath.h"

/* The bits of floats in [0, high] are whole numbers from 0 to those of high. Others, -0 and NaN among them, show in a
 * sign, and where one does all 64 are looked at once more. */
static size_t first_float_outside(const float *p, size_t n, float high, int nan_welcome) {
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

static int all_floats_binary(const float *p, size_t n) {
  const vf zero = vset1(0.0f), one = vset1(1.0f);
  for (size_t i = 0; i < n; i += 16) {
    const vf v = n - i < 16 ? vtail(p + i, n - i, 0.0f) : vload(p + i);
    if (vany(vgt(one, vsel(vmor(veq(v, zero), veq(v, one)), one, zero)))) return 0;
  }
  return 1;
}

/* The same of any type, so many elements at a time. */
enum { SCANNED_AT_ONCE = 1024 };
static size_t first_outside(const void *p, vloss_type type, size_t n, float high, int nan_welcome) {
  if (type == VLOSS_F32) return first_float_outside(p, n, high, nan_welcome);
  float buffer[SCANNED_AT_ONCE];
  for (size_t i = 0; i < n; i += SCANNED_AT_ONCE) {
    const size_t length = n - i < SCANNED_AT_ONCE ? n - i : SCANNED_AT_ONCE;
    view_read(buffer, vloss_element(p, type, i), type, length);
    const size_t first = first_float_outside(buffer, length, high, nan_welcome);
    if (first < length) return i + first;
  }
  return n;
}
static int all_binary(const void *p, vloss_type type, size_t n) {
  if (type == VLOSS_F32) return all_floats_binary(p, n);
  float buffer[SCANNED_AT_ONCE];
  for (size_t i = 0; i < n; i += SCANNED_AT_ONCE) {
    const size_t length = n - i < SCANNED_AT_ONCE ? n - i : SCANNED_AT_ONCE;
    view_read(buffer, vloss_element(p, type, i), type, length);
    if (!all_floats_binary(buffer, length)) return 0;
  }
  return 1;
}

#endif
