/* See ulp.h. */
#include "ulp.h"

#include <math.h>
#include <string.h>
#include <tgmath.h>

#define SMALLEST 0x1p-126
#define NEGLIGIBLE 0x1p-140
#define QUIET_NAN 0x7fc00000u

uint32_t float_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

/* The distance between floats of the size of x; 2^-149 below 2^-126. */
static real spacing(real x) {
  int exponent = x > 0 ? ilogb(x) : -126;
  return ldexp((real)1, (exponent < -126 ? -126 : exponent) - 23);
}

/* An infinite result is right if the value is, or with the allowed error could be, beyond the largest number. */
static double may_be_infinite(double got, real value, real allowed, real most) {
  const real farthest = (got > 0 ? value : -value) + allowed;
  return farthest >= most ? 0 : (double)INFINITY;
}

double ulp_error(float got, struct expectation expected, double gate, bool flushed) {
  real value = expected.value, size = fabs(value) > expected.scale ? fabs(value) : expected.scale;
  if (isnan(value)) return float_bits(got) == QUIET_NAN ? 0 : (double)INFINITY;
  if (isnan(got)) return (double)INFINITY;
  if (isinf(value)) return (real)got == value ? 0 : (double)INFINITY;
  if (flushed && got == 0 && signbit(got)) return (double)INFINITY;
  if (flushed && got != 0 && fabs(got) < (float)SMALLEST) return (double)INFINITY;
  if (isinf(size)) size = (real)LDBL_MAX; /* terms beyond any float: only the sign of the overflow can be wrong */
  if (isinf(got)) return may_be_infinite((double)got, value, (real)gate * spacing(size), (real)FLT_MAX);
  if (flushed && got == 0 && fabs(value) <= (real)SMALLEST + (real)gate * spacing((real)SMALLEST)) return 0;
  real error = fabs((real)got - value);
  if (flushed && error <= (real)NEGLIGIBLE) return 0;
  return (double)(error / spacing(size));
}

double ulp_error_of_half(vloss_type type, float got, struct expectation expected, double gate, bool flushed) {
  const int digits = type == VLOSS_BF16 ? 7 : 10, lowest = type == VLOSS_BF16 ? -126 : -14;
  const real most = type == VLOSS_BF16 ? (real)0x1.fep127 : (real)65504;
  const real value = expected.value, near = fabs(value);
  real size = near > expected.scale ? near : expected.scale;
  if (isnan(value)) return float_bits(got) == QUIET_NAN ? 0 : (double)INFINITY;
  if (isnan(got)) return (double)INFINITY;
  if (isinf(value)) return (real)got == value ? 0 : (double)INFINITY;
  if (flushed && type == VLOSS_BF16 && got == 0 && signbit(got)) return (double)INFINITY;
  if (isinf(size)) size = (real)LDBL_MAX;
  const real allowed = (real)gate * spacing(size);
  int exponent = near > 0 ? ilogb(near) : lowest;
  if (exponent < lowest) exponent = lowest;
  const real ulp = ldexp((real)1, exponent - digits);
  if (isinf(got)) return may_be_infinite((double)got, value, allowed, most + ulp / 2);
  if (flushed && got == 0 && near <= (real)SMALLEST + allowed) return 0;
  const real error = fabs((real)got - value) - allowed;
  return error <= 0 ? 0 : (double)(error / ulp);
}

double ulp_error_of_double(double got, struct expectation expected, double gate, bool flushed) {
  const real value = expected.value, most = (real)DBL_MAX, smallest = (real)0x1p-1022;
  real size = fabs(value) > expected.scale ? fabs(value) : expected.scale;
  uint64_t bits;
  memcpy(&bits, &got, sizeof bits);
  if (isnan(value)) return bits == UINT64_C(0x7ff8000000000000) ? 0 : (double)INFINITY;
  if (isnan(got)) return (double)INFINITY;
  if (isinf(value)) return (real)got == value ? 0 : (double)INFINITY;
  if (flushed && (got == 0 ? signbit(got) != 0 : fabs(got) < 0x1p-1022)) return (double)INFINITY;
  if (isinf(size)) size = (real)LDBL_MAX;
  int exponent = size > 0 ? ilogb(size) : -1022;
  const real ulp = ldexp((real)1, (exponent < -1022 ? -1022 : exponent) - 52);
  if (isinf(got)) return may_be_infinite(got, value, (real)gate * ulp, most);
  if (flushed && got == 0 && fabs(value) <= smallest * (1 + (real)gate * (real)DBL_EPSILON)) return 0;
  return (double)(fabs((real)got - value) / ulp);
}
