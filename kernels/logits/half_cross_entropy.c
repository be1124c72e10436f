/* Cross-entropy of rows in 16 bits, and of logits that are changed before they count. Short rows go through the kernel
 * of floats, a buffer of them at a time. Of others each is widened and changed block by block, as often as it is
 * needed; up to 16 of them share what follows their sums. */
#include "half_cross_entropy.h"

#include <string.h>

#include "kernels.h"
#include "row_state.h"

/* dL/dy, in which the scale is, to dL/dx of n logits x. 0 stays so: logits of ignored rows are anything. */
VFN vf times_slopes_of(const struct logit_change *change, vf x, vf slopes, vf grad) {
  /* The same bits in float, where nothing can be denormal. */
  if (__builtin_expect(!vany(vmor(vnan(slopes), vgt(vset1(0x1p-80f), vabs(grad)))), 1))
    return canonical(vmul(grad, slopes));
  const vd of_y = dwiden(grad), zero = dset1(0.0);
  const vd product = dsel(deq(of_y, zero), of_y, dmul(of_y, wide_slopes(change, x, slopes)));
  return canonical(dnarrow(dflush(product)));
}
static void times_slopes(const struct logit_change *how, const float *x, size_t n, float *grad) {
  const struct logit_change change = *how; /* which no store can change, here and below */
  for (size_t i = 0; i < n; i += 16) {
    const size_t m = n - i < 16 ? n - i : 16;
    const vf v = load_n(x + i, m);
    const struct capped capped = capped_of(&change, v);
    store_n(grad + i, times_slopes_of(&change, v, narrow_slopes(&capped), load_n(grad + i, m)), m, 0);
  }
}

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
  part.type = VLOSS_F32;
  part.x = x;
  part.targets = targets.p ? other : NULL;
  part.grad = !grad.p ? NULL : targets.p ? x : other;
  for (size_t first = range.first, rows; first < range.last; first += rows) {
    part.shape = half_group_at(&job->shape, (struct vloss_range){first, range.last}, ROOM, 0);
    part.x_stride = part.targets_stride = part.grad_stride = part.shape.classes * part.shape.inner;
    rows = part.shape.outer * part.shape.inner;
    half_group_read(&logits, first, &part.shape, x);
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
    if (grad.p && change.cap != 0) {
      float *const again = part.grad == x ? other : x;
      half_group_read(&raw, first, &part.shape, again);
      times_slopes(&change, again, rows * part.shape.classes, part.grad);
    }
    if (grad.p) half_group_write(&grad, first, &part.shape, part.grad);
  }
  totals[0].before = totals[1].before = 0;
}

/* ---- Row by row -------------------------------------------------------------------------------------------------- */

