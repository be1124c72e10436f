/* Cross-entropy of slabs (slab.h); included by cross_entropy.c, for whose groups it is. */
#ifndef VLOSS_KERNELS_CROSS_ENTROPY_SLABS_H
#define VLOSS_KERNELS_CROSS_ENTROPY_SLABS_H

/* The weights of classes c..c+63 (null: 1) as the values of a slab's block, 0 behind the last class. What is there
 * already serves again where there is nothing to read. */
static void slab_weights(const float *weights, size_t c, size_t classes, size_t w, float *buffer) {
  const size_t n = block_classes(c, classes);
  if (!weights && c && n == BLOCK) return;
  if (weights)
    for (size_t j = 0; j < n; j++) vstore(buffer + j * w, vset1(weights[c + j]));
  else
    for (size_t i = 0; i < n * w; i += 16) vstore(buffer + i, vset1(1.0f));
  for (size_t i = n * w; i < BLOCK * w; i += 16) vstore(buffer + i, vset1(0.0f));
}

/* As tile_spread, for the rows of a slab, of which i is the first. */
static __attribute__((noinline)) void slab_spread(const struct vloss_cross_entropy_job *job, struct group_state *s,
                                                  const struct slab *x, size_t i) {
  ALIGNED float x_buffer[SLAB_BLOCK], t_buffer[SLAB_BLOCK], w_buffer[SLAB_BLOCK], max[SLAB_PATTERN];
  ALIGNED double sums[4][16 * SLAB_ROWS];
  const size_t classes = job->shape.classes, w = x->w;
  int32_t at_max[16];
  slab_max(x, classes, s->sums.max + i);
  slab_find(x, classes, s->sums.max + i, at_max);
  for (size_t k = 0; k < w; k++) s->left_out[i + k] = x->p[(size_t)at_max[k] * x->step + k];
  for (size_t k = w; k < 16; k++) at_max[k] = -1;
  slab_sum_below(x, classes, viload(at_max), &s->sums, i);

  struct slab t = {NULL, 0, 0};
  if (job->targets) t = slab_at(&job->shape, &s->g, job->targets, job->targets_stride, i);
  to_pattern(max, vload(s->sums.max), i, w);
  for (size_t k = 0; k < 4; k++) memset(sums[k], 0, 16 * w * sizeof *sums[k]);
  for (size_t c = 0; c < classes; c += BLOCK) {
    const float *logits = slab_block(x, c, classes, 0.0f, x_buffer);
    const float *targets = t.p ? slab_block(&t, c, classes, 0.0f, t_buffer) : NULL;
    slab_weights(job->weights, c, classes, w, w_buffer);
    const size_t end = used_vectors(c, classes) * w;
    for (size_t k = 0; k < 16 * w; k += 16) {
      struct spread_sums q = {dload(sums[0] + k), dload(sums[1] + k), dload(sums[2] + k), dload(sums[3] + k)};
      const vd wide_max = dwiden(vload(max + k));
      for (size_t at = k; at < end; at += 16 * w)
        spread_add(&q, vload(logits + at), targets ? vload(targets + at) : vset1(0.0f), vload(w_buffer + at), wide_max,
                   job, targets != NULL);
      dstore(sums[0] + k, q.qt);
      dstore(sums[1] + k, q.at);
      dstore(sums[2] + k, q.qu);
      dstore(sums[3] + k, q.au);
    }
  }
  double *const out[4] = {s->q.qt, s->q.at, s->q.qu, s->q.au};
  for (size_t k = 0; k < 4; k++) {
    pattern_sum(sums[k], w);
    memcpy(out[k] + i, sums[k], w * sizeof **out);
  }
}

/* The sums of an interleaved group. */
static void sum_slabs(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  const struct group *g = &s->g;
  const size_t classes = job->shape.classes, w = slab_rows(&job->shape, g);
  const int spread = is_spread(job);
  no_sums(&s->sums);
  if (spread) {
    memset(&s->q, 0, sizeof s->q);
    vstore(s->left_out, vset1(-INF));
  }
  for (size_t i = 0; i < g->n; i += w) {
    const struct slab x = slab_at(&job->shape, g, job->x, job->x_stride, i);
    for (size_t k = 0; k < w; k++)
      if (s->l.label[i + k] >= 0) s->target[i + k] = x.p[(size_t)s->l.label[i + k] * x.step + k];
    if (spread)
      slab_spread(job, s, &x, i);
    else
      slab_sum(&x, classes, irows_from(s->l.label, i), &s->sums, i);
  }
  if (!spread) group_refine(&job->shape, g, job->x, job->x_stride, s->l.label, s->l.ignored, &s->sums);
}

