/* The sums of 16 rows side by side. */
#include "tile_sums.h"

/* (e[j] + e[j+16]) + (e[j+32] + e[j+48]) of the first `used` terms; terms that do not exist would add +0. */
VFN vd tile_combine(const vf *e, size_t j, size_t used) {
  vf sum = e[j];
  if (j + 16 < used) sum = vadd(sum, e[j + 16]);
  if (j + 48 < used) return dwiden(vadd(sum, vadd(e[j + 32], e[j + 48])));
  return dwiden(j + 32 < used ? vadd(sum, e[j + 32]) : sum);
}
VFN vd tile_combine_exactly(const vf *e, size_t j, size_t used) {
  vd sum = dwiden(e[j]);
  if (j + 16 < used) sum = dadd(sum, dwiden(e[j + 16]));
  if (j + 48 < used) return dadd(sum, dadd(dwiden(e[j + 32]), dwiden(e[j + 48])));
  return j + 32 < used ? dadd(sum, dwiden(e[j + 32])) : sum;
}

void tile_max(const struct tile *x, size_t classes, const int32_t *skip, float *max) {
  const vi skips = viload(skip);
  vf m = vset1(-INF);
  for (size_t c = 0; c < classes; c++) m = vmax(tile_load_but(x, c, skips), m);
  vstore(max, m);
}

void tile_find(const struct tile *x, size_t classes, const float *max, int32_t *found) {
  const vf top = vload(max);
  vi at = viset1((int32_t)(classes - 1));
  for (size_t c = classes; c-- > 0;) at = visel(veq(tile_load(x, c), top), viset1((int32_t)c), at);
  vistore(found, at);
}

/* What a pass over blocks of 64 classes has come to. */
struct tile_state {
  vd sum[16];
  struct reference ref;
  vf top, left;
};
/* The block x that begins with class c0: summed in one pass, or (known_max) with N and the shift fixed. `left` (not
 * with known_max) becomes x_skip, and stays -inf for rows without. */
VFN void tile_sum_block(const struct tile *x, size_t c0, size_t classes, vi skip, vf shift, struct tile_state *s,
                        const int known_max, const int ask) {
  vf e[BLOCK];
  const size_t width = classes < 16 ? classes : 16, used = classes - c0 < BLOCK ? classes - c0 : BLOCK;
  if (!known_max) {
    vf max = vset1(-INF), left = s->left;
    for (size_t j = 0; j < used; j++) {
      vf v = tile_load(x, j);
      if (ask) tile_ask(x, j, 1);
      vm skipped = vieq(skip, viset1((int32_t)(c0 + j)));
      left = vsel(skipped, v, left);
      e[j] = vsel(skipped, vset1(-INF), v);
      max = vmax(e[j], max);
    }
    s->left = left;
    if (c0 == 0) {
      s->ref = reference_for(max);
    } else if (vany(vgt(max, s->ref.limit))) {
      struct reference raised = reference_at(vsel(vgt(max, s->ref.limit), reference_for(max).n, s->ref.n));
      vf difference = vsub(s->ref.n, raised.n);
      for (size_t j = 0; j < width; j++) s->sum[j] = dmul(s->sum[j], dpower_of_two(dwiden(difference)));
      s->ref = raised;
    }
    s->top = vmax(max, s->top);
  } else {
    for (size_t j = 0; j < used; j++) e[j] = vsub(tile_load_but(x, j, visub(skip, viset1((int32_t)c0))), shift);
  }
  const struct reference ref = s->ref;
  size_t j = 0;
  for (; j + 4 <= used; j += 4) {
    if (known_max)
      terms_or_0(e + j, e + j, 4, &ref);
    else
      terms(e + j, e + j, 4, &ref);
  }
  for (; j < used; j++) {
    if (known_max)
      terms_or_0(e + j, e + j, 1, &ref);
    else
      e[j] = term(e[j], &ref);
  }
  for (j = 0; j < width && j < used; j++) {
    const vd combined = known_max || classes <= SHORT_ROW ? tile_combine_exactly(e, j, used) : tile_combine(e, j, used);
    s->sum[j] = c0 ? dadd(s->sum[j], combined) : combined;
  }
}
VFN void tile_state_sums(struct tile_state *s, size_t classes, vf shift, struct row_sums *out) {
  dstore(out->sum, tile_tree(s->sum, classes));
  vstore(out->n, s->ref.n);
  vstore(out->shift, shift);
  vstore(out->max, s->top);
}
/* The sums of a tile; with known_max of the maxima in out->max. */
VFN void tile_sum_pass(const struct tile *x, size_t classes, vi skip, struct row_sums *out, float *left_out,
                       const int known_max) {
  struct tile_state s;
  vf shift = vset1(0.0f);
  const int ask = tile_asks(x, classes);
  s.ref = reference_at(vset1(0.0f));
  s.top = s.left = vset1(-INF);
  if (known_max) {
    s.top = vload(out->max);
    vm huge = is_huge(s.top);
    shift = vsel(huge, s.top, shift);
    s.ref = reference_at(vsel(huge, vset1(-TOP_EXPONENT), reference_for(s.top).n));
  }
  for (size_t c0 = 0; c0 < classes; c0 += BLOCK) {
    const struct tile at = tile_from(x, c0);
    tile_sum_block(&at, c0, classes, skip, shift, &s, known_max, ask);
  }
  tile_state_sums(&s, classes, shift, out);
  if (!known_max) vstore(left_out, s.left);
}

