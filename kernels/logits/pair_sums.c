/* The first pass over two rows: see divergence.h. */
#include "divergence.h"
#include "row_sums.h"
#include "top_classes.h"

/* -FLT_MAX for -inf: what lies below it is then e^-inf of it. */
static float finite_maximum(const float *y, size_t n) {
  const float max = block_maximum(y, n);
  return max == -INF ? -__FLT_MAX__ : max + 0.0f; /* of -0 and 0 the same */
}

void pair_block(const float *p, const float *q, size_t n, struct pair_sums *s, size_t i) {
  if (n <= SHORT_ROW || !float_pair_block(p, q, n, finite_maximum(p, n), s, i)) exact_pair_block(p, q, n, s, i);
}
void exact_pair_block(const float *p, const float *q, size_t n, struct pair_sums *s, size_t i) {
  const vd zero = dset1(0.0);
  const float a = finite_maximum(p, n), b = finite_maximum(q, n);
  vd sum_p = zero, sum_q = zero, sum_t = zero;
  vf lost = vset1(-INF);
  for (size_t c = 0; c < n; c += 16) {
    const vf y = row_load(p, c, n, NO_CLASS);
    const vd of_p = dsub(dwiden(y), dset1((double)a));
    const vf x = row_load(q, c, n, NO_CLASS);
    const vd of_q = dsub(dwiden(x), dset1((double)b));
    const vd e = distance_exp(of_p), f = distance_exp(of_q), u = dsub(of_q, of_p);
    vd t = dsel(is_near(u), dmul(e, near_phi(u)), dnfma(e, u, dsub(f, e)));
    t = dsel(dmor(deq(e, zero), deq(u, dset1((double)-INF))), f, t);
    lost = vmax(lost, vsel(veq(x, vset1(-INF)), y, vset1(-INF)));
    sum_p = dadd(sum_p, e);
    sum_q = dadd(sum_q, f);
    sum_t = dadd(sum_t, t);
  }
  s->max_p[i] = a;
  s->max_q[i] = b;
  s->p[i] = dsum(sum_p);
  s->q[i] = dsum(sum_q);
  s->t[i] = dsum(sum_t);
  s->lost[i] = vhmax(lost);
}

/* ---- Rows side by side ------------------------------------------------------------------------------------------- */

/* Classes from c on, as many as the buffers hold of each row: whole 2 BLOCK, but for the last of a block. */
static struct half_tile tile_at(const struct pairs_beside *rows, size_t c, size_t end) {
  const size_t width = CLASS_BLOCK / rows->n / (2 * BLOCK) * (2 * BLOCK);
  return (struct half_tile){rows->first, rows->n, c, end - c < width ? end - c : width, 1};
}
static struct half_tile read_both(const struct pairs_beside *rows, size_t c, size_t end) {
  const struct half_tile tile = tile_at(rows, c, end);
  half_tile_read(rows->p, &tile, rows->of_p);
  half_tile_read(rows->q, &tile, rows->of_q);
  return tile;
}
static void maxima_of_p(const struct pairs_beside *rows, size_t c, size_t end, float *a) {
  struct half_tile tile;
  for (size_t k = 0; k < rows->n; k++) a[k] = -__FLT_MAX__;
  for (; c < end; c += tile.n) {
    tile = tile_at(rows, c, end);
    half_tile_read(rows->p, &tile, rows->of_p);
    for (size_t k = 0; k < rows->n; k++) {
      half_tile_ask(rows->p, &tile, k, 0);
      const float max = finite_maximum(rows->of_p + k * tile.n, tile.n);
      if (max > a[k]) a[k] = max;
    }
  }
}
/* By floats: the rows that these have served, a bit each. */
static __attribute__((noinline)) uint32_t try_floats(const struct pairs_beside *rows, size_t c, size_t end,
                                                     struct pair_sums *s, size_t i) {
  struct pair_try t[PAIR_ROWS];
  float a[PAIR_ROWS];
  uint32_t trying = 0, served = 0;
  int begun = 0;
  maxima_of_p(rows, c, end, a);
  do {
    struct half_tile tile;
    for (size_t at = c; at < end; at += tile.n) {
      tile = read_both(rows, at, end);
      for (size_t k = 0; k < rows->n; k++) {
        const float *const p = rows->of_p + k * tile.n, *const q = rows->of_q + k * tile.n;
        half_tile_ask(rows->p, &tile, k, 0), half_tile_ask(rows->q, &tile, k, 0);
        if (!begun) trying |= (uint32_t)pair_try_begin(p, q, tile.n, a[k], &s[k], &t[k]) << k;
        if (trying >> k & 1) pair_try_add(p, q, tile.n, &t[k]);
      }
      begun = 1;
    }
    for (size_t k = 0; k < rows->n; k++) {
      const enum tried tried = trying >> k & 1 ? pair_try_end(&t[k], &s[k], i) : AGAIN;
      if (tried != AGAIN) trying &= ~(1u << k);
      if (tried == SERVED) served |= 1u << k;
    }
  } while (trying);
  return served;
}
void pair_tile_block(const struct pairs_beside *rows, size_t c, struct pair_sums *s, size_t i) {
  const size_t left = rows->p->shape.classes - c, n = left < CLASS_BLOCK ? left : CLASS_BLOCK;
  if (n <= SHORT_ROW) {
    read_both(rows, c, c + n);
    for (size_t k = 0; k < rows->n; k++) pair_block(rows->of_p + k * n, rows->of_q + k * n, n, &s[k], i);
    return;
  }
  const uint32_t served = try_floats(rows, c, c + n, s, i);
  for (size_t k = 0; k < rows->n; k++) {
    const struct half_row p = half_row_of(rows->p, rows->first + k), q = half_row_of(rows->q, rows->first + k);
    if (served >> k & 1) continue;
    half_block_read(&p, c, rows->of_p);
    half_block_read(&q, c, rows->of_q);
    exact_pair_block(rows->of_p, rows->of_q, n, &s[k], i);
  }
}

