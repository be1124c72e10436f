/* See half.h. The words of the kernels are tested against other code, tests/words/half_test.c. */
#include "half.h"

#include <math.h>
#include <string.h>

float half_widened(vloss_type type, uint16_t half) {
  float value;
  if (type == VLOSS_BF16) {
    const uint32_t bits = (uint32_t)half << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
  }
  const int exponent = half >> 10 & 31, digits = half & 1023;
  if (exponent == 31) { /* NaN with its digits, so that 0x7e00 is 0x7fc00000, and no other is */
    const uint32_t bits = (uint32_t)(half & 0x8000) << 16 | 0x7f800000 | (uint32_t)digits << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
  }
  if (exponent == 0) return (half & 0x8000 ? -0x1p-24f : 0x1p-24f) * (float)digits;
  const uint32_t bits = (uint32_t)(half & 0x8000) << 16 | (uint32_t)(exponent + 112) << 23 | (uint32_t)digits << 13;
  memcpy(&value, &bits, sizeof value);
  return value;
}

uint16_t half_narrowed(vloss_type type, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (isnan(value)) return type == VLOSS_BF16 ? 0x7fc0 : 0x7e00;
  if (type == VLOSS_BF16) return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  const double size = fabs((double)value);
  if (size >= 65520) return sign | 0x7c00;
  if (size < 0x1p-14) return (uint16_t)(sign | (uint16_t)nearbyint(size * 0x1p24));
  bits = (bits & 0x7fffffff) - (112u << 23); /* the exponents differ by 127 - 15 */
  return (uint16_t)(sign | (bits + 0xfff + (bits >> 13 & 1)) >> 13);
}