/* What a gradient needs of each row, as patterns. */
struct gradient_patterns {
  ALIGNED float n[SLAB_PATTERN], k[SLAB_PATTERN], wide[SLAB_PATTERN], shift[SLAB_PATTERN];
  ALIGNED float minus_qt[SLAB_PATTERN], minus_qu[SLAB_PATTERN], flat[SLAB_PATTERN], flat_value[SLAB_PATTERN];
  struct factor_patterns factors;
  int any_flat;
};
VFN void slab_gradient_block(const struct gradient_patterns *rows, const float *x, const float *t, const float *weights,
                             float *out, size_t w, const int general) {
  for (size_t i = 0; i < 16 * w; i += 16) {
    const vf shift = vload(rows->shift + i);
    vf v[4];
    if (general) {
      struct general_row r = general_row(vload(rows->n + i), vload(rows->k + i), vload(rows->wide + i));
      r.factors = factors_at(&rows->factors, i);
      r.shift = shift;
      r.minus_qt = vload(rows->minus_qt + i);
      r.minus_qu = vload(rows->minus_qu + i);
      for (size_t j = 0; j < 4; j++) {
        const size_t at = i + 16 * j * w;
        v[j] = general_term(&r, vload(x + at), vload(weights + at), t ? vload(t + at) : vset1(0.0f));
      }
    } else {
      const struct reference ref = reference_at(vload(rows->n + i));
      const struct factors f = factors_at(&rows->factors, i);
      UNROLL for (size_t j = 0; j < 4; j++) v[j] = vsub(vload(x + i + 16 * j * w), shift);
      terms(v, v, 4, &ref);
      scaled4(v, &f);
    }
    if (rows->any_flat) {
      const vm flat = vgt(vload(rows->flat + i), vset1(0.0f));
      UNROLL for (size_t j = 0; j < 4; j++) v[j] = vsel(flat, vload(rows->flat_value + i), v[j]);
    }
    UNROLL for (size_t j = 0; j < 4; j++) vstore(out + i + 16 * j * w, v[j]);
  }
}

static __attribute__((noinline)) void slab_gradient(const struct vloss_cross_entropy_job *job,
                                                    const struct group_state *s, const struct row_factors *factors,
                                                    const struct gradient *grad, size_t i) {
  struct gradient_patterns rows;
  ALIGNED float x_buffer[SLAB_BLOCK], t_buffer[SLAB_BLOCK], w_buffer[SLAB_BLOCK];
  const struct slab x = slab_at(&job->shape, &s->g, job->x, job->x_stride, i);
  const struct slab out = slab_at(&job->shape, &s->g, job->grad, job->grad_stride, i);
  const size_t classes = job->shape.classes, w = x.w;
  struct slab t = {NULL, 0, 0};
  if (job->targets) t = slab_at(&job->shape, &s->g, job->targets, job->targets_stride, i);
  const int spread = is_spread(job);
  int general = spread;
  rows.any_flat = 0;
  for (size_t k = i; k < i + w; k++) {
    general |= factors->wide[k] != 0;
    rows.any_flat |= grad->flat[k] != 0;
  }
  to_pattern(rows.n, vload(s->sums.n), i, w);
  to_pattern(rows.shift, vload(s->sums.shift), i, w);
  factors_to_patterns(&rows.factors, factors, i, w);
  if (general) {
    to_pattern(rows.k, vload(factors->k), i, w);
    to_pattern(rows.wide, vload(factors->wide), i, w);
    to_pattern(rows.minus_qt, vload(grad->minus_qt), i, w);
    to_pattern(rows.minus_qu, vload(grad->minus_qu), i, w);
  }
  if (rows.any_flat) {
    to_pattern(rows.flat, vload(grad->flat), i, w);
    to_pattern(rows.flat_value, vload(grad->flat_value), i, w);
  }

  const vi labels = irows_from(s->l.label, i);
  for (size_t c = 0; c < classes; c += BLOCK) {
    /* Without the label's own term where it may lie beyond the reach of exp. */
    const float *logits =
        spread ? slab_block(&x, c, classes, -INF, x_buffer) : slab_block_but(&x, c, classes, labels, x_buffer);
    float *const to = slab_output(&out, c, classes, x_buffer);
    if (general) {
      slab_weights(spread ? job->weights : NULL, c, classes, w, w_buffer);
      slab_gradient_block(&rows, logits, t.p ? slab_block(&t, c, classes, 0.0f, t_buffer) : NULL, w_buffer, to, w, 1);
    } else {
      slab_gradient_block(&rows, logits, NULL, NULL, to, w, 0);
    }
    slab_write(&out, c, classes, x_buffer);
  }
  for (size_t k = 0; k < w; k++)
    if (s->l.label[i + k] >= 0 && grad->flat[i + k] == 0)
      ((float *)(uintptr_t)out.p)[(size_t)s->l.label[i + k] * out.step + k] = grad->at_target[i + k];
}
static void slab_gradients(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                           const struct row_factors *factors, const struct gradient *grad) {
  const size_t w = slab_rows(&job->shape, &s->g);
  for (size_t i = 0; i < s->g.n; i += w) slab_gradient(job, s, factors, grad, i);
}

#endif
