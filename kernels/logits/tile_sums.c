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

/* Sums in one pass over blocks of 64 classes, or (known_max) with N and the shift fixed by the maxima in out->max.
 * left_out (not with known_max) receives x_skip, or -inf for rows without. */
VFN void tile_sum_pass(const struct tile *x, size_t classes, vi skip, struct row_sums *out, float *left_out,
                       const int known_max) {
  vf e[BLOCK];
  vd sum[16];
  const size_t width = classes < 16 ? classes : 16;
  const int ask = tile_asks(x, classes);
  struct reference ref = reference_at(vset1(0.0f));
  vf top = vset1(-INF), shift = vset1(0.0f), left = vset1(-INF);
  if (known_max) {
    top = vload(out->max);
    vm huge = is_huge(top);
    shift = vsel(huge, top, shift);
    ref = reference_at(vsel(huge, vset1(-TOP_EXPONENT), reference_for(top).n));
  }
  for (size_t c0 = 0; c0 < classes; c0 += BLOCK) {
    size_t used = classes - c0 < BLOCK ? classes - c0 : BLOCK;
    if (!known_max) {
      vf max = vset1(-INF);
      for (size_t j = 0; j < used; j++) {
        vf v = tile_load(x, c0 + j);
        if (ask) tile_ask(x, c0 + j, 1);
        vm skipped = vieq(skip, viset1((int32_t)(c0 + j)));
        left = vsel(skipped, v, left);
        e[j] = vsel(skipped, vset1(-INF), v);
        max = vmax(e[j], max);
      }
      if (c0 == 0) {
        ref = reference_for(max);
      } else if (vany(vgt(max, ref.limit))) {
        struct reference raised = reference_at(vsel(vgt(max, ref.limit), reference_for(max).n, ref.n));
        vf difference = vsub(ref.n, raised.n);
        for (size_t j = 0; j < width; j++) sum[j] = dmul(sum[j], dpower_of_two(dwiden(difference)));
        ref = raised;
      }
      top = vmax(max, top);
    } else {
      for (size_t j = 0; j < used; j++) e[j] = vsub(tile_load_but(x, c0 + j, skip), shift);
    }
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
      const vd combined =
          known_max || classes <= SHORT_ROW ? tile_combine_exactly(e, j, used) : tile_combine(e, j, used);
      sum[j] = c0 ? dadd(sum[j], combined) : combined;
    }
  }
  dstore(out->sum, tile_tree(sum, classes));
  vstore(out->n, ref.n);
  vstore(out->shift, shift);
  vstore(out->max, top);
  if (!known_max) vstore(left_out, left);
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

void tile_sum(const struct tile *x, size_t classes, const int32_t *skip, struct row_sums *out, float *left_out) {
  tile_sum_pass(x, classes, viload(skip), out, left_out, 0);
  if (__builtin_expect(vany(is_huge(vload(out->max))), 0)) {
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
}
