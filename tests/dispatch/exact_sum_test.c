/* Exact sums: against a sum bit by bit, in random orders and groupings, at the ends of the range, of what is no number.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../check/harness/random.h"
#include "expect.h"
#include "memory/exact_sum.h"

static struct random source = {1};
static uint64_t next(void) { return random_bits(&source); }
static double of_bits(uint64_t bits) {
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}
static uint64_t bits_of(double v) {
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

/* A number as bits 2^-1074, 2^-1073, ..., and its sign: two's complement, one bit a byte. */
enum { PLACES = 2200 };
struct slow_sum {
  unsigned char bit[PLACES];
};
static void slow_add(struct slow_sum *s, double v) {
  int exponent;
  const double fraction = frexp(fabs(v), &exponent);
  const uint64_t mantissa = (uint64_t)ldexp(fraction, 53);
  int place = exponent - 53 + 1074, carry = 0;
  for (int i = 0; i < PLACES; i++) {
    const int at = i - place, one = at >= 0 && at < 53 && (mantissa >> at & 1);
    const int sum = v < 0 ? s->bit[i] - one - carry : s->bit[i] + one + carry;
    s->bit[i] = sum & 1;
    carry = v < 0 ? sum < 0 : sum > 1;
  }
}
static double slow_value(const struct slow_sum *sum) {
  struct slow_sum s = *sum;
  const bool negative = s.bit[PLACES - 1];
  for (int i = 0, carry = 1; negative && i < PLACES; i++) { /* not s, plus 1 */
    const int flipped = !s.bit[i] + carry;
    s.bit[i] = flipped & 1;
    carry = flipped > 1;
  }
  int top = PLACES - 1;
  while (top > 0 && !s.bit[top]) top--;
  const int least = top - 52 > 0 ? top - 52 : 0;
  uint64_t kept = 0;
  for (int i = top; i >= least; i--) kept = kept << 1 | s.bit[i];
  bool more = false;
  for (int i = 0; i < least - 1; i++) more |= s.bit[i];
  if (least > 0 && s.bit[least - 1] && (more || kept & 1)) kept++;
  const double v = ldexp((double)kept, least - 1074);
  return negative ? -v : v;
}

enum { MOST = 40 };
static void check_one(const double *v, int n, const char *what) {
  struct slow_sum slow = {{0}};
  struct vloss_exact_sum sum, parts[3];
  vloss_exact_clear(&sum);
  for (int k = 0; k < 3; k++) vloss_exact_clear(&parts[k]);
  for (int i = 0; i < n; i++) {
    slow_add(&slow, v[i]);
    vloss_exact_add(&sum, v[i]);
  }
  /* Another order, and three parts merged in an order of chance. */
  double shuffled[MOST];
  memcpy(shuffled, v, (size_t)n * sizeof *v);
  for (int i = n - 1; i > 0; i--) {
    const int j = (int)(next() % (unsigned)(i + 1));
    const double moved = shuffled[i];
    shuffled[i] = shuffled[j], shuffled[j] = moved;
  }
  for (int i = 0; i < n; i++) vloss_exact_add(&parts[next() % 3], shuffled[i]);
  const int first = (int)(next() % 3);
  vloss_exact_merge(&parts[first], &parts[(first + 1) % 3]);
  vloss_exact_merge(&parts[first], &parts[(first + 2) % 3]);
  const double expected = slow_value(&slow) + 0.0, whole = vloss_exact_value(&sum) + 0.0,
               merged = vloss_exact_value(&parts[first]) + 0.0;
  EXPECT(bits_of(whole) == bits_of(expected), "%s of %d numbers: %a, not %a", what, n, whole, expected);
  EXPECT(bits_of(merged) == bits_of(expected), "%s of %d numbers in parts: %a, not %a", what, n, merged, expected);
}