/* The block at hand is a job of one row of floats, whose strides are 0: every row begins there. */
struct half_rows {
  const struct vloss_cross_entropy_job *job;
  struct half_tensor raw, logits, targets, grad, grad_targets;
  struct logit_change change;
  float *x, *t;
  struct vloss_cross_entropy_job block;
};
static void begin_half_rows(struct half_rows *h, const struct vloss_cross_entropy_job *job, float *x, float *t) {
  const struct half_tensor raw = half_logits(job);
  *h = (struct half_rows){.job = job,
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
static struct half_reader reader_of(const struct half_rows *h, size_t row) {
  return (struct half_reader){half_row_of(&h->logits, row), h->x};
}
static void read_block(struct half_rows *h, size_t row, size_t c) {
  const struct half_row x = half_row_of(&h->logits, row);
  h->block.shape.classes = half_block_read(&x, c, h->x);
  if (h->job->weights) h->block.weights = h->job->weights + c;
  if (!h->block.targets) return;
  const struct half_row t = half_row_of(&h->targets, row);
  half_block_read(&t, c, h->t);
}

/* As in long_spread.c. */
static void long_spread(struct half_rows *h, struct group_state *s, size_t at) {
  const int targets = h->block.targets != NULL;
  struct long_spread row = {long_row_begin(), binned_nothing(), binned_nothing()};
  for (size_t c = 0; c < h->job->shape.classes; c += CLASS_BLOCK) {
    read_block(h, at, c);
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
static void sum_row(struct half_rows *h, struct group_state *s, size_t i, struct group_state *one) {
  const size_t row = s->g.first + i, label = (size_t)(ptrdiff_t)s->l.label[i];
  const struct half_reader r = reader_of(h, row);
  if (s->l.label[i] >= 0) s->target[i] = half_row_class(&r.row, label);
  if (!is_spread(&h->block)) {
    half_row_sums(&r, label, &one->sums);
  } else if (h->job->shape.classes > CLASS_BLOCK) {
    long_spread(h, one, row);
  } else {
    read_block(h, row, 0);
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
/* As sum_group. Not inline: what follows has its own use of the stack. */
static __attribute__((noinline)) void sum_rows(struct half_rows *h, struct group_state *s) {
  struct group_state one;
  one.g = (struct group){0, 1, ALONG};
  one.l.ignored[0] = 0;
  s->stash = (struct stash){.writing = CACHED};
  read_labels(h->job, &s->g, &s->l);
  vstore(s->target, vset1(-INF));
  vstore(s->left_out, vset1(-INF));
  memset(&s->q, 0, sizeof s->q);
  no_sums(&s->sums);
  for (size_t i = 0; i < s->g.n; i++)
    if (s->l.ignored[i] == 0) sum_row(h, s, i, &one);
}

/* ---- Gradients --------------------------------------------------------------------------------------------------- */

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

/* Capped logits and what dy/dx is made of, together; and that put to use. */
static void cap_logits(const struct logit_change *how, const float *x, size_t n, float *y, float *slopes) {
  const struct logit_change change = *how;
  for (size_t i = 0; i < n; i += 16) {
    const size_t m = n - i < 16 ? n - i : 16;
    const struct capped capped = capped_of(&change, load_n(x + i, m));
    store_n(y + i, capped.y, m, 0);
    store_n(slopes + i, narrow_slopes(&capped), m, 0);
  }
}
static void times_known_slopes(const struct logit_change *how, const float *x, const float *slopes, size_t n,
                               float *grad) {
  const struct logit_change change = *how;
  for (size_t i = 0; i < n; i += 16) {
    const size_t m = n - i < 16 ? n - i : 16;
    const vf of_y = load_n(grad + i, m), of_x = times_slopes_of(&change, load_n(x + i, m), load_n(slopes + i, m), of_y);
    store_n(grad + i, of_x, m, 0);
  }
}

/* What the gradients of a group are made of. */
struct group_gradients {
  const struct row_factors *factors;
  const struct gradient *grad;
  struct targets_row targets[16];
};
static void row_in_pieces(struct half_rows *h, struct group_state *s, const struct group_gradients *g, size_t i) {
  const size_t row = s->g.first + i, classes = h->job->shape.classes;
  const struct half_row x = half_row_of(&h->raw, row), out = half_row_of(&h->grad, row);
  const struct half_row t = half_row_of(&h->targets, row), of_t = half_row_of(&h->grad_targets, row);
  float *const raw = h->x + PIECE, *const of_targets = h->x + 2 * PIECE, *const slopes = h->x + 3 * PIECE;
  const int32_t label = s->l.label[i];
  for (size_t c = 0; c < classes; c += PIECE) {
    const size_t n = classes - c < PIECE ? classes - c : PIECE;
    const int64_t here = (int64_t)label - (int64_t)c;
    s->l.label[i] = here >= 0 && here < (int64_t)n ? (int32_t)here : -1;
    half_classes_read(&x, c, n, raw);
    if (h->change.cap != 0)
      cap_logits(&h->change, raw, n, h->x, slopes);
    else if (h->logits.change)
      change_logits(&h->change, raw, n, h->x);
    else
      memcpy(h->x, raw, n * sizeof *raw);
    h->block.shape.classes = n;
    if (h->job->weights) h->block.weights = h->job->weights + c;
    if (h->block.targets) half_classes_read(&t, c, n, h->t);
    if (h->grad_targets.p)
      targets_gradient(&g->targets[i], h->x, h->job->weights ? h->block.weights : NULL, n, of_targets);
    if (h->grad.p) {
      row_gradient(&h->block, s, g->factors, g->grad, i);
      if (h->change.cap != 0) times_known_slopes(&h->change, raw, slopes, n, h->x);
      half_classes_write(&out, c, n, h->x);
    }
    if (h->grad_targets.p) half_classes_write(&of_t, c, n, of_targets);
  }
}

static void read_targets_rows(const struct half_rows *h, const struct group_state *s, const struct group_losses *l,
                              struct targets_row *rows) {
  ALIGNED double log_sum[16], p[16];
  dstore(log_sum, l->row.loss);
  dstore(p, l->row.p);
  for (size_t i = 0; i < s->g.n; i++) {
    const double factor = -(1 - h->job->smoothing) * s->l.upstream[i];
    rows[i] = (struct targets_row){factor, (double)s->left_out[i], log_sum[i], p[i] != p[i] || factor - factor != 0};
  }
}

/* labels: those among the classes of the job. */
static void gradient_of_rows(struct half_rows *h, struct group_state *s, const struct group_losses *l) {
  struct row_factors factors;
  struct gradient grad;
  struct group_gradients gradients = {.factors = &factors, .grad = &grad};
  gradient_of_group(&h->block, s, l, &factors, &grad);
  if (h->grad_targets.p) read_targets_rows(h, s, l, gradients.targets);
  for (size_t i = 0; i < s->g.n; i++) {
    const size_t row = s->g.first + i;
    const struct half_row out = half_row_of(&h->grad, row);
    const int64_t label = s->l.label[i];
    if (h->grad_targets.p || h->change.cap != 0) {
      row_in_pieces(h, s, &gradients, i);
      continue;
    }
    if (VLOSS_IS_HALF(out.type) && out.step == 1 && !h->logits.change && !is_spread(&h->block) && grad.flat[i] == 0 &&
        factors.wide[i] == 0) {
      const struct row_output all = {.x = half_row_of(&h->logits, row).p,
                                     .out = out.p,
                                     .classes = out.classes,
                                     .label = (size_t)(ptrdiff_t)label,
                                     .n = s->sums.n[i],
                                     .shift = s->sums.shift[i],
                                     .value = grad.at_target[i],
                                     .type = out.type};
      half_row_softmax(&all, &factors, i, out.past_cache ? PAST : CACHED);
      continue;
    }
    for (size_t c = 0; c < out.classes; c += CLASS_BLOCK) {
      const int64_t here = label - (int64_t)c;
      read_block(h, row, c);
      s->l.label[i] = here >= 0 && here < CLASS_BLOCK ? (int32_t)here : -1;
      row_gradient(&h->block, s, &factors, &grad, i);
      half_block_write(&out, c, h->x);
    }
  }
}

/* ---- Results ----------------------------------------------------------------------------------------------------- */

/* max and log_sum: that is the loss of the class at the maximum, which the sums have to leave out. */
static SMALL void put_log_sums(struct half_rows *h, const struct group_state *s, const float *left_out) {
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
  finish_loss(&log_sum, &sums, &wide_max);
  const vd kept = dsel(ignored, zero, dsel(dnan(log_sum), log_sum, wide_max));
  log_sum = dsel(ignored, zero, log_sum);
  if (job->max) vstore_tail((float *)job->max + s->g.first, canonical(dnarrow(kept)), s->g.n);
  if (job->log_sum) vstore_tail((float *)job->log_sum + s->g.first, canonical(dnarrow_small(log_sum)), s->g.n);
}

/* As finish_group. */
static void finish_rows(struct half_rows *h, struct group_state *s, struct totals *totals) {
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
  if (h->grad.p || h->grad_targets.p) gradient_of_rows(h, s, &l);
}

static __attribute__((noinline)) void row_by_row(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                                                 struct totals *totals, float *x, float *t) {
  struct half_rows h;
  struct group_state s;
  begin_half_rows(&h, job, x, t);
  const size_t bytes = 16 * job->shape.classes * vloss_type_size(job->type);
  const size_t most = (h.grad.p || h.grad_targets.p) && bytes > GROUP_BYTES ? 1 : 16;
  for (size_t row = range.first; row < range.last; row += s.g.n) {
    s.g = (struct group){row, range.last - row < most ? range.last - row : most, ALONG};
    sum_rows(&h, &s);
    finish_rows(&h, &s, totals);
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

void half_cross_entropy(const struct vloss_cross_entropy_job *job, struct vloss_range range, struct totals *totals) {
  if (job->shape.classes > SHORT_ROW || job->max || job->log_sum || job->half.grad_targets)
    (job->half.targets ? rows_of_targets : rows_of_labels)(job, range, totals);
  else
    short_rows(job, range, totals);
  vstream_end();
}

/* ---- Rows whose classes are spread ------------------------------------------------------------------------------- */

/* The state of each block is that of a shard, and they are merged. */
void half_partial(const struct vloss_cross_entropy_job *job, struct vloss_range range) {
  ALIGNED float x[CLASS_BLOCK];
  struct half_rows h;
  begin_half_rows(&h, job, x, NULL);
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
void half_gradient(const struct vloss_cross_entropy_job *job, struct group_state *s, const struct group_losses *l) {
  ALIGNED float x[CLASS_BLOCK];
  struct half_rows h;
  begin_half_rows(&h, job, x, NULL);
  s->stash = (struct stash){.writing = CACHED};
  gradient_of_rows(&h, s, l);
  vstream_end();
}
