/* Sums of doubles without an order, times powers of two beyond those of doubles: memory/binned_sum.h with one more bin,
 * and with as many powers of two as whole numbers of 64 bits. What falls out is below 2^-120 of the largest term; where
 * the lowest bin is left out, as states of rows do for exponentials, below 2^-80. Plain C on integers. */
#ifndef VLOSS_KERNELS_F64_WIDE_BINS_H
#define VLOSS_KERNELS_F64_WIDE_BINS_H

#include "memory/binned_sum.h"
#include "memory/exact_sum.h"

enum { WIDE_BINS = 4 };
#define NO_WIDE_BIN INT64_MIN

struct wide_bins {
  int64_t digit[WIDE_BINS]; /* of bins top, top - 1, ...; not normalised */
  int64_t top;              /* NO_WIDE_BIN: no term yet */
  uint32_t met;             /* BINNED_NAN, ... */
  int count;                /* bins in use */
};
static inline struct wide_bins no_bins(int count) { return (struct wide_bins){.top = NO_WIDE_BIN, .count = count}; }

/* The bin of a power of two. */
static inline int64_t bin_of(int64_t power) {
  return power >= 0 ? power / BIN_BITS : -((BIN_BITS - 1 - power) / BIN_BITS);
}
static inline void bins_raise(struct wide_bins *s, int64_t top) {
  if (s->top == NO_WIDE_BIN) s->top = top;
  const int64_t up = top - s->top;
  if (up <= 0) return;
  for (int i = s->count - 1; i >= 0; i--) s->digit[i] = i >= up ? s->digit[i - up] : 0;
  s->top = top;
}
static inline void bins_add_digit(struct wide_bins *s, int64_t bin, int64_t digit) {
  if (s->top - bin < s->count) s->digit[s->top - bin] += digit;
}

/* Adds v 2^n, |n| below 2^63 - 2^12. */
static inline void bins_add(struct wide_bins *s, double v, int64_t n) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  const int64_t sign = bits >> 63 ? -1 : 1;
  int64_t field = (int64_t)(bits >> 52 & 0x7ff);
  uint64_t m = bits & 0xfffffffffffffu;
  if (field == 0x7ff) {
    s->met |= m ? BINNED_NAN : sign < 0 ? BINNED_MINUS_INF : BINNED_INF;
    return;
  }
  if (field == 0) { /* 0 or a denormal number */
    if (m == 0) return;
    for (field = 1; !(m >> 52); field--) m <<= 1;
  }
  m |= (uint64_t)1 << 52;
  const int64_t power = field - 1075 + n, bin = bin_of(power), shift = power - BIN_BITS * bin;
  const uint64_t mask = (uint64_t)BIN_MASK;
  bins_raise(s, bin_of(power + 52));
  bins_add_digit(s, bin, sign * (int64_t)(m << shift & mask));
  bins_add_digit(s, bin + 1, sign * (int64_t)(m >> (BIN_BITS - shift) & mask));
  if (shift > 2 * BIN_BITS - 53) bins_add_digit(s, bin + 2, sign * (int64_t)(m >> (2 * BIN_BITS - shift)));
}

static inline void bins_merge(struct wide_bins *into, const struct wide_bins *from) {
  into->met |= from->met;
  if (from->top == NO_WIDE_BIN) return;
  bins_raise(into, from->top);
  for (int i = 0; i < from->count; i++) bins_add_digit(into, from->top - i, from->digit[i]);
}

/* v 2^n; 0 or infinity where that is no double. */
static inline double times_power(double v, int64_t n) {
  const int64_t most = n < -1200 ? -1200 : n > 2000 ? 2000 : n, half = most / 2;
  const uint64_t a = (uint64_t)(half + 1023) << 52, b = (uint64_t)(most - half + 1023) << 52;
  double first, second;
  memcpy(&first, &a, sizeof a);
  memcpy(&second, &b, sizeof b);
  return v * first * second;
}
/* Digit i as two doubles, in units of the first bit of its bin. */
static inline double upper_half(int64_t digit) { return (double)(digit - (digit & UINT32_MAX)); }
static inline double lower_half(int64_t digit) { return (double)(digit & UINT32_MAX); }

/* Adds sign s / 2^n to an exact sum. */
static inline void bins_into(struct vloss_exact_sum *sum, const struct wide_bins *s, int64_t n, double sign) {
  if (s->met & BINNED_NAN) vloss_exact_add(sum, (double)__builtin_nanf(""));
  if (s->met & BINNED_INF) vloss_exact_add(sum, sign * (double)__builtin_inff());
  if (s->met & BINNED_MINUS_INF) vloss_exact_add(sum, -sign * (double)__builtin_inff());
  for (int i = 0; s->top != NO_WIDE_BIN && i < s->count; i++) {
    const int64_t place = BIN_BITS * (s->top - i) - n;
    if (place < -1100) continue;
    vloss_exact_add(sum, sign * times_power(upper_half(s->digit[i]), place));
    vloss_exact_add(sum, sign * times_power(lower_half(s->digit[i]), place));
  }
}

#endif
