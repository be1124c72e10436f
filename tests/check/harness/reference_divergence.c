/* See reference.h: two rows of logits compared, class by class. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#include "reference.h"

struct class_of_both {
  real p, q, d; /* d = log(p / q); 0 where neither is there */
};
struct both {
  const vloss_divergence_args *a;
  struct class_of_both *c;
  int undefined, equal; /* equal: the same logits in both */
  size_t top[2];        /* the first maxima of teacher and student */
};

/* p, or q, of a row; and log p as a distance from the maximum, less log S. What is far below the maximum is 0. */
static void normalise(struct both *b, const void *x, real *p, real *distance, real *log_sum, size_t *top) {
  const vloss_divergence_args *const a = b->a;
  const double scale = a->scale == 0 ? 1 : a->scale;
  const real least = a->student_type == VLOSS_F64 ? -700 : -300;
  real max = -(real)INFINITY;
  struct careful_sum sum = {0, 0};
  for (size_t c = 0; c < a->classes; c++) {
    const real y = a->student_type == VLOSS_F64 ? (real)(((const double *)x)[c] * scale)
                                                : (real)(((const float *)x)[c] * (float)scale);
    distance[c] = y;
    b->undefined |= isnan(y) || y == (real)INFINITY;
    if (y > max) {
      max = y;
      *top = c;
    }
  }
  b->undefined |= isinf(max);
  for (size_t c = 0; c < a->classes && !b->undefined; c++) {
    distance[c] -= max;
    p[c] = distance[c] < least ? 0 : exp(distance[c]);
    careful_add(&sum, p[c]);
  }
  for (size_t c = 0; c < a->classes && !b->undefined; c++) p[c] /= careful_value(&sum);
  *log_sum = log(careful_value(&sum));
}

/* e^u - 1 - u. */
static real phi(real u) {
  if (fabs(u) > (real)0.01) return expm1(u) - u;
  return u * u *
         (1 / (real)2 +
          u * (1 / (real)6 +
               u * (1 / (real)24 + u * (1 / (real)120 + u * (1 / (real)720 + u * (1 / (real)5040 + u / 40320))))));
}
/* p (log(p / q) - 1) + q. */
static real relative_entropy(real p, real q, real d) {
  if (p == 0) return q;
  if (q == 0) return isinf(d) ? (real)INFINITY : p * (d - 1);
  return fabs(d) < 1 ? p * phi(-d) : p * (d - 1) + q;
}
/* log(M / q), of the share that p has in M. */
static real log_of_mixture(real d, real share) { return log1p(share * expm1(d)); }

/* M - p - p log(M / p). */
static real share_term(real p, real m, real log) {
  if (p == 0) return m;
  return fabs(log) < 1 ? p * phi(log) : m - p - p * log;
}

static real difference(const struct class_of_both *c) {
  return fabs(c->d) < (real)0.5 ? c->q * expm1(c->d) : c->p - c->q;
}

static double beta_of(const vloss_divergence_args *a) { return a->beta == 0 ? 0.5 : a->beta; }

/* What a class adds to the value. */
static real value_at(const struct both *b, size_t c) {
  const struct class_of_both *const of = &b->c[c];
  const real beta = (real)beta_of(b->a);
  real m;
  switch (b->a->kind) {
    case VLOSS_FORWARD_KL:
      return relative_entropy(of->p, of->q, of->d);
    case VLOSS_REVERSE_KL:
      return relative_entropy(of->q, of->p, -of->d);
    case VLOSS_JSD:
      m = beta * of->p + (1 - beta) * of->q;
      return beta * share_term(of->p, m, log_of_mixture(-of->d, 1 - beta)) +
             (1 - beta) * share_term(of->q, m, log_of_mixture(of->d, beta));
    default:
      return fabs(difference(of)) / 2;
  }
}
/* h, of which the gradient is q (h - sum q h). */
static real h_at(const struct both *b, size_t c) {
  const struct class_of_both *const of = &b->c[c];
  const real beta = (real)beta_of(b->a), d = difference(of);
  if (b->a->kind == VLOSS_REVERSE_KL) return -of->d;
  if (b->a->kind == VLOSS_JSD) return -(1 - beta) * log_of_mixture(of->d, beta);
  return d > 0 ? (real)-0.5 : d < 0 ? (real)0.5 : 0;
}

static struct expectation loss_of(const struct both *b) {
  struct careful_sum values = {0, 0};
  if (b->undefined) return (struct expectation){(real)NAN, 0};
  for (size_t c = 0; c < b->a->classes; c++) careful_add(&values, value_at(b, c));
  const real sum = careful_value(&values);
  /* Below 1e-3 a ten-thousandth of itself, which is so many times 8 ulp, or of doubles what their root is off; the
   * absolute error of total variation stays as it is there: of floats 4 ulp of 1e-3. */
  const int doubles = b->a->student_type == VLOSS_F64;
  const real below = doubles ? 4 * sqrt(sum) : fmax(105 * sum, sqrt(sum) * (real)0x1p-21);
  const real border = doubles ? (real)1e-3 : (real)5e-4;
  const real of_small = b->a->kind == VLOSS_TOTAL_VARIATION ? border : fmin(border, below);
  const real least = doubles ? 0 : (real)1e-12; /* 1e-18 off */
  return (struct expectation){sum, isinf(sum) || b->equal ? 0 : fmax(fmax(sum, least), of_small)};
}

