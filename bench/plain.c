/* The loops a good C programmer writes: no intrinsics, restrict pointers, simple loops that the compiler vectorises,
 * each row finished while it is in the cache. Compiled with -O3 -ffast-math, so that exp comes from the C library's
 * vector functions, once for each ISA of vloss (CMakeLists.txt) and each type of elements (plain_type.h). What the
 * bench's "times the plain loop" is measured against. One file, however long, as the loops share the first of them. */
#include "plain.h"

#include <string.h>
#include <tgmath.h>

#include "plain_type.h"

/* What becomes a result's row: the row itself, or a buffer of 16-bit elements' terms. */
static real row_buffer[ROW_BUFFER];
#define ROW_OF(matrix, row) place_of_block((matrix) + (row)*p->classes, row_buffer)

static real row_max(const element *x, size_t n) {
  real buffer[BUFFER], max = widened(x[0]);
  for (size_t at = 0; at < n; at += block_at(n, at)) {
    const real *restrict v = read_block(x + at, block_at(n, at), buffer);
    for (size_t i = 0; i < block_at(n, at); i++) max = v[i] > max ? v[i] : max;
  }
  return max;
}

static real sum_exp(const element *x, size_t n, real max) {
  real buffer[BUFFER], sum = 0;
  for (size_t at = 0; at < n; at += block_at(n, at)) {
    const real *restrict v = read_block(x + at, block_at(n, at), buffer);
    for (size_t i = 0; i < block_at(n, at); i++) sum += exp(v[i] - max);
  }
  return sum;
}

/* The sum, and in e the terms, which cost less to keep than to compute again. */
static real sum_exp_kept(const element *x, real *restrict e, size_t n, real max) {
  real buffer[BUFFER], sum = 0;
  for (size_t at = 0; at < n; at += block_at(n, at)) {
    const real *restrict v = read_block(x + at, block_at(n, at), buffer);
    for (size_t i = 0; i < block_at(n, at); i++) {
      e[at + i] = exp(v[i] - max);
      sum += e[at + i];
    }
  }
  return sum;
}

static real sum_exp_in_place(real *x, size_t n, real max) {
  real sum = 0;
  for (size_t i = 0; i < n; i++) {
    x[i] = exp(x[i] - max);
    sum += x[i];
  }
  return sum;
}

static void scale(real *x, size_t n, real factor) {
  for (size_t i = 0; i < n; i++) x[i] *= factor;
}

static void cross_entropy(const struct problem *p) {
  const element *input = p->input;
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) {
    const element *x = input + r * p->classes;
    const real max = row_max(x, p->classes);
    total += (double)(log(sum_exp(x, p->classes, max)) + max - widened(x[p->labels[r]]));
  }
  *(real *)p->loss = (real)(total / (double)p->rows);
}

static void cross_entropy_gradient(const struct problem *p) {
  const element *input = p->input;
  element *matrix = p->matrix;
  const real share = 1 / (real)p->rows;
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) {
    const element *x = input + r * p->classes;
    real *gradient = ROW_OF(matrix, r);
    const real max = row_max(x, p->classes);
    const real sum = sum_exp_kept(x, gradient, p->classes, max);
    total += (double)(log(sum) + max - widened(x[p->labels[r]]));
    scale(gradient, p->classes, share / sum);
    gradient[p->labels[r]] -= share;
    write_block(matrix + r * p->classes, gradient, p->classes);
  }
  *(real *)p->loss = (real)(total / (double)p->rows);
}

static void cross_entropy_in_place(const struct problem *p) {
  element *matrix = p->matrix;
  const real share = 1 / (real)p->rows;
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) {
    element *x = matrix + r * p->classes;
    real *gradient = ROW_OF(matrix, r);
    const real max = row_max(x, p->classes), target = widened(x[p->labels[r]]);
    const real sum = (void *)gradient == x ? sum_exp_in_place(gradient, p->classes, max)
                                           : sum_exp_kept(x, gradient, p->classes, max);
    total += (double)(log(sum) + max - target);
    scale(gradient, p->classes, share / sum);
    gradient[p->labels[r]] -= share;
    write_block(x, gradient, p->classes);
  }
  *(real *)p->loss = (real)(total / (double)p->rows);
}

