/* Negative log-likelihood of given log-probabilities in doubles: as kernels/logits/nll.c. Rows are taken in chunks: the
 * losses of all are read before any is added, and before any gradient, which may lie over the log-probabilities. */
#include "cross_entropy.h"

#include "memory/blocks.h"
#include "memory/labels.h"

enum { AT_ONCE = 256 }; /* rows of a chunk: a multiple of 16, as losses are added 16 at a time */

/* A row whose label is a class, or which has none. */
static double loss_of(const job_of_rows *job, size_t row) {
  const struct wide_target t = wide_target_of(job, row);
  if (t.ignored) return 0;
  if (t.bad) return WIDE_NAN;
  const struct wide_row x = wide_row_of(&job->shape, job->half.x, job->x_stride, row);
  return times(t.weight, times(-weight_of(job, t.label), x.p[t.label * x.step]));
}
static void put_gradient(const job_of_rows *job, size_t row) {
  const struct wide_target t = wide_target_of(job, row);
  const struct wide_row out = wide_row_of(&job->shape, job->half.grad, job->grad_stride, row);
  const double w = t.ignored || t.bad ? 1 : weight_of(job, t.label);
  const double scale = first_of(rounded_parts(parts_product(total_parts(t.factor), whole(dset1(w)))));
  const double others = !t.ignored && (t.bad || scale - scale != 0) ? WIDE_NAN : 0;
  for (size_t c = 0; c < job->shape.classes; c++) out.p[c * out.step] = others;
  if (!t.ignored && others == 0 && scale != 0) out.p[t.label * out.step] = -scale;
}

/* What dispatch does before other kernels (vloss_check_labels): how many rows are live, and the first of them that has
 * no class. */
static int count_labels(const job_of_rows *job, size_t row, size_t n, struct vloss_partial *partial) {
  for (const size_t end = row + n; row < end; row++) {
    int ignored;
    const int64_t t = vloss_row_label(&job->labels, row, &ignored);
    if (ignored) continue;
    partial->live++;
    if ((uint64_t)t < job->shape.classes) continue;
    partial->first_bad = row;
    return 0;
  }
  return 1;
}

/* Rows that lie side by side, without weights, of which each has a class. */
static int is_plain(const job_of_rows *job, size_t row, size_t n) {
  const struct vloss_labels *const labels = &job->labels;
  return job->shape.inner == 1 && !job->wide.weights && !job->row_weights && !labels->shift &&
         !(labels->ignoring && (uint64_t)labels->ignore_index < job->shape.classes) &&
         vloss_labels_within(labels, row, n, 0, job->shape.classes);
}
static void plain_losses(const job_of_rows *job, size_t row, size_t n, double *losses) {
  const struct vloss_labels labels = job->labels;
  const size_t stride = job->x_stride;
  const double *x = (const double *)job->half.x + row * stride;
  const int32_t *const narrow = (const int32_t *)labels.p + row;
  const int64_t *const wide = (const int64_t *)labels.p + row;
  if (labels.narrow)
    for (size_t i = 0; i < n; i++, x += stride) losses[i] = -x[(size_t)narrow[i]];
  else
    for (size_t i = 0; i < n; i++, x += stride) losses[i] = -x[(size_t)wide[i]];
}
/* The gradients of such rows where nothing is their factor but the reduction's. */
static void plain_gradients(const job_of_rows *job, size_t row, size_t n) {
  const struct vloss_labels labels = job->labels;
  const size_t stride = job->grad_stride, classes = job->shape.classes;
  double *g = (double *)job->half.grad + row * stride;
  const double scale = job->grad_scale + job->wide.grad_scale_low, at_label = scale != 0 ? -scale : 0;
  if (stride == classes)
    memset(g, 0, n * classes * sizeof *g);
  else
    for (size_t i = 0; i < n; i++) memset(g + i * stride, 0, classes * sizeof *g);
  for (size_t i = 0; i < n; i++, g += stride) g[(size_t)vloss_label_at(&labels, row + i)] = at_label;
}

/* The losses of some rows; 0 where a label is wrong that nobody has looked at. */
static int do_chunk(const job_of_rows *job, size_t row, size_t n, double *losses, struct vloss_partial *partial) {
  const int plain = is_plain(job, row, n), finite = job->grad_scale - job->grad_scale == 0;
  if (job->counts_labels && plain) partial->live += n;
  if (job->counts_labels && !plain && !count_labels(job, row, n, partial)) return 0;
  if (plain)
    plain_losses(job, row, n, losses);
  else
    for (size_t i = 0; i < n; i++) losses[i] = loss_of(job, row + i);
  for (size_t i = 0; job->wide.loss && i < n; i++)
    job->wide.loss[row + i] = losses[i] == losses[i] ? losses[i] : WIDE_NAN;
  if (!job->half.grad) return 1;
  if (plain && finite && !job->wide.upstream)
    plain_gradients(job, row, n);
  else
    for (size_t i = 0; i < n; i++) put_gradient(job, row + i);
  return 1;
}

void KERNEL(f64_nll)(const job_of_rows *job, struct vloss_range range, struct vloss_partial *partial) {
  const size_t block = vloss_block_rows(job->total_classes);
  for (size_t row = range.first; row < range.last;) {
    const size_t end = range.last - row < block ? range.last : row + block;
    struct lanes lanes = no_lanes();
    for (size_t n; row < end; row += n) {
      double losses[AT_ONCE];
      n = end - row < AT_ONCE ? end - row : AT_ONCE;
      if (!do_chunk(job, row, n, losses, partial)) return;
      add_numbers(&lanes, &partial->sum, losses, n);
    }
    add_lanes(&partial->sum, lanes);
  }
}
