/* The fused log-softmax cross-entropy: loss, gradient, log-sum-exp and prediction of 16 rows at a time.
 *
 * With index labels and no smoothing (plain) the target is left out of the sum: loss = log1p(sum_{c != t} exp(x_c -
 * x_t)) and the target's gradient is -(1 - p_t) without a subtraction, so confident rows keep their digits. With q
 * spread over classes (label smoothing, probability targets) the class of the maximum m is left out instead, and loss =
 * sum_c q_c (m - x_c) + Q log S, whose terms are all accurate.
 *
 * A band of rows takes the steps of a group of them in another order, hence a file longer than others.
 */
#include "cross_entropy.h"

#include <string.h>

#include "block_cross_entropy.h"
#include "kernels.h"
#include "lse.h"
#include "memory/labels.h"
#include "row_sums.h"

static void read_weights(const struct vloss_cross_entropy_job *job, const struct group *g, struct group_labels *l) {
  if (!job->weights) return;
  for (size_t i = 0; i < g->n; i++)
    if (l->label[i] >= 0) l->weight[i] = (double)job->weights[l->label[i]];
}

void read_labels(const struct vloss_cross_entropy_job *job, const struct group *g, struct group_labels *l) {
  const vd zero = dset1(0.0);
  vistore(l->label, viset1(-1));
  dstore(l->ignored, zero);
  dstore(l->bad, zero);
  dstore(l->weight, dset1(1.0));
  dstore(l->upstream, dset1(job->grad_scale * (job->upstream && !job->upstream_per_row ? (double)*job->upstream : 1)));
  if (job->upstream && job->upstream_per_row)
    dstore(l->upstream, dmul(dload(l->upstream), dwiden(load_n(job->upstream + g->first, g->n))));
  if (job->row_weights) {
    const vd weights = dwiden(load_n((const float *)job->row_weights + g->first, g->n));
    dstore(l->row_weight, weights);
    dstore(l->upstream, dmul(dload(l->upstream), weights));
  }
  if (!job->labels.p) return;
  const uint64_t classes = job->total_classes;
  const int ignoring = job->labels.ignoring;
  const int64_t ignore_index = job->labels.ignore_index;
  size_t first;
  if (g->n == 16 && vloss_labels_together(&job->labels, g->first, 16, &first)) {
    /* All in range and none ignored, as most groups are: without a detour over single elements. */
    const vi t = job->labels.narrow ? viload((const int32_t *)job->labels.p + first)
                                    : viload_narrow((const int64_t *)job->labels.p + first);
    const int may_match = ignoring && ignore_index >= 0 && (uint64_t)ignore_index < classes;
    const vm outside = vmor(vigt(viset1(0), t), vigt(t, viset1((int32_t)classes - 1)));
    const vm special = vmor(outside, vieq(t, viset1(may_match ? (int32_t)ignore_index : -1)));
    if (!vany(special)) {
      vistore(l->label, t);
      read_weights(job, g, l);
      return;
    }
  }
  for (size_t i = 0; i < g->n; i++) {
    int ignored;
    const int64_t t = vloss_row_label(&job->labels, g->first + i, &ignored);
    if (__builtin_expect((uint64_t)t < classes && !ignored, 1))
      l->label[i] = (int32_t)t;
    else
      *(ignored ? &l->ignored[i] : &l->bad[i]) = 1;
  }
  read_weights(job, g, l);
}

/* 16 rows of up to 16 classes: gathered and summed without a detour over memory; x_copy keeps their terms. False if a
 * row has huge logits, which want the general way. */
static SMALL int sum_16(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  vf r[16];
  gather_16(r, job->x + s->g.first * job->x_stride, job->x_stride, job->shape.classes,
            whole_vectors(&s->g, job->x_stride, job->shape.classes));
  sum_of_16(r, job->shape.classes, viload(s->l.label), s->x_copy, &s->sums, s->target);
  return !vany(is_huge(vload(s->sums.max)));
}