static void cross_entropy_z_loss(const struct problem *p) {
  const element *input = p->input;
  element *matrix = p->matrix;
  const real share = 1 / (real)p->rows, z = (real)PLAIN_Z_LOSS;
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) {
    const element *x = input + r * p->classes;
    real *gradient = ROW_OF(matrix, r);
    const real max = row_max(x, p->classes);
    const real sum = sum_exp_kept(x, gradient, p->classes, max), lse = log(sum) + max;
    total += (double)(lse - widened(x[p->labels[r]]) + z * lse * lse);
    scale(gradient, p->classes, share * (1 + 2 * z * lse) / sum);
    gradient[p->labels[r]] -= share;
    write_block(matrix + r * p->classes, gradient, p->classes);
  }
  *(real *)p->loss = (real)(total / (double)p->rows);
}

/* tanh(x / cap) of a row, which exp is taken of again where that costs less than keeping both; the largest of them. */
static real capped(const element *x, real *restrict u, size_t n) {
  real buffer[BUFFER], max = -1;
  for (size_t at = 0; at < n; at += block_at(n, at)) {
    const real *restrict v = read_block(x + at, block_at(n, at), buffer);
    for (size_t i = 0; i < block_at(n, at); i++) {
      u[at + i] = tanh(v[i] / PLAIN_SOFTCAP);
      max = u[at + i] > max ? u[at + i] : max;
    }
  }
  return max;
}
static void cross_entropy_softcap(const struct problem *p) {
  const element *input = p->input;
  element *matrix = p->matrix;
  const real share = 1 / (real)p->rows, cap = PLAIN_SOFTCAP;
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) {
    real *restrict gradient = ROW_OF(matrix, r);
    const real max = capped(input + r * p->classes, gradient, p->classes), target = gradient[p->labels[r]];
    real sum = 0;
    for (size_t c = 0; c < p->classes; c++) sum += exp(cap * (gradient[c] - max));
    total += (double)(log(sum) + cap * (max - target));
    for (size_t c = 0; c < p->classes; c++)
      gradient[c] = exp(cap * (gradient[c] - max)) * (share / sum) * (1 - gradient[c] * gradient[c]);
    gradient[p->labels[r]] -= share * (1 - target * target);
    write_block(matrix + r * p->classes, gradient, p->classes);
  }
  *(real *)p->loss = (real)(total / (double)p->rows);
}

static void nll(const struct problem *p) {
  const element *input = p->input;
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) total -= (double)widened(input[r * p->classes + (size_t)p->labels[r]]);
  *(real *)p->loss = (real)(total / (double)p->rows);
}

static void nll_gradient(const struct problem *p) {
  element *matrix = p->matrix;
  const element share = narrowed(-1 / (real)p->rows);
  nll(p);
  memset(matrix, 0, p->rows * p->classes * sizeof *matrix);
  for (size_t r = 0; r < p->rows; r++) matrix[r * p->classes + (size_t)p->labels[r]] = share;
}

static void softmax(const struct problem *p) {
  const element *input = p->input;
  element *matrix = p->matrix;
  for (size_t r = 0; r < p->rows; r++) {
    const element *x = input + r * p->classes;
    real *y = ROW_OF(matrix, r);
    const real sum = sum_exp_kept(x, y, p->classes, row_max(x, p->classes));
    scale(y, p->classes, 1 / sum);
    write_block(matrix + r * p->classes, y, p->classes);
  }
}

static void log_softmax(const struct problem *p) {
  const element *input = p->input;
  element *matrix = p->matrix;
  real buffer[BUFFER];
  for (size_t r = 0; r < p->rows; r++) {
    const element *x = input + r * p->classes;
    element *y = matrix + r * p->classes;
    const real max = row_max(x, p->classes), lse = max + log(sum_exp(x, p->classes, max));
    for (size_t at = 0; at < p->classes; at += block_at(p->classes, at)) {
      const size_t n = block_at(p->classes, at);
      const real *v = read_block(x + at, n, buffer);
      real *restrict out = place_of_block(y + at, buffer);
      for (size_t c = 0; c < n; c++) out[c] = v[c] - lse;
      write_block(y + at, out, n);
    }
  }
}

static void log_sum_exp(const struct problem *p) {
  const element *input = p->input;
  real *loss = p->loss;
  for (size_t r = 0; r < p->rows; r++) {
    const element *x = input + r * p->classes;
    const real max = row_max(x, p->classes);
    loss[r] = max + log(sum_exp(x, p->classes, max));
  }
}

