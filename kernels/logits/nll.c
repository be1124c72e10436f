/* Negative log-likelihood of given log-probabilities: one multiplication a row and a gradient that is zero but for one
 * class. There is nothing to compute fast, so this one plain function serves every ISA. */
#include <string.h>

#include "memory/labels.h"
#include "table.h"
#include "words/strict.h"

static double canonical(double v) { return v == v ? v : (double)__builtin_nanf(""); }

static float flushed(double v) { return v < 0x1p-126 && v > -0x1p-126 ? 0.0f : (float)canonical(v); }

/* Element offset of class t of a row; division is left to the tensors that need it. */
static size_t offset(const struct vloss_shape *s, size_t stride, size_t row, size_t t) {
  if (s->inner == 1) return row * stride + t;
  return row / s->inner * stride + t * s->inner + row % s->inner;
}

void vloss_nll_rows(struct vloss_cross_entropy_job *job) {
  const struct vloss_shape *s = &job->shape;
  const size_t rows = s->outer * s->inner;
  job->loss_sum = 0;

  /* Every loss before any gradient: the gradient may overwrite the log-probabilities. */
  double group = 0; /* 16 rows at a time, so that long sums keep their digits */
  for (size_t row = 0; row < rows; row++) {
    int64_t t = vloss_label_at(&job->labels, row);
    double loss = 0;
    if (!job->labels.ignoring || t != job->labels.ignore_index) {
      if (t < 0 || (uint64_t)t >= s->classes) {
        loss = (double)__builtin_nanf("");
      } else {
        double w = job->weights ? (double)job->weights[t] : 1;
        double x = (double)job->x[offset(s, job->x_stride, row, (size_t)t)];
        loss = w == 0 && x == x ? 0 : -w * x;
      }
    }
    group += loss;
    if (row % 16 == 15 || row + 1 == rows) {
      job->loss_sum += group;
      group = 0;
    }
    if (job->loss) job->loss[row] = (float)canonical(loss);
  }
  if (!job->grad) return;

  for (size_t outer = 0; outer < s->outer; outer++)
    for (size_t c = 0; c < s->classes * s->inner; c++) job->grad[outer * job->grad_stride + c] = 0;
  for (size_t row = 0; row < rows; row++) {
    int64_t t = vloss_label_at(&job->labels, row);
    if (job->labels.ignoring && t == job->labels.ignore_index) continue;
    double upstream = job->grad_scale;
    if (job->upstream) upstream *= (double)job->upstream[job->upstream_per_row ? row : 0];
    /* As in cross-entropy, 0 times an infinite or missing factor is no 0 in the classes that are not the target. */
    const int valid = t >= 0 && (uint64_t)t < s->classes;
    const double scale = upstream * (valid && job->weights ? (double)job->weights[t] : 1);
    if (!valid || scale * 0 != 0)
      for (size_t c = 0; c < s->classes; c++) job->grad[offset(s, job->grad_stride, row, c)] = __builtin_nanf("");
    else
      job->grad[offset(s, job->grad_stride, row, (size_t)t)] = flushed(-scale);
  }
}
