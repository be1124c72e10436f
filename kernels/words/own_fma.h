/* fma and fmaf that round once, in integers and exact sums, for C libraries whose own do not (MinGW-w64). They need the
 * default rounding mode. Slow, and only for the scalar kernels of CPUs without the instruction. */
#ifndef VLOSS_KERNELS_OWN_FMA_H
#define VLOSS_KERNELS_OWN_FMA_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The product of two floats is exact in double. The sum is rounded to odd: truncated, with the last bit set if anything
 * was cut off. So nothing is lost that rounding to float, with 29 bits less, depends on. */
static inline float own_fmaf(float a, float b, float c) {
  const double product = (double)a * (double)b, sum = product + (double)c;
  if (!__builtin_isfinite(sum)) return (float)sum;
  const double back = sum - product; /* Knuth: sum + error is product + c, exactly */
  const double error = (product - (sum - back)) + ((double)c - back);
  uint64_t bits;
  memcpy(&bits, &sum, sizeof bits);
  if (error != 0 && !(bits & 1)) bits += (error > 0) == (sum > 0) ? 1 : UINT64_MAX;
  double odd;
  memcpy(&odd, &bits, sizeof odd);
  return (float)odd;
}

/* 128 bits. A right shift keeps what falls out in the lowest bit, "sticky": enough to round by. */
struct own_wide {
  uint64_t high, low;
};
static inline struct own_wide own_shift_left(struct own_wide x, int n) {
  if (n >= 64) return (struct own_wide){x.low << (n - 64), 0};
  return n ? (struct own_wide){x.high << n | x.low >> (64 - n), x.low << n} : x;
}
static inline struct own_wide own_shift_right(struct own_wide x, int n) {
  if (n == 0) return x;
  if (n >= 128) return (struct own_wide){0, (x.high | x.low) != 0};
  if (n == 64) return (struct own_wide){0, x.high | (x.low != 0)};
  if (n > 64) return (struct own_wide){0, x.high >> (n - 64) | ((x.high << (128 - n) | x.low) != 0)};
  return (struct own_wide){x.high >> n, x.high << (64 - n) | x.low >> n | (x.low << (64 - n) != 0)};
}
static inline struct own_wide own_multiply(uint64_t a, uint64_t b) {
  const uint64_t al = a & UINT32_MAX, ah = a >> 32, bl = b & UINT32_MAX, bh = b >> 32;
  const uint64_t middle = ah * bl + (al * bl >> 32), other = al * bh + (middle & UINT32_MAX);
  return (struct own_wide){ah * bh + (middle >> 32) + (other >> 32), other << 32 | (al * bl & UINT32_MAX)};
}

/* |x| = mantissa * 2^exponent with bit 52 set; x is finite and not 0. */
static inline uint64_t own_parts(double x, int *exponent) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  const int field = (int)(bits >> 52 & 0x7ff);
  uint64_t mantissa = bits & 0xfffffffffffffu;
  *exponent = (field ? field : 1) - 1075;
  if (field) return mantissa | (uint64_t)1 << 52;
  const int shift = __builtin_clzll(mantissa) - 11;
  *exponent -= shift;
  return mantissa << shift;
}

/* x * 2^exponent rounded to nearest even, x not 0. */
static inline double own_round(struct own_wide x, int exponent, int negative) {
  const int zeros = x.high ? __builtin_clzll(x.high) : 64 + __builtin_clzll(x.low);
  x = own_shift_left(x, zeros);
  exponent += 127 - zeros; /* of the leading bit, which is now bit 127 */
  const int below = exponent < -1022 ? -1022 - exponent : 0;
  x = own_shift_right(x, below < 128 ? below : 128);
  uint64_t bits = x.high >> 11;
  const uint64_t rest = (x.high << 53) | (x.low != 0), half = (uint64_t)1 << 63;
  if (!below) bits += (uint64_t)(exponent < 1024 ? exponent + 1022 : 2046) << 52; /* bit 52 adds the one that is left */
  bits += rest > half || (rest == half && bits & 1);
  if (exponent > 1023 || bits > (uint64_t)0x7ff << 52) bits = (uint64_t)0x7ff << 52;
  bits |= (uint64_t)negative << 63;
  double r;
  memcpy(&r, &bits, sizeof r);
  return r;
}

static inline double own_fma(double a, double b, double c) {
  if (!__builtin_isfinite(a) || !__builtin_isfinite(b) || a == 0 || b == 0) return a * b + c;
  if (!__builtin_isfinite(c)) return c + c;
  if (c == 0) {
    const double product = a * b;
    return product == 0 ? product : product + c; /* a product that underflows keeps its sign */
  }
  int ea, eb, ec;
  const uint64_t ma = own_parts(a, &ea), mb = own_parts(b, &eb), mc = own_parts(c, &ec);
  const int product_negative = !__builtin_signbit(a) != !__builtin_signbit(b), c_negative = __builtin_signbit(c) != 0;
  /* Both with the leading bit at 124 or 125, so that their sum has room; the low bits are 0, so that what is shifted
   * out by more than those is far below the last bit of the result, even after cancellation. */
  struct own_wide product = own_shift_left(own_multiply(ma, mb), 20), addend = {mc << 9, 0};
  const int ep = ea + eb - 20;
  int exponent = ec - 73;
  if (exponent < ep) {
    addend = own_shift_right(addend, ep - exponent < 128 ? ep - exponent : 128);
    exponent = ep;
  } else {
    product = own_shift_right(product, exponent - ep < 128 ? exponent - ep : 128);
  }
  if (product_negative == c_negative) {
    struct own_wide sum = {product.high + addend.high, product.low + addend.low};
    sum.high += sum.low < addend.low;
    return own_round(sum, exponent, product_negative);
  }
  const int less = product.high < addend.high || (product.high == addend.high && product.low < addend.low);
  const struct own_wide large = less ? addend : product, small = less ? product : addend;
  const struct own_wide difference = {large.high - small.high - (large.low < small.low), large.low - small.low};
  if (!(difference.high | difference.low)) return 0;
  return own_round(difference, exponent, less ? c_negative : product_negative);
}

#endif
