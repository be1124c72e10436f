/* The loops a good C programmer writes: no intrinsics, restrict pointers, simple loops that the compiler vectorises,
 * each row finished while it is in the cache. Compiled with -O3 -march=native -ffast-math, so that expf comes from the
 * C library's vector functions. What the bench's "times the plain loop" is measured against. */
#include "plain.h"

#include <math.h>
#include <string.h>

static float row_max(const float *restrict x, size_t n) {
  float max = x[0];
  for (size_t i = 1; i < n; i++) max = x[i] > max ? x[i] : max;
  return max;
}

static float sum_exp(const float *restrict x, size_t n, float max) {
  float sum = 0;
  for (size_t i = 0; i < n; i++) sum += expf(x[i] - max);
  return sum;
}

/* The sum, and in e the terms, which cost less to keep than to compute again. */
static float sum_exp_kept(const float *restrict x, float *restrict e, size_t n, float max) {
  float sum = 0;
  for (size_t i = 0; i < n; i++) {
    e[i] = expf(x[i] - max);
    sum += e[i];
  }
  return sum;
}

static float sum_exp_in_place(float *x, size_t n, float max) {
  float sum = 0;
  for (size_t i = 0; i < n; i++) {
    x[i] = expf(x[i] - max);
    sum += x[i];
  }
  return sum;
}

static void scale(float *x, size_t n, float factor) {
  for (size_t i = 0; i < n; i++) x[i] *= factor;
}

void plain_cross_entropy(const struct problem *p) {
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) {
    const float *x = p->input + r * p->classes;
    const float max = row_max(x, p->classes);
    total += logf(sum_exp(x, p->classes, max)) + max - x[p->labels[r]];
  }
  *p->loss = (float)(total / (double)p->rows);
}

void plain_cross_entropy_gradient(const struct problem *p) {
  const float share = 1 / (float)p->rows;
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) {
    const float *x = p->input + r * p->classes;
    float *gradient = p->matrix + r * p->classes;
    const float max = row_max(x, p->classes);
    const float sum = sum_exp_kept(x, gradient, p->classes, max);
    total += logf(sum) + max - x[p->labels[r]];
    scale(gradient, p->classes, share / sum);
    gradient[p->labels[r]] -= share;
  }
  *p->loss = (float)(total / (double)p->rows);
}

void plain_cross_entropy_in_place(const struct problem *p) {
  const float share = 1 / (float)p->rows;
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) {
    float *x = p->matrix + r * p->classes;
    const float max = row_max(x, p->classes);
    const float target = x[p->labels[r]];
    const float sum = sum_exp_in_place(x, p->classes, max);
    total += logf(sum) + max - target;
    scale(x, p->classes, share / sum);
    x[p->labels[r]] -= share;
  }
  *p->loss = (float)(total / (double)p->rows);
}

void plain_nll(const struct problem *p) {
  double total = 0;
  for (size_t r = 0; r < p->rows; r++) total -= p->input[r * p->classes + (size_t)p->labels[r]];
  *p->loss = (float)(total / (double)p->rows);
}

void plain_nll_gradient(const struct problem *p) {
  const float share = 1 / (float)p->rows;
  plain_nll(p);
  memset(p->matrix, 0, p->rows * p->classes * sizeof *p->matrix);
  for (size_t r = 0; r < p->rows; r++) p->matrix[r * p->classes + (size_t)p->labels[r]] = -share;
}

void plain_softmax(const struct problem *p) {
  for (size_t r = 0; r < p->rows; r++) {
    const float *x = p->input + r * p->classes;
    float *y = p->matrix + r * p->classes;
    const float sum = sum_exp_kept(x, y, p->classes, row_max(x, p->classes));
    scale(y, p->classes, 1 / sum);
  }
}

void plain_log_softmax(const struct problem *p) {
  for (size_t r = 0; r < p->rows; r++) {
    const float *restrict x = p->input + r * p->classes;
    float *restrict y = p->matrix + r * p->classes;
    const float max = row_max(x, p->classes);
    const float lse = max + logf(sum_exp(x, p->classes, max));
    for (size_t c = 0; c < p->classes; c++) y[c] = x[c] - lse;
  }
}

void plain_log_sum_exp(const struct problem *p) {
  for (size_t r = 0; r < p->rows; r++) {
    const float *x = p->input + r * p->classes;
    const float max = row_max(x, p->classes);
    p->loss[r] = max + logf(sum_exp(x, p->classes, max));
  }
}

void plain_softmax_backward(const struct problem *p) {
  for (size_t r = 0; r < p->rows; r++) {
    const float *restrict y = p->input + r * p->classes;
    const float *restrict h = p->upstream + r * p->classes;
    float *restrict out = p->matrix + r * p->classes;
    float dot = 0;
    for (size_t c = 0; c < p->classes; c++) dot += h[c] * y[c];
    for (size_t c = 0; c < p->classes; c++) out[c] = y[c] * (h[c] - dot);
  }
}

void plain_log_softmax_backward(const struct problem *p) {
  for (size_t r = 0; r < p->rows; r++) {
    const float *restrict y = p->input + r * p->classes;
    const float *restrict h = p->upstream + r * p->classes;
    float *restrict out = p->matrix + r * p->classes;
    float sum = 0;
    for (size_t c = 0; c < p->classes; c++) sum += h[c];
    for (size_t c = 0; c < p->classes; c++) out[c] = h[c] - expf(y[c]) * sum;
  }
}