static volatile size_t rank_written; /* which the loops below would not compute else */
static void log_prob_of_id(const struct problem *p) {
  const element *input = p->input;
  real *loss = p->loss, buffer[BUFFER];
  for (size_t r = 0; r < p->rows; r++) {
    const element *x = input + r * p->classes;
    const real max = row_max(x, p->classes), own = widened(x[p->labels[r]]);
    real sum = 0;
    unsigned rank = 0;
    for (size_t at = 0; at < p->classes; at += block_at(p->classes, at)) {
      const real *restrict v = read_block(x + at, block_at(p->classes, at), buffer);
      for (size_t i = 0; i < block_at(p->classes, at); i++) {
        sum += exp(v[i] - max);
        rank += v[i] > own;
      }
    }
    loss[r] = own - max - log(sum);
    rank_written = rank;
  }
}

struct top {
  size_t count, ids[PLAIN_TOP];
  real logits[PLAIN_TOP];
};
static void insert(struct top *top, real logit, size_t id, size_t wanted) {
  if (top->count == wanted && !(logit > top->logits[top->count - 1])) return;
  size_t place = top->count < wanted ? top->count++ : top->count - 1;
  for (; place && logit > top->logits[place - 1]; place--) {
    top->logits[place] = top->logits[place - 1];
    top->ids[place] = top->ids[place - 1];
  }
  top->logits[place] = logit;
  top->ids[place] = id;
}

/* As servers do it: log-sum-exp, and a partial sort into a short list, past classes of which none can be among it. */
static void log_probs_of_top(const struct problem *p) {
  enum { AT_A_TIME = 128 };
  const element *input = p->input;
  const size_t n = p->classes, wanted = n < PLAIN_TOP ? n : PLAIN_TOP;
  real *loss = p->loss, buffer[BUFFER];
  for (size_t r = 0; r < p->rows; r++) {
    const element *x = input + r * n;
    const real max = row_max(x, n);
    struct top top = {0};
    loss[r] = max + log(sum_exp(x, n, max));
    for (size_t at = 0; at < n; at += AT_A_TIME) {
      const size_t count = n - at < AT_A_TIME ? n - at : AT_A_TIME;
      const real *restrict v = read_block(x + at, count, buffer);
      real most = v[0];
      for (size_t i = 1; i < count; i++) most = v[i] > most ? v[i] : most;
      if (top.count == wanted && !(most > top.logits[wanted - 1])) continue;
      for (size_t i = 0; i < count; i++) insert(&top, v[i], at + i, wanted);
    }
    rank_written = top.ids[wanted - 1];
  }
}

static void entropy(const struct problem *p) {
  const element *input = p->input;
  real *loss = p->loss, buffer[BUFFER];
  for (size_t r = 0; r < p->rows; r++) {
    const element *x = input + r * p->classes;
    const real max = row_max(x, p->classes);
    real sum = 0, spread = 0;
    for (size_t at = 0; at < p->classes; at += block_at(p->classes, at)) {
      const real *restrict v = read_block(x + at, block_at(p->classes, at), buffer);
      for (size_t i = 0; i < block_at(p->classes, at); i++) {
        const real e = exp(v[i] - max);
        sum += e;
        spread += e * (max - v[i]);
      }
    }
    loss[r] = log(sum) + spread / sum;
  }
}

/* Of the rows of a student x and a teacher z, KL(p || q) = sum p (z - x) - lse(z) + lse(x), in one pass after the
 * maxima, whose exponentials become the gradient q - p. */
