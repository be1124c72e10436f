/* Cross-entropy with q spread over classes: the sums of long rows, from those of their blocks. */
#include <string.h>

#include "cross_entropy.h"
#include "row_sums.h"

/* The coefficient of class c of row `row`, as the sums have it. */
static double coefficient(const struct vloss_cross_entropy_job *job, size_t row, size_t c) {
  if (!job->targets) return spread_coefficient(job, 0, c);
  const float *t = job->targets + row_offset(&job->shape, job->targets_stride, row);
  return spread_coefficient(job, (double)t[c * job->shape.inner], c);
}

/* Rare: a block with infinite or NaN coefficients. A class at the block's maximum is as far from the row's as that
 * turns out to be; what an infinite one makes of a, q tells. */
static SMALL void add_infinite(const struct vloss_cross_entropy_job *part, size_t row, float max,
                               struct binned_sum *sum) {
  const float *x = part->x + row_offset(&part->shape, part->x_stride, row);
  for (size_t c = 0; c < part->shape.classes; c++) {
    const double k = coefficient(part, row, c), distance = (double)max - (double)x[c * part->shape.inner];
    const double term = k == 0 || (distance == 0 && k == k) ? 0 : k * distance;
    if (term - term != 0) binned_add(sum, -term, 0);
  }
}

static void add_block(struct long_spread *row, const struct vloss_cross_entropy_job *part,
                      const struct group_state *block, size_t i) {
  const int targets = part->targets != NULL;
  const double q = targets ? block->q.qt[i] : block->q.qu[i], a = targets ? block->q.at[i] : block->q.au[i];
  const float max = block->left_out[i], base = max == -INF ? 0 : max;
  if (max != max) row->row.sum.met |= BINNED_NAN;
  long_row_add_below(&row->row, &block->sums, i);
  binned_add(&row->q, q, 0);
  if (q - q != 0) {
    add_infinite(part, block->g.first + i, base, &row->x);
  } else {
    binned_add(&row->x, -a, 0);
    if (base - base == 0) binned_add_product(&row->x, q, (double)base);
  }
}

void spread_sums_from(const struct long_spread *row, int targets, struct group_state *s, size_t i) {
  long_row_sums(&row->row, &s->sums, i);
  const float max = s->sums.max[i];
  /* Rows without a finite maximum have no answer. */
  double a = (double)(max - max);
  if (a == 0) a = binned_product_minus(&row->q, (double)max, &row->x);
  s->left_out[i] = max;
  *(targets ? &s->q.qt[i] : &s->q.qu[i]) = binned_read(&row->q, 0);
  *(targets ? &s->q.at[i] : &s->q.au[i]) = a;
}
static void finish_row(const struct vloss_cross_entropy_job *job, const struct long_spread *row, struct group_state *s,
                       size_t i) {
  spread_sums_from(row, job->targets != NULL, s, i);
  const float max = s->sums.max[i];
  if (row->q.met && max - max == 0) {
    const float *x = job->x + row_offset(&job->shape, job->x_stride, s->g.first + i);
    const size_t best = row_find(x, job->shape.inner, job->shape.classes, max, 0);
    const double k = coefficient(job, s->g.first + i, best);
    /* NaN where an infinite coefficient multiplies the distance of the maximum from itself. */
    *(job->targets ? &s->q.at[i] : &s->q.au[i]) += 0 * k;
  }
}

void spread_blocks(const struct vloss_cross_entropy_job *job, struct group_state *s, struct long_spread *rows) {
  const size_t inner = job->shape.inner, classes = job->shape.classes;
  const int beside = s->g.layout != ALONG; /* rows are then read whether they count or not */
  for (size_t c = 0; c < classes; c += CLASS_BLOCK) {
    struct vloss_cross_entropy_job part = *job;
    part.shape.classes = classes - c < CLASS_BLOCK ? classes - c : CLASS_BLOCK;
    part.x += c * inner;
    if (part.targets) part.targets += c * inner;
    if (part.weights) part.weights += c;
    block_spread(&part, s);
    for (size_t i = 0; i < s->g.n; i++)
      if (beside || s->l.ignored[i] == 0) add_block(&rows[i], &part, s, i);
  }
}

static void long_spread(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  const int beside = s->g.layout != ALONG;
  struct long_spread rows[16];
  for (size_t i = 0; i < s->g.n; i++)
    rows[i] = (struct long_spread){long_row_begin(), binned_nothing(), binned_nothing()};
  spread_blocks(job, s, rows);
  memset(&s->q, 0, sizeof s->q);
  vstore(s->left_out, vset1(-INF));
  no_sums(&s->sums);
  for (size_t i = 0; i < s->g.n; i++)
    if (beside || s->l.ignored[i] == 0) finish_row(job, &rows[i], s, i);
  if (s->g.layout == ACROSS) { /* for the gradient */
    s->x_tile = group_tile(&job->shape, &s->g, job->x, job->x_stride, s->x_copy);
    if (job->targets) s->t_tile = group_tile(&job->shape, &s->g, job->targets, job->targets_stride, s->t_copy);
  }
}

void group_spread(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  if (job->shape.classes > CLASS_BLOCK)
    long_spread(job, s);
  else
    block_spread(job, s);
}