/* The sums, without the target (plain) or without the class of the maximum (spread). */
void sum_group(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  const struct group *g = &s->g;
  const int short_tile = g->layout == GATHERED || (g->layout == ACROSS && job->shape.classes <= CLASS_BLOCK);
  s->kept = 0;
  s->x_tile = s->t_tile = (struct tile){0};
  read_labels(job, g, &s->l);
  vstore(s->target, vset1(-INF));
  if (is_spread(job)) {
    read_targets(job, s);
    group_spread(job, s);
  } else if (gathers_16(&job->shape, g) && !g->calm && sum_16(job, s)) {
    s->kept = 1;
  } else {
    const struct sum_rows rows = rows_of(job, s);
    if (g->layout == ACROSS || g->layout == GATHERED)
      s->x_tile = group_tile(&job->shape, g, job->x, job->x_stride, s->x_copy);
    if (!short_tile) read_targets(job, s); /* a tile's are found on the way */
    if (s->stash.writing == KEPT && g->layout == ALONG) s->stash.terms = job->grad + g->first * job->grad_stride;
    group_sums(&rows, &s->x_tile, &s->stash, &s->sums, s->target);
  }
  if (g->n == 1 && g->layout == ALONG) {
    spread_sums_of(&s->sums, 0);
    vstore(s->target, vset1(s->target[0]));
  }
}

VFN void losses_of(const struct vloss_cross_entropy_job *job, const struct group_state *s, const int all,
                   struct group_losses *l) {
  const int spread = is_spread(job);
  const double e = job->smoothing;
  const vd nan = dset1((double)NOT_A_NUMBER), zero = dset1(0.0), weight = dload(s->l.weight);
  l->uniform = e / (double)job->total_classes;
  l->wide_target = dwiden(vload(s->target));
  l->wide_left_out = dwiden(vload(spread ? s->left_out : s->target));
  if (all)
    finish(&l->row, &s->sums, &l->wide_left_out, s->g.n);
  else
    finish_loss(&l->row.loss, &s->sums, &l->wide_left_out, s->g.n);
  l->a = l->total = dmul(dset1(1 - e), weight);
  vd loss;
  if (!spread) {
    loss = dmul_or_zero(l->a, l->row.loss);
  } else if (job->targets) {
    l->total = dload(s->q.qt);
    loss = dfma(dload(s->q.qt), l->row.loss, dload(s->q.at));
  } else {
    l->total = dfma(dset1(l->uniform), dload(s->q.qu), l->total);
    loss = dmul_or_zero(l->a, dadd(dsub(l->wide_left_out, l->wide_target), l->row.loss));
    loss = dfma(dset1(l->uniform), dfma(dload(s->q.qu), l->row.loss, dload(s->q.au)), loss);
  }
  loss = dsel(dgt(dload(s->l.bad), zero), nan, loss);
  l->loss = dsel(dgt(dload(s->l.ignored), zero), zero, loss);
}
void losses_of_group(const struct vloss_cross_entropy_job *job, const struct group_state *s, int all,
                     struct group_losses *l) {
  losses_of(job, s, all, l);
}

/* A lone plain row of which the loss is all that is wanted: losses_of and put_losses without the other 15 rows. */
static void finish_lone_row(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                            struct totals *totals) {
  const vd target = dset1((double)s->target[0]), a = dset1((1 - job->smoothing) * s->l.weight[0]);
  vd row_loss, loss = dset1(0.0);
  finish_loss(&row_loss, &s->sums, &target, 1);
  if (s->l.ignored[0] == 0) loss = s->l.bad[0] != 0 ? dset1((double)NOT_A_NUMBER) : lone(dmul_or_zero(a, row_loss));
  add_losses(totals, &s->g, loss);
  if (job->loss) job->loss[s->g.first] = vfirst(canonical(dnarrow_small(loss)));
}

/* Of rows without an answer, and of bad labels, z is NaN, as the loss is. */
void weigh_losses(const struct vloss_cross_entropy_job *job, const struct group_state *s, struct group_losses *l) {
  const vd zero = dset1(0.0), lse = l->row.lse;
  const vd weight = job->row_weights ? dload(s->l.row_weight) : dset1(1.0);
  const dm ignored = dgt(dload(s->l.ignored), zero);
  l->z = zero;
  if (job->z_loss > 0) {
    const dm undefined = dmor(dnan(l->row.loss), dgt(dload(s->l.bad), zero));
    const vd z = dsel(undefined, dset1((double)NOT_A_NUMBER), dmul(dset1(job->z_loss), dmul(lse, lse)));
    l->z = dsel(ignored, zero, dmul_or_zero(weight, z));
  }
  l->loss = dsel(ignored, zero, dmul_or_zero(weight, l->loss));
}

size_t predicted_class(const struct vloss_cross_entropy_job *job, const struct group_state *s, size_t i) {
  const float *x = job->x + row_offset(&job->shape, job->x_stride, s->g.first + i);
  const float y = is_spread(job) ? s->left_out[i] : s->target[i], max = s->sums.max[i] > y ? s->sums.max[i] : y;
  const int nan_row = s->sums.sum[i] != s->sums.sum[i] || y != y;
  return row_find(x, job->shape.inner, job->shape.classes, max, nan_row);
}