/* Whether p or q is greater, nobody can tell; but of equal rows they are equal. */
static int is_tie(const struct both *b, size_t c, real least) {
  return b->a->kind == VLOSS_TOTAL_VARIATION && fabs(b->c[c].d) < least * (real)0x1p-20;
}

/* h is as exact as the logarithms of both sums are. */
static void put_gradient(const struct both *b, real factor, struct expectation *grad) {
  const real least = b->a->student_type == VLOSS_F64 ? 1 : (real)0x1p-9;
  const size_t classes = b->a->classes;
  const int forward = b->a->kind == VLOSS_FORWARD_KL;
  real mean = 0, size = 0, ties = 0;
  for (size_t c = 0; c < classes && !forward && !b->undefined; c++) {
    const real q = b->c[c].q;
    if (q == 0) continue;
    mean += q * h_at(b, c);
    size += q * fabs(h_at(b, c));
    if (is_tie(b, c, least)) ties += q * (real)0x1p60;
  }
  if (size == 0) ties = 0;
  for (size_t c = 0; c < classes; c++) {
    const struct class_of_both *const of = &b->c[c];
    if (b->undefined || isinf(size)) {
      grad[c] = (struct expectation){(real)NAN, 0};
    } else if (forward) {
      grad[c] = (struct expectation){-difference(of) * factor, (of->p + of->q) * fabs(factor)};
    } else {
      const real h = of->q == 0 ? 0 : h_at(b, c);
      grad[c] = (struct expectation){
          of->q * (h - mean) * factor,
          of->q * (fabs(h) + size + least + ties + (is_tie(b, c, least) && size > 0 ? (real)0x1p60 : 0)) *
              fabs(factor)};
    }
    /* Of doubles what is near the least has lost digits. */
    if (b->a->student_type == VLOSS_F64 && grad[c].scale > 0)
      grad[c].scale = fmax(grad[c].scale, (real)0x1p-950 * fabs(factor));
  }
}

static int is_ignored(const vloss_divergence_args *a, size_t row) {
  const int64_t ignored = a->ignore == VLOSS_IGNORE_DEFAULT && a->ignore_index == 0 ? -100 : a->ignore_index;
  if (!a->labels || a->ignore == VLOSS_IGNORE_NOTHING) return 0;
  return ignored ==
         (a->label_type == VLOSS_I64 ? ((const int64_t *)a->labels)[row] : ((const int32_t *)a->labels)[row]);
}

static void read_rows(struct both *b, size_t row, real *scratch) {
  const size_t classes = b->a->classes;
  const size_t bytes = classes * (b->a->student_type == VLOSS_F64 ? sizeof(double) : sizeof(float)),
               before = row * bytes;
  real *const p = scratch, *const q = p + classes, *const z = q + classes, *const x = z + classes, log_sum[2];
  b->undefined = 0;
  b->equal = memcmp((const char *)b->a->teacher + before, (const char *)b->a->student + before, bytes) == 0;
  normalise(b, (const char *)b->a->teacher + before, p, z, &log_sum[0], &b->top[0]);
  normalise(b, (const char *)b->a->student + before, q, x, &log_sum[1], &b->top[1]);
  for (size_t c = 0; c < classes && !b->undefined; c++) {
    const real d = (z[c] - x[c]) - (log_sum[0] - log_sum[1]);
    b->c[c] = (struct class_of_both){p[c], q[c], p[c] == 0 && q[c] == 0 ? 0 : d};
  }
}

void REFERENCE(divergence)(const vloss_divergence_args *a, const struct divergence_expectations *out) {
  struct both b = {.a = a, .c = malloc((a->classes + 1) * sizeof *b.c)};
  real *const scratch = malloc((4 * a->classes + 1) * sizeof *scratch);
  if (!b.c || !scratch) exit(2);
  size_t live = 0;
  for (size_t row = 0; row < a->rows; row++) live += !is_ignored(a, row);
  const real divisor = a->reduction == VLOSS_MEAN ? (real)live : 1;
  struct expectation total = {0, 0};
  for (size_t row = 0; row < a->rows; row++) {
    struct expectation loss = {0, 0};
    const int ignored = is_ignored(a, row);
    if (!ignored) read_rows(&b, row, scratch);
    if (!ignored) loss = loss_of(&b);
    if (out->same_top) out->same_top[row] = (struct expectation){!ignored && !b.undefined && b.top[0] == b.top[1], 1};
    if (out->loss && a->reduction == VLOSS_NONE) out->loss[row] = loss;
    total.value += loss.value;
    total.scale += loss.scale;
    const size_t of_upstream = a->reduction == VLOSS_NONE ? row : 0;
    const real upstream = !a->upstream                   ? 1
                          : a->student_type == VLOSS_F64 ? (real)((const double *)a->upstream)[of_upstream]
                                                         : (real)((const float *)a->upstream)[of_upstream];
    const real scale = a->scale == 0 ? 1 : a->student_type == VLOSS_F64 ? (real)a->scale : (real)(float)a->scale;
    if (!out->grad) continue;
    struct expectation *const grad = out->grad + row * a->classes;
    if (ignored)
      for (size_t c = 0; c < a->classes; c++) grad[c] = (struct expectation){0, 0};
    else
      put_gradient(&b, upstream * scale / divisor, grad);
  }
  if (out->loss && a->reduction != VLOSS_NONE)
    out->loss[0] = (struct expectation){total.value / divisor, total.scale / divisor};
  free(b.c);
  free(scratch);
}