static double number(int lowest, int range) {
  const uint64_t r = next();
  const uint64_t exponent = (uint64_t)(lowest + (int)(next() % (unsigned)range));
  const uint64_t mask = next() % 2 ? UINT64_MAX : UINT64_MAX << next() % 53; /* few digits: ties */
  return of_bits((r >> 63) << 63 | exponent << 52 | (r & mask & UINT64_MAX >> 12));
}

static void special_values(void) {
  const double inf = INFINITY, nan = NAN;
  const struct {
    double v[3], sum;
  } rows[] = {
      {{inf, 1, 2}, inf},
      {{1, -inf, 2}, -inf},
      {{inf, -inf, 1}, nan},
      {{1, nan, inf}, nan},
      {{0x1p1023, 0x1p1023, 0}, inf},
      {{0x1.8p1023, 0x1p1023, 0}, inf},
      {{0x1p1023, 0x1p1023, -0x1p1023}, 0x1p1023},
      {{0x1.fffffffffffffp1023, 0x1p969, 0}, 0x1.fffffffffffffp1023},
      {{0x1.fffffffffffffp1023, 0x1p970, 0}, inf},
      {{-0x1p1023, -0x1p1023, 0}, -inf},
      {{1, -1, 0x1p-1074}, 0x1p-1074},
      {{1, 0x1p-53, 0}, 1},
      {{1, 0x1p-53, 0x1p-1074}, 0x1.0000000000001p0},
      {{0x1.0000000000001p0, 0x1p-53, 0}, 0x1.0000000000002p0},
      {{1, -1, 0}, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    for (int first = 0; first <= 3; first++) { /* in two parts: the first so many, and the others */
      struct vloss_exact_sum sum, rest;
      vloss_exact_clear(&sum);
      vloss_exact_clear(&rest);
      for (int k = 0; k < 3; k++) vloss_exact_add(k < first ? &sum : &rest, rows[i].v[k]);
      vloss_exact_merge(&sum, &rest);
      const double v = vloss_exact_value(&sum);
      EXPECT(v != v ? rows[i].sum != rows[i].sum : bits_of(v) == bits_of(rows[i].sum),
             "row %zu, %d and the rest: %a, not %a", i, first, v, rows[i].sum);
    }
  }
  struct vloss_exact_sum nothing;
  vloss_exact_clear(&nothing);
  EXPECT(bits_of(vloss_exact_value(&nothing)) == 0, "no numbers do not add up to 0");
}

/* The sum over a divisor, where the sum alone is finite and where it is not. */
static void quotients(void) {
  const double inf = (double)INFINITY, max = 0x1.fffffffffffffp1023;
  const struct {
    double v[3], divisor, quotient;
  } rows[] = {{{3, 4, 0}, 7, 1},
              {{max, max, 0}, 2, max},
              {{-max, -max, -max}, 3, -max},
              {{max, max, -0x1p-1074}, 4, 0x1.fffffffffffffp1022},
              {{max, max, max}, 1, inf},
              {{inf, max, 0}, 4, inf},
              {{-inf, max, max}, 4, -inf},
              {{0, 0, 0}, 2, 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct vloss_exact_sum sum;
    vloss_exact_clear(&sum);
    for (int k = 0; k < 3; k++) vloss_exact_add(&sum, rows[i].v[k]);
    const double v = vloss_exact_quotient(&sum, rows[i].divisor);
    EXPECT(bits_of(v) == bits_of(rows[i].quotient), "row %zu: %a, not %a", i, v, rows[i].quotient);
  }
}

int main(void) {
  special_values();
  quotients();
  double v[MOST];
  for (int round = 0; round < 20000; round++) {
    const int n = 1 + (int)(next() % MOST);
    const int kind = (int)(next() % 4);
    for (int i = 0; i < n; i++)
      v[i] = kind == 0   ? number(0, 3)     /* denormals */
             : kind == 1 ? number(0, 2040)  /* anything */
             : kind == 2 ? number(1000, 40) /* what cancels */
                         : number(1023, 90);
    if (kind == 2 && n > 1) v[n - 1] = -v[0];
    check_one(v, n, "a sum");
  }
  return report("exact sums");
}