/* p of the label. */
VFN vd target_share(const struct group_losses *l, const int spread) {
  if (!spread) return l->row.p;
  return dmul(dexp(dmax(dset1(-500.0), dsub(l->wide_target, l->wide_left_out))), l->row.p);
}

/* `flat` rows have one value everywhere: 0 if ignored, NaN if anything in the row is. */
void gradient_of_group(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                       const struct group_losses *l, struct row_factors *factors, struct gradient *grad) {
  const int spread = is_spread(job);
  const vd zero = dset1(0.0), weight = dload(s->l.weight);
  vd upstream = dload(s->l.upstream);
  if (job->scale != 1) upstream = dmul(upstream, dset1(job->scale));
  const struct finished *row = &l->row;
  vd of_z = zero;
  grad->row = row;
  grad->scale = dmul(upstream, l->total);
  if (job->z_loss > 0) {
    of_z = dmul(upstream, dmul(dset1(2 * job->z_in_grad), row->lse));
    grad->scale = dadd(grad->scale, of_z);
  }
  row_factors_of(factors, row, &grad->scale, spread);
  vd at_target;
  if (!spread) {
    at_target = dsub(zero, dmul(dmul(upstream, l->a), row->rest));
  } else {
    const vd p = target_share(l, spread);
    const vd rest = dsel(deq(l->wide_left_out, l->wide_target), row->rest, dsub(dset1(1.0), p));
    at_target = dmul(dset1(l->uniform), dsub(dmul(dload(s->q.qu), p), weight));
    at_target = dmul(upstream, dsub(at_target, dmul(l->a, rest)));
  }
  if (job->z_loss > 0) at_target = dadd(at_target, dmul(of_z, target_share(l, spread)));
  /* An infinite upstream makes NaN of a row, as infinity times 0 is. */
  const vd minus = dsub(zero, upstream);
  const dm ignored = dgt(dload(s->l.ignored), zero), bad = dgt(dload(s->l.bad), zero);
  const dm undefined = dmor(bad, dmor(dnan(row->p), dnan(dmul(zero, grad->scale))));
  vstore(grad->at_target, canonical(dnarrow(dflush(at_target))));
  vstore(grad->flat, dnarrow(dsel(dmor(ignored, undefined), dset1(1.0), zero)));
  vstore(grad->flat_value, canonical(dnarrow(dsel(ignored, zero, dset1((double)NOT_A_NUMBER)))));
  vstore(grad->minus_qt, spread ? dnarrow(dmul(minus, dset1(1 - job->smoothing))) : vset1(0.0f));
  vstore(grad->minus_qu, spread ? dnarrow(dmul(minus, dset1(l->uniform))) : vset1(0.0f));
}

void group_gradient(const struct vloss_cross_entropy_job *job, struct group_state *s, const struct group_losses *l) {
  struct row_factors factors;
  struct gradient grad;
  gradient_of_group(job, s, l, &factors, &grad);
  if (s->g.layout == ALONG)
    rows_gradient(job, s, &factors, &grad);
  else if (s->g.layout == INTERLEAVED)
    slabs_gradient(job, s, &factors, &grad);
  else
    tile_gradient(job, s, &factors, &grad);
}

/* The exact lse; of ignored rows 0. */
static SMALL void lse_of_group(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                               struct group_losses *l) {
  const struct sum_rows read = rows_of(job, s);
  group_lse(&l->row.lse, &read, &s->sums, is_spread(job) ? s->left_out : s->target);
  l->row.lse = dsel(dgt(dload(s->l.ignored), dset1(0.0)), dset1(0.0), l->row.lse);
}

/* All but the gradient. */
VFN void put_group(const struct vloss_cross_entropy_job *job, struct group_state *s, const int all,
                   struct totals *totals, struct group_losses *l) {
  const struct group *g = &s->g;
  losses_of(job, s, all, l); /* inlined: short rows notice a call */
  if (job->lse || job->z_loss > 0) lse_of_group(job, s, l);
  put_losses(job, s, l, totals);
  if (job->lse) vstore_tail(job->lse + g->first, canonical(dnarrow_small(l->row.lse)), g->n);
  for (size_t i = 0; (job->predicted || job->correct) && i < g->n; i++)
    write_found(job, g->first + i, s->l.label[i], finds_class(job, s, i) ? (int32_t)predicted_class(job, s, i) : -1);
}
static void finish_group(const struct vloss_cross_entropy_job *job, struct group_state *s, struct totals *totals) {
  struct group_losses l;
  const int all = wants_all(job), more = all || job->row_weights || job->z_loss_part || job->predicted || job->correct;
  if (s->g.n == 1 && !more && !is_spread(job)) {
    finish_lone_row(job, s, totals);
    return;
  }
  put_group(job, s, all, totals, &l);
  if (job->grad) group_gradient(job, s, &l);
}

