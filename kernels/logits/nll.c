/* Negative log-likelihood of given log-probabilities: one multiplication a row and a gradient that is zero but for one
 * class. There is nothing to compute fast: plain C, an element at a time; but every row waits for memory, so many are
 * read before any is added. */
#include <string.h>

#include "kernels.h"
#include "memory/blocks.h"
#include "memory/labels.h"
#include "words/isa.h"

static double number_or_nan(double v) { return v == v ? v : (double)__builtin_nanf(""); }

static float flushed(double v) { return v < 0x1p-126 && v > -0x1p-126 ? 0.0f : (float)number_or_nan(v); }

/* Where log-probabilities and gradients are, whatever their type. */
static const void *input_of(const struct vloss_cross_entropy_job *job) {
  return job->type == VLOSS_F32 ? job->x : job->half.x;
}
static void *grad_of(const struct vloss_cross_entropy_job *job) {
  return job->type == VLOSS_F32 ? job->grad : job->half.grad;
}

/* Element offset of class t of a row; division is left to the tensors that need it. */
static size_t offset(const struct vloss_shape *s, size_t stride, size_t row, size_t t) {
  if (s->inner == 1) return row * stride + t;
  return row / s->inner * stride + t * s->inner + row % s->inner;
}

static double weight_of_row(const struct vloss_cross_entropy_job *job, size_t row) {
  return job->row_weights ? (double)((const float *)job->row_weights)[row] : 1;
}
/* Where 0 makes 0 of everything but NaN. */
static double times(double w, double v) { return w == 0 && v == v ? 0 : w * v; }

/* A row's loss. */
static double loss_of(const struct vloss_cross_entropy_job *job, size_t row) {
  int ignored;
  const int64_t t = vloss_row_label(&job->labels, row, &ignored);
  if (ignored) return 0;
  if (t < 0 || (uint64_t)t >= job->shape.classes) return (double)__builtin_nanf("");
  const double w = job->weights ? (double)job->weights[t] : 1;
  const double x = (double)view_element(input_of(job), job->type, offset(&job->shape, job->x_stride, row, (size_t)t));
  return times(times(weight_of_row(job, row), w), -x);
}

/* Where a row's loss is the negative of one float. */
static int is_plain(const struct vloss_cross_entropy_job *job) {
  return job->type == VLOSS_F32 && !job->weights && !job->row_weights && !job->labels.shift;
}
/* The rows of a plane lie side by side, and `place` is a row's in its plane. */
static void plain_losses(const struct vloss_cross_entropy_job *job, size_t row, size_t n, double *losses) {
  const struct vloss_labels labels = job->labels;
  const size_t classes = job->shape.classes, stride = job->x_stride, inner = job->shape.inner;
  const float *const x = job->x;
  size_t first = offset(&job->shape, stride, row, 0), place = inner == 1 ? 0 : row % inner; /* first: its first class */
  for (size_t i = 0; i < n; i++) {
    const int64_t t = vloss_label_at(&labels, row + i);
    const int ignored = labels.ignoring && t == labels.ignore_index;
    losses[i] = ignored ? 0 : (double)__builtin_nanf("");
    if (!ignored && (uint64_t)t < classes) losses[i] = -(double)x[first + (size_t)t * inner];
    first++;
    if (++place == inner) place = 0, first += stride - inner;
  }
}
static void losses_of(const struct vloss_cross_entropy_job *job, size_t row, size_t n, double *losses) {
  if (is_plain(job))
    plain_losses(job, row, n, losses);
  else
    for (size_t i = 0; i < n; i++) losses[i] = loss_of(job, row + i);
}

/* The sum and n losses, 16 of them at a time, so that long sums keep their digits. */
static double sum_of_losses(double sum, const double *losses, size_t n) {
  for (size_t m; n; n -= m, losses += m) {
    double group = 0;
    m = n < 16 ? n : 16;
    for (size_t i = 0; i < m; i++) group += losses[i];
    sum += group;
  }
  return sum;
}

/* Rows of floats whose classes lie side by side, without weights, of which nothing but the sum of their losses is
 * wanted. */
