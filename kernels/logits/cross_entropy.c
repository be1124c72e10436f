/* The fused log-softmax cross-entropy: loss, gradient, log-sum-exp and prediction of 16 rows at a time.
 *
 * With index labels and no smoothing (plain) the target is left out of the sum: loss = log1p(sum_{c != t} exp(x_c -
 * x_t)) and the target's gradient is -(1 - p_t) without a subtraction, so confident rows keep their digits. With q
 * spread over classes (label smoothing, probability targets) the class of the maximum m is left out instead, and loss =
 * sum_c q_c (m - x_c) + Q log S, whose terms are all accurate.
 */
#include <string.h>

#include "finish.h"
#include "kernels.h"
#include "lse.h"
#include "row_softmax.h"
#include "slab.h"

/* What a group of rows needs to know before its logits are read. */
struct group_labels {
  ALIGNED int32_t label[16];           /* -1: no class of this row is the target */
  ALIGNED double ignored[16], bad[16]; /* 1 where the row is ignored; where an unchecked label is out of range */
  ALIGNED double weight[16];           /* w_t */
  ALIGNED double upstream[16];         /* gradient scale of the row, reduction included */
};

VFN int is_spread(const struct vloss_cross_entropy_job *job) { return job->targets || job->smoothing > 0; }

VFN int64_t label_at(const void *labels, int narrow, size_t row) {
  return narrow ? ((const int32_t *)labels)[row] : ((const int64_t *)labels)[row];
}

static void read_weights(const struct vloss_cross_entropy_job *job, const struct group *g, struct group_labels *l) {
  if (!job->weights) return;
  for (size_t i = 0; i < g->n; i++)
    if (l->label[i] >= 0) l->weight[i] = (double)job->weights[l->label[i]];
}

static void read_labels(const struct vloss_cross_entropy_job *job, const struct group *g, struct group_labels *l) {
  const vd zero = dset1(0.0);
  vistore(l->label, viset1(-1));
  dstore(l->ignored, zero);
  dstore(l->bad, zero);
  dstore(l->weight, dset1(1.0));
  dstore(l->upstream, dset1(job->grad_scale * (job->upstream && !job->upstream_per_row ? (double)*job->upstream : 1)));
  if (job->upstream && job->upstream_per_row)
    dstore(l->upstream, dmul(dload(l->upstream), dwiden(load_n(job->upstream + g->first, g->n))));
  if (!job->labels.p) return;
  const uint64_t classes = job->shape.classes;
  const int ignoring = job->labels.ignoring;
  const int64_t ignore_index = job->labels.ignore_index;
  if (g->n == 16) {
    /* All in range and none ignored, as most groups are: without a detour over single elements. */
    const vi t = job->labels.narrow ? viload((const int32_t *)job->labels.p + g->first)
                                    : viload_narrow((const int64_t *)job->labels.p + g->first);
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
    const int64_t t = label_at(job->labels.p, job->labels.narrow, g->first + i);
    if (__builtin_expect((uint64_t)t < classes && !(ignoring && t == ignore_index), 1))
      l->label[i] = (int32_t)t;
    else
      *(ignoring && t == ignore_index ? &l->ignored[i] : &l->bad[i]) = 1;
  }
  read_weights(job, g, l);
}

/* ---- Sums weighted by q ------------------------------------------------------------------------------------------
 * With k_c = q_c for probability targets (t), one coefficient even where smoothing adds to it, and k_c = w_c for the
 * uniform part of label smoothing (u): q = sum k_c, a = sum k_c (m - x_c). In double: there is nothing to rescale, and
 * nothing to lose where terms cancel. Class c goes to lane c % 16. */
struct spread_sums {
  vd qt, at, qu, au;
};
VFN void spread_add(struct spread_sums *s, vf x, vf t, vf w, vd max, const struct vloss_cross_entropy_job *job,
                    const int with_targets) {
  const vd distance = dsub(max, dwiden(x)), wide = dwiden(w), zero = dset1(0.0);
  if (with_targets) {
    const double e = job->smoothing;
    vd k = dwiden(t);
    if (e > 0) k = dfma(k, dset1(1 - e), dset1(e / (double)job->shape.classes));
    k = dmul(wide, k);
    s->qt = dadd(s->qt, k);
    s->at = dadd(s->at, dsel(deq(k, zero), zero, dmul(k, distance)));
  } else {
    s->qu = dadd(s->qu, wide);
    s->au = dadd(s->au, dsel(deq(wide, zero), zero, dmul(wide, distance)));
  }
}
struct spread {
  ALIGNED double qt[16], at[16], qu[16], au[16];
};

