/* Sums without an order: random terms, partitioned, permuted and merged at random, make the same struct bit for bit,
 * and it reads as the exact sum, rounded. */
#include "memory/binned_sum.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"

enum { ROUNDS = 20000, MOST_TERMS = 40, PARTS = 6 };

/* The exact sum, slowly: limbs of 32 bits from 2^LOWEST on, each with room for carries. */
enum { LIMBS = 100, LOWEST = -1600 };
struct exact {
  int64_t limb[LIMBS];
};
static void exact_add(struct exact *s, double v, int n) {
  int exponent;
  const double m = frexp(v, &exponent) * 0x1p53;
  const int place = exponent - 53 + n - LOWEST, at = place / 32;
  double rest = ldexp(fabs(m), place % 32); /* below 2^85 */
  for (int i = 3; i >= 0; i--) {
    const double unit = ldexp(1, 32 * i), digit = floor(rest / unit);
    s->limb[at + i] += (int64_t)(v < 0 ? -digit : digit);
    rest -= digit * unit;
  }
}
/* Good to 2^-60: of what carries leave, the highest limbs. */
static long double exact_read(const struct exact *sum) {
  struct exact s = *sum;
  int negative = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i + 1 < LIMBS; i++) {
      const int64_t low = s.limb[i] & 0xffffffff;
      s.limb[i + 1] += (s.limb[i] - low) / ((int64_t)1 << 32);
      s.limb[i] = low;
    }
    if (s.limb[LIMBS - 1] >= 0) break;
    negative = 1;
    for (int i = 0; i < LIMBS; i++) s.limb[i] = -s.limb[i];
  }
  long double r = 0;
  for (int i = LIMBS - 1; i >= 0; i--) r += ldexpl((long double)s.limb[i], 32 * i + LOWEST);
  return negative ? -r : r;
}

struct term {
  double v;
  int n;
};
static double any_mantissa(struct random *r) {
  switch (random_below(r, 4)) {
    case 0:
      return 1;
    case 1:
      return 2 - 0x1p-52;
    default:
      return 1 + (double)(random_bits(r) >> 12) * 0x1p-52;
  }
}
/* Near each other, far apart, of one sign or both; zeros and denormal numbers among them. */
static struct term any_term(struct random *r, int range, int with_signs) {
  const int exponent = (int)random_below(r, (size_t)range) - range / 2;
  struct term t = {ldexp(any_mantissa(r), exponent / 2), exponent - exponent / 2};
  if (random_below(r, 16) == 0) t = (struct term){0, t.n};
  if (random_below(r, 16) == 0) t = (struct term){0x1p-1074 * (double)(1 + random_below(r, 1000)), 1060 + t.n};
  if (with_signs && random_below(r, 2)) t.v = -t.v;
  return t;
}

static int same(const struct binned_sum *a, const struct binned_sum *b) {
  return memcmp(a->digit, b->digit, sizeof a->digit) == 0 && a->top == b->top && a->met == b->met;
}

static int failures;
static void fail(uint64_t round, const char *what) {
  if (failures++ < 10) fprintf(stderr, "round %llu: %s\n", (unsigned long long)round, what);
}

/* The terms in another order, as the sums of random parts, merged in random order, empty parts among them. */
static struct binned_sum in_parts(struct random *r, struct term *t, size_t n) {
  struct binned_sum part[PARTS];
  for (size_t i = 0; i < PARTS; i++) part[i] = binned_nothing();
  for (size_t i = n; i > 1; i--) {
    const size_t k = random_below(r, i);
    const struct term swapped = t[i - 1];
    t[i - 1] = t[k];
    t[k] = swapped;
  }
  for (size_t i = 0; i < n; i++) binned_add(&part[random_below(r, PARTS)], t[i].v, t[i].n);
  for (size_t left = PARTS; left > 1; left--) {
    const size_t into = random_below(r, left);
    size_t from = random_below(r, left - 1);
    if (from >= into) from++;
    binned_merge(&part[into], &part[from]);
    part[from] = part[left - 1];
  }
  return part[0];
}

