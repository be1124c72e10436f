/* Numbers of the types that vloss takes, in plain C: what floats become in each, rounded to nearest even, and back. */
#ifndef VLOSS_EXAMPLE_ELEMENTS_H
#define VLOSS_EXAMPLE_ELEMENTS_H

#include <math.h>
#include <string.h>

#include "example.h"

/* The type of that name, of those that --help lists. */
static inline vloss_type option_type(int argc, char **argv, int *i) {
  static const char *const names[] = {"f32", "f64", "f16", "bf16"}; /* in the order of vloss_type */
  const char *option = argv[*i], *name = option_value(argc, argv, i);
  for (int type = 0; type < 4; type++)
    if (strcmp(name, names[type]) == 0) return (vloss_type)type;
  fail("%s wants f32, f64, f16 or bf16, not \"%s\"", option, name);
}

static inline size_t element_size(vloss_type type) {
  return type == VLOSS_F64 ? sizeof(double) : type == VLOSS_F32 ? sizeof(float) : sizeof(uint16_t);
}

/* bf16 has 8 digits and the exponents of float; f16 has 11, and nothing from 65520 on or below 2^-24. */
static inline uint16_t to_half(vloss_type type, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  if (x != x) return type == VLOSS_BF16 ? 0x7fc0 : 0x7e00;
  if (type == VLOSS_BF16) return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  const double size = fabs((double)x);
  if (size >= 65520) return (uint16_t)(sign | 0x7c00);
  const int exponent = size < 0x1p-14 ? -14 : ilogb(size);
  const double digits = rint(ldexp(size, 10 - exponent)); /* 1024 and more, but for the smallest */
  return (uint16_t)(sign | (uint16_t)((exponent + 14) * 1024 + (int)digits));
}
static inline float of_half(vloss_type type, uint16_t half) {
  if (type == VLOSS_BF16) {
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
  }
  const int exponent = half >> 10 & 31, digits = half & 1023;
  const float size = exponent == 31 ? (digits ? NAN : INFINITY)
                                    : (float)ldexp(exponent ? 1024 + digits : digits, (exponent ? exponent : 1) - 25);
  return half & 0x8000 ? -size : size;
}

static inline void elements_of_floats(vloss_type type, void *to, const float *from, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (type == VLOSS_F32)
      ((float *)to)[i] = from[i];
    else if (type == VLOSS_F64)
      ((double *)to)[i] = (double)from[i];
    else
      ((uint16_t *)to)[i] = to_half(type, from[i]);
  }
}
static inline double element(vloss_type type, const void *from, size_t i) {
  if (type == VLOSS_F32) return (double)((const float *)from)[i];
  return type == VLOSS_F64 ? ((const double *)from)[i] : (double)of_half(type, ((const uint16_t *)from)[i]);
}

/* What has one value a row: of floats, but for f64. */
static inline vloss_type row_type(vloss_type type) { return type == VLOSS_F64 ? VLOSS_F64 : VLOSS_F32; }

#endif
