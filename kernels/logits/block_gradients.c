/* The gradients of cross-entropy of rows that are read block by block: of the logits, and of probability targets. */
#include <string.h>

#include "block_cross_entropy.h"

void block_rows_begin(struct block_rows *h, const struct vloss_cross_entropy_job *job, float *x, float *t) {
  const struct half_tensor raw = half_logits(job);
  *h = (struct block_rows){.job = job,
                           .raw = raw,
                           .logits = raw,
                           .targets = half_targets(job),
                           .grad = half_grad(job),
                           .grad_targets = half_grad_targets(job),
                           .change = change_of(job),
                           .x = x,
                           .t = t,
                           .block = *job};
  if (!changes_nothing(&h->change)) h->logits.change = &h->change;
  h->block.type = VLOSS_F32;
  h->block.by_block = 0;
  h->block.shape.outer = h->block.shape.inner = 1;
  h->block.x = h->block.grad = x;
  h->block.targets = job->half.targets ? t : NULL;
  h->block.x_stride = h->block.targets_stride = h->block.grad_stride = 0;
}
void block_rows_read(struct block_rows *h, size_t row, size_t c) {
  const struct half_row x = half_row_of(&h->logits, row);
  h->block.shape.classes = half_block_read(&x, c, h->x);
  if (h->job->weights) h->block.weights = h->job->weights + c;
  if (!h->block.targets) return;
  const struct half_row t = half_row_of(&h->targets, row);
  half_block_read(&t, c, h->t);
}

/* ---- Capped logits ----------------------------------------------------------------------------------------------- */

