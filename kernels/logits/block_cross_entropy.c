/* Cross-entropy of rows in 16 bits, and of logits that are changed before they count. Short rows go through the kernel
 * of floats, a buffer of them at a time. Of others each is widened and changed block by block, as often as it is
 * needed; up to 16 of them share what follows their sums. */
#include "block_cross_entropy.h"

#include <string.h>

#include "calm.h"
#include "kernels.h"
#include "row_state.h"

/* Not inline, as what is row by row: the stack has room for the buffers of either. Of a whole CLASS_BLOCK they would
 * not leave enough to the kernel. */
static __attribute__((noinline)) void short_rows(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                                                 struct totals *totals) {
  enum { ROOM = CLASS_BLOCK / 2 };
  ALIGNED float x[ROOM], other[ROOM]; /* targets, or the gradient: the terms are kept there */
  const struct logit_change change = change_of(job);
  const struct half_tensor raw = half_logits(job), targets = half_targets(job), grad = half_grad(job);
  struct half_tensor logits = raw;
  struct vloss_cross_entropy_job part = *job;
  if (!changes_nothing(&change)) logits.change = &change;
  const int capped = grad.p && change.cap != 0; /* slopes then take half of a buffer */
  float *const slopes = x + ROOM / 2;
  part.type = VLOSS_F32;
  part.x = x;
  part.targets = targets.p ? other : NULL;
  part.grad = !grad.p ? NULL : targets.p ? x : other;
  for (size_t first = range.first, rows; first < range.last; first += rows) {
    part.shape = half_group_at(&job->shape, (struct vloss_range){first, range.last}, capped ? ROOM / 2 : ROOM, 0);
    part.x_stride = part.targets_stride = part.grad_stride = part.shape.classes * part.shape.inner;
    rows = part.shape.outer * part.shape.inner;
    half_group_read(capped ? &raw : &logits, first, &part.shape, x);
    if (capped) cap_logits(&change, x, rows * part.shape.classes, x, slopes);
    if (targets.p) half_group_read(&targets, first, &part.shape, other);
    part.labels = vloss_labels_from(&job->labels, first);
    if (job->upstream && job->upstream_per_row) part.upstream = job->upstream + first;
    if (job->row_weights) part.row_weights = (const float *)job->row_weights + first;
    if (job->loss) part.loss = job->loss + first;
    if (job->z_loss_part) part.z_loss_part = (float *)job->z_loss_part + first;
    if (job->lse) part.lse = job->lse + first;
    if (job->correct) part.correct = job->correct + first;
    if (job->predicted) part.predicted = (char *)job->predicted + first * vloss_label_size(job->predicted_narrow);
    totals[0].before = totals[1].before = first;
    cross_entropy_rows(&part, (struct vloss_range){0, rows}, totals);
    if (capped) {
      float *const again = part.grad == x ? other : x;
      half_group_read(&raw, first, &part.shape, again);
      times_known_slopes(&change, again, slopes, rows * part.shape.classes, part.grad);
    }
    if (grad.p) half_group_write(&grad, first, &part.shape, part.grad);
  }
  totals[0].before = totals[1].before = 0;
}

/* ---- Row by row -------------------------------------------------------------------------------------------------- */

/* As it counts. */
static struct half_reader reader_of(const struct block_rows *h, size_t row) {
  return (struct half_reader){half_row_of(&h->logits, row), h->x};
}
/* As in long_spread.c. */
static void long_spread(struct block_rows *h, struct group_state *s, size_t at) {
  const int targets = h->block.targets != NULL;
  struct long_spread row = {long_row_begin(), binned_nothing(), binned_nothing()};
  for (size_t c = 0; c < h->job->shape.classes; c += CLASS_BLOCK) {
    block_rows_read(h, at, c);
    spread_blocks(&h->block, s, &row);
  }
  memset(&s->q, 0, sizeof s->q);
  vstore(s->left_out, vset1(-INF));
  no_sums(&s->sums);
  spread_sums_from(&row, targets, s, 0);
  const float max = s->sums.max[0];
  if (!row.q.met || max - max != 0) return;
  const struct half_reader r = reader_of(h, at);
  const size_t best = half_row_find(&r, max, 0);
  double t = 0;
  if (targets) {
    const struct half_row of_targets = half_row_of(&h->targets, at);
    t = (double)view_element(of_targets.p, of_targets.type, best * of_targets.step);
  }
  h->block.weights = h->job->weights;
  *(targets ? s->q.at : s->q.au) += 0 * spread_coefficient(&h->block, t, best);
}