/* ---- Gradients -------------------------------------------------------------------------------------------------- */

/* What the gradient loops need of 16 rows beside their factors. */
struct gradient {
  ALIGNED float at_target[16];            /* the entry at the label */
  ALIGNED float flat[16], flat_value[16]; /* 1 for rows with one value everywhere, and that value */
  ALIGNED float minus_qt[16],
      minus_qu[16]; /* -upstream (1 - e) and -upstream e / C: what targets and weights are scaled by */
};

/* F exp(x_c) / 2^N - upstream q_c in every form: spread q, wide rows. Narrow lanes get the bits of row_softmax. */
struct general_row {
  struct reference ref, wide_ref;
  struct factors factors;
  vf shift, minus_qt, minus_qu;
  vm wide;
  int any_wide;
};
VFN struct general_row general_row(vf n, vf k, vf wide) {
  const vm is_wide = vgt(wide, vset1(0.0f));
  return (struct general_row){.ref = reference_at(n),
                              .wide_ref = reference_at(vadd(vsub(n, k), vset1(FACTOR_EXPONENT))),
                              .wide = is_wide,
                              .any_wide = vany(is_wide)};
}
/* Out of line, as it is rare: f exp(y) 2^(k - 46 - N) + minus_q, the power of two in two halves: it may be anything
 * from 2^-250 to 2^254. */
static __attribute__((noinline)) void wide_term(const struct general_row *r, const vf *logits, const vf *minus_q,
                                                vf *out) {
  const vf round = r->wide_ref.round, low = vmul(vsub(r->wide_ref.n, vset1(250.0f)), vset1(VLOSS_LN2_HI));
  const vf x = vmax(low, *logits), t = vfma(x, vset1(VLOSS_LOG2E), round), n = vsub(t, round);
  const vf m = vexp_poly(vnfma(n, vset1(VLOSS_LN2_LO), vnfma(n, vset1(VLOSS_LN2_HI), x)));
  const vi power = visub(vbits(t), viset1(0x4b400000 + 127)), half = visra(power, 1), rest = visub(power, half);
  const vf s1 = vfloat(vishl(viadd(half, viset1(127)), 23)), s2 = vfloat(vishl(viadd(rest, viset1(127)), 23));
  vf v = vmul(vfma(m, r->factors.f, vmul(m, r->factors.f_low)), s1);
  /* 2^-126 / s2, of which v times s2 would be denormal. */
  const vi least = visub(viset1(1), rest);
  const vf flushed = vfloat(vishl(visel(vigt(least, viset1(1)), least, viset1(1)), 23));
  const vm nothing = vmand(vgt(flushed, vabs(v)), veq(*minus_q, vset1(0.0f)));
  v = vsel(nothing, vset1(0.0f), v);
  *out = vfma(v, s2, *minus_q);
}
/* e F + minus_q. Where minus_q is 0, that is scaled(e); elsewhere products that vanish beside it are no numbers of
 * their own. */
VFN vf general_narrow(const struct general_row *r, vf e, vf minus_q) {
  const struct factors *f = &r->factors;
  if (__builtin_expect(vany(vgt(f->least, e)), 0)) {
    const vm alone = veq(minus_q, vset1(0.0f));
    const vf other = vsel(alone, vset1(1.0f), e);
    return vsel(alone, scaled_any(e, f), vfma(other, f->factor, vfma(other, f->factor_low, minus_q)));
  }
  return vfma(e, f->factor, vfma(e, f->factor_low, minus_q));
}
VFN vf general_term(const struct general_row *r, vf x, vf w, vf t) {
  const vf y = vsub(x, r->shift), minus_q = vmul(w, vfma(t, r->minus_qt, r->minus_qu));
  vf v = general_narrow(r, term(y, &r->ref), minus_q);
  if (r->any_wide) {
    vf wide;
    wide_term(r, &y, &minus_q, &wide);
    v = vsel(r->wide, wide, v);
  }
  return canonical(vflush(v));
}

