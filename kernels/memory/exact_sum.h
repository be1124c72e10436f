/* Sums of doubles without rounding: in any order and any grouping the same number comes out, which is rounded once, at
 * the end. So what is added block by block, in several threads or in several calls, does not depend on who adds first.
 * For dispatch and the kernels alike: plain C on integers, compiled for no ISA. */
#ifndef VLOSS_KERNELS_MEMORY_EXACT_SUM_H
#define VLOSS_KERNELS_MEMORY_EXACT_SUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The sum is that of digit[i] 2^(32 i - 1074): every double from the least denormal to the greatest has its place.
 * Digits are added to without carrying, so they may have either sign; 2^31 additions cannot overflow one. */
enum { VLOSS_EXACT_DIGITS = 67 };
enum { VLOSS_SUM_NAN = 1, VLOSS_SUM_INF = 2, VLOSS_SUM_MINUS_INF = 4 };
struct vloss_exact_sum {
  size_t terms;                      /* added so far */
  double only;                       /* one term is the sum: most calls have no second one, and no digits */
  unsigned special;                  /* VLOSS_SUM_NAN, ...: what is no number is not among the digits */
  int low, high;                     /* digits low .. high - 1 are in use */
  int64_t digit[VLOSS_EXACT_DIGITS]; /* from the second term on */
};

static inline void vloss_exact_clear(struct vloss_exact_sum *s) {
  s->terms = 0;
  s->only = 0;
  s->special = 0;
}

/* Adds low .. high - 1 to the digits in use: few are, as a rule, and only those have to be cleared and read. */
static inline void vloss_exact_use_digits(struct vloss_exact_sum *s, int low, int high) {
  while (s->low > low) s->digit[--s->low] = 0;
  while (s->high < high) s->digit[s->high++] = 0;
}

static inline void vloss_exact_add_digits(struct vloss_exact_sum *s, double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  const unsigned exponent = (unsigned)(bits >> 52 & 0x7ff);
  uint64_t mantissa = bits & (UINT64_MAX >> 12);
  const int64_t sign = bits >> 63 ? -1 : 1;
  if (exponent == 0x7ff) {
    s->special |= mantissa ? VLOSS_SUM_NAN : sign < 0 ? VLOSS_SUM_MINUS_INF : VLOSS_SUM_INF;
    return;
  }
  mantissa |= (uint64_t)(exponent != 0) << 52;
  const unsigned place = exponent ? exponent - 1 : 0, shift = place % 32;
  const uint64_t low = mantissa << shift, high = mantissa >> 1 >> (63 - shift);
  const int first = (int)(place / 32);
  vloss_exact_use_digits(s, first, first + 3);
  int64_t *const digit = s->digit + first;
  digit[0] += sign * (int64_t)(low & UINT32_MAX);
  digit[1] += sign * (int64_t)(low >> 32);
  digit[2] += sign * (int64_t)high;
}

static inline void vloss_exact_begin_digits(struct vloss_exact_sum *s) {
  uint64_t bits;
  memcpy(&bits, &s->only, sizeof bits);
  s->low = s->high = (int)(bits >> 52 & 0x7ff) / 32; /* near to where it will stand */
  vloss_exact_add_digits(s, s->only);
}

static inline void vloss_exact_add(struct vloss_exact_sum *s, double v) {
  if (s->terms++ == 0) {
    s->only = v;
    return;
  }
  if (s->terms == 2) vloss_exact_begin_digits(s);
  vloss_exact_add_digits(s, v);
}

/* Adds all that was added to `other`. */
static inline void vloss_exact_merge(struct vloss_exact_sum *s, const struct vloss_exact_sum *other) {
  if (other->terms <= 1) {
    if (other->terms) vloss_exact_add(s, other->only);
    return;
  }
  if (s->terms == 0) s->low = s->high = other->low;
  if (s->terms == 1) vloss_exact_begin_digits(s);
  s->terms += other->terms;
  s->special |= other->special;
  vloss_exact_use_digits(s, other->low, other->high);
  for (int i = other->low; i < other->high; i++) s->digit[i] += other->digit[i];
}

/* The sum, rounded to nearest: once. Nothing is 0. */
double vloss_exact_value(const struct vloss_exact_sum *s);

/* The sum over a divisor, each rounded once; also where the sum alone is beyond the largest double. */
double vloss_exact_quotient(const struct vloss_exact_sum *s, double divisor);

#endif