/* Bands (groups.h) of plain rows. Not inline, as the steps: each has its own use of the stack. */
static __attribute__((noinline)) void sum_band(const struct vloss_cross_entropy_job *job, size_t count,
                                               struct group_state *groups) {
  struct sum_rows rows[BAND_GROUPS];
  struct tile tiles[BAND_GROUPS];
  struct row_sums sums[BAND_GROUPS];
  float *left_out[BAND_GROUPS];
  size_t of = 0;
  do { /* at least one, and the compiler sees it */
    struct group_state *const s = &groups[of];
    read_labels(job, &s->g, &s->l);
    vstore(s->target, vset1(-INF));
    s->kept = 0;
    s->t_tile = (struct tile){0};
    tiles[of] = s->x_tile = group_tile(&job->shape, &s->g, job->x, job->x_stride, NULL);
    rows[of] = rows_of(job, s);
    left_out[of] = s->target;
  } while (++of < count);
  band_sums(rows, tiles, count, sums, left_out);
  for (size_t k = 0; k < count; k++) {
    groups[k].sums = sums[k];
    if (job->shape.classes > CLASS_BLOCK) read_targets(job, &groups[k]);
  }
}
static __attribute__((noinline)) void finish_band(const struct vloss_cross_entropy_job *job, size_t count,
                                                  struct group_state *groups, struct totals *totals) {
  struct group_losses l[BAND_GROUPS];
  struct row_factors factors[BAND_GROUPS];
  struct gradient grad[BAND_GROUPS];
  const int all = wants_all(job);
  for (size_t k = 0; k < count; k++) {
    put_group(job, &groups[k], all, totals, &l[k]);
    if (job->grad) gradient_of_group(job, &groups[k], &l[k], &factors[k], &grad[k]);
  }
  if (job->grad) band_gradient(job, groups, count, factors, grad);
}
static __attribute__((noinline)) void band_of_rows(const struct vloss_cross_entropy_job *job, size_t first, size_t n,
                                                   int calm, struct totals *totals) {
  struct group_state groups[BAND_GROUPS];
  const size_t count = band_groups(n);
  for (size_t k = 0; k < count; k++) groups[k].g = band_group(first, n, k, calm);
  sum_band(job, count, groups);
  finish_band(job, count, groups, totals);
}

void cross_entropy_rows(const struct vloss_cross_entropy_job *job, struct vloss_range range, struct totals *totals) {
  /* Two small groups at a time: the logarithms of one then wait beside those of the other. */
  struct group_state states[2];
  ALIGNED float block_n[STASHED_BLOCKS]; /* of one row: long ones are groups of their own where their terms are kept */
  const int rereads = job->grad || job->predicted || job->correct, small = job->shape.classes <= SHORT_ROW;
  const enum writing writing = job->grad && !is_spread(job) ? writing_for(&job->shape, job->x == job->grad) : CACHED;
  int calm = 0;
  for (size_t row = range.first; row < range.last;) {
    size_t count = 0;
    calm = rows_calm(&job->shape, row, 32, job->x, job->x_stride, calm);
    const size_t band = is_spread(job) ? 0 : band_rows(&job->shape, row, range.last);
    if (band) {
      band_of_rows(job, row, band, calm, totals);
      row += band;
      continue;
    }
    do {
      states[count].g = group_at(&job->shape, row, range.last, rereads);
      states[count].g.calm = calm;
      states[count].stash = (struct stash){.stride = job->grad_stride, .n = block_n, .writing = writing};
      sum_group(job, &states[count]);
      row += states[count].g.n;
    } while (++count < 2 && row < range.last && small);
    for (size_t i = 0; i < count; i++) finish_group(job, &states[i], totals);
  }
  if (writing == PAST) vstream_end();
}

void KERNEL(cross_entropy)(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                           struct vloss_partial *partial) {
  struct totals totals[2];
  begin_totals(job, range, partial, totals);
  if (job->by_block)
    block_cross_entropy(job, range, totals);
  else
    cross_entropy_rows(job, range, totals);
}