/* The sums of row i of a group; `one` is a group of this row alone. */
static void sum_row(struct block_rows *h, struct group_state *s, size_t i, struct group_state *one) {
  const size_t row = s->g.first + i, label = (size_t)(ptrdiff_t)s->l.label[i];
  const struct half_reader r = reader_of(h, row);
  if (s->l.label[i] >= 0) s->target[i] = half_row_class(&r.row, label);
  if (!is_spread(&h->block)) {
    half_row_sums(&r, label, &one->sums);
  } else if (h->job->shape.classes > CLASS_BLOCK) {
    long_spread(h, one, row);
  } else {
    block_rows_read(h, row, 0);
    block_spread(&h->block, one);
  }
  s->sums.sum[i] = one->sums.sum[0];
  s->sums.n[i] = one->sums.n[0];
  s->sums.shift[i] = one->sums.shift[0];
  s->sums.max[i] = one->sums.max[0];
  if (!is_spread(&h->block)) return;
  s->left_out[i] = one->left_out[0];
  s->q.qt[i] = one->q.qt[0];
  s->q.at[i] = one->q.at[0];
  s->q.qu[i] = one->q.qu[0];
  s->q.au[i] = one->q.au[0];
}
/* Rows that lie side by side are summed together, but for those whose classes have weights of their own. */
static int by_tiles(const struct block_rows *h) { return h->job->shape.inner > 1 && !is_spread(&h->block); }
static void sum_rows_beside(struct block_rows *h, struct group_state *s) {
  const struct tiled_rows rows = {.t = &h->logits, .first = s->g.first, .n = s->g.n, .block = h->x, .skip = s->l.label};
  struct row_sums sums;
  half_tile_sums(&rows, &sums);
  for (size_t i = 0; i < s->g.n; i++) {
    const struct half_row row = half_row_of(&h->logits, s->g.first + i);
    if (s->l.ignored[i] != 0) continue;
    if (s->l.label[i] >= 0) s->target[i] = half_row_class(&row, (size_t)(ptrdiff_t)s->l.label[i]);
    s->sums.sum[i] = sums.sum[i];
    s->sums.n[i] = sums.n[i];
    s->sums.shift[i] = sums.shift[i];
    s->sums.max[i] = sums.max[i];
  }
}
/* As sum_group. Not inline: what follows has its own use of the stack. */
static __attribute__((noinline)) void sum_rows(struct block_rows *h, struct group_state *s) {
  struct group_state one;
  one.g = (struct group){0, 1, ALONG, 0};
  one.l.ignored[0] = 0;
  s->stash = (struct stash){.writing = CACHED};
  read_labels(h->job, &s->g, &s->l);
  vstore(s->target, vset1(-INF));
  vstore(s->left_out, vset1(-INF));
  memset(&s->q, 0, sizeof s->q);
  no_sums(&s->sums);
  if (by_tiles(h)) {
    sum_rows_beside(h, s);
    return;
  }
  for (size_t i = 0; i < s->g.n; i++)
    if (s->l.ignored[i] == 0) sum_row(h, s, i, &one);
}

/* ---- Results ----------------------------------------------------------------------------------------------------- */