static void row_gradient(const struct vloss_cross_entropy_job *job, size_t row, const struct group_labels *l,
                         const struct row_sums *sums, const struct row_factors *factors, const struct gradient *grad,
                         size_t i, enum writing writing) {
  const size_t classes = job->shape.classes;
  const float *x = job->x + row * job->x_stride;
  const float *t = job->targets ? job->targets + row * job->targets_stride : NULL;
  const float *w = is_spread(job) ? job->weights : NULL;
  float *out = job->grad + row * job->grad_stride;
  if (grad->flat[i] != 0) {
    fill_row(out, grad->flat_value[i], classes);
  } else if (!is_spread(job) && factors->wide[i] == 0) {
    const struct factors f = factors_of_row(factors, i);
    const struct row_output result = {.x = x,
                                      .out = out,
                                      .classes = classes,
                                      .label = (size_t)(ptrdiff_t)l->label[i],
                                      .n = sums->n[i],
                                      .shift = sums->shift[i],
                                      .value = grad->at_target[i]};
    row_softmax(&result, &f, writing);
  } else {
    struct general_row r = general_row(vset1(sums->n[i]), vset1(factors->k[i]), vset1(factors->wide[i]));
    r.factors = factors_of_row(factors, i);
    r.shift = vset1(sums->shift[i]);
    r.minus_qt = vset1(grad->minus_qt[i]);
    r.minus_qu = vset1(grad->minus_qu[i]);
#define STEP(c, n)                                                                   \
  store_n(out + (c),                                                                 \
          general_term(&r, load_n(x + (c), n), w ? load_n(w + (c), n) : vset1(1.0f), \
                       t ? load_n(t + (c), n) : vset1(0.0f)),                        \
          n, 0)
    FOR_CLASSES(classes, out, 0, STEP);
#undef STEP
    if (l->label[i] >= 0) out[l->label[i]] = grad->at_target[i];
  }
}

/* ---- Groups ------------------------------------------------------------------------------------------------------ */

/* Adds the losses of rows in the order of the rows, 16 at a time: the sum depends on no other grouping. */
static void add_loss(struct vloss_cross_entropy_job *job, double *pending, size_t row, size_t rows, double loss) {
  pending[row % 16] = loss;
  if (row % 16 == 15 || row + 1 == rows) {
    for (size_t i = row % 16 + 1; i < 16; i++) pending[i] = 0;
    job->loss_sum += dsum(dload(pending));
  }
}

/* A group between its sums and its losses. */
struct group_state {
  struct group g;
  struct group_labels l;
  struct row_sums sums;
  struct spread q;
  ALIGNED float target[16],
      left_out[16]; /* the logit of the label, and of the class that the sum leaves out; or -inf */
  struct tile x_tile, t_tile;
  int kept; /* x_copy holds exp(x_c) / 2^N rather than x_c */
  ALIGNED float x_copy[GATHER_CLASSES * 16], t_copy[GATHER_CLASSES * 16];
};

/* The sums of row i of a group with spread q: the class of the maximum left out, and the sums weighted by q. */
static void row_spread(const struct vloss_cross_entropy_job *job, const float *x, const float *t, struct group_state *s,
                       size_t i) {
  const size_t classes = job->shape.classes;
  const float max = row_max(x, classes, NO_CLASS);
  const size_t at_max = row_find(x, 1, classes, max, 0);
  s->sums.max[i] = max;
  s->left_out[i] = x[at_max];
  s->sums.sum[i] = row_sum_below(x, classes, at_max, max, &s->sums.n[i], &s->sums.shift[i]);

  const float ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const vd zero = dset1(0.0), wide_max = dset1((double)max);
  struct spread_sums q = {zero, zero, zero, zero};
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = classes - c < 16 ? classes - c : 16;
    const vf v = n == 16 ? vload(x + c) : vtail(x + c, n, max);
    spread_add(&q, v, t ? load_n(t + c, n) : vset1(0.0f), load_n(job->weights ? job->weights + c : ones, n), wide_max,
               job, t != NULL);
  }
  s->q.qt[i] = dsum(q.qt);
  s->q.at[i] = dsum(q.at);
  s->q.qu[i] = dsum(q.qu);
  s->q.au[i] = dsum(q.au);
}

