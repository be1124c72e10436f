/* The fused log-softmax cross-entropy: loss, gradient, log-sum-exp and prediction of 16 rows at a time.
 *
 * With index labels and no smoothing (plain) the target is left out of the sum: loss = log1p(sum_{c != t} exp(x_c -
 * x_t)) and the target's gradient is -(1 - p_t) without a subtraction, so confident rows keep their digits. With q
 * spread over classes (label smoothing, probability targets) the class of the maximum m is left out instead, and loss =
 * sum_c q_c (m - x_c) + Q log S, whose terms are all accurate.
 */
#ifndef VLOSS_KERNELS_CROSS_ENTROPY_H
#define VLOSS_KERNELS_CROSS_ENTROPY_H

#include <string.h>

#include "finish.h"
#include "softmax.h"

/* What a group of rows needs to know before its logits are read. */
struct group_labels {
  int32_t label[16];           /* -1: no class of this row is the target */
  double ignored[16], bad[16]; /* 1 where the row is ignored; where an unchecked label is out of range */
  double weight[16];           /* w_t */
  double upstream[16];         /* gradient scale of the row, reduction included */
};

VFN int is_spread(const struct vloss_cross_entropy_job *job) { return job->targets || job->smoothing > 0; }

VFN int64_t label_at(const void *labels, int narrow, size_t row) {
  return narrow ? ((const int32_t *)labels)[row] : ((const int64_t *)labels)[row];
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
  for (size_t i = 0; i < g->n; i++) {
    const int64_t t = label_at(job->labels.p, job->labels.narrow, g->first + i);
    if (job->labels.ignoring && t == job->labels.ignore_index)
      l->ignored[i] = 1;
    else if ((uint64_t)t >= job->shape.classes)
      l->bad[i] = 1;
    else
      l->label[i] = (int32_t)t;
  }
  if (job->weights)
    for (size_t i = 0; i < g->n; i++)
      if (l->label[i] >= 0) l->weight[i] = (double)job->weights[l->label[i]];
}

/* ---- Sums weighted by q ------------------------------------------------------------------------------------------
 * With k_c = w_c target_c (t) and k_c = w_c (u, for the uniform part of label smoothing): q = sum k_c,
 * a = sum k_c (m - x_c). In double: there is nothing to rescale, and nothing to lose where terms cancel. Class c goes
 * to lane c % 16. */
struct spread_sums {
  vd qt, at, qu, au;
};
VFN void spread_add(struct spread_sums *s, vf x, vf t, vf w, vd max, const int with_targets, const int with_uniform) {
  vd distance = dsub(max, dwiden(x)), wide = dwiden(w), zero = dset1(0.0);
  if (with_targets) {
    vd k = dmul(wide, dwiden(t));
    s->qt = dadd(s->qt, k);
    s->at = dadd(s->at, dsel(deq(k, zero), zero, dmul(k, distance)));
  }
  if (with_uniform) {
    s->qu = dadd(s->qu, wide);
    s->au = dadd(s->au, dsel(deq(wide, zero), zero, dmul(wide, distance)));
  }
}
struct spread {
  double qt[16], at[16], qu[16], au[16];
};

