/* exp, logarithms, tanh and powers of doubles: the same bits on every ISA, NaN as a class, for random bits, for numbers
 * of every size and at the ends of the range; where long double is one, within an ulp; the exp that is
 * inlined, and e^-y in two parts. */
#include "sleef.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../check/harness/random.h"
#include "isas.h"

enum { N = 4096 };
static const char *const names[] = {"exp",          "log",         "log1p",       "expm1",         "tanh",
                                    "pow",          "inlined exp", "inlined log", "inlined log1p", "log1p on [0, 1]",
                                    "exp in parts", "low part"};
/* The errors that are allowed, in ulp. */
static const double gates[] = {1.01, 1.01, 1.01, 1.01, 1.01, 1.01, 1.05, 0.9, 0.9, 0.9, 0x1p-3};
static const double specials[] = {0,          -0.0,      1,       -1,      INFINITY, -INFINITY, NAN,     0x1p-1074,
                                  -0x1p-1074, 0x1p-1022, 709.78,  709.79,  -708.39,  -745.13,   -745.14, DBL_MAX,
                                  -DBL_MAX,   0x1p-53,   0x1p-28, 0x1p-29, 0x1p1000, 0x1p1001,  1e307,   2e307,
                                  18.71,      18.72,     700,     700.5,   0.5,      2};
enum { SPECIALS = sizeof specials / sizeof *specials };

static double of_bits(uint64_t bits) {
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

/* Of each kind a quarter: random bits; what exp has a range for; around 1; every size. And pairs of special values. */
static void fill(struct random *r, double *x, double *y) {
  for (int i = 0; i < N; i++) {
    const double unit = (double)(random_bits(r) >> 11) * 0x1p-53;
    const size_t kind = random_below(r, 4), shift = random_below(r, 60);
    x[i] = kind == 0   ? of_bits(random_bits(r))
           : kind == 1 ? (unit - 0.5) * 1500
           : kind == 2 ? (unit - 0.5) * 4
                       : ldexp(unit, -(int)shift);
    y[i] = random_below(r, 2) ? (double)random_below(r, 9) - 2 : 8 * (double)(random_bits(r) >> 11) * 0x1p-53 - 1;
  }
  for (int i = 0; i < SPECIALS * SPECIALS && i < N; i++) x[i] = specials[i / SPECIALS], y[i] = specials[i % SPECIALS];
}

static int same(double a, double b) { return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0; }

#if LDBL_MANT_DIG == 64
static long double exact(int word, double x, double y) {
  switch (word) {
    case SLEEF_EXP:
    case INLINED_EXP:
      return expl(x);
    case SLEEF_LOG:
    case INLINED_LOG:
      return logl(x);
    case SLEEF_LOG1P:
    case INLINED_LOG1P:
    case LOG1P_UNIT:
      return log1pl(x);
    case SLEEF_EXPM1:
      return expm1l(x);
    case SLEEF_TANH:
      return tanhl(x);
    case SLEEF_POW:
      return powl(x, y);
  }
  return expl(-(long double)x);
}
/* In ulp of a double. */
static double error_of(int word, double x, double y, double got, double low) {
  const long double e = exact(word, x, y);
  if (isnan(e) || isnan(got)) return isnan(e) && isnan(got) ? 0 : (double)INFINITY;
  if (fabsl(e) >= 0x1p1024L || isinf(got))
    return fabsl(e) >= (long double)DBL_MAX && isinf(got) && (got > 0) == (e > 0) ? 0 : (double)INFINITY;
  int exponent = 0;
  frexpl(e, &exponent);
  if (exponent < -1021) exponent = -1021;
  return (double)(fabsl((long double)got - e + (long double)low) / ldexpl(1, exponent - 53));
}
#else
static double error_of(int word, double x, double y, double got, double low) {
  (void)word, (void)x, (void)y, (void)got, (void)low;
  return 0;
}
#endif

/* Whether the word is for x. */
static int in_range(int word, double x) { return word < LOG1P_UNIT || (x >= 0 && x <= (word == LOG1P_UNIT ? 1 : 700)); }

int main(void) {
  static const struct sleef *const all[] = {
#define ISA(isa, ISA, ...) VLOSS_IF_BUILT(ISA, &sleef_##isa, )
#include "isas.def"
#undef ISA
  };
  static double x[N], y[N], first[SLEEF_WORDS][N], now[N];
  double worst[SLEEF_WORDS] = {0};
  size_t different = 0, compared = 0, wrong = 0;
  int ran[sizeof all / sizeof *all];
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) ran[i] = isa_runs(all[i]->isa);
  struct random r = {1};
  for (int round = 0; round < 100; round++) {
    fill(&r, x, y);
    const struct sleef *base = NULL;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
      if (!ran[i]) continue;
      for (int word = 0; word < SLEEF_WORDS; word++) {
        all[i]->words[word](x, y, base ? now : first[word], N);
        for (int k = 0; base && k < N; k++, compared++)
          if (in_range(word, x[k]) && !same(now[k], first[word][k]) && ++different < 20)
            printf("FAIL %s of %a, %a: %a on %s, %a on %s\n", names[word], x[k], y[k], now[k], all[i]->isa,
                   first[word][k], base->isa);
      }
      if (!base) base = all[i];
    }
    if (!base) return 1;
    for (int word = 0; word < SLEEF_LOW_PART; word++)
      for (int k = 0; k < N; k++) {
        if (!in_range(word, x[k])) continue;
        const double low = word == SLEEF_EXP_PARTS ? first[SLEEF_LOW_PART][k] : 0;
        const double error = error_of(word, x[k], y[k], first[word][k], low);
        if (error > worst[word]) worst[word] = error;
        if (!(error <= gates[word]) && ++wrong < 20)
          printf("FAIL %s of %a, %a is %a: %g ulp\n", names[word], x[k], y[k], first[word][k], error);
      }
  }
  for (int word = 0; word < SLEEF_LOW_PART; word++) printf("%s: at most %.4f ulp\n", names[word], worst[word]);
  printf("%zu results compared between ISAs, %zu differ, %zu are wrong\n", compared, different, wrong);
  return different || wrong;
}