/* The same for the rows of a tile. */
static void tile_spread(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  const struct tile *x = &s->x_tile, *t = &s->t_tile;
  const size_t classes = job->shape.classes;
  int32_t at_max[16];
  tile_max(x, classes, viset1(-1), s->sums.max);
  const vf max = vload(s->sums.max);
  vistore(at_max, tile_find(x, classes, max));
  vstore(s->left_out, vset1(-INF));
  for (size_t i = 0; i < x->n; i++) {
    s->left_out[i] = x->p[(size_t)at_max[i] * x->step + i];
    if (s->l.label[i] >= 0) s->target[i] = x->p[(size_t)s->l.label[i] * x->step + i];
  }
  tile_sum_below(x, classes, viload(at_max), &s->sums);

  struct spread_sums q[16];
  const vd zero = dset1(0.0), wide_max = dwiden(max);
  for (size_t j = 0; j < 16; j++) q[j] = (struct spread_sums){zero, zero, zero, zero};
  for (size_t c = 0; c < classes; c++)
    spread_add(&q[c % 16], tile_load(x, c), t->p ? tile_load(t, c) : vset1(0.0f),
               vset1(job->weights ? job->weights[c] : 1.0f), wide_max, job, t->p != NULL);
  for (size_t h = 8; h > 0; h /= 2)
    for (size_t j = 0; j < h; j++) {
      q[j].qt = dadd(q[j].qt, q[j + h].qt);
      q[j].at = dadd(q[j].at, q[j + h].at);
      q[j].qu = dadd(q[j].qu, q[j + h].qu);
      q[j].au = dadd(q[j].au, q[j + h].au);
    }
  dstore(s->q.qt, q[0].qt);
  dstore(s->q.at, q[0].at);
  dstore(s->q.qu, q[0].qu);
  dstore(s->q.au, q[0].au);
}

#include "cross_entropy_slabs.h"

/* 16 rows of up to 16 classes: gathered and summed without a detour over memory; x_copy keeps their terms. False if a
 * row has huge logits, which want the general way. */
static __attribute__((noinline)) int sum_16(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  vf r[16];
  gather_16(r, job->x + s->g.first * job->x_stride, job->x_stride, job->shape.classes,
            whole_vectors(&s->g, job->x_stride, job->shape.classes));
  sum_of_16(r, job->shape.classes, viload(s->l.label), s->x_copy, &s->sums, s->target);
  return !vany(is_huge(vload(s->sums.max)));
}

/* The sums, without the target (plain) or without the class of the maximum (spread). */
static void sum_group(const struct vloss_cross_entropy_job *job, struct group_state *s, enum writing writing) {
  const struct group *g = &s->g;
  const size_t classes = job->shape.classes;
  const int spread = is_spread(job);
  s->kept = 0;
  s->x_tile = s->t_tile = (struct tile){0};
  read_labels(job, g, &s->l);
  vstore(s->target, vset1(-INF));
  if (g->layout == ALONG) {
    no_sums(&s->sums);
    float *kept = writing == KEPT ? job->grad + g->first * job->grad_stride : NULL;
    const int together = !spread && classes <= SHORT_ROW && g->n >= GATHER_ROWS;
    if (together)
      short_rows_sum(job->x + g->first * job->x_stride, job->x_stride, g->n, classes, s->l.label, s->l.ignored, kept,
                     job->grad_stride, &s->sums);
    if (spread) {
      memset(&s->q, 0, sizeof s->q);
      vstore(s->left_out, vset1(-INF));
    }
    for (size_t i = 0; i < g->n; i++) {
      const float *x = job->x + (g->first + i) * job->x_stride;
      if (s->l.ignored[i] != 0) continue;
      if (s->l.label[i] >= 0) s->target[i] = x[s->l.label[i]];
      if (spread)
        row_spread(job, x, job->targets ? job->targets + (g->first + i) * job->targets_stride : NULL, s, i);
      else if (!together)
        row_sum(x, classes, (size_t)(ptrdiff_t)s->l.label[i], kept ? kept + i * job->grad_stride : NULL, &s->sums, i);
    }
    if (!spread) group_refine(&job->shape, g, job->x, job->x_stride, s->l.label, s->l.ignored, &s->sums);
    if (g->n == 1) {
      spread_sums_of(&s->sums, 0);
      vstore(s->target, vset1(s->target[0]));
    }
  } else if (g->layout == INTERLEAVED) {
    sum_slabs(job, s);
  } else if (!spread && gathers_16(&job->shape, g) && sum_16(job, s)) {
    s->kept = 1;
  } else {
    s->x_tile = group_tile(&job->shape, g, job->x, job->x_stride, s->x_copy);
    if (job->targets) s->t_tile = group_tile(&job->shape, g, job->targets, job->targets_stride, s->t_copy);
    if (spread) {
      tile_spread(job, s);
    } else {
      tile_sum(&s->x_tile, classes, viload(s->l.label), &s->sums, s->target);
      group_refine(&job->shape, g, job->x, job->x_stride, s->l.label, s->l.ignored, &s->sums);
    }
  }
}