/* 0 stays so: logits of ignored rows are anything. */
VFN vf times_slopes_of(const struct logit_change *change, vf x, vf slopes, vf grad) {
  /* The same bits in float, where nothing can be denormal. */
  if (__builtin_expect(!vany(vmor(vnan(slopes), vgt(vset1(0x1p-80f), vabs(grad)))), 1))
    return canonical(vmul(grad, slopes));
  const vd of_y = dwiden(grad), zero = dset1(0.0);
  const vd product = dsel(deq(of_y, zero), of_y, dmul(of_y, wide_slopes(change, x, slopes)));
  return canonical(dnarrow(dflush(product)));
}
void cap_logits(const struct logit_change *how, const float *x, size_t n, float *y, float *slopes) {
  const struct cap_factors factors = cap_factors_of(how);
  const int unscaled = factors.scale == 1;
  for (size_t i = 0; i < n; i += 16) {
    const size_t m = n - i < 16 ? n - i : 16;
    const vf v = load_n(x + i, m);
    const struct capped capped = unscaled ? capped_by(&factors, v, 1) : capped_by(&factors, v, 0);
    store_n(y + i, capped.y, m, 0);
    store_n(slopes + i, capped.slope, m, 0);
  }
}
void times_known_slopes(const struct logit_change *how, const float *x, const float *slopes, size_t n, float *grad) {
  const struct logit_change change = *how;
  for (size_t i = 0; i < n; i += 16) {
    const size_t m = n - i < 16 ? n - i : 16;
    const vf of_y = load_n(grad + i, m), of_x = times_slopes_of(&change, load_n(x + i, m), load_n(slopes + i, m), of_y);
    store_n(grad + i, of_x, m, 0);
  }
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

/* What the gradient of the targets of row i is made of: factor w_c (y_c - max - log_sum), or one value. */
struct targets_row {
  double factor, max, log_sum;
  int undefined;
};

/* In pieces, so that the buffer of a block holds logits, slopes and the gradient of targets. */
enum { PIECE = CLASS_BLOCK / 4 };
static void targets_gradient(const struct targets_row *row, const float *y, const float *weights, size_t n, float *to) {
  for (size_t i = 0; i < n; i += 16) {
    const size_t m = n - i < 16 ? n - i : 16;
    const vd w = weights ? dwiden(load_n(weights + i, m)) : dset1(1.0);
    const vd lp = dsub(dsub(dwiden(load_n(y + i, m)), dset1(row->max)), dset1(row->log_sum));
    const vd v = row->undefined ? dset1((double)NOT_A_NUMBER) : dmul_or_zero(dmul(dset1(row->factor), w), lp);
    store_n(to + i, canonical(dnarrow(dflush(v))), m, 0);
  }
}

/* What the gradients of a group are made of. */
struct group_gradients {
  const struct row_factors *factors;
  const struct gradient *grad;
  struct targets_row targets[16];
};
/* Of the group: n rows from row `first` of it on, one, or some that lie side by side. */
struct some_rows {
  size_t first, n;
};
/* Puts the tile at the place of the block; classes of row i are then at h->block.x, and so on. */
static void tile_row(struct block_rows *h, struct group_state *s, const struct half_tile *tile, int64_t label, size_t k,
                     size_t i) {
  const int64_t here = label - (int64_t)tile->c;
  s->l.label[i] = here >= 0 && here < (int64_t)tile->n ? (int32_t)here : -1;
  h->block.shape.classes = tile->n;
  h->block.x = h->block.grad = h->x + k * tile->n;
  if (h->block.targets) h->block.targets = h->t + k * tile->n;
  if (h->job->weights) h->block.weights = h->job->weights + tile->c;
}
static void rows_in_pieces(struct block_rows *h, struct group_state *s, const struct group_gradients *g,
                           const struct some_rows *rows) {
  const size_t classes = h->job->shape.classes, width = PIECE / rows->n / 16 * 16;
  float *const raw = h->x + PIECE, *const of_targets = h->x + 2 * PIECE, *const slopes = h->x + 3 * PIECE;
  int32_t labels[16];
  memcpy(labels, s->l.label, sizeof labels);
  for (size_t c = 0; c < classes; c += width) {
    const struct half_tile tile = {s->g.first + rows->first, rows->n, c, classes - c < width ? classes - c : width, 0};
    const size_t all = tile.rows * tile.n;
    half_tile_read(&h->raw, &tile, raw);
    if (h->change.cap != 0)
      cap_logits(&h->change, raw, all, h->x, slopes);
    else if (h->logits.change)
      change_logits(&h->change, raw, all, h->x);
    else
      memcpy(h->x, raw, all * sizeof *raw);
    if (h->block.targets) half_tile_read(&h->targets, &tile, h->t);
    for (size_t k = 0; k < rows->n; k++) {
      const size_t i = rows->first + k;
      tile_row(h, s, &tile, labels[i], k, i);
      if (h->grad_targets.p)
        targets_gradient(&g->targets[i], h->block.x, h->job->weights ? h->block.weights : NULL, tile.n,
                         of_targets + k * tile.n);
      if (h->grad.p) row_gradient(&h->block, s, g->factors, g->grad, i);
    }
    if (h->grad.p && h->change.cap != 0) times_known_slopes(&h->change, raw, slopes, all, h->x);
    if (h->grad.p) half_tile_write(&h->grad, &tile, h->x);
    if (h->grad_targets.p) half_tile_write(&h->grad_targets, &tile, of_targets);
  }
}
static void rows_by_blocks(struct block_rows *h, struct group_state *s, const struct group_gradients *g,
                           const struct some_rows *rows) {
  const size_t classes = h->job->shape.classes, width = tile_classes(rows->n);
  int32_t labels[16];
  memcpy(labels, s->l.label, sizeof labels);
  for (size_t c = 0; c < classes; c += width) {
    const struct half_tile tile = {s->g.first + rows->first, rows->n, c, classes - c < width ? classes - c : width, 1};
    half_tile_read(&h->logits, &tile, h->x);
    if (h->block.targets) half_tile_read(&h->targets, &tile, h->t);
    for (size_t k = 0; k < rows->n; k++) {
      half_tile_ask(&h->logits, &tile, k, 0), half_tile_ask(&h->grad, &tile, k, 1);
      if (h->block.targets) half_tile_ask(&h->targets, &tile, k, 0);
      tile_row(h, s, &tile, labels[rows->first + k], k, rows->first + k);
      row_gradient(&h->block, s, g->factors, g->grad, rows->first + k);
    }
    half_tile_write(&h->grad, &tile, h->x);
  }
}

static void read_targets_rows(const struct block_rows *h, const struct group_state *s, const struct group_losses *l,
                              struct targets_row *rows) {
  ALIGNED double log_sum[16], p[16];
  dstore(log_sum, l->row.loss);
  dstore(p, l->row.p);
  for (size_t i = 0; i < s->g.n; i++) {
    const double factor = -(1 - h->job->smoothing) * s->l.upstream[i];
    rows[i] = (struct targets_row){factor, (double)s->left_out[i], log_sum[i], p[i] != p[i] || factor - factor != 0};
  }
}

void block_row_gradients(struct block_rows *h, struct group_state *s, const struct group_losses *l) {
  struct row_factors factors;
  struct gradient grad;
  struct group_gradients gradients = {.factors = &factors, .grad = &grad};
  gradient_of_group(&h->block, s, l, &factors, &grad);
  if (h->grad_targets.p) read_targets_rows(h, s, l, gradients.targets);
  const size_t together = h->job->shape.inner > 1 ? s->g.n : 1;
  for (size_t i = 0; i < s->g.n; i += together) {
    const size_t row = s->g.first + i;
    const struct half_row out = half_row_of(&h->grad, row);
    const struct some_rows rows = {i, together};
    if (h->grad_targets.p || h->change.cap != 0) {
      rows_in_pieces(h, s, &gradients, &rows);
      continue;
    }
    s->g.calm |= vmet_denormal();
    if (VLOSS_IS_HALF(out.type) && out.step == 1 && !h->logits.change && !is_spread(&h->block) && grad.flat[i] == 0 &&
        factors.wide[i] == 0 && !s->g.calm) {
      const struct row_output all = {.x = half_row_of(&h->logits, row).p,
                                     .out = out.p,
                                     .classes = out.classes,
                                     .label = (size_t)(ptrdiff_t)s->l.label[i],
                                     .n = s->sums.n[i],
                                     .shift = s->sums.shift[i],
                                     .value = grad.at_target[i],
                                     .type = out.type};
      half_row_softmax(&all, &factors, i, out.past_cache ? PAST : CACHED);
      continue;
    }
    rows_by_blocks(h, s, &gradients, &rows);
  }
  h->block.x = h->block.grad = h->x;
  if (h->block.targets) h->block.targets = h->t;
}