static int is_summed(const struct vloss_cross_entropy_job *job) {
  return is_plain(job) && job->shape.inner == 1 && !job->loss;
}
/* Whether none of n labels is ignored or no class: neither t nor classes - 1 - t is negative. */
static int all_count(const struct vloss_cross_entropy_job *job, size_t row, size_t n) {
  const struct vloss_labels *const labels = &job->labels;
  const int narrow = labels->narrow;
  const int32_t *const p = (const int32_t *)labels->p + row;
  const int64_t *const wide = (const int64_t *)labels->p + row;
  const vi last = viset1((int32_t)(job->shape.classes - 1));
  vi signs = viset1(0);
  size_t i = 0;
  if (labels->ignoring && (uint64_t)labels->ignore_index < job->shape.classes) return 0;
  for (; n - i >= 16; i += 16) {
    const vi t = narrow ? viload(p + i) : viload_narrow(wide + i);
    signs = vior(signs, vior(t, visub(last, t)));
  }
  int good = !vany(vigt(viset1(0), signs));
  for (; i < n; i++) good &= (uint64_t)(narrow ? p[i] : wide[i]) < job->shape.classes;
  return good;
}
/* What is less than `sum` by x[t] of some groups of 16 rows, in the order of sum_of_losses, as they are read. */
static inline double less_groups(double sum, const float *x, size_t stride, const void *labels, const int narrow,
                                 const size_t groups) {
  const int32_t *const t = labels;
  const int64_t *const wide = labels;
  double group[2] = {0};
  for (size_t i = 0; i < 16; i++, x += stride) UNROLL for (size_t k = 0; k < groups; k++) {
      const size_t at = 16 * k + i;
      group[k] -= (double)x[16 * k * stride + (size_t)(narrow ? t[at] : wide[at])];
    }
  UNROLL for (size_t k = 0; k < groups; k++) sum += group[k];
  return sum;
}
static inline double summed_losses(const struct vloss_cross_entropy_job *job, size_t row, size_t n, double sum,
                                   const int narrow) {
  const size_t stride = job->x_stride, size = vloss_label_size(narrow);
  const float *x = job->x + row * stride;
  const char *t = (const char *)job->labels.p + row * size;
  for (; n >= 32; n -= 32, x += 32 * stride, t += 32 * size) sum = less_groups(sum, x, stride, t, narrow, 2);
  if (n >= 16) sum = less_groups(sum, x, stride, t, narrow, 1), n -= 16, x += 16 * stride, t += 16 * size;
  double group = 0;
  for (size_t i = 0; i < n; i++, x += stride)
    group -= (double)x[narrow ? (size_t)((const int32_t *)t)[i] : (size_t)((const int64_t *)t)[i]];
  return n ? sum + group : sum;
}
static double sum_at_once(const struct vloss_cross_entropy_job *job, size_t row, size_t n, double sum) {
  return job->labels.narrow ? summed_losses(job, row, n, sum, 1) : summed_losses(job, row, n, sum, 0);
}

/* What dispatch does before other kernels (vloss_check_labels): how many rows are live, and the first of them that has
 * no class. */
static int count_labels(const struct vloss_cross_entropy_job *job, size_t row, size_t n,
                        struct vloss_partial *partial) {
  for (size_t i = 0; i < n; i++) {
    int ignored;
    const int64_t t = vloss_row_label(&job->labels, row + i, &ignored);
    if (ignored) continue;
    partial->live++;
    if ((uint64_t)t < job->shape.classes) continue;
    partial->first_bad = row + i;
    return 0;
  }
  return 1;
}

/* Adds what a block comes to: to the blocks before it while that rounds nothing, as it mostly does not; the exact sum
 * takes longer than a block of few rows. */
static inline void add_block(struct vloss_partial *partial, double *blocks, double sum) {
  const double both = *blocks + sum, of_sum = both - *blocks;
  if (of_sum != sum || both - of_sum != *blocks) {
    vloss_exact_add(&partial->sum, *blocks);
    *blocks = sum;
  } else {
    *blocks = both;
  }
}

static void add_losses(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                       struct vloss_partial *partial) {
  enum { AT_ONCE = 256 }; /* a multiple of 16 */
  const size_t block = vloss_block_rows(job->shape.classes);
  const int summed = is_summed(job);
  double losses[AT_ONCE], sum = 0, blocks = 0;
  size_t block_end = range.first + block;
  for (size_t row = range.first, n; row < range.last; row += n) {
    n = range.last - row < AT_ONCE ? range.last - row : AT_ONCE;
    const int fast = summed && all_count(job, row, n);
    if (fast)
      partial->live += n;
    else if (job->counts_labels && !count_labels(job, row, n, partial))
      return;
    if (!fast) losses_of(job, row, n, losses);
    for (size_t i = 0; job->loss && i < n; i++) job->loss[row + i] = (float)number_or_nan(losses[i]);
    for (size_t i = 0, m; i < n; i += m) {
      m = n - i < block_end - row - i ? n - i : block_end - row - i;
      sum = fast ? sum_at_once(job, row + i, m, sum) : sum_of_losses(sum, losses + i, m);
      if (row + i + m != block_end && row + i + m != range.last) continue;
      add_block(partial, &blocks, sum);
      sum = 0;
      block_end += block;
    }
  }
  vloss_exact_add(&partial->sum, blocks);
}