static void tile_gradient(const struct vloss_cross_entropy_job *job, struct group_state *s,
                          const struct row_factors *factors, const struct gradient *grad) {
  const size_t classes = job->shape.classes;
  const struct tile out = group_out(&job->shape, &s->g, job->grad, job->grad_stride, s->x_copy);
  const float *w = is_spread(job) ? job->weights : NULL;
  struct general_row r = general_row(vload(s->sums.n), vload(factors->k), vload(factors->wide));
  r.factors = factors_of(factors);
  r.shift = vload(s->sums.shift);
  r.minus_qt = vload(grad->minus_qt);
  r.minus_qu = vload(grad->minus_qu);
  const int general = is_spread(job) || r.any_wide;
  const vm flat = vgt(vload(grad->flat), vset1(0.0f));
  const vf flat_value = vload(grad->flat_value), at_target = vload(grad->at_target);
  const vi label = viload(s->l.label);
  if (s->kept && general) {
    s->x_tile = group_tile(&job->shape, &s->g, job->x, job->x_stride, s->x_copy);
    s->kept = 0;
  }
  /* The label's own term may lie beyond the reach of exp: any other serves. */
  const vf neutral = vfma(r.ref.n, vset1(VLOSS_LN2_HI), r.shift);
  size_t c = 0;
  if (!general && !s->kept) {
    for (; c + 4 <= classes; c += 4) {
      vf v[4];
      vm labels[4];
      UNROLL for (size_t j = 0; j < 4; j++) {
        labels[j] = vieq(label, viset1((int32_t)(c + j)));
        v[j] = vsub(vsel(labels[j], neutral, tile_load(&s->x_tile, c + j)), r.shift);
      }
      terms(v, v, 4, &r.ref);
      scaled4(v, &r.factors);
      UNROLL for (size_t j = 0; j < 4; j++)
          tile_store(&out, c + j, vsel(flat, flat_value, vsel(labels[j], at_target, v[j])));
    }
  }
  for (; c < classes; c++) {
    const vm own = vieq(label, viset1((int32_t)c));
    vf v = s->kept ? vload(s->x_copy + 16 * c) : vsel(own, neutral, tile_load(&s->x_tile, c));
    if (general)
      v = general_term(&r, v, vset1(w ? w[c] : 1.0f), s->t_tile.p ? tile_load(&s->t_tile, c) : vset1(0.0f));
    else
      v = scaled(s->kept ? v : term(vsub(v, r.shift), &r.ref), &r.factors);
    tile_store(&out, c, vsel(flat, flat_value, vsel(own, at_target, v)));
  }
  group_scatter(&job->shape, &s->g, job->grad, job->grad_stride, s->x_copy);
}