static void check_value(uint64_t round, const struct binned_sum *sum, const struct term *t, size_t n) {
  struct exact exact = {{0}};
  long double most = 0;
  for (size_t i = 0; i < n; i++) {
    if (t[i].v == 0) continue;
    exact_add(&exact, t[i].v, t[i].n);
    most = fmaxl(most, fabsl(ldexpl((long double)t[i].v, t[i].n)));
  }
  const long double right = exact_read(&exact), error = fabsl((long double)binned_read(sum, 0) - right);
  if (error > fabsl(right) * 0x1.1p-52L + most * (long double)n * 0x1p-80L) fail(round, "the sum is not the exact one");
  const double half = binned_read(sum, 1);
  if (half != binned_read(sum, 0) / 2) fail(round, "the sum over 2 is another number");
}

/* q b - x, where x is nearly q b, and q of either sign. */
static void check_product(struct random *r, uint64_t round) {
  struct binned_sum q = binned_nothing(), x = binned_nothing();
  struct exact exact = {{0}};
  long double most = 0;
  const double b = (double)(float)ldexp(any_mantissa(r), (int)random_below(r, 100) - 50);
  const double sign = random_below(r, 2) ? -1 : 1;
  for (int i = 0; i < 20; i++) {
    const double k = sign * ldexp(any_mantissa(r), (int)random_below(r, 30) - 15), error = k * b * 0x1p-30;
    binned_add(&q, k, 0);
    binned_add_product(&x, k, b);
    binned_add(&x, -error, 0);
    exact_add(&exact, error, 0);
    most += fabsl((long double)k * (long double)b);
  }
  const long double right = exact_read(&exact);
  if (fabsl((long double)binned_product_minus(&q, b, &x) - right) >
      fabsl(right) * 0x1p-51L + most * 0x1p-74L) /* 60 terms */
    fail(round, "q b - x is not the exact one");
}

static void check_special(void) {
  const double inf = (double)INFINITY, nan = (double)NAN, values[] = {1, inf, -inf, nan};
  for (int a = 0; a < 4; a++)
    for (int b = 0; b < 4; b++) {
      struct binned_sum s = binned_nothing(), t = binned_nothing();
      binned_add(&s, values[a], 5);
      binned_add(&t, values[b], 5);
      binned_merge(&s, &t);
      const double expected = 32 * values[a] + 32 * values[b], got = binned_read(&s, 0);
      binned_negate(&s);
      const double negated = binned_read(&s, 0);
      if (!(got == expected || (got != got && expected != expected))) fail(0, "a sum of infinities or NaN");
      if (!(negated == -expected || (negated != negated && expected != expected))) fail(0, "their negative");
    }
  const struct binned_sum nothing = binned_nothing();
  if (binned_read(&nothing, 0) != 0) fail(0, "no term is not 0");
}

/* As many terms as the digits have room for, all alike. */
static void check_many(void) {
  struct binned_sum s = binned_nothing();
  const double v = 2 - 0x1p-52;
  for (int i = 0; i < 1 << 22; i++) binned_add(&s, v, 39);
  if (binned_read(&s, 61) != v) fail(0, "2^22 terms are too many");
}

int main(void) {
  struct random r = {1};
  for (uint64_t round = 0; round < ROUNDS; round++) {
    struct term terms[MOST_TERMS];
    const size_t n = 1 + random_below(&r, MOST_TERMS);
    static const int ranges[] = {1, 20, 60, 90, 200, 800};
    const int range = ranges[random_below(&r, 6)], with_signs = (int)random_below(&r, 2);
    struct binned_sum sum = binned_nothing();
    for (size_t i = 0; i < n; i++) {
      terms[i] = any_term(&r, range, with_signs);
      binned_add(&sum, terms[i].v, terms[i].n);
    }
    check_value(round, &sum, terms, n);
    for (int again = 0; again < 3; again++) {
      const struct binned_sum other = in_parts(&r, terms, n);
      if (!same(&sum, &other)) fail(round, "another order is another sum");
    }
    check_product(&r, round);
  }
  check_special();
  check_many();
  if (!failures) printf("%d random sums, each in 4 orders and groupings\n", ROUNDS);
  return failures != 0;
}
