/* Cross-entropy of rows in 16 bits. Short rows go through the kernel of floats, a buffer of them at a time. Of others
 * each is widened block by block, as often as it is needed; up to 16 of them share what follows their sums. */
#include "half_cross_entropy.h"

#include <string.h>

#include "kernels.h"
#include "row_state.h"

/* Not inline, as row_by_row: the stack has room for the buffers of either. Of a whole CLASS_BLOCK they would not leave
 * enough to the kernel. */
static __attribute__((noinline)) void short_rows(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                                                 struct totals *totals) {
  enum { ROOM = CLASS_BLOCK / 2 };
  ALIGNED float x[ROOM], other[ROOM]; /* targets, or the gradient: the terms are kept there */
  const struct half_tensor logits = half_logits(job), targets = half_targets(job), grad = half_grad(job);
  struct vloss_cross_entropy_job part = *job;
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
    if (job->loss) part.loss = job->loss + first;
    if (job->lse) part.lse = job->lse + first;
    if (job->predicted) part.predicted = (char *)job->predicted + first * vloss_label_size(job->predicted_narrow);
    totals->before = first;
    cross_entropy_rows(&part, (struct vloss_range){0, rows}, totals);
    if (grad.p) half_group_write(&grad, first, &part.shape, part.grad);
  }
  totals->before = 0;
}

/* ---- Row by row -------------------------------------------------------------------------------------------------- */

/* The block at hand is a job of one row of floats, whose strides are 0: every row begins there. */
struct half_rows {
  const struct vloss_cross_entropy_job *job;
  struct half_tensor logits, targets, grad;
  float *x, *t;
  struct vloss_cross_entropy_job block;
};
static struct half_rows half_rows_of(const struct vloss_cross_entropy_job *job, float *x, float *t) {
  struct half_rows h = {job, half_logits(job), half_targets(job), half_grad(job), x, t, *job};
  h.block.type = VLOSS_F32;
  h.block.shape.outer = h.block.shape.inner = 1;
  h.block.x = h.block.grad = x;
  h.block.targets = job->half.targets ? t : NULL;
  h.block.x_stride = h.block.targets_stride = h.block.grad_stride = 0;
  return h;
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
  if (s->l.label[i] >= 0) s->target[i] = view_element(r.row.p, r.row.type, label * r.row.step);
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
/* As sum_group. */
static void sum_rows(struct half_rows *h, struct group_state *s) {
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

/* labels: those among the classes of the job. */
static void gradient_of_rows(struct half_rows *h, struct group_state *s, const struct group_losses *l) {
  struct row_factors factors;
  struct gradient grad;
  gradient_of_group(&h->block, s, l, &factors, &grad);
  for (size_t i = 0; i < s->g.n; i++) {
    const size_t row = s->g.first + i;
    const struct half_row out = half_row_of(&h->grad, row);
    const int64_t label = s->l.label[i];
    if (out.step == 1 && !is_spread(&h->block) && grad.flat[i] == 0 && factors.wide[i] == 0) {
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

/* As finish_group. */
static void finish_rows(struct half_rows *h, struct group_state *s, struct totals *totals) {
  const struct vloss_cross_entropy_job *job = h->job;
  const struct group *g = &s->g;
  const float *const left_out = is_spread(&h->block) ? s->left_out : s->target;
  struct group_losses l;
  losses_of_group(&h->block, s, h->grad.p || job->lse, &l);
  add_losses(totals, g, l.loss);
  if (job->loss) vstore_tail(job->loss + g->first, canonical(dnarrow_small(l.loss)), g->n);
  ALIGNED double lse[16];
  dstore(lse, l.row.lse);
  for (size_t i = 0; i < g->n; i++) {
    const struct half_reader r = reader_of(h, g->first + i);
    const int live = s->l.ignored[i] == 0;
    if (job->lse) lse[i] = live ? half_row_lse(&r, &s->sums, i, left_out[i], lse[i]) : 0;
    if (!job->predicted) continue;
    const float y = left_out[i], max = s->sums.max[i] > y ? s->sums.max[i] : y;
    const int nan = s->sums.sum[i] != s->sums.sum[i] || y != y;
    write_prediction(job, g->first + i, live ? (int32_t)half_row_find(&r, max, nan) : -1);
  }
  if (job->lse) vstore_tail(job->lse + g->first, canonical(dnarrow_small(dload(lse))), g->n);
  if (h->grad.p) gradient_of_rows(h, s, &l);
}

static __attribute__((noinline)) void row_by_row(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                                                 struct totals *totals) {
  ALIGNED float x[CLASS_BLOCK], t[CLASS_BLOCK];
  struct half_rows h = half_rows_of(job, x, t);
  struct group_state s;
  const size_t bytes = 16 * job->shape.classes * sizeof(uint16_t), most = h.grad.p && bytes > GROUP_BYTES ? 1 : 16;
  for (size_t row = range.first; row < range.last; row += s.g.n) {
    s.g = (struct group){row, range.last - row < most ? range.last - row : most, ALONG};
    sum_rows(&h, &s);
    finish_rows(&h, &s, totals);
  }
}

void half_cross_entropy(const struct vloss_cross_entropy_job *job, struct vloss_range range, struct totals *totals) {
  if (job->shape.classes > SHORT_ROW)
    row_by_row(job, range, totals);
  else
    short_rows(job, range, totals);
  vstream_end();
}

/* ---- Rows whose classes are spread ------------------------------------------------------------------------------- */

/* The state of each block is that of a shard, and they are merged. */
void half_partial(const struct vloss_cross_entropy_job *job, struct vloss_range range) {
  ALIGNED float x[CLASS_BLOCK];
  struct half_rows h = half_rows_of(job, x, NULL);
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
  struct half_rows h = half_rows_of(job, x, NULL);
  s->stash = (struct stash){.writing = CACHED};
  gradient_of_rows(&h, s, l);
  vstream_end();
}
