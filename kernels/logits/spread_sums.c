/* Cross-entropy with q spread over classes (label smoothing, probability targets): the sums of its rows. */
#include <string.h>

#include "cross_entropy.h"
#include "row_sums.h"

/* Sums weighted by q: with k_c = q_c for probability targets (t), one coefficient even where smoothing adds to it, and
 * k_c = w_c for the uniform part of label smoothing (u): q = sum k_c, a = sum k_c (m - x_c). In double: there is
 * nothing to rescale, and nothing to lose where terms cancel. Class c goes to lane c % 16. */
struct spread_sums {
  vd qt, at, qu, au;
};
VFN void spread_add(struct spread_sums *s, vf x, vf t, vf w, vd max, const struct vloss_cross_entropy_job *job,
                    const int with_targets) {
  const vd distance = dsub(max, dwiden(x)), wide = dwiden(w), zero = dset1(0.0);
  if (with_targets) {
    const double e = job->smoothing;
    vd k = dwiden(t);
    if (e > 0) k = dfma(k, dset1(1 - e), dset1(e / (double)job->total_classes));
    k = dmul(wide, k);
    s->qt = dadd(s->qt, k);
    s->at = dadd(s->at, dsel(deq(k, zero), zero, dmul(k, distance)));
  } else {
    s->qu = dadd(s->qu, wide);
    s->au = dadd(s->au, dsel(deq(wide, zero), zero, dmul(wide, distance)));
  }
}
/* What distances are measured from: the maximum; where every class is masked (a block of a row) any number serves. */
VFN vf spread_base(vf max) { return vsel(veq(max, vset1(-INF)), vset1(0.0f), max); }

/* Row i. */
static void row_spread(const struct vloss_cross_entropy_job *job, struct group_state *s, size_t i) {
  const size_t classes = job->shape.classes;
  const float *x = job->x + (s->g.first + i) * job->x_stride;
  const float *t = job->targets ? job->targets + (s->g.first + i) * job->targets_stride : NULL;
  const float max = row_max(x, classes, NO_CLASS);
  const size_t at_max = row_find(x, 1, classes, max, 0);
  s->sums.max[i] = max;
  s->left_out[i] = x[at_max];
  s->sums.sum[i] =
      (s->g.calm ? calm_sum_below : row_sum_below)(x, classes, at_max, max, &s->sums.n[i], &s->sums.shift[i]);

  const float ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const vf base = spread_base(vset1(max));
  const vd zero = dset1(0.0), wide_max = dwiden(base);
  struct spread_sums q = {zero, zero, zero, zero};
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = classes - c < 16 ? classes - c : 16;
    const vf v = n == 16 ? vload(x + c) : vtail(x + c, n, vfirst(base));
    spread_add(&q, v, t ? load_n(t + c, n) : vset1(0.0f), load_n(job->weights ? job->weights + c : ones, n), wide_max,
               job, t != NULL);
  }
  s->q.qt[i] = dsum(q.qt);
  s->q.at[i] = dsum(q.at);
  s->q.qu[i] = dsum(q.qu);
  s->q.au[i] = dsum(q.au);
}

static void tile_spread(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  const struct tile *x = &s->x_tile, *t = &s->t_tile;
  const size_t classes = job->shape.classes;
  int32_t at_max[16];
  vistore(at_max, viset1(-1));
  tile_max(x, classes, at_max, s->sums.max);
  const vf base = spread_base(vload(s->sums.max));
  tile_find(x, classes, s->sums.max, at_max);
  vstore(s->left_out, vset1(-INF));
  for (size_t i = 0; i < x->n; i++) s->left_out[i] = x->p[(size_t)at_max[i] * x->step + i];

  struct spread_sums q[16];
  const vd zero = dset1(0.0), wide_max = dwiden(base);
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
  if (s->g.layout == GATHERED && s->g.calm) copy_calm(s->x_copy, 1, 16 * classes, s->x_copy);
  tile_sum_below(x, classes, at_max, &s->sums);
}

void slab_weights(const float *weights, size_t c, size_t classes, size_t w, float *buffer) {
  const size_t n = block_classes(c, classes);
  if (!weights && c && n == BLOCK) return;
  if (weights)
    for (size_t j = 0; j < n; j++) vstore(buffer + j * w, vset1(weights[c + j]));
  else
    for (size_t i = 0; i < n * w; i += 16) vstore(buffer + i, vset1(1.0f));
  for (size_t i = n * w; i < BLOCK * w; i += 16) vstore(buffer + i, vset1(0.0f));
}

/* The slab that begins with row i. Not inline: rows in 16 bits, which never come here, have buffers on the stack. */
static __attribute__((noinline)) void slab_spread(const struct vloss_cross_entropy_job *job, struct group_state *s,
                                                  size_t i) {
  ALIGNED float x_buffer[SLAB_BLOCK], t_buffer[SLAB_BLOCK], w_buffer[SLAB_BLOCK], max[SLAB_PATTERN];
  ALIGNED double sums[4][16 * SLAB_ROWS];
  const struct slab slab = slab_at(&job->shape, &s->g, job->x, job->x_stride, i), *const x = &slab;
  const size_t classes = job->shape.classes, w = x->w;
  int32_t at_max[16];
  slab_max(x, classes, s->sums.max + i);
  slab_find(x, classes, s->sums.max + i, at_max);
  for (size_t k = 0; k < w; k++) s->left_out[i + k] = x->p[(size_t)at_max[k] * x->step + k];
  for (size_t k = w; k < 16; k++) at_max[k] = -1;
  slab_sum_below(x, classes, at_max, &s->sums, i);

  struct slab t = {NULL, 0, 0};
  if (job->targets) t = slab_at(&job->shape, &s->g, job->targets, job->targets_stride, i);
  to_pattern(max, spread_base(vload(s->sums.max)), i, w);
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

void block_spread(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  memset(&s->q, 0, sizeof s->q);
  vstore(s->left_out, vset1(-INF));
  no_sums(&s->sums);
  if (s->g.layout == ALONG) {
    for (size_t i = 0; i < s->g.n; i++) {
      const float *const x = job->x + (s->g.first + i) * job->x_stride;
      const size_t classes = job->shape.classes;
      /* Beside the buffers of block_rows, whose stride is 0, the stack has no room for a copy. */
      s->g.calm = job->x_stride > 0 && met_denormals(s->g.calm, x, (s->g.first + i) * classes, classes);
      if (s->l.ignored[i] == 0) row_spread(job, s, i);
    }
  } else if (s->g.layout == INTERLEAVED) {
    const size_t w = slab_rows(&job->shape, &s->g);
    for (size_t i = 0; i < s->g.n; i += w) slab_spread(job, s, i);
  } else {
    s->x_tile = group_tile(&job->shape, &s->g, job->x, job->x_stride, s->x_copy);
    s->t_tile = (struct tile){0};
    if (job->targets) s->t_tile = group_tile(&job->shape, &s->g, job->targets, job->targets_stride, s->t_copy);
    tile_spread(job, s);
  }
}
