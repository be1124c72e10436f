/* The scalar kernels' own fma and fmaf against the C library's, where that one rounds once: random bits, and operands
 * that lie so that the sum cancels, ties or underflows. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words/own_fma.h"

static uint64_t state = 1;
static uint64_t random_bits(void) { /* splitmix64 */
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static double as_double(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
static float as_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Any bits; few mantissa bits; the edges of the range. */
static double any_double(void) {
  static const double edges[] = {0,         -0.0,       1,        -1,       0x1p-1074,  -0x1p-1074,
                                 0x1p-1022, 0x1p1023,   INFINITY, NAN,      0x1p-53,    0x1.fffffffffffffp1023,
                                 -INFINITY, -0x1p-1022, 0x1p-537, 0x1p-538, 0x1.8p-537, 0x0.fffffffffffffp-1022};
  const uint64_t r = random_bits();
  switch (r >> 1 & 3) {
    case 0:
      return as_double(random_bits());
    case 1:
      return as_double(random_bits() & ~UINT64_C(0) << (r >> 8) % 53);
    case 2:
      return ldexp(1 + (double)(r >> 8 & 3) * 0x1p-52, (int)(r >> 16 & 127) - 64) * (r & 1 ? -1 : 1);
    default:
      return edges[(r >> 8) % (sizeof edges / sizeof *edges)];
  }
}

static int same(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)); }

static double check_double(double a, double b, double c) {
  const double own = own_fma(a, b, c), libc = fma(a, b, c);
  if (!same(own, libc)) {
    printf("FAIL fma(%a, %a, %a): own %a, the C library's %a\n", a, b, c, own, libc);
    exit(1);
  }
  return libc;
}

static void check_float(float a, float b, float c) {
  const float own = own_fmaf(a, b, c), libc = fmaf(a, b, c);
  if (!same((double)own, (double)libc)) {
    printf("FAIL fmaf(%a, %a, %a): own %a, the C library's %a\n", (double)a, (double)b, (double)c, (double)own,
           (double)libc);
    exit(1);
  }
}

int main(int argc, char **argv) {
  const long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000000;
  for (long i = 0; i < count; i++) {
    const double a = any_double(), b = any_double();
    check_double(a, b, any_double());
    check_double(a, b, -(a * b));                                   /* what the product lost */
    check_double(a, b, -(a * b) * (1 + (double)(i % 5) * 0x1p-52)); /* nearly */
    check_double(a, b, ldexp(a * b, (int)(random_bits() % 240) - 120));
    check_double(a, ldexp(b, -ilogb(a) - 1074 + (int)(random_bits() % 120) - ilogb(b)), as_double(random_bits() >> 12));
    const uint64_t r = random_bits(), s = random_bits();
    const float x = as_float((uint32_t)r), y = as_float((uint32_t)(r >> 32));
    check_float(x, y, as_float((uint32_t)s));
    /* A tie of float, but for a part that double does not hold. */
    const float up = 1 + (float)(s & 3) * 0x1p-23f, down = 1 - (float)(s >> 2 & 3) * 0x1p-23f;
    check_float(s & 16 ? up : -up, down * 0x1p-24f, s & 32 ? 1 + (float)(s >> 6 & 7) * 0x1p-23f : -1);
    check_float(x, y, -(x * y));
    check_float(x, y, ldexpf(x * y, (int)(s >> 32) % 60));
    check_float(as_float((uint32_t)r & 0xfffff000u), as_float((uint32_t)(r >> 32) & 0xfffff000u),
                ldexpf(x * y, (int)(s >> 32) % 30));
  }
  printf("%ld rounds: own fma and fmaf are the C library's\n", count);
  return 0;
}