static real teacher_terms[1 << 17]; /* more classes than any row has */
LOOP void divergence_rows(const struct problem *p, const int with_gradient) {
  const element *student = p->input, *teacher = p->upstream;
  element *matrix = p->matrix;
  const size_t n = p->classes;
  real *loss = p->loss, of_x[BUFFER], of_z[BUFFER];
  for (size_t r = 0; r < p->rows; r++) {
    const element *x = student + r * n, *z = teacher + r * n;
    const real max_x = row_max(x, n), max_z = row_max(z, n);
    real *restrict kept_x = with_gradient ? ROW_OF(matrix, r) : NULL, *restrict kept_z = teacher_terms;
    real sum_x = 0, sum_z = 0, difference = 0;
    for (size_t at = 0; at < n; at += block_at(n, at)) {
      const real *restrict a = read_block(x + at, block_at(n, at), of_x);
      const real *restrict b = read_block(z + at, block_at(n, at), of_z);
      for (size_t i = 0; i < block_at(n, at); i++) {
        const real e_x = exp(a[i] - max_x), e_z = exp(b[i] - max_z);
        sum_x += e_x;
        sum_z += e_z;
        difference += e_z * (b[i] - a[i]);
        if (with_gradient) kept_x[at + i] = e_x, kept_z[at + i] = e_z;
      }
    }
    loss[r] = difference / sum_z - (max_z + log(sum_z)) + (max_x + log(sum_x));
    if (!with_gradient) continue;
    for (size_t i = 0; i < n; i++) kept_x[i] = kept_x[i] * (1 / sum_x) - kept_z[i] * (1 / sum_z);
    write_block(matrix + r * n, kept_x, n);
  }
}
static void divergence(const struct problem *p) { divergence_rows(p, 0); }
static void divergence_gradient(const struct problem *p) { divergence_rows(p, 1); }

/* The sum of h y, or of h where y is null. */
static real sum_of(const element *h, const element *y, size_t n) {
  real of_h[BUFFER], of_y[BUFFER], sum = 0;
  for (size_t at = 0; at < n; at += block_at(n, at)) {
    const real *restrict a = read_block(h + at, block_at(n, at), of_h);
    if (!y) {
      for (size_t c = 0; c < block_at(n, at); c++) sum += a[c];
      continue;
    }
    const real *restrict b = read_block(y + at, block_at(n, at), of_y);
    for (size_t c = 0; c < block_at(n, at); c++) sum += a[c] * b[c];
  }
  return sum;
}

LOOP void backward(const struct problem *p, const int of_logarithms) {
  const element *input = p->input, *upstream = p->upstream;
  element *matrix = p->matrix;
  real of_h[BUFFER], of_y[BUFFER], of_out[BUFFER];
  for (size_t r = 0; r < p->rows; r++) {
    const element *y = input + r * p->classes, *h = upstream + r * p->classes;
    element *to = matrix + r * p->classes;
    const real sum = sum_of(h, of_logarithms ? NULL : y, p->classes);
    for (size_t at = 0; at < p->classes; at += block_at(p->classes, at)) {
      const size_t n = block_at(p->classes, at);
      const real *restrict a = read_block(h + at, n, of_h), *restrict b = read_block(y + at, n, of_y);
      real *restrict out = place_of_block(to + at, of_out);
      for (size_t c = 0; c < n; c++) out[c] = of_logarithms ? a[c] - exp(b[c]) * sum : b[c] * (a[c] - sum);
      write_block(to + at, out, n);
    }
  }
}
static void softmax_backward(const struct problem *p) { backward(p, 0); }
static void log_softmax_backward(const struct problem *p) { backward(p, 1); }

static void from_floats(void *to, const float *from, size_t n) {
  element *elements = to;
  for (size_t i = 0; i < n; i++) elements[i] = narrowed((real)from[i]);
}
static void to_floats(float *to, const void *from, size_t n) {
  const element *elements = from;
  for (size_t i = 0; i < n; i++) to[i] = (float)widened(elements[i]);
}

extern struct plain_loss PLAIN_LOSS(vloss_loss_kind kind); /* of plain_losses.c */

const struct plain_loops PLAIN_LOOPS = {.cross_entropy = cross_entropy,
                                        .cross_entropy_gradient = cross_entropy_gradient,
                                        .cross_entropy_in_place = cross_entropy_in_place,
                                        .cross_entropy_z_loss = cross_entropy_z_loss,
                                        .cross_entropy_softcap = cross_entropy_softcap,
                                        .softmax = softmax,
                                        .log_softmax = log_softmax,
                                        .log_sum_exp = log_sum_exp,
                                        .log_prob_of_id = log_prob_of_id,
                                        .log_probs_of_top = log_probs_of_top,
                                        .entropy = entropy,
                                        .divergence = divergence,
                                        .divergence_gradient = divergence_gradient,
                                        .softmax_backward = softmax_backward,
                                        .log_softmax_backward = log_softmax_backward,
                                        .nll = nll,
                                        .nll_gradient = nll_gradient,
                                        .loss = PLAIN_LOSS,
                                        .from_floats = from_floats,
                                        .to_floats = to_floats};