static void row_spread(const struct vloss_cross_entropy_job *job, const float *x, const float *t, float max,
                       struct spread *out, size_t row) {
  vd zero = dset1(0.0), wide_max = dset1((double)max);
  struct spread_sums s = {zero, zero, zero, zero};
  const int uniform = job->smoothing > 0;
  for (size_t c = 0, classes = job->shape.classes; c < classes; c += 16) {
    size_t n = classes - c < 16 ? classes - c : 16;
    vf v = n == 16 ? vload(x + c) : vtail(x + c, n, max);
    vf w = job->weights ? load_n(job->weights + c, n)
           : n == 16    ? vset1(1.0f)
                        : vtail((const float[16]){1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, n, 0.0f);
    spread_add(&s, v, t ? load_n(t + c, n) : vset1(0.0f), w, wide_max, t != NULL, uniform);
  }
  out->qt[row] = dsum(s.qt);
  out->at[row] = dsum(s.at);
  out->qu[row] = dsum(s.qu);
  out->au[row] = dsum(s.au);
}

static void tile_spread(const struct vloss_cross_entropy_job *job, const struct tile *x, const struct tile *t, vf max,
                        struct spread *out) {
  struct spread_sums s[16];
  const int uniform = job->smoothing > 0;
  vd zero = dset1(0.0), wide_max = dwiden(max);
  size_t classes = job->shape.classes;
  for (size_t j = 0; j < 16; j++) s[j] = (struct spread_sums){zero, zero, zero, zero};
  for (size_t c = 0; c < classes; c++)
    spread_add(&s[c % 16], tile_load(x, c), t ? tile_load(t, c) : vset1(0.0f),
               vset1(job->weights ? job->weights[c] : 1.0f), wide_max, t != NULL, uniform);
  for (size_t h = 8; h > 0; h /= 2)
    for (size_t j = 0; j < h; j++) {
      s[j].qt = dadd(s[j].qt, s[j + h].qt);
      s[j].at = dadd(s[j].at, s[j + h].at);
      s[j].qu = dadd(s[j].qu, s[j + h].qu);
      s[j].au = dadd(s[j].au, s[j + h].au);
    }
  dstore(out->qt, s[0].qt);
  dstore(out->at, s[0].at);
  dstore(out->qu, s[0].qu);
  dstore(out->au, s[0].au);
}

/* ---- Gradients -------------------------------------------------------------------------------------------------- */

/* What the gradient loops need of 16 rows beside their factors. */
struct gradient {
  float at_target[16];              /* the entry at the label */
  float flat[16], flat_value[16];   /* 1 for rows with one value everywhere, and that value */
  float minus_qt[16], minus_qu[16]; /* -upstream (1 - e) and -upstream e / C: what targets and weights are scaled by */
};

/* F exp(x_c) / 2^N - upstream q_c in every form: spread q, wide rows. Narrow lanes get the bits of row_softmax. */
struct general_row {
  struct reference ref, wide_ref;
  vf factor, f, shift, minus_qt, minus_qu;
  vm wide;
  int any_wide;
};
VFN struct general_row general_row(vf n, vf k, vf factor, vf f, vf shift, vf minus_qt, vf minus_qu, vf wide) {
  vm is_wide = vgt(wide, vset1(0.0f));
  return (struct general_row){reference_at(n), reference_at(vsub(n, k)), factor, f, shift, minus_qt, minus_qu, is_wide,
                              vany(is_wide)};
}
VFN vf general_term(const struct general_row *r, vf x, vf w, vf t) {
  const vf y = vsub(x, r->shift), minus_q = vmul(w, vfma(t, r->minus_qt, r->minus_qu));
  vf v = vfma(term(y, &r->ref), r->factor, minus_q);
  if (r->any_wide) {
    struct vexp_parts e = vexp_split(vmax(r->wide_ref.low, y), r->wide_ref.round);
    v = vsel(r->wide, vfma(vmul(e.mantissa, r->f), e.scale, minus_q), v);
  }
  return canonical(vflush(v));
}

static void row_gradient(const struct vloss_cross_entropy_job *job, size_t row, size_t ahead,
                         const struct group_labels *l, const struct row_sums *sums, const struct row_factors *factors,
                         const struct gradient *grad, size_t i, enum writing writing) {
  const size_t classes = job->shape.classes;
  const float *x = job->x + row * job->x_stride, *next = row + ahead < job->shape.outer ? x + ahead * job->x_stride : x;
  const float *t = job->targets ? job->targets + row * job->targets_stride : NULL;
  const float *w = is_spread(job) ? job->weights : NULL;
  float *out = job->grad + row * job->grad_stride;
  if (grad->flat[i] != 0) {
    fill_row(out, grad->flat_value[i], classes);
  } else if (!is_spread(job) && factors->wide[i] == 0) {
    row_softmax(x, next, out, classes, factors->factor[i], sums->n[i], sums->shift[i], writing, l->label[i],
                grad->at_target[i]);
  } else {
    const struct general_row r =
        general_row(vset1(sums->n[i]), vset1(factors->k[i]), vset1(factors->factor[i]), vset1(factors->f[i]),
                    vset1(sums->shift[i]), vset1(grad->minus_qt[i]), vset1(grad->minus_qu[i]), vset1(factors->wide[i]));
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

static void tile_gradient(const struct vloss_cross_entropy_job *job, const struct group *g, const struct tile *x,
                          const struct tile *t, const struct group_labels *l, const struct row_sums *sums,
                          const struct row_factors *factors, const struct gradient *grad, float *copy) {
  const size_t classes = job->shape.classes;
  const struct tile out = group_out(&job->shape, g, job->grad, job->grad_stride, copy);
  const float *w = is_spread(job) ? job->weights : NULL;
  const struct general_row r =
      general_row(vload(sums->n), vload(factors->k), vload(factors->factor), vload(factors->f), vload(sums->shift),
                  vload(grad->minus_qt), vload(grad->minus_qu), vload(factors->wide));
  const int general = is_spread(job) || r.any_wide;
  const vm flat = vgt(vload(grad->flat), vset1(0.0f));
  const vf flat_value = vload(grad->flat_value), at_target = vload(grad->at_target);
  const vi label = viload(l->label);
  for (size_t c = 0; c < classes; c++) {
    vf v = tile_load(x, c);
    if (general)
      v = general_term(&r, v, vset1(w ? w[c] : 1.0f), t->p ? tile_load(t, c) : vset1(0.0f));
    else
      v = vflush(vmul(term(vsub(v, r.shift), &r.ref), r.factor));
    v = vsel(vieq(label, viset1((int32_t)c)), at_target, v);
    tile_store(&out, c, vsel(flat, flat_value, v));
  }
  group_scatter(&job->shape, g, job->grad, job->grad_stride, copy);
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

struct buffers {
  float x[GATHER_CLASSES * 16], t[GATHER_CLASSES * 16];
};

static void cross_entropy_group(struct vloss_cross_entropy_job *job, const struct group *g, enum writing writing,
                                double *pending, struct buffers *buffers) {
  const struct vloss_shape *shape = &job->shape;
  const size_t classes = shape->classes, rows = shape->outer * shape->inner;
  const int spread = is_spread(job);
  struct group_labels l;
  struct row_sums sums;
  struct spread q;
  struct tile x_tile = {0}, t_tile = {0};
  int32_t skip[16];
  float target[16], left_out[16]; /* the logit of the label, and of the class that the sum leaves out; or -inf */
  read_labels(job, g, &l);
  vstore(target, vset1(-INF));

  /* The sums, without the target (plain) or without the class of the maximum (spread). */
  if (g->layout == ALONG) {
    no_sums(&sums);
    if (spread) memset(&q, 0, sizeof q);
    for (size_t i = 0; i < g->n; i++) {
      const float *x = job->x + (g->first + i) * job->x_stride;
      if (l.ignored[i] != 0) continue;
      if (!spread) {
        row_sum(x, classes, l.label[i] < 0 ? NO_CLASS : (size_t)l.label[i],
                writing == KEPT ? job->grad + (g->first + i) * job->grad_stride : NULL, &sums, i);
        if (l.label[i] >= 0) target[i] = x[l.label[i]];
        continue;
      }
      if (l.label[i] >= 0) target[i] = x[l.label[i]];
      sums.max[i] = row_max(x, classes, NO_CLASS);
      skip[i] = (int32_t)row_find(x, 1, classes, sums.max[i], 0);
      left_out[i] = x[skip[i]];
      sums.sum[i] = row_sum_below(x, classes, (size_t)skip[i], sums.max[i], &sums.n[i], &sums.shift[i]);
      row_spread(job, x, job->targets ? job->targets + (g->first + i) * job->targets_stride : NULL, sums.max[i], &q, i);
    }
  } else {
    x_tile = group_tile(shape, g, job->x, job->x_stride, buffers->x);
    if (job->targets) t_tile = group_tile(shape, g, job->targets, job->targets_stride, buffers->t);
    if (!spread) {
      tile_sum(&x_tile, classes, viload(l.label), &sums, target);
    } else {
      tile_max(&x_tile, classes, viset1(-1), sums.max);
      vi at_max = tile_find(&x_tile, classes, vload(sums.max));
      vistore(skip, at_max);
      for (size_t i = 0; i < x_tile.n; i++) {
        left_out[i] = x_tile.p[(size_t)skip[i] * x_tile.step + i];
        if (l.label[i] >= 0) target[i] = x_tile.p[(size_t)l.label[i] * x_tile.step + i];
      }
      tile_sum_below(&x_tile, classes, at_max, &sums);
      tile_spread(job, &x_tile, job->targets ? &t_tile : NULL, vload(sums.max), &q);
    }
  }

  /* The losses. a is the target's own share of q; uniform that of every class. */
  const double e = job->smoothing, uniform = e / (double)classes;
  const vd wide_target = dwiden(vload(target)), wide_left_out = dwiden(vload(spread ? left_out : target));
  struct finished row = finish(&sums, wide_left_out);
  vd nan = dset1((double)NOT_A_NUMBER), zero = dset1(0.0);
  dm ignored = dgt(dload(l.ignored), zero), bad = dgt(dload(l.bad), zero);
  vd weight = dload(l.weight), upstream = dload(l.upstream), a = dmul(dset1(1 - e), weight), total = a, loss;
  if (!spread) {
    loss = dmul_or_zero(a, row.loss);
  } else {
    if (job->targets) {
      total = dmul(dset1(1 - e), dload(q.qt));
      loss = dmul_or_zero(dset1(1 - e), dfma(dload(q.qt), row.loss, dload(q.at)));
    } else {
      loss = dmul_or_zero(a, dadd(dsub(wide_left_out, wide_target), row.loss));
    }
    if (e > 0) {
      total = dfma(dset1(uniform), dload(q.qu), total);
      loss = dfma(dset1(uniform), dfma(dload(q.qu), row.loss, dload(q.au)), loss);
    }
  }
  loss = dsel(bad, nan, loss);
  loss = dsel(ignored, zero, loss);
  double losses[16];
  dstore(losses, loss);
  if (g->n == 16 && g->first % 16 == 0)
    job->loss_sum += dsum(loss);
  else
    for (size_t i = 0; i < g->n; i++) add_loss(job, pending, g->first + i, rows, losses[i]);
  if (job->loss) vstore_tail(job->loss + g->first, canonical(dnarrow(loss)), g->n);
  if (job->lse) vstore_tail(job->lse + g->first, canonical(dnarrow(dsel(ignored, zero, row.lse))), g->n);
  if (job->predicted)
    for (size_t i = 0; i < g->n; i++) {
      const float *x = job->x + row_offset(shape, job->x_stride, g->first + i);
      const float y = spread ? left_out[i] : target[i], max = sums.max[i] > y ? sums.max[i] : y;
      int nan_row = sums.sum[i] != sums.sum[i] || y != y;
      int64_t c = l.ignored[i] != 0 ? -1 : (int64_t)row_find(x, shape->inner, classes, max, nan_row);
      if (job->predicted_narrow)
        ((int32_t *)job->predicted)[g->first + i] = (int32_t)c;
      else
        ((int64_t *)job->predicted)[g->first + i] = c;
    }
  if (!job->grad) return;

  /* The gradients. `flat` rows have one value everywhere: 0 if ignored, NaN if anything in the row is. */
  struct row_factors factors;
  row_factors(&factors, &row, dmul(upstream, total));
  vd at_target;
  if (!spread) {
    at_target = dsub(zero, dmul(dmul(upstream, a), row.rest));
  } else {
    vd p = dmul(dexp(dmax(dset1(-700.0), dsub(wide_target, wide_left_out))), row.p);
    vd rest = dsel(deq(wide_left_out, wide_target), row.rest, dsub(dset1(1.0), p));
    at_target = dmul(dset1(uniform), dsub(dmul(dload(q.qu), p), weight));
    at_target = dmul(upstream, dsub(at_target, dmul(a, rest)));
  }
  struct gradient grad;
  vd minus = dsub(zero, upstream);
  dm undefined = dmor(bad, dmor(dnan(row.p), dnan(dmul(upstream, total))));
  vstore(grad.at_target, canonical(vflush(dnarrow(at_target))));
  vstore(grad.flat, dnarrow(dsel(dmor(ignored, undefined), dset1(1.0), zero)));
  vstore(grad.flat_value, canonical(dnarrow(dsel(ignored, zero, nan))));
  vstore(grad.minus_qt, spread ? dnarrow(dmul(minus, dset1(1 - e))) : vset1(0.0f));
  vstore(grad.minus_qu, spread ? dnarrow(dmul(minus, dset1(uniform))) : vset1(0.0f));
  if (g->layout == ALONG)
    for (size_t i = 0; i < g->n; i++) row_gradient(job, g->first + i, g->n, &l, &sums, &factors, &grad, i, writing);
  else
    tile_gradient(job, g, &x_tile, &t_tile, &l, &sums, &factors, &grad, buffers->x);
}

static void cross_entropy(struct vloss_cross_entropy_job *job) {
  struct buffers buffers;
  double pending[16] = {0};
  const enum writing writing = job->grad && !is_spread(job) ? writing_for(&job->shape, job->x == job->grad) : CACHED;
  job->loss_sum = 0;
  size_t rows = job->shape.outer * job->shape.inner;
  const int rereads = job->grad || job->predicted;
  for (size_t row = 0; row < rows;) {
    struct group g = group_at(&job->shape, row, rereads);
    cross_entropy_group(job, &g, writing, pending, &buffers);
    row += g.n;
  }
  if (job->grad) vstream_end();
}

#endif