/* 0 everywhere in the rows of a range, plane by plane, or all at once. */
static void clear(const struct vloss_cross_entropy_job *job, struct vloss_range range) {
  const struct vloss_shape *s = &job->shape;
  const size_t bytes = vloss_type_size(job->type);
  if (s->inner == 1 && job->grad_stride == s->classes) {
    memset(vloss_element_out(grad_of(job), job->type, range.first * s->classes), 0,
           (range.last - range.first) * s->classes * bytes);
    return;
  }
  for (size_t row = range.first, n; row < range.last; row += n) {
    const size_t plane = row / s->inner, first = row % s->inner, left = range.last - row;
    n = s->inner - first < left ? s->inner - first : left;
    char *const p = vloss_element_out(grad_of(job), job->type, plane * job->grad_stride + first);
    if (n == s->inner)
      memset(p, 0, s->classes * n * bytes);
    else
      for (size_t c = 0; c < s->classes; c++) memset(p + c * s->inner * bytes, 0, n * bytes);
  }
}

/* The gradient of a row whose entries are all 0 so far. */
static void put_gradient(const struct vloss_cross_entropy_job *job, size_t row) {
  const struct vloss_shape *s = &job->shape;
  int ignored;
  const int64_t t = vloss_row_label(&job->labels, row, &ignored);
  if (ignored) return;
  double upstream = job->grad_scale * weight_of_row(job, row);
  if (job->upstream) upstream *= (double)job->upstream[job->upstream_per_row ? row : 0];
  /* As in cross-entropy, 0 times an infinite or missing factor is no 0 in the classes that are not the target. */
  const int valid = t >= 0 && (uint64_t)t < s->classes;
  const double scale = upstream * (valid && job->weights ? (double)job->weights[t] : 1);
  if (!valid || scale * 0 != 0)
    for (size_t c = 0; c < s->classes; c++)
      view_put(grad_of(job), job->type, offset(s, job->grad_stride, row, c), __builtin_nanf(""));
  else
    view_put(grad_of(job), job->type, offset(s, job->grad_stride, row, (size_t)t), flushed(-scale));
}

/* The same of rows that have one gradient at their labels, up to the first that has another: which one that is. */
static size_t put_same(const struct vloss_cross_entropy_job *job, struct vloss_range range, float same) {
  const struct vloss_labels labels = job->labels;
  const size_t classes = job->shape.classes, stride = job->grad_stride;
  float *g = job->grad + range.first * stride;
  for (size_t row = range.first; row < range.last; row++, g += stride) {
    const uint64_t label = (uint64_t)vloss_label_at(&labels, row);
    if (label >= classes) return row;
    g[label] = same;
  }
  return range.last;
}

/* The gradients of the rows of a range, whose losses have been read. */
static void put_gradients(const struct vloss_cross_entropy_job *job, struct vloss_range range) {
  const int ignores = job->labels.ignoring && (uint64_t)job->labels.ignore_index < job->shape.classes;
  const int plain = is_plain(job) && job->shape.inner == 1 && !job->upstream && !ignores;
  const float same = flushed(-job->grad_scale);
  clear(job, range);
  while (range.first < range.last) {
    if (plain && same - same == 0) range.first = put_same(job, range, same);
    if (range.first < range.last) put_gradient(job, range.first++);
  }
}

void KERNEL(nll)(const struct vloss_cross_entropy_job *job, struct vloss_range range, struct vloss_partial *partial) {
  add_losses(job, range, partial); /* all before any gradient, which may overwrite the log-probabilities */
  if (!grad_of(job)) return;
  /* A few rows are still in the cache when their gradients follow; many are cleared past it. */
  enum { AT_ONCE = 98304 };
  const size_t bytes = job->shape.classes * vloss_type_size(job->type), rows = range.last - range.first;
  const size_t step = bytes == 0 || rows * bytes > STREAM_BYTES ? rows : AT_ONCE / bytes + 1;
  for (struct vloss_range some = range; some.first < range.last; some.first = some.last) {
    some.last = range.last - some.first < step ? range.last : some.first + step;
    put_gradients(job, some);
  }
}
