/* What the parts of the reference share: rows, and sums over them. */
#ifndef VLOSS_TESTS_CHECK_REFERENCE_ROWS_H
#define VLOSS_TESTS_CHECK_REFERENCE_ROWS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <tgmath.h>

#include "reference.h"

/* One row of a [outer, classes, inner] array. */
struct row {
  const void *first;
  size_t classes, step;
  bool doubles;
  const real *counted; /* the values of a row of logits to which something is done; null: those above */
};

static inline struct row row_of(const void *array, size_t stride, size_t classes, size_t inner, size_t r) {
  if (stride == 0) stride = classes * inner;
  return (struct row){(const float *)array + r / inner * stride + r % inner, classes, inner, false, NULL};
}

static inline real raw_at(struct row x, size_t c) {
  return x.doubles ? (real)((const double *)x.first)[c * x.step] : (real)((const float *)x.first)[c * x.step];
}

static inline real at(struct row x, size_t c) { return x.counted ? x.counted[c] : raw_at(x, c); }

static inline struct expectation exactly(real value) { return (struct expectation){value, fabs(value)}; }

/* A product in which an exact 0 wins over everything but NaN. */
static inline real times(real coefficient, real value) {
  if (isnan(coefficient) || isnan(value)) return (real)NAN;
  return coefficient == 0 || value == 0 ? 0 : coefficient * value;
}

/* Maximum m of a row, and the sum of exp(x_c - m) over every class but the one that gives the maximum: S - 1 without
 * cancellation, so that log S = log1p(rest) keeps its digits however confident the row is. */
struct log_sum {
  real max, rest, log;
  size_t best;    /* first index of the maximum, or of the first NaN */
  bool undefined; /* NaN, +inf, or nothing but -inf */
};

static inline struct log_sum log_sum_of(struct row x) {
  struct log_sum s = {.max = at(x, 0)};
  for (size_t c = 1; c < x.classes && !isnan(s.max); c++)
    if (isnan(at(x, c)) || at(x, c) > s.max) s.max = at(x, s.best = c);
  s.undefined = isnan(s.max) || isinf(s.max);
  struct careful_sum rest = {0, 0};
  for (size_t c = 0; c < x.classes && !s.undefined; c++)
    if (c != s.best) careful_add(&rest, exp(at(x, c) - s.max));
  s.rest = careful_value(&rest);
  s.log = log1p(s.rest);
  return s;
}

/* Where the maximum is negative, log S cancels it, and what is left has an error of 2^-50. */
static inline struct expectation lse_of(struct log_sum s) {
  const real lse = s.undefined ? s.max : s.max + s.log;
  return (struct expectation){lse, s.max < 0 ? fmax(fabs(lse), (real)0x1p-28) : fabs(lse)};
}
static inline real softmax_of(struct log_sum s, real x) { return exp(x - s.max) / (1 + s.rest); }

#endif
