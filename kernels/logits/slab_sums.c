/* The sums of interleaved rows, by what row_sums.c does with one row. */
#include "slab_sums.h"

#include "heavy_rows.h"

struct slab_sums {
  vf n, shift, max; /* lanes: rows */
  ALIGNED float n_pattern[SLAB_PATTERN], shift_pattern[SLAB_PATTERN], limit_pattern[SLAB_PATTERN];
  ALIGNED float block_max[SLAB_PATTERN], top[SLAB_PATTERN];
  ALIGNED double sum[16 * SLAB_ROWS];
};

/* N for what a block makes the maximum of rows. */
static SMALL void slab_raise(struct slab_sums *s, size_t w, int first) {
  const vf max = pattern_max(s->block_max, w);
  vf n = reference_for(max).n;
  if (!first) {
    n = vsel(vgt(max, reference_at(s->n).limit), n, s->n);
    ALIGNED float change[SLAB_PATTERN];
    to_pattern(change, vsub(s->n, n), 0, w);
    for (size_t i = 0; i < 16 * w; i += 16)
      dstore(s->sum + i, dmul(dload(s->sum + i), dpower_of_two(dwiden(vload(change + i)))));
  }
  s->n = n;
  to_pattern(s->n_pattern, n, 0, w);
  to_pattern(s->limit_pattern, reference_at(n).limit, 0, w);
}

/* As row_block with w rows. */
VFN void slab_add(struct slab_sums *s, const float *x, size_t w, const int first, const int known_max,
                  const int exact) {
  if (!known_max) {
    int raise = first;
    for (size_t i = 0; i < 16 * w; i += 16) {
      const vf max =
          vmax(vmax(vload(x + i), vload(x + i + 16 * w)), vmax(vload(x + i + 32 * w), vload(x + i + 48 * w)));
      vstore(s->block_max + i, max);
      vstore(s->top + i, first ? max : vmax(max, vload(s->top + i)));
      if (!first) raise |= vany(vgt(max, vload(s->limit_pattern + i)));
    }
    if (__builtin_expect(raise, 0)) slab_raise(s, w, first);
  }
  for (size_t i = 0; i < 16 * w; i += 16) {
    const struct reference ref = reference_at(vload(s->n_pattern + i));
    vf v[4];
    UNROLL for (size_t j = 0; j < 4; j++) {
      v[j] = vload(x + i + 16 * j * w);
      if (known_max) v[j] = vsub(v[j], vload(s->shift_pattern + i));
    }
    if (known_max)
      terms_or_0(v, v, 4, &ref);
    else
      terms(v, v, 4, &ref);
    const vd sum = exact ? combine4_exactly(v) : dwiden(combine4(v));
    dstore(s->sum + i, first ? sum : dadd(dload(s->sum + i), sum));
  }
}

/* As tile_sum_pass: rows at.. of *out get their sums; known_max: below the maxima in it. */
VFN void slab_sum_pass(const struct slab *slab, size_t classes, vi skip, struct row_sums *out, size_t at,
                       const int known_max) {
  struct slab_sums s;
  ALIGNED float buffer[SLAB_BLOCK];
  const size_t w = slab->w;
  s.shift = vset1(0.0f);
  vstore(s.block_max + 16 * w, s.shift); /* behind the pattern: no numbers of chance */
  vstore(s.top + 16 * w, s.shift);
  if (known_max) {
    const vf max = rows_from(out->max, at);
    const vm huge = is_huge(max);
    s.max = max;
    s.shift = vsel(huge, max, s.shift);
    s.n = vsel(huge, vset1(-TOP_EXPONENT), reference_for(max).n);
    to_pattern(s.n_pattern, s.n, 0, w);
    to_pattern(s.shift_pattern, s.shift, 0, w);
  }
  slab_add(&s, slab_block_but(slab, 0, classes, skip, buffer), w, 1, known_max, known_max || classes <= SHORT_ROW);
  for (size_t c = BLOCK; c < classes; c += BLOCK) {
    const float *x = slab_block_but(slab, c, classes, skip, buffer);
    if (known_max || classes <= SHORT_ROW)
      slab_add(&s, x, w, 0, known_max, 1);
    else
      slab_add(&s, x, w, 0, known_max, 0);
  }
  if (!known_max) s.max = pattern_max(s.top, w);
  pattern_sum(s.sum, w);
  memcpy(out->sum + at, s.sum, w * sizeof *s.sum);
  vstore_tail(out->n + at, s.n, w);
  vstore_tail(out->shift + at, s.shift, w);
  vstore_tail(out->max + at, s.max, w);
}
void slab_sum_below(const struct slab *slab, size_t classes, const int32_t *skip, struct row_sums *out, size_t at) {
  slab_sum_pass(slab, classes, viload(skip), out, at, 1);
  for (size_t i = 0; i < slab->w; i++)
    if (out->max[at + i] == INF) {
      out->sum[at + i] = (double)INF;
      out->n[at + i] = out->shift[at + i] = 0;
      for (size_t c = 0; c < classes; c++) {
        const float v = slab->p[c * slab->step + i];
        if (v != v && (int32_t)c != skip[i]) out->sum[at + i] = (double)NOT_A_NUMBER;
      }
    }
}
/* As row_max, for a slab of one row. */
static float slab_row_max(const struct slab *slab, size_t classes, int32_t skip) {
  ALIGNED float buffer[BLOCK + 16];
  vf max = vset1(-INF);
  for (size_t c = 0; c < classes; c += BLOCK) {
    const float *x = slab_block_but(slab, c, classes, viset1(skip), buffer);
    for (size_t j = 0; j < BLOCK; j += 16) max = vmax(vload(x + j), max);
  }
  return vhmax(max);
}
void slab_sum(const struct slab *slab, size_t classes, const int32_t *skip, struct row_sums *out, size_t at) {
  slab_sum_pass(slab, classes, viload(skip), out, at, 0);
  for (size_t i = 0; i < slab->w; i++)
    if (__builtin_expect(vany(is_huge(vset1(out->max[at + i]))), 0)) {
      const struct slab row = {slab->p + i, slab->step, 1};
      int32_t own[16];
      vistore(own, viset1(skip[i]));
      out->max[at + i] = slab_row_max(&row, classes, skip[i]);
      slab_sum_below(&row, classes, own, out, at + i);
    }
}