/* Out of line: rows with huge logits are rare. A row with +inf has the sum +inf, or NaN if it has NaN, too. */
void tile_sum_below(const struct tile *x, size_t classes, const int32_t *skip, struct row_sums *out) {
  tile_sum_pass(x, classes, viload(skip), out, NULL, 1);
  for (size_t i = 0; i < x->n; i++)
    if (out->max[i] == INF) {
      out->sum[i] = (double)INF;
      out->n[i] = out->shift[i] = 0;
      for (size_t c = 0; c < classes; c++) {
        float v = x->p[c * x->step + i];
        if (v != v && (int32_t)c != skip[i]) out->sum[i] = (double)NOT_A_NUMBER;
      }
    }
}

/* Rows with huge logits are summed again. */
static SMALL void tile_sum_huge(const struct tile *x, size_t classes, const int32_t *skip, struct row_sums *out) {
  struct row_sums below;
  tile_max(x, classes, skip, below.max);
  tile_sum_below(x, classes, skip, &below);
  float huge[16];
  vstore(huge, vsel(is_huge(vload(out->max)), vset1(1.0f), vset1(0.0f)));
  for (size_t i = 0; i < 16; i++)
    if (huge[i] != 0) {
      out->sum[i] = below.sum[i];
      out->n[i] = below.n[i];
      out->shift[i] = below.shift[i];
      out->max[i] = below.max[i];
    }
}
void tile_sum(const struct tile *x, size_t classes, const int32_t *skip, struct row_sums *out, float *left_out) {
  tile_sum_pass(x, classes, viload(skip), out, left_out, 0);
  if (__builtin_expect(vany(is_huge(vload(out->max))), 0)) tile_sum_huge(x, classes, skip, out);
}

void band_sum(const struct tile *tiles, size_t count, size_t classes, const int32_t *const *skip, struct row_sums *out,
              float *const *left_out) {
  ALIGNED float copy[TILE_COPY];
  struct tile_state states[BAND_GROUPS];
  fill_tile_copy(copy, 0.0f);
  for (size_t k = 0; k < count; k++) states[k].top = states[k].left = vset1(-INF);
  for (size_t c0 = 0; c0 < classes; c0 += BLOCK)
    for (size_t k = 0; k < count; k++) {
      const struct tile x = whole_tile(&tiles[k], c0, classes - c0 < BLOCK ? classes - c0 : BLOCK, copy);
      tile_sum_block(&(struct tile){x.p, x.step, 16}, c0, classes, viload(skip[k]), vset1(0.0f), &states[k], 0,
                     x.p != copy);
    }
  for (size_t k = 0; k < count; k++) {
    tile_state_sums(&states[k], classes, vset1(0.0f), &out[k]);
    vstore(left_out[k], states[k].left);
    if (__builtin_expect(vany(is_huge(vload(out[k].max))), 0)) tile_sum_huge(&tiles[k], classes, skip[k], &out[k]);
  }
}