/* ---- Parts of a row ---------------------------------------------------------------------------------------------- */

/* Moving a part by v = (b' - b) - ... to the common maxima: with s = (a' - b') - (a - b), f = e^(a - a') and
 * g = e^(b - b') = f e^s, what was e^u is f e^u e^s, so
 *   T' = f T + (g - f) Q - s f P. */
void merge_pairs(struct pair_sums *parts, size_t n) {
  float a = -__FLT_MAX__, b = -__FLT_MAX__;
  float lost = -INF;
  int undefined = 0;
  for (size_t i = 0; i < n; i++) {
    undefined |= parts->p[i] + parts->q[i] - (parts->p[i] + parts->q[i]) != 0;
    if (parts->lost[i] > lost) lost = parts->lost[i];
    if (parts->max_p[i] > a) a = parts->max_p[i];
    if (parts->max_q[i] > b) b = parts->max_q[i];
  }
  ALIGNED double of_p[16], of_q[16], p[16], q[16], t[16];
  for (size_t i = 0; i < 16; i++) {
    of_p[i] = i < n ? (double)parts->max_p[i] - (double)a : 0;
    of_q[i] = i < n ? (double)parts->max_q[i] - (double)b : 0;
    p[i] = i < n ? parts->p[i] : 0;
    q[i] = i < n ? parts->q[i] : 0;
    t[i] = i < n ? parts->t[i] : 0;
  }
  const vd f = distance_exp(dload(of_p)), g = distance_exp(dload(of_q)), moved = dsub(dload(of_q), dload(of_p));
  const vd more = dsel(is_near(moved), dmul(f, near_exp_minus_1(moved)), dsub(g, f)), fp = dmul(f, dload(p));
  const vd of_t = dfma(f, dload(t), dnfma(moved, fp, dmul(more, dload(q))));
  parts->max_p[0] = a;
  parts->max_q[0] = b;
  parts->p[0] = undefined ? (double)NOT_A_NUMBER : dsum(fp);
  parts->q[0] = dsum(dmul(g, dload(q)));
  parts->t[0] = dsum(of_t);
  parts->lost[0] = lost;
}

/* ---- Rows ---------------------------------------------------------------------------------------------------------
 */

void sum_pair(const struct logit_row *p, const struct logit_row *q, struct pair_sums *parts) {
  const size_t classes = p->at.classes;
  size_t c = 0, n, count = 0;
  parts->before.offset = NOT_A_NUMBER;
  parts->before.masked = 0;
  for (; c < classes; c += n) {
    const float *const y = logit_row_block(p, c, &n), *const x = logit_row_block(q, c, &n);
    pair_block(y, x, n, parts, count++);
    if (count < 16) continue;
    merge_pairs(parts, count);
    count = 1;
  }
  if (count > 1) merge_pairs(parts, count);
}

struct pair_answers pair_answers_of(const struct pair_sums *s) {
  ALIGNED double value[16], log_ratio[16];
  const double p = s->p[0], q = s->q[0];
  if (!(p > 0 && q > 0)) return (struct pair_answers){.undefined = 1};
  const vd r = dset1(q / p), log = dlog(r);
  dstore(log_ratio, log);
  dstore(value, dsub(dset1(s->t[0] / p), dsub(dsub(r, dset1(1.0)), log)));
  /* Whether what q does not have counts as p, only the maximum of the row tells. */
  if ((double)s->lost[0] - (double)s->max_p[0] >= LEAST) value[0] = (double)INF;
  return (struct pair_answers){value[0] > 0 ? value[0] : 0, 0 - log_ratio[0], 0};
}

/* The first maximum so far. */
struct first_maximum {
  float max;
  size_t c;
};
static void look_for_maximum(struct first_maximum *best, const float *y, size_t n, size_t first) {
  const float max = block_maximum(y, n);
  if (max > best->max) *best = (struct first_maximum){max, first + row_find(y, 1, n, max, 0)};
}
int same_first_maximum(const struct logit_row *z, const struct logit_row *x) {
  struct first_maximum of_z = {-INF, NO_CLASS}, of_x = {-INF, NO_CLASS};
  for (size_t c = 0, n; c < x->at.classes; c += n) {
    const float *const of_teacher = logit_row_block(z, c, &n), *const of_student = logit_row_block(x, c, &n);
    look_for_maximum(&of_z, of_teacher, n, c);
    look_for_maximum(&of_x, of_student, n, c);
  }
  return of_z.c == of_x.c;
}