/* Blocks in which no row has a heavy term are passed over, all rows at once. */
void slab_refine(const struct slab *slab, size_t classes, vi skip, uint32_t rows, struct row_sums *sums, size_t at) {
  ALIGNED float buffer[SLAB_BLOCK], heavy[SLAB_PATTERN], limits[16];
  int32_t skips[16];
  const size_t w = slab->w;
  vistore(skips, skip);
  for (size_t i = 0; i < 16; i++) limits[i] = i < w && rows >> i & 1 ? sums->max[at + i] - HEAVY : INF;
  to_pattern(heavy, vload(limits), 0, w);
  for (size_t c = 0; c < classes; c += BLOCK) {
    const float *x = slab_block_but(slab, c, classes, skip, buffer);
    int any = 0;
    for (size_t i = 0; i < 16 * w; i += 16)
      for (size_t j = i; j < BLOCK * w; j += 16 * w) any |= vany(vgt(vload(x + j), vload(heavy + i)));
    if (!any) continue;
    for (size_t i = 0; i < w; i++)
      if (rows >> i & 1) {
        const size_t skipped = (size_t)(ptrdiff_t)skips[i];
        sums->sum[at + i] +=
            heavy_block(slab->p + i, slab->step, c, classes, skipped, sums->max[at + i], sums->n[at + i]);
      }
  }
}

void slab_max(const struct slab *slab, size_t classes, float *max) {
  ALIGNED float buffer[SLAB_BLOCK], top[SLAB_PATTERN];
  const size_t w = slab->w;
  for (size_t i = 0; i <= 16 * w; i += 16) vstore(top + i, vset1(-INF));
  for (size_t c = 0; c < classes; c += BLOCK) {
    const float *x = slab_block(slab, c, classes, -INF, buffer);
    for (size_t i = 0; i < 16 * w; i += 16) {
      vf lanes = vload(top + i);
      for (size_t j = i; j < BLOCK * w; j += 16 * w) lanes = vmax(vload(x + j), lanes);
      vstore(top + i, lanes);
    }
  }
  vstore_tail(max, pattern_max(top, w), w);
}
/* For each lane the first 16 classes where it is at the maximum, from the last on
 * backwards; then the least class of each row's lanes. */
void slab_find(const struct slab *slab, size_t classes, const float *max, int32_t *found) {
  ALIGNED float buffer[SLAB_BLOCK], top[SLAB_PATTERN];
  ALIGNED int32_t first[SLAB_PATTERN];
  const size_t w = slab->w;
  const int32_t none = (int32_t)classes - 1;
  to_pattern(top, vtail(max, w, 0.0f), 0, w);
  for (size_t i = 0; i < 16 * w; i += 16) vistore(first + i, viset1(none));
  for (size_t c = (classes - 1) / BLOCK * BLOCK + BLOCK; c > 0;) {
    c -= BLOCK;
    const float *x = slab_block(slab, c, classes, NOT_A_NUMBER, buffer);
    for (size_t i = 0; i < 16 * w; i += 16) {
      vi at = viload(first + i);
      for (size_t j = 4; j-- > 0;)
        at = visel(veq(vload(x + i + 16 * j * w), vload(top + i)), viset1((int32_t)(c + 16 * j)), at);
      vistore(first + i, at);
    }
  }
  for (size_t i = 0; i < w; i++) {
    found[i] = none;
    for (size_t k = 0; k < 16; k++) {
      const int32_t at = first[k * w + i] + (int32_t)k;
      if (at < found[i]) found[i] = at;
    }
  }
}
