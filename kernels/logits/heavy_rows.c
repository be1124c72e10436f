/* Refining the sums of rows in which a few classes outweigh the others. */
#include "heavy_rows.h"

double heavy_block(const float *x, size_t step, size_t c, size_t classes, size_t skip, float max, float n) {
  const struct reference ref = reference_at(vset1(n));
  ALIGNED float copy[BLOCK];
  vf v[4];
  if (step == 1) {
    for (size_t j = 0; j < 4; j++) v[j] = row_load(x, c + 16 * j, classes, skip);
  } else {
    for (size_t i = 0; i < BLOCK; i++) copy[i] = c + i < classes && c + i != skip ? x[(c + i) * step] : -INF;
    for (size_t j = 0; j < 4; j++) v[j] = vload(copy + 16 * j);
  }
  if (!vany(vgt(vmax(vmax(v[0], v[1]), vmax(v[2], v[3])), vset1(max - HEAVY)))) return 0;
  for (size_t j = 0; j < 4; j++) v[j] = vflush(v[j]); /* the same terms (calm.h) */
  terms(v, v, 4, &ref);
  return dsum(combine4_exactly(v)) - dsum(dwiden(combine4(v)));
}
double heavy_blocks(const float *x, size_t classes, size_t skip, float max, float n) {
  const vf heavy = vset1(max - HEAVY);
  double change = 0;
  for (size_t c = 0; c < classes; c += BLOCK) {
    vf v = row_load(x, c, classes, skip);
    for (size_t j = 16; j < BLOCK; j += 16) v = vmax(row_load(x, c + j, classes, skip), v);
    if (vany(vgt(v, heavy))) change += heavy_block(x, 1, c, classes, skip, max, n);
  }
  return change;
}

uint32_t rows_to_refine(const struct row_sums *sums, const double *leave, size_t n) {
  /* The greatest term is 2^t, the sum at least 2^exponent: their ratio is at least 0.4 if it is in truth. */
  const vf t = vfma(vload(sums->max), vset1(VLOSS_LOG2E), vsub(vset1(1.33f), vload(sums->n)));
  const vm outweighed = vgt(t, dnarrow(dexponent(dload(sums->sum))));
  if (!vany(outweighed)) return 0;
  ALIGNED float flags[16];
  vstore(flags, vsel(outweighed, vset1(1.0f), vset1(0.0f)));
  uint32_t rows = 0;
  for (size_t i = 0; i < n; i++)
    if (flags[i] != 0 && leave[i] == 0 && sums->shift[i] == 0 && sums->max[i] > -INF && sums->max[i] < INF)
      rows |= 1u << i;
  return rows;
}
void tile_refine(const struct tile *x, size_t classes, const int32_t *skip, uint32_t rows, struct row_sums *sums) {
  ALIGNED float limits[16];
  for (size_t i = 0; i < 16; i++) limits[i] = rows >> i & 1 ? sums->max[i] - HEAVY : INF;
  for (size_t c = 0; c < classes; c += BLOCK) {
    vf max = vset1(-INF);
    for (size_t j = c; j < classes && j - c < BLOCK; j++) max = vmax(tile_load_but(x, j, viload(skip)), max);
    if (!vany(vgt(max, vload(limits)))) continue;
    for (size_t i = 0; i < 16; i++)
      if (rows >> i & 1)
        sums->sum[i] +=
            heavy_block(x->p + i, x->step, c, classes, (size_t)(ptrdiff_t)skip[i], sums->max[i], sums->n[i]);
  }
}
