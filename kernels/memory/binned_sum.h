/* A sum whose terms may come in any order and grouping: the parts of a row that threads, calls or machines have summed
 * are added by it. Plain C on integers, compiled for no ISA; for dispatch and the kernels alike.
 *
 * The powers of two are cut into bins of 40, by their numbers: bin b has those from 2^(40 b) to 2^(40 b + 39). A double
 * spreads over three bins at most, and its bits are added to a digit for each; the three digits from the highest bin
 * that any term reached are kept. A digit is a plain sum of integers, and what falls out below belongs to bins that
 * fall out in every order: so the struct itself is the same, bit for bit, whatever the order and the grouping. What
 * falls out is below 2^-80 of the largest term, for each term. 2^22 terms fit. */
#ifndef VLOSS_KERNELS_MEMORY_BINNED_SUM_H
#define VLOSS_KERNELS_MEMORY_BINNED_SUM_H

#include <stdint.h>
#include <string.h>

#include "words/strict.h"

enum { BIN_BITS = 40, BINS = 3, NO_BIN = INT32_MIN };
#define BIN_MASK (((int64_t)1 << BIN_BITS) - 1)

/* What a sum met beside numbers. */
enum { BINNED_NAN = 1, BINNED_INF = 2, BINNED_MINUS_INF = 4 };

struct binned_sum {
  int64_t digit[BINS]; /* of bins top, top - 1, top - 2; not normalised: a carry stays where it arose */
  int32_t top;         /* NO_BIN: no term yet */
  uint32_t met;
};

static inline struct binned_sum binned_nothing(void) { return (struct binned_sum){{0, 0, 0}, NO_BIN, 0}; }

/* Makes room for a term whose highest bin is `top`; or tells by how many bins the term stands lower. */
static inline int64_t binned_raise(struct binned_sum *s, int64_t top) {
  const int64_t up = top - s->top;
  if (up <= 0) return -up;
  s->digit[2] = up > 2 ? 0 : s->digit[2 - up];
  s->digit[1] = up > 1 ? 0 : s->digit[0];
  s->digit[0] = 0;
  s->top = (int32_t)top;
  return 0;
}
/* Adds digits that stand `down` bins below the top. */
static inline void binned_add_digits(struct binned_sum *s, const int64_t *digit, int64_t down) {
  for (int64_t i = down; i < BINS; i++) s->digit[i] += digit[i - down];
}

/* Adds v 2^n, |n| below 2^36. */
static inline void binned_add(struct binned_sum *s, double v, int64_t n) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  const int64_t minus = -(int64_t)(bits >> 63);
  int64_t field = (int64_t)(bits >> 52 & 0x7ff);
  uint64_t m = bits & 0xfffffffffffffu;
  if (field == 0x7ff) {
    s->met |= m ? BINNED_NAN : minus ? BINNED_MINUS_INF : BINNED_INF;
    return;
  }
  if (field == 0) { /* 0 or a denormal number */
    if (m == 0) return;
    for (field = 1; !(m >> 52); field--) m <<= 1;
  }
  m |= (uint64_t)1 << 52;
  /* m 2^(power - 52) = m 2^shift in units of the lowest of the three bins. The offset makes the quotient a floor. */
  const int64_t power = field - 1023 + n, offset = (int64_t)1 << 31;
  const int64_t bin = (int64_t)((uint64_t)(power + BIN_BITS * offset) / BIN_BITS) - offset;
  const int64_t shift = power - BIN_BITS * bin + 28, rest = shift - BIN_BITS; /* 28 to 67 */
  const uint64_t mask = (uint64_t)BIN_MASK, left = m << (rest & 63), right = m >> (-rest & 63);
  const int64_t digit[BINS] = {((int64_t)(m >> (2 * BIN_BITS - shift)) ^ minus) - minus,
                               ((int64_t)((rest < 0 ? right : left) & mask) ^ minus) - minus,
                               ((int64_t)(rest < 0 ? m << (shift & 63) & mask : 0) ^ minus) - minus};
  const int64_t down = binned_raise(s, bin);
  if (__builtin_expect(down == 0, 1))
    for (int i = 0; i < BINS; i++) s->digit[i] += digit[i];
  else
    binned_add_digits(s, digit, down);
}

