/* Rounding an exact sum. */
#include "exact_sum.h"

#include "words/strict.h"

static double of_bits(uint64_t bits) {
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

/* Carries, so that every digit but the last is from 0 to 2^32 - 1. */
static void carry(int64_t *digit, int count) {
  for (int i = 0; i + 1 < count; i++) {
    const int64_t rest = digit[i] & UINT32_MAX;
    digit[i + 1] += (digit[i] - rest) / ((int64_t)UINT32_MAX + 1);
    digit[i] = rest;
  }
}

/* The double nearest to the digits, which are carried and not negative; ties go to even. The first is number `low` of
 * the sum's. */
static double rounded(const int64_t *digit, int count, int low) {
  int top = count - 1;
  while (top > 0 && digit[top] == 0) top--;
  /* The 64 bits from the highest one on, or all there are; and whether there is anything further down. */
  uint64_t bits = (uint64_t)digit[top], more = 0;
  int place = 32 * (low + top), below = top;
  while (bits >> 53 == 0 && below > 0 && !more) {
    const uint64_t next = (uint64_t)digit[--below];
    const int room = __builtin_clzll(bits | 1), taken = room < 32 ? room : 32;
    bits = bits << taken | next >> (32 - taken);
    more = next << taken & UINT32_MAX;
    place -= taken;
  }
  while (below > 0) more |= (uint64_t)digit[--below];
  if (bits >> 53 == 0) { /* all of it: exact, but for its place */
    const int room = bits ? __builtin_clzll(bits) - 10 : 0, moved = room < place ? room : place;
    bits <<= moved, place -= moved;
    if (bits >> 53 == 0) return of_bits(bits); /* at the place of denormals, where a number is its own bits; or 0 */
  }
  const int dropped = 11 - __builtin_clzll(bits);
  const uint64_t half = UINT64_C(1) << (dropped - 1), rest = bits & (2 * half - 1);
  uint64_t kept = bits >> dropped;
  kept += rest > half || (rest == half && (more || kept & 1));
  /* A carry out of 53 bits raises the exponent, as it must. */
  const uint64_t exponent = (uint64_t)(place + dropped);
  return exponent >= 0x7fe ? of_bits((uint64_t)0x7ff << 52) : of_bits((exponent << 52) + kept);
}

/* The sum of the digits over 2^(32 down). */
static double value_of_digits(const struct vloss_exact_sum *s, int down) {
  /* With room for a carry. */
  int64_t digit[VLOSS_EXACT_DIGITS + 1];
  const int count = s->high - s->low + 1;
  memcpy(digit, s->digit + s->low, (size_t)(count - 1) * sizeof *digit);
  digit[count - 1] = 0;
  carry(digit, count);
  if (digit[count - 1] >= 0) return rounded(digit, count, s->low - down);
  for (int i = 0; i < count; i++) digit[i] = -digit[i];
  carry(digit, count);
  return -rounded(digit, count, s->low - down);
}

double vloss_exact_value(const struct vloss_exact_sum *s) {
  if (s->terms <= 1) return s->terms ? s->only : 0;
  const unsigned infinities = s->special & (VLOSS_SUM_INF | VLOSS_SUM_MINUS_INF);
  if (s->special & VLOSS_SUM_NAN || infinities == (VLOSS_SUM_INF | VLOSS_SUM_MINUS_INF))
    return (double)__builtin_nanf("");
  if (infinities) return of_bits((uint64_t)0x7ff << 52 | (uint64_t)(infinities == VLOSS_SUM_MINUS_INF) << 63);
  return value_of_digits(s, 0);
}

double vloss_exact_quotient(const struct vloss_exact_sum *s, double divisor) {
  const double sum = vloss_exact_value(s);
  if (s->terms <= 1 || s->special || sum - sum == 0) return sum / divisor;
  enum { DOWN = 4 };
  return value_of_digits(s, DOWN) / divisor * 0x1p128; /* 32 DOWN bits */
}
