/* See summaries.h. The class of the maximum is left out of every sum: log1p(rest) then keeps its digits however much
 * that class outweighs the others. */
#include "summaries.h"

#include "heavy_rows.h"
#include "row_steps.h"
#include "row_sums.h"

/* Below this share of its maximum's term a block's rest is no difference any more: it is summed apart, without it. */
#define VAGUE 0x1p-20

/* The sum as row_sum makes it, and with it the spread. */
struct spread_state {
  struct reference ref;
  vf max;
  vd sum, spread;
};
VFN void spread_step(struct spread_state *s, const vf *y, const int exact) {
  vf v[4], e[4], d[4];
  UNROLL for (size_t j = 0; j < 4; j++) v[j] = vmax(s->ref.low, y[j]); /* masked classes are at a finite distance */
  terms_from_low(e, v, 4, &s->ref);
  UNROLL for (size_t j = 0; j < 4; j++) d[j] = vsub(s->max, v[j]);
  if (exact) {
    s->sum = dadd(s->sum, combine4_exactly(e));
    UNROLL for (size_t j = 0; j < 4; j++) s->spread = dfma(dwiden(e[j]), dwiden(d[j]), s->spread);
  } else {
    s->sum = dadd(s->sum, dwiden(combine4(e)));
    s->spread = dadd(s->spread, dwiden(vfma(e[3], d[3], vfma(e[2], d[2], vfma(e[1], d[1], vmul(e[0], d[0]))))));
  }
}
VFN void put_spread(const struct spread_state *s, struct block_sums *b, size_t i) {
  b->sums.n[i] = vfirst(s->ref.n);
  b->sums.sum[i] = dsum(s->sum);
  b->sums.max[i] = vfirst(s->max);
  b->sums.shift[i] = 0;
  b->spread[i] = dsum(s->spread);
}
VFN void spread_sums(const float *y, size_t n, float max, struct block_sums *b, size_t i, const int exact) {
  struct spread_state s = {reference_for(vset1(max)), vset1(max), dset1(0.0), dset1(0.0)};
  size_t c = 0;
  vf v[4];
  for (; c + BLOCK <= n; c += BLOCK) {
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = vload(y + c + 16 * j);
    row_fetch_ahead(y + c, BLOCK * sizeof *y); /* for the next block: nothing else waits for memory meanwhile */
    spread_step(&s, v, exact);
  }
  if (c < n) {
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = row_load(y, c + 16 * j, n, NO_CLASS);
    spread_step(&s, v, exact);
  }
  put_spread(&s, b, i);
}
void sum_block(const float *y, size_t n, int spread, float *maxima, struct block_sums *b, size_t i) {
  const float max = spread ? block_maximum(y, n) : 0;
  if (maxima && !spread && n > SHORT_ROW) {
    row_sum_with_maxima(y, n, maxima, &b->sums, i);
    return;
  }
  if (maxima) block_maxima(y, n, maxima);
  if (!spread || vany(is_huge(vset1(max)))) /* of huge ones the spread comes later */
    row_sum(y, n, NO_CLASS, NULL, &b->sums, i);
  else if (n <= SHORT_ROW)
    spread_sums(y, n, max, b, i, 1);
  else
    spread_sums(y, n, max, b, i, 0);
}

/* ---- Rows side by side ------------------------------------------------------------------------------------------- */

static struct half_tile tile_at(const struct tiled_rows *rows, size_t c, size_t end) {
  const size_t step = tile_classes(rows->n);
  return (struct half_tile){rows->first, rows->n, c, end - c < step ? end - c : step, 1};
}
static void look_at_tile(const struct tiled_rows *rows, const struct half_tile *tile, size_t k) {
  if (rows->look) rows->look(rows->context, rows->block + k * tile->n, k, tile->c, tile->n);
}
static __attribute__((noinline)) void spread_tile(struct spread_state *state, const float *y, size_t n) {
  struct spread_state s = *state;
  for (size_t c = 0; c < n; c += BLOCK) {
    vf v[4];
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = row_load(y, c + 16 * j, n, NO_CLASS);
    spread_step(&s, v, 0);
  }
  *state = s;
}
static void tile_maxima(const struct tiled_rows *rows, size_t c, size_t end, float *max) {
  for (size_t k = 0; k < rows->n; k++) max[k] = -INF;
  for (; c < end; c += tile_classes(rows->n)) {
    const struct half_tile tile = tile_at(rows, c, end);
    half_tile_read(rows->t, &tile, rows->block);
    for (size_t k = 0; k < rows->n; k++) {
      half_tile_ask(rows->t, &tile, k, 0);
      const float m = block_maximum(rows->block + k * tile.n, tile.n);
      if (m > max[k]) max[k] = m;
    }
  }
}
void spread_tile_block(const struct tiled_rows *rows, size_t c, struct block_sums *b) {
  const size_t left = rows->t->shape.classes - c, end = c + (left < CLASS_BLOCK ? left : CLASS_BLOCK);
  const int is_short = end - c <= SHORT_ROW;
  struct spread_state states[TILE_ROWS];
  float max[TILE_ROWS];
  if (!is_short) tile_maxima(rows, c, end, max);
  for (size_t k = 0; !is_short && k < rows->n; k++)
    states[k] = (struct spread_state){reference_for(vset1(max[k])), vset1(max[k]), dset1(0.0), dset1(0.0)};
  for (size_t at = c; at < end; at += tile_classes(rows->n)) {
    const struct half_tile tile = tile_at(rows, at, end);
    half_tile_read(rows->t, &tile, rows->block);
    for (size_t k = 0; k < rows->n; k++) {
      half_tile_ask(rows->t, &tile, k, 0);
      look_at_tile(rows, &tile, k);
      if (is_short)
        sum_block(rows->block + k * tile.n, tile.n, 1, NULL, b, k);
      else
        spread_tile(&states[k], rows->block + k * tile.n, tile.n);
    }
  }
  for (size_t k = 0; !is_short && k < rows->n; k++) {
    if (vany(is_huge(vset1(max[k])))) { /* of huge ones the spread comes later */
      const struct half_row row = half_row_of(rows->t, rows->first + k);
      row_sum(rows->block, half_block_read(&row, c, rows->block), NO_CLASS, NULL, &b->sums, k);
    } else {
      put_spread(&states[k], b, k);
    }
  }
}