/* Adds a b, which a double may not hold: a is cut into halves that make exact products. b is a float, finite as a is.
 */
static inline void binned_add_product(struct binned_sum *s, double a, double b) {
  uint64_t bits;
  double high;
  memcpy(&bits, &a, sizeof bits);
  bits &= ~(uint64_t)0x7ffffff;
  memcpy(&high, &bits, sizeof bits);
  binned_add(s, high * b, 0);
  binned_add(s, (a - high) * b, 0);
}

static inline void binned_merge(struct binned_sum *into, const struct binned_sum *from) {
  into->met |= from->met;
  if (from->top == NO_BIN) return;
  binned_add_digits(into, from->digit, binned_raise(into, from->top));
}

static inline void binned_negate(struct binned_sum *s) {
  for (int i = 0; i < BINS; i++) s->digit[i] = -s->digit[i];
  s->met = (s->met & BINNED_NAN) | (s->met & BINNED_INF) << 1 | (s->met & BINNED_MINUS_INF) >> 1;
}

/* The digits with their carries, the two lower ones then from 0 to 2^40 - 1. */
static inline void binned_carry(struct binned_sum *s) {
  for (int i = BINS - 1; i > 0; i--) {
    const int64_t low = s->digit[i] & BIN_MASK;
    s->digit[i - 1] += (s->digit[i] - low) / ((int64_t)1 << BIN_BITS);
    s->digit[i] = low;
  }
}

/* v 2^n, 0 where that would be below 2^-900. */
static inline double binned_scaled(double v, int64_t n) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  const int64_t power = (int64_t)(bits >> 52 & 0x7ff) - 1023 + n;
  if (power < -900) return 0;
  if (power > 1023) return v < 0 ? -(double)__builtin_inff() : (double)__builtin_inff();
  /* In halves: one power of two alone may be out of reach. */
  const int64_t half = n / 2;
  const uint64_t a = (uint64_t)(half + 1023) << 52, b = (uint64_t)(n - half + 1023) << 52;
  double first, second;
  memcpy(&first, &a, sizeof a);
  memcpy(&second, &b, sizeof b);
  return v * first * second;
}

/* The sum over 2^n, rounded to a double. */
static inline double binned_read(const struct binned_sum *sum, int64_t n) {
  struct binned_sum s = *sum;
  const double inf = (double)__builtin_inff();
  if (s.met & BINNED_NAN || (s.met & BINNED_INF && s.met & BINNED_MINUS_INF)) return (double)__builtin_nanf("");
  if (s.met) return s.met & BINNED_INF ? inf : -inf;
  if (s.top == NO_BIN) return 0;
  binned_carry(&s);
  const int negative = s.digit[0] < 0;
  if (negative) {
    binned_negate(&s);
    binned_carry(&s);
  }
  const double low = (double)s.digit[1] * 0x1p40 + (double)s.digit[2], v = (double)s.digit[0] * 0x1p80 + low;
  if (v == 0) return 0;
  return binned_scaled(negative ? -v : v, (int64_t)BIN_BITS * ((int64_t)s.top - 2) - n);
}

/* q b - x for a float b: what is left of it where they cancel, too. */
static inline double binned_product_minus(const struct binned_sum *q, double b, const struct binned_sum *x) {
  struct binned_sum s = *x, digits = *q;
  binned_negate(&s);
  s.met |= q->met;
  if (!s.met && q->top != NO_BIN) {
    binned_carry(&digits);
    if (digits.digit[0] < 0) { /* else a carry of -1 would reach so far up that the lowest digits of x fell out */
      binned_negate(&digits);
      binned_carry(&digits);
      b = -b;
    }
    const int64_t low = digits.digit[0] & BIN_MASK;
    const int64_t digit[BINS + 1] = {(digits.digit[0] - low) / ((int64_t)1 << BIN_BITS), low, digits.digit[1],
                                     digits.digit[2]};
    for (int i = 0; i <= BINS; i++) { /* of 40 bits: halves of 20 make exact products */
      const int64_t lower = digit[i] & 0xfffff, place = (int64_t)BIN_BITS * ((int64_t)q->top + 1 - i);
      binned_add(&s, (double)(digit[i] - lower) * b, place);
      binned_add(&s, (double)lower * b, place);
    }
  }
  return binned_read(&s, 0);
}

#endif