/* max and log_sum: that is the loss of the class at the maximum, which the sums have to leave out. */
static SMALL void put_log_sums(struct block_rows *h, const struct group_state *s, const float *left_out) {
  const struct vloss_cross_entropy_job *job = h->job;
  struct row_sums sums = s->sums, one;
  ALIGNED float max[16];
  vstore(max, vset1(0.0f));
  for (size_t i = 0; i < s->g.n; i++) {
    max[i] = (sums.max[i] > left_out[i] ? sums.max[i] : left_out[i]) + 0.0f; /* of -0 and 0 the same */
    if (s->l.ignored[i] != 0 || !(max[i] > left_out[i]) || max[i] - max[i] != 0 || sums.sum[i] != sums.sum[i]) continue;
    const struct half_reader r = reader_of(h, s->g.first + i);
    half_row_sums(&r, half_row_find(&r, max[i], 0), &one);
    sums.sum[i] = one.sum[0];
    sums.n[i] = one.n[0];
    sums.shift[i] = one.shift[0];
    sums.max[i] = one.max[0];
  }
  const vd wide_max = dwiden(vload(max)), zero = dset1(0.0);
  const dm ignored = dgt(dload(s->l.ignored), zero);
  vd log_sum;
  finish_loss(&log_sum, &sums, &wide_max, s->g.n);
  const vd kept = dsel(ignored, zero, dsel(dnan(log_sum), log_sum, wide_max));
  log_sum = dsel(ignored, zero, log_sum);
  if (job->max) vstore_tail((float *)job->max + s->g.first, canonical(dnarrow(kept)), s->g.n);
  if (job->log_sum) vstore_tail((float *)job->log_sum + s->g.first, canonical(dnarrow_small(log_sum)), s->g.n);
}

/* As finish_group. */
static void finish_rows(struct block_rows *h, struct group_state *s, struct totals *totals) {
  const struct vloss_cross_entropy_job *job = h->job;
  const struct group *g = &s->g;
  const float *const left_out = is_spread(&h->block) ? s->left_out : s->target;
  struct group_losses l;
  losses_of_group(&h->block, s, wants_all(job) || h->grad_targets.p, &l);
  ALIGNED double lse[16];
  dstore(lse, l.row.lse);
  for (size_t i = 0; i < g->n; i++) {
    const struct half_reader r = reader_of(h, g->first + i);
    if (job->lse || job->z_loss > 0)
      lse[i] = s->l.ignored[i] == 0 ? half_row_lse(&r, &s->sums, i, left_out[i], lse[i]) : 0;
    if (!job->predicted && !job->correct) continue;
    const float y = left_out[i], max = s->sums.max[i] > y ? s->sums.max[i] : y;
    const int nan = s->sums.sum[i] != s->sums.sum[i] || y != y;
    write_found(job, g->first + i, s->l.label[i], finds_class(job, s, i) ? (int32_t)half_row_find(&r, max, nan) : -1);
  }
  l.row.lse = dload(lse);
  put_losses(job, s, &l, totals);
  if (job->lse) vstore_tail(job->lse + g->first, canonical(dnarrow_small(l.row.lse)), g->n);
  if (job->max || job->log_sum) put_log_sums(h, s, left_out);
  if (h->grad.p || h->grad_targets.p) block_row_gradients(h, s, &l);
}

static __attribute__((noinline)) void row_by_row(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                                                 struct totals *totals, float *x, float *t) {
  struct block_rows h;
  struct group_state s;
  block_rows_begin(&h, job, x, t);
  const size_t bytes = 16 * job->shape.classes * vloss_type_size(job->type), inner = job->shape.inner;
  const size_t most = (h.grad.p || h.grad_targets.p) && bytes > GROUP_BYTES ? 1 : 16;
  for (size_t row = range.first; row < range.last; row += s.g.n) {
    s.g = (struct group){row, range.last - row < most ? range.last - row : most, ALONG, 0};
    if (inner > 1) s.g.n = long_tile_rows(&job->shape, row, range.last);
    sum_rows(&h, &s);
    finish_rows(&h, &s, totals);
  }
}