/* ---- Summaries --------------------------------------------------------------------------------------------------- */

/* Both sums without the first class at the maximum, relative to it; in double, whatever the range. */
static SMALL struct row_summary summary_apart(const float *y, size_t n, float max) {
  const size_t best = row_find(y, 1, n, max, 0);
  const vd least = dset1(-600.0), zero = dset1(0.0);
  vd rest = zero, spread = zero;
  for (size_t c = 0; c < n; c += 16) {
    const vd d = dsub(dwiden(row_load(y, c, n, best)), dset1((double)max));
    const vd e = dsel(dgt(least, d), zero, dexp(dmax(least, d)));
    rest = dadd(rest, e);
    spread = dnfma(e, dmax(least, d), spread);
  }
  return (struct row_summary){max, dsum(rest), dsum(spread)};
}

void summarize(const struct vloss_log_probs_job *job, struct block_sums *b, float *block, struct row_summary *out) {
  struct row_sums *const s = &b->sums;
  const uint32_t heavy = job->total_classes > SHORT_ROW ? rows_to_refine(s, b->leave, b->count) : 0;
  for (size_t i = 0, n; i < b->count && heavy >> i; i++) {
    if (!(heavy >> i & 1)) continue;
    const struct logit_row x = log_probs_row(job, b->at[i].row, block);
    const float *const y = logit_row_block(&x, b->at[i].c, &n);
    if (n > SHORT_ROW) s->sum[i] += heavy_blocks(y, n, NO_CLASS, s->max[i], s->n[i]);
  }
  const vf max = vload(s->max);
  const vd n = dwiden(vload(s->n)), sum = dload(s->sum), far = dset1(600.0);
  const struct reference ref = reference_at(vload(s->n));
  const vd first = dwiden(term(max, &ref)), rest = dsub(sum, first);
  /* From units of 2^n to those of e^max. */
  const vd power = dfma(n, dset1(VLOSS_D_LN2_LO), dsub(dmul(n, dset1(VLOSS_D_LN2_HI)), dwiden(max)));
  const vd unit = dexp(dmax(dset1(-600.0), dmin(far, power)));
  const vd vague = dsel(dgt(dmul(first, dset1(VAGUE)), rest), dset1(1.0), dset1(0.0));
  ALIGNED double is_vague[16], rests[16], spreads[16];
  ALIGNED float is_far[16];
  dstore(is_vague, vague);
  dstore(rests, dmul(rest, unit));
  dstore(spreads, dmul(dload(b->spread), unit));
  vstore(is_far, vsel(is_huge(max), vset1(1.0f), vset1(0.0f)));
  for (size_t i = 0, m; i < b->count; i++) {
    if (b->leave[i] != 0) continue;
    out[i] = (struct row_summary){s->max[i] + 0.0f, rests[i], spreads[i]}; /* of -0 and 0 the same */
    if (s->max[i] == -INF && s->sum[i] == s->sum[i]) {
      out[i] = (struct row_summary){-INF, 0, 0};
    } else if (s->max[i] - s->max[i] != 0 || s->sum[i] - s->sum[i] != 0) {
      out[i].rest = (double)NOT_A_NUMBER;
    } else if (is_vague[i] != 0 || is_far[i] != 0) {
      const struct logit_row x = log_probs_row(job, b->at[i].row, block);
      const float *const y = logit_row_block(&x, b->at[i].c, &m);
      out[i] = summary_apart(y, m, s->max[i] + 0.0f);
    }
  }
}

void merged_summaries(const struct row_summary *parts, size_t n, struct row_summary *row) {
  ALIGNED double d[16], e[16];
  size_t high = 0;
  for (size_t i = 0; i < n; i++) {
    if (parts[i].max > parts[high].max || parts[i].rest != parts[i].rest) high = i;
    if (parts[i].rest != parts[i].rest) break;
  }
  struct row_summary s = parts[high];
  if (s.max == -INF || s.rest != s.rest) n = 0;
  for (size_t i = 0; i < 16; i++) d[i] = i < n ? (double)s.max - (double)parts[i].max : 0;
  const vd minus_d = dsub(dset1(0.0), dload(d)), least = dset1(-600.0);
  dstore(e, dsel(dgt(least, minus_d), dset1(0.0), dexp(dmax(least, minus_d))));
  for (size_t i = 0; i < n; i++) {
    if (i == high || e[i] == 0) continue;
    const double all = 1 + parts[i].rest;
    s.rest += all * e[i];
    s.spread += (parts[i].spread + all * d[i]) * e[i]; /* a tiny spread alone times e would be a denormal number */
  }
  *row = s;
}
