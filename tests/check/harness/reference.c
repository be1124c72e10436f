/* See reference.h: cross-entropy, NLL and the softmax functions; the losses are in losses.c, by their formulas. */
#include "reference.h"

#include <math.h>
#include <stdbool.h>
#include <tgmath.h>

/* One row of a [outer, classes, inner] array. */
struct row {
  const void *first;
  size_t classes, step;
  bool doubles;
};

static struct row row_of(const void *array, size_t stride, size_t classes, size_t inner, size_t r) {
  if (stride == 0) stride = classes * inner;
  return (struct row){(const float *)array + r / inner * stride + r % inner, classes, inner, false};
}

static real at(struct row x, size_t c) {
  return x.doubles ? (real)((const double *)x.first)[c * x.step] : (real)((const float *)x.first)[c * x.step];
}

static struct expectation exactly(real value) { return (struct expectation){value, fabs(value)}; }

/* A product in which an exact 0 wins over everything but NaN. */
static real times(real coefficient, real value) {
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

static struct log_sum log_sum_of(struct row x) {
  struct log_sum s = {.max = at(x, 0)};
  for (size_t c = 1; c < x.classes && !isnan(s.max); c++)
    if (isnan(at(x, c)) || at(x, c) > s.max) s.max = at(x, s.best = c);
  s.undefined = isnan(s.max) || isinf(s.max);
  for (size_t c = 0; c < x.classes && !s.undefined; c++)
    if (c != s.best) s.rest += exp(at(x, c) - s.max);
  s.log = log1p(s.rest);
  return s;
}

/* Where the maximum is negative, log S cancels it, and what is left has an error of 2^-50. */
static struct expectation lse_of(struct log_sum s) {
  const real lse = s.undefined ? s.max : s.max + s.log;
  return (struct expectation){lse, s.max < 0 ? fmax(fabs(lse), (real)0x1p-28) : fabs(lse)};
}
static real softmax_of(struct log_sum s, real x) { return exp(x - s.max) / (1 + s.rest); }

/* ---- Cross-entropy and NLL ---- */

enum kind { LIVE, IGNORED, OUT_OF_RANGE };

struct label {
  enum kind kind;
  size_t class;
};

static struct label label_of(const vloss_cross_entropy_args *a, size_t r) {
  if (!a->labels) return (struct label){LIVE, 0};
  int64_t t = a->label_type == VLOSS_I64 ? ((const int64_t *)a->labels)[r] : ((const int32_t *)a->labels)[r];
  int64_t ignored = a->ignore == VLOSS_IGNORE_DEFAULT && a->ignore_index == 0 ? -100 : a->ignore_index;
  if (a->ignore != VLOSS_IGNORE_NOTHING && t == ignored) return (struct label){IGNORED, 0};
  if (t < 0 || (uint64_t)t >= a->classes) return (struct label){OUT_OF_RANGE, 0};
  return (struct label){LIVE, (size_t)t};
}

static real weight_of(const vloss_cross_entropy_args *a, size_t c) {
  if (!a->weights) return 1;
  return a->type == VLOSS_F64 ? (real)((const double *)a->weights)[c] : (real)((const float *)a->weights)[c];
}

/* What VLOSS_MEAN divides by: the weights of the rows that count, or the number of rows. */
static real denominator_of(const vloss_cross_entropy_args *a, size_t rows) {
  if (!a->labels) return (real)rows;
  real sum = 0;
  for (size_t r = 0; r < rows; r++) {
    struct label t = label_of(a, r);
    if (t.kind != IGNORED) sum += t.kind == LIVE ? weight_of(a, t.class) : 1;
  }
  return sum;
}

/* What the gradient of row r is multiplied by; of a mean over live rows whose weights are all 0, NaN. */
static real factor_of(const vloss_cross_entropy_args *a, size_t r, real denominator) {
  const size_t i = a->reduction == VLOSS_NONE ? r : 0;
  real upstream = 1;
  if (a->upstream)
    upstream = a->type == VLOSS_F64 ? (real)((const double *)a->upstream)[i] : (real)((const float *)a->upstream)[i];
  if (a->reduction != VLOSS_MEAN) return upstream;
  return denominator == 0 ? (real)NAN : upstream / denominator;
}

/* Sums the rows' losses as the reduction says; loss holds them one a row, or takes the result. */
struct total {
  struct expectation sum;
  size_t live;
};

static void add_loss(struct total *t, struct expectation row) {
  t->sum.value += row.value;
  t->sum.scale += row.scale;
}

static void reduce_loss(const vloss_cross_entropy_args *a, struct total t, real denominator, struct expectation *loss) {
  if (!loss || a->reduction == VLOSS_NONE) return;
  *loss = t.sum;
  if (a->reduction == VLOSS_SUM) return;
  bool empty = t.live == 0;
  if (empty && (a->flags & VLOSS_EMPTY_MEAN_ZERO)) {
    *loss = exactly(0);
  } else {
    loss->value = denominator == 0 ? (real)NAN : t.sum.value / denominator;
    loss->scale = fabs(t.sum.scale / denominator);
  }
}

/* A row of a tensor of the call; doubles are dense and in order, as the contents of jobs are. */
static struct row logits_row(const vloss_cross_entropy_args *a, const void *p, size_t stride, size_t inner, size_t r) {
  if (a->type != VLOSS_F64) return row_of(p, stride, a->classes, inner, r);
  return (struct row){(const double *)p + r * a->classes, a->classes, 1, true};
}

/* The coefficient q_c of a row. */
static real coefficient(const vloss_cross_entropy_args *a, size_t r, size_t t, size_t inner, size_t c) {
  real e = (real)a->label_smoothing, even = e / (real)a->classes;
  if (!a->labels) {
    struct row target = logits_row(a, a->targets, a->targets_stride, inner, r);
    return times(weight_of(a, c), (1 - e) * at(target, c) + even);
  }
  return times(even, weight_of(a, c)) + (c == t ? times(1 - e, weight_of(a, t)) : 0);
}

/* Index labels without smoothing: L = w_t log1p(sum over the other classes), dL/dy_t = -w_t * (1 - p_t) with 1 - p_t
 * summed from the other classes. Nothing cancels. */
static struct expectation plain_row(const vloss_cross_entropy_args *a, struct row x, struct log_sum s, size_t t,
                                    real factor, struct expectation *grad) {
  real w = weight_of(a, t);
  for (size_t c = 0; grad && c < a->classes; c++) {
    real p = softmax_of(s, at(x, c));
    if (c == t) p = -(t == s.best ? s.rest : 1 + (s.rest - exp(at(x, c) - s.max))) / (1 + s.rest);
    grad[c] = exactly(times(factor * w, p));
  }
  return exactly(times(w, s.max - at(x, t) + s.log));
}

/* Everything else: L = sum_c q_c (m - y_c) + Q log S, dL/dy_c = Q p_c - q_c. */
static struct expectation mixed_row(const vloss_cross_entropy_args *a, size_t r, struct row x, struct log_sum s,
                                    size_t t, real factor, struct expectation *grad) {
  struct expectation loss = {0, 0}, q_sum = {0, 0};
  for (size_t c = 0; c < a->classes; c++) {
    real q = coefficient(a, r, t, x.step, c), term = times(q, s.max - at(x, c));
    loss.value += term;
    loss.scale += fabs(term);
    q_sum.value += q;
    q_sum.scale += fabs(q);
  }
  loss.value += times(q_sum.value, s.log);
  loss.scale += times(q_sum.scale, s.log);
  for (size_t c = 0; grad && c < a->classes; c++) {
    real q = coefficient(a, r, t, x.step, c), p = softmax_of(s, at(x, c));
    grad[c].value = times(factor, q_sum.value * p - q);
    grad[c].scale = fabs(factor) * (q_sum.scale * p + fabs(q));
  }
  return loss;
}

void reference_cross_entropy(const vloss_cross_entropy_args *a, const struct cross_entropy_expectations *out) {
  size_t inner = a->inner ? a->inner : 1, rows = a->rows * inner, classes = a->classes;
  real denominator = denominator_of(a, rows);
  struct total total = {exactly(0), 0};
  for (size_t r = 0; r < rows; r++) {
    struct label t = label_of(a, r);
    struct expectation loss = exactly(0), lse = exactly(0), *grad = out->grad ? out->grad + r * classes : NULL;
    real predicted = -1, fill = 0;
    bool filled = t.kind == IGNORED;
    if (t.kind != IGNORED) {
      struct row x = logits_row(a, a->logits, a->logits_stride, inner, r);
      struct log_sum s = log_sum_of(x);
      total.live++;
      lse = lse_of(s);
      if (a->type == VLOSS_F64 && s.max < 0) lse.scale = fmax(fabs(lse.value), s.log);
      predicted = (real)s.best;
      real factor = factor_of(a, r, denominator);
      if (s.undefined || t.kind == OUT_OF_RANGE) {
        filled = true;
        loss = exactly(fill = (real)NAN);
      } else if (a->labels && a->label_smoothing == 0) {
        loss = plain_row(a, x, s, t.class, factor, grad);
      } else {
        loss = mixed_row(a, r, x, s, t.class, factor, grad);
      }
      if (isinf(factor)) {
        filled = true;
        fill = (real)NAN;
      }
    }
    for (size_t c = 0; filled && grad && c < classes; c++) grad[c] = exactly(fill);
    if (out->lse) out->lse[r] = lse;
    if (out->predicted) out->predicted[r] = exactly(predicted);
    if (out->loss && a->reduction == VLOSS_NONE) out->loss[r] = loss;
    add_loss(&total, loss);
  }
  reduce_loss(a, total, denominator, out->loss);
}

void reference_nll(const vloss_cross_entropy_args *a, const struct cross_entropy_expectations *out) {
  size_t inner = a->inner ? a->inner : 1, rows = a->rows * inner, classes = a->classes;
  real denominator = denominator_of(a, rows);
  struct total total = {exactly(0), 0};
  for (size_t r = 0; r < rows; r++) {
    struct label t = label_of(a, r);
    struct expectation loss = exactly(t.kind == IGNORED ? 0 : (real)NAN);
    real factor = factor_of(a, r, denominator);
    if (t.kind != IGNORED) total.live++;
    if (t.kind == LIVE)
      loss = exactly(-times(weight_of(a, t.class), at(logits_row(a, a->logits, a->logits_stride, inner, r), t.class)));
    for (size_t c = 0; out->grad && c < classes; c++) {
      real g = t.kind == LIVE && c == t.class ? -factor * weight_of(a, c) : 0;
      bool undefined = t.kind == OUT_OF_RANGE || (t.kind == LIVE && !isfinite(factor));
      out->grad[r * classes + c] = exactly(undefined ? (real)NAN : g);
    }
    if (out->loss && a->reduction == VLOSS_NONE) out->loss[r] = loss;
    add_loss(&total, loss);
  }
  reduce_loss(a, total, denominator, out->loss);
}

/* ---- Softmax and its relatives ---- */

static size_t rows_of(const vloss_softmax_args *a) { return a->rows * (a->inner ? a->inner : 1); }

/* The values of the softmax functions are dense and in order. */
static struct row values_of(const vloss_softmax_args *a, const void *values, size_t r) {
  if (a->type != VLOSS_F64) return row_of(values, 0, a->classes, 1, r);
  return (struct row){(const double *)values + r * a->classes, a->classes, 1, true};
}
static struct row input_row(const vloss_softmax_args *a, size_t r) { return values_of(a, a->input, r); }

static struct row upstream_row(const vloss_softmax_args *a, size_t r) { return values_of(a, a->upstream, r); }

void reference_softmax(const vloss_softmax_args *a, struct expectation *output) {
  for (size_t r = 0; r < rows_of(a); r++) {
    struct row x = input_row(a, r);
    struct log_sum s = log_sum_of(x);
    for (size_t c = 0; c < a->classes; c++) *output++ = exactly(s.undefined ? (real)NAN : softmax_of(s, at(x, c)));
  }
}

void reference_log_softmax(const vloss_softmax_args *a, struct expectation *output) {
  for (size_t r = 0; r < rows_of(a); r++) {
    struct row x = input_row(a, r);
    struct log_sum s = log_sum_of(x);
    for (size_t c = 0; c < a->classes; c++) *output++ = exactly(s.undefined ? (real)NAN : at(x, c) - s.max - s.log);
  }
}

void reference_log_sum_exp(const vloss_softmax_args *a, struct expectation *output) {
  for (size_t r = 0; r < rows_of(a); r++) {
    const struct log_sum s = log_sum_of(input_row(a, r));
    output[r] = lse_of(s);
    if (a->type == VLOSS_F64 && s.max < 0) output[r].scale = fmax(fabs(output[r].value), s.log);
  }
}

void reference_softmax_backward(const vloss_softmax_args *a, struct expectation *output) {
  for (size_t r = 0; r < rows_of(a); r++) {
    struct row y = input_row(a, r), h = upstream_row(a, r);
    struct expectation dot = {0, 0};
    for (size_t c = 0; c < a->classes; c++) {
      dot.value += at(y, c) * at(h, c);
      dot.scale += fabs(at(y, c) * at(h, c));
    }
    for (size_t c = 0; c < a->classes; c++)
      *output++ =
          (struct expectation){at(y, c) * (at(h, c) - dot.value), fabs(at(y, c)) * (fabs(at(h, c)) + dot.scale)};
  }
}

void reference_log_softmax_backward(const vloss_softmax_args *a, struct expectation *output) {
  for (size_t r = 0; r < rows_of(a); r++) {
    struct row y = input_row(a, r), h = upstream_row(a, r);
    struct expectation sum = {0, 0};
    for (size_t c = 0; c < a->classes; c++) {
      sum.value += at(h, c);
      sum.scale += fabs(at(h, c));
    }
    for (size_t c = 0; c < a->classes; c++) {
      real p = exp(at(y, c));
      *output++ = (struct expectation){at(h, c) - p * sum.value, fabs(at(h, c)) + p * sum.scale};
    }
  }
}