/* Rows side by side: in a tile they are dense rows of floats, and their gradients take their place. Of more than
 * FEW_CLASSES classes a tile has few rows, and the stack no room for another buffer; what BESIDE_FLOATS is less than
 * CLASS_BLOCK keeps the scalar kernels, whose vectors are on the stack, below 64 KiB. */
enum { BESIDE_FLOATS = CLASS_BLOCK - 96 };
static __attribute__((noinline)) void rows_beside(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                                                  struct totals *totals) {
  ALIGNED float x[CLASS_BLOCK], floats[BESIDE_FLOATS];
  const struct half_tensor logits = half_logits(job), grad = half_grad(job);
  const size_t classes = job->shape.classes;
  struct vloss_cross_entropy_job part = *job;
  part.type = VLOSS_F32;
  part.x_stride = part.grad_stride = classes;
  for (size_t rows; range.first < range.last; range.first += rows) {
    rows = half_tile_rows(&job->shape, range.first, range.last, classes, BESIDE_FLOATS);
    const struct half_tile tile = {range.first, rows, 0, classes, 0};
    const struct half_tensor dense = half_tile_tensor(&tile, floats);
    half_tile_read(&logits, &tile, floats);
    part.shape = dense.shape;
    part.half.x = dense.p;
    if (grad.p) part.half.grad = dense.p;
    row_by_row(&part, (struct vloss_range){range.first, range.first + rows}, totals, x, NULL);
    if (grad.p) half_tile_write(&grad, &tile, floats);
  }
}

/* The buffer of targets is on the stack only where there are such. */
static __attribute__((noinline)) void rows_of_labels(const struct vloss_cross_entropy_job *job,
                                                     struct vloss_range range, struct totals *totals) {
  ALIGNED float x[CLASS_BLOCK];
  row_by_row(job, range, totals, x, NULL);
}
static __attribute__((noinline)) void rows_of_targets(const struct vloss_cross_entropy_job *job,
                                                      struct vloss_range range, struct totals *totals) {
  ALIGNED float x[CLASS_BLOCK], t[CLASS_BLOCK];
  row_by_row(job, range, totals, x, t);
}

void block_cross_entropy(const struct vloss_cross_entropy_job *job, struct vloss_range range, struct totals *totals) {
  if (job->shape.inner > 1 && job->shape.classes > SHORT_ROW && job->shape.classes <= FEW_CLASSES && !job->half.targets)
    rows_beside(job, range, totals);
  else if (job->shape.classes > SHORT_ROW || job->max || job->log_sum || job->half.grad_targets)
    (job->half.targets ? rows_of_targets : rows_of_labels)(job, range, totals);
  else
    short_rows(job, range, totals);
  vstream_end();
}

/* ---- Rows whose classes are spread ------------------------------------------------------------------------------- */

/* The state of each block is that of a shard, and they are merged. */
void block_partial(const struct vloss_cross_entropy_job *job, struct vloss_range range) {
  ALIGNED float x[CLASS_BLOCK];
  struct block_rows h;
  block_rows_begin(&h, job, x, NULL);
  for (size_t row = range.first; row < range.last; row++) {
    const struct half_row from = half_row_of(&h.logits, row);
    struct vloss_state state;
    h.block.labels = vloss_labels_from(&job->labels, row);
    h.block.states = &state;
    memset(&job->states[row], 0, sizeof state);
    for (size_t c = 0; c < from.classes; c += CLASS_BLOCK) {
      h.block.shape.classes = half_block_read(&from, c, x);
      h.block.class_offset = job->class_offset + c;
      KERNEL(cross_entropy_partial)(&h.block, (struct vloss_range){0, 1}, NULL);
      KERNEL(merge_states)(&job->states[row], &state);
    }
  }
}
void block_gradient(const struct vloss_cross_entropy_job *job, struct group_state *s, const struct group_losses *l) {
  ALIGNED float x[CLASS_BLOCK];
  struct block_rows h;
  block_rows_begin(&h, job, x, NULL);
  s->stash = (struct stash){.writing = CACHED};
  block_row_gradients(&h, s, l);
  vstream_end();
}