static void finish_group(struct vloss_cross_entropy_job *job, struct group_state *s, enum writing writing,
                         double *pending) {
  const struct group *g = &s->g;
  const size_t classes = job->shape.classes, rows = job->shape.outer * job->shape.inner;
  const int spread = is_spread(job);

  /* The losses. a is the target's own share of q; uniform that of every class. */
  const double e = job->smoothing, uniform = e / (double)classes;
  const vd wide_target = dwiden(vload(s->target)), wide_left_out = dwiden(vload(spread ? s->left_out : s->target));
  struct finished row = finish(&s->sums, wide_left_out, !job->grad && !job->lse);
  vd nan = dset1((double)NOT_A_NUMBER), zero = dset1(0.0);
  dm ignored = dgt(dload(s->l.ignored), zero), bad = dgt(dload(s->l.bad), zero);
  vd weight = dload(s->l.weight), upstream = dload(s->l.upstream), a = dmul(dset1(1 - e), weight), total = a, loss;
  if (!spread) {
    loss = dmul_or_zero(a, row.loss);
  } else {
    if (job->targets) {
      total = dload(s->q.qt);
      loss = dfma(dload(s->q.qt), row.loss, dload(s->q.at));
    } else {
      total = dfma(dset1(uniform), dload(s->q.qu), total);
      loss = dmul_or_zero(a, dadd(dsub(wide_left_out, wide_target), row.loss));
      loss = dfma(dset1(uniform), dfma(dload(s->q.qu), row.loss, dload(s->q.au)), loss);
    }
  }
  loss = dsel(bad, nan, loss);
  loss = dsel(ignored, zero, loss);
  ALIGNED double losses[16];
  dstore(losses, loss);
  if (rows == 1)
    job->loss_sum = losses[0];
  else if (g->n == 16 && g->first % 16 == 0)
    job->loss_sum += dsum(loss);
  else
    for (size_t i = 0; i < g->n; i++) add_loss(job, pending, g->first + i, rows, losses[i]);
  if (job->loss) vstore_tail(job->loss + g->first, canonical(dnarrow_small(loss)), g->n);
  if (job->lse) {
    const vf left_out = vload(spread ? s->left_out : s->target);
    row.lse = group_lse(&job->shape, g, job->x, job->x_stride, &s->sums, left_out, row.lse);
    vstore_tail(job->lse + g->first, canonical(dnarrow_small(dsel(ignored, zero, row.lse))), g->n);
  }
  if (job->predicted)
    for (size_t i = 0; i < g->n; i++) {
      const float *x = job->x + row_offset(&job->shape, job->x_stride, g->first + i);
      const float y = spread ? s->left_out[i] : s->target[i], max = s->sums.max[i] > y ? s->sums.max[i] : y;
      int nan_row = s->sums.sum[i] != s->sums.sum[i] || y != y;
      int64_t c = s->l.ignored[i] != 0 ? -1 : (int64_t)row_find(x, job->shape.inner, classes, max, nan_row);
      if (job->predicted_narrow)
        ((int32_t *)job->predicted)[g->first + i] = (int32_t)c;
      else
        ((int64_t *)job->predicted)[g->first + i] = c;
    }
  if (!job->grad) return;

  /* The gradients. `flat` rows have one value everywhere: 0 if ignored, NaN if anything in the row is. */
  struct row_factors factors;
  row_factors(&factors, &row, dmul(upstream, total), spread);
  vd at_target;
  if (!spread) {
    at_target = dsub(zero, dmul(dmul(upstream, a), row.rest));
  } else {
    vd p = dmul(dexp(dmax(dset1(-500.0), dsub(wide_target, wide_left_out))), row.p);
    vd rest = dsel(deq(wide_left_out, wide_target), row.rest, dsub(dset1(1.0), p));
    at_target = dmul(dset1(uniform), dsub(dmul(dload(s->q.qu), p), weight));
    at_target = dmul(upstream, dsub(at_target, dmul(a, rest)));
  }
  struct gradient grad;
  vd minus = dsub(zero, upstream);
  /* An infinite upstream makes NaN of a row, as infinity times 0 is. */
  const vd scale = dmul(upstream, total);
  dm undefined = dmor(bad, dmor(dnan(row.p), dnan(dmul(dset1(0.0), scale))));
  vstore(grad.at_target, canonical(dnarrow(dflush(at_target))));
  vstore(grad.flat, dnarrow(dsel(dmor(ignored, undefined), dset1(1.0), zero)));
  vstore(grad.flat_value, canonical(dnarrow(dsel(ignored, zero, nan))));
  vstore(grad.minus_qt, spread ? dnarrow(dmul(minus, dset1(1 - e))) : vset1(0.0f));
  vstore(grad.minus_qu, spread ? dnarrow(dmul(minus, dset1(uniform))) : vset1(0.0f));
  if (g->layout == ALONG)
    for (size_t i = 0; i < g->n; i++) row_gradient(job, g->first + i, &s->l, &s->sums, &factors, &grad, i, writing);
  else if (g->layout == INTERLEAVED)
    slab_gradients(job, s, &factors, &grad);
  else
    tile_gradient(job, s, &factors, &grad);
}

void KERNEL(cross_entropy)(struct vloss_cross_entropy_job *job) {
  /* Two small groups at a time: the logarithms of one then wait beside those of the other. */
  struct group_state states[2];
  ALIGNED double pending[16] = {0};
  job->loss_sum = 0;
  const size_t rows = job->shape.outer * job->shape.inner;
  const int rereads = job->grad || job->predicted, small = job->shape.classes <= SHORT_ROW;
  const enum writing writing = job->grad && !is_spread(job) ? writing_for(&job->shape, job->x == job->grad) : CACHED;
  for (size_t row = 0; row < rows;) {
    size_t count = 0;
    do {
      states[count].g = group_at(&job->shape, row, rereads);
      sum_group(job, &states[count], writing);
      row += states[count].g.n;
    } while (++count < 2 && row < rows && small);
    for (size_t i = 0; i < count; i++) finish_group(job, &states[i], writing, pending);
  }
  if (writing == PAST) vstream_end();
}
