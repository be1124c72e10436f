/* The gradient of log-probabilities, entropy and log-sum-exp: with upstreams U of the ids, V of the entropy H and W of
 * lse,
 *   dx_c = f_c (sum_k U_k [c = id_k] - p_c sum_k U_k - V p_c (lp_c + H) + W p_c),
 * f = dy/dx. In double, so that nothing is a denormal number on the way, and rounded once. */
#include "log_probs.h"

struct row_upstream {
  double ids, entropy, lse; /* of the ids their sum */
  int bad, live;            /* an id out of range; one that is a class */
};
static struct row_upstream upstream_of(const struct vloss_log_probs_job *job, size_t row) {
  const float *const u = job->upstream, *const v = job->entropy_upstream, *const w = job->lse_upstream;
  struct row_upstream up = {.entropy = v ? (double)v[row] : 0, .lse = w ? (double)w[row] : 0};
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const struct row_id id = id_at(job, row, k);
    up.bad |= id.kind == BAD_ID;
    up.live |= id.kind == LIVE_ID;
    if (u && id.kind == LIVE_ID) up.ids += (double)u[row * job->ids_per_row + k];
  }
  return up;
}

/* What is the same for all classes of a row: p_c times `even` + `slope` (y - max) is the gradient without the ids. */
struct gradient_row {
  struct logit_change change;
  const struct row_answers *a;
  struct row_upstream up;
  double even, slope;
  int filled; /* the gradient is one number */
  float fill;
};

VFN vd probabilities(const struct gradient_row *g, vf y, vd *distance) {
  const vd least = dset1(-700.0), d = dmax(least, dsub(dwiden(y), dset1((double)g->a->max)));
  *distance = d;
  return dsel(dgt(d, least), dmul(dexp(d), dset1(g->a->inverse)), dset1(0.0));
}
VFN vf gradient_of(const struct gradient_row *g, vf x) {
  const vf y = changes_nothing(&g->change) ? x : logits_of(&g->change, x);
  vd d;
  const vd p = probabilities(g, y, &d);
  return canonical(
      dnarrow(dflush(dmul(dmul(dfma(d, dset1(g->slope), dset1(g->even)), p), logit_slopes(&g->change, x)))));
}
/* At an id, of whose upstreams `own` is the sum. */
static float gradient_at(const struct gradient_row *g, float x, double own) {
  const struct row_answers *const a = g->a;
  const vf wide = vset1(x), y = logits_of(&g->change, wide);
  ALIGNED double of_p[16], of_d[16], slope[16];
  ALIGNED float result[16];
  vd d;
  dstore(of_p, probabilities(g, y, &d));
  dstore(of_d, d);
  dstore(slope, logit_slopes(&g->change, wide));
  const double p = of_p[0], others = vfirst(y) == a->max ? a->share : 1 - p;
  const double of_ids = own * others - p * (g->up.ids - own);
  const double of_row = p * ((g->up.lse - g->up.entropy * (a->entropy - a->log_sum)) + g->slope * of_d[0]);
  vstore(result, canonical(dnarrow(dflush(dset1(slope[0] * (of_ids + of_row))))));
  return result[0];
}

/* The sums of the ids' upstreams, of classes first .. first + n - 1; NaN where there is no id. */
static void add_ids(const struct vloss_log_probs_job *job, size_t row, size_t first, size_t n, double *own) {
  const float *const u = (const float *)job->upstream + row * job->ids_per_row;
  for (size_t i = 0; i < n; i++) own[i] = (double)NOT_A_NUMBER;
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const size_t c = id_at(job, row, k).c - first;
    if (c < n) own[c] = 0;
  }
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const size_t c = id_at(job, row, k).c - first;
    if (c < n) own[c] += (double)u[k];
  }
}

static struct gradient_row gradient_row_of(const struct vloss_log_probs_job *job, size_t row, int wanted,
                                           const struct row_answers *a) {
  struct gradient_row g = {.change = log_probs_row(job, row, NULL).change, .a = a, .up = upstream_of(job, row)};
  const double sum = g.up.ids + g.up.entropy + g.up.lse;
  g.filled = 1;
  if (!wanted || !(g.up.bad || g.up.live || job->entropy_upstream || job->lse_upstream)) return g;
  if (a->undefined || g.up.bad || sum - sum != 0) {
    g.fill = NOT_A_NUMBER;
    return g;
  }
  /* lp + H = (y - max) + (H - log S) */
  g.slope = -g.up.entropy;
  g.even = g.up.lse - g.up.ids - g.up.entropy * (a->entropy - a->log_sum);
  g.filled = 0;
  return g;
}

/* Rows are taken a piece at a time, as many rows together as there is room for where they lie side by side. */
enum { PIECE = CLASS_BLOCK / 8 };
static void gradient_of_piece(const struct vloss_log_probs_job *job, size_t row, const struct gradient_row *g,
                              const struct half_tile *tile, const float *x, float *to) {
  ALIGNED double own[PIECE];
  const size_t n = tile->n;
  if (g->filled) {
    fill_row(to, g->fill, n);
    return;
  }
  if (job->upstream) add_ids(job, row, tile->c, n, own);
  for (size_t i = 0; i < n; i += 16) {
    const size_t m = n - i < 16 ? n - i : 16;
    ALIGNED float of_ids[16];
    const vf v = load_n(x + i, m);
    vf result = gradient_of(g, v);
    if (job->upstream) {
      vstore(of_ids, result);
      for (size_t k = i; k < i + m; k++)
        if (own[k] == own[k]) of_ids[k - i] = gradient_at(g, x[k], own[k]);
      result = vload(of_ids);
    }
    store_n(to + i, result, m, 0);
  }
}

void log_probs_gradients(const struct vloss_log_probs_job *job, size_t first, size_t n, const int *wanted,
                         const struct row_answers *answers) {
  ALIGNED float block[CLASS_BLOCK];
  const struct vloss_shape *const shape = &job->shape;
  const struct half_tensor input = half_tensor_of(job->x, job->type, shape, job->x_stride);
  const struct half_tensor output = half_tensor_of(job->grad, job->type, shape, job->grad_stride);
  const int direct = job->type == VLOSS_F32 && shape->inner == 1;
  const size_t width = shape->classes < PIECE ? shape->classes : PIECE;
  struct gradient_row g[16];
  for (size_t i = 0; i < n; i++) g[i] = gradient_row_of(job, first + i, wanted[i], &answers[i]);
  for (size_t i = 0, rows; i < n; i += rows) {
    rows = shape->inner == 1 ? 1 : half_tile_rows(shape, first + i, first + n, width, CLASS_BLOCK);
    for (size_t c = 0; c < shape->classes; c += width) {
      const struct half_tile tile = {first + i, rows, c, shape->classes - c < width ? shape->classes - c : width, 0};
      const struct half_row x = half_row_of(&input, tile.first), out = half_row_of(&output, tile.first);
      if (!direct) half_tile_read(&input, &tile, block);
      for (size_t k = 0; k < rows; k++) {
        const float *const from = direct ? (const float *)x.p + c : block + k * tile.n;
        float *const to = direct ? (float *)out.p + c : block + k * tile.n;
        gradient_of_piece(job, tile.first + k, &g[i + k], &tile, from, to);
      }
      if (!direct) half_tile_write(&output, &tile, block);
    }
  }
}
