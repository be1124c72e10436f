/* 16 rows side by side, one a lane: their sums, maxima, and where those are. */
#ifndef VLOSS_KERNELS_TILE_SUMS_H
#define VLOSS_KERNELS_TILE_SUMS_H

#include <string.h>

#include "exp_terms.h"
#include "memory/ahead.h"

#define tile_sum VLOSS_ISA_SYMBOL(vloss_tile_sum)
#define tile_sum_below VLOSS_ISA_SYMBOL(vloss_tile_sum_below)
#define tile_max VLOSS_ISA_SYMBOL(vloss_tile_max)
#define tile_find VLOSS_ISA_SYMBOL(vloss_tile_find)
#define band_sum VLOSS_ISA_SYMBOL(vloss_band_sum)

/* n floats, 1 <= n < 16, in pieces whose sizes the compiler knows; two of them may overlap. */
VFN void copy_few(float *to, const float *from, size_t n) {
  if (n >= 8) {
    memcpy(to, from, 8 * sizeof *to);
    memcpy(to + n - 8, from + n - 8, 8 * sizeof *to);
  } else if (n >= 4) {
    memcpy(to, from, 4 * sizeof *to);
    memcpy(to + n - 4, from + n - 4, 4 * sizeof *to);
  } else if (n >= 2) {
    memcpy(to, from, 2 * sizeof *to);
    memcpy(to + n - 2, from + n - 2, 2 * sizeof *to);
  } else {
    *to = *from;
  }
}

/* Class c of lane i is at p[c * step + i]; n lanes are rows, the others read as 0. */
struct tile {
  const float *p;
  size_t step, n;
};
VFN vf tile_load(const struct tile *t, size_t c) {
  return t->n == 16 ? vload(t->p + c * t->step) : vtail(t->p + c * t->step, t->n, 0.0f);
}
/* From class c on. */
VFN struct tile tile_from(const struct tile *t, size_t c) { return (struct tile){t->p + c * t->step, t->step, t->n}; }
/* n <= BLOCK classes from class c on in whole vectors: as they lie, or of fewer rows than 16 copies, in a buffer whose
 * other lanes keep what they have. */
enum { TILE_COPY = 16 * BLOCK };
VFN struct tile whole_tile(const struct tile *t, size_t c, size_t n, float *buffer) {
  if (t->n == 16) return (struct tile){t->p + c * t->step, t->step, 16};
  for (size_t j = 0; j < n; j++) copy_few(buffer + 16 * j, t->p + (c + j) * t->step, t->n);
  return (struct tile){buffer, 16, 16};
}
/* Where such classes are written, and what brings those of a buffer home. */
VFN struct tile whole_output(const struct tile *t, size_t c, float *buffer) {
  if (t->n == 16) return (struct tile){t->p + c * t->step, t->step, 16};
  return (struct tile){buffer, 16, 16};
}
VFN void put_whole_output(const struct tile *t, size_t c, size_t n, const float *buffer) {
  for (size_t j = 0; t->n < 16 && j < n; j++)
    copy_few((float *)(uintptr_t)t->p + (c + j) * t->step, buffer + 16 * j, t->n);
}
VFN void fill_tile_copy(float *buffer, float value) {
  for (size_t i = 0; i < TILE_COPY; i += 16) vstore(buffer + i, vset1(value));
}
/* Columns that lie apart, ahead of column c (ahead.h), of so many classes that they may not be in the cache. */
VFN int tile_asks(const struct tile *t, size_t classes) { return classes * t->step * sizeof *t->p > ASKED_BYTES / 4; }
VFN void tile_ask(const struct tile *t, size_t c, const size_t n) {
  ask_for_columns(t->p + c * t->step, t->step * sizeof *t->p, 16 * sizeof *t->p, COLUMNS_AHEAD, n, 0);
}
VFN void tile_ask_to_write(const struct tile *t, size_t c, const size_t n) {
  ask_for_columns(t->p + c * t->step, t->step * sizeof *t->p, 16 * sizeof *t->p, COLUMNS_AHEAD, n, 1);
}
VFN vf tile_load_but(const struct tile *t, size_t c, vi skip) {
  return vsel(vieq(skip, viset1((int32_t)c)), vset1(-INF), tile_load(t, c));
}

VFN vd tile_tree(vd *sum, size_t classes) {
  size_t used = classes < 16 ? classes : 16;
  for (size_t h = 8; h > 0; h /= 2)
    for (size_t j = 0; j < h && j + h < used; j++) sum[j] = dadd(sum[j], sum[j + h]);
  return sum[0];
}

/* Rows of a tile without the classes in skip (-1: none), and in left_out their logits; or -inf. */
void tile_sum(const struct tile *x, size_t classes, const int32_t *skip, struct row_sums *out, float *left_out);
/* The same of up to BAND_GROUPS tiles side by side (bands.h). */
enum { BAND_GROUPS = 4 };
void band_sum(const struct tile *tiles, size_t count, size_t classes, const int32_t *const *skip, struct row_sums *out,
              float *const *left_out);
/* The same with known maxima: N and the shifts are fixed by those in *out. */
void tile_sum_below(const struct tile *x, size_t classes, const int32_t *skip, struct row_sums *out);
/* As row_max. */
void tile_max(const struct tile *x, size_t classes, const int32_t *skip, float *max);
/* As row_find: the first class at the maximum, the last class if there is none. */
void tile_find(const struct tile *x, size_t classes, const float *max, int32_t *found);

/* tile_sum of 16 rows of up to 16 classes without huge logits, r[c] being class c of every row: all in registers where
 * there are 32. The terms are kept in `kept` as a tile. Terms that do not exist are 0: the sum's order is that of any
 * row. */
VFN void sum_of_16(vf *r, size_t classes, vi skip, float *kept, struct row_sums *out, float *left_out) {
  const vf none = vset1(-INF);
  vf left = none, max[4];
  UNROLL for (int j = 0; j < 16; j++) {
    const vm skipped = vieq(skip, viset1(j));
    left = vsel(skipped, r[j], left);
    r[j] = vsel(skipped, none, r[j]);
    if ((size_t)j >= classes) r[j] = none;
  }
  UNROLL for (int j = 0; j < 4; j++) max[j] = vmax(vmax(r[j], r[j + 4]), vmax(r[j + 8], r[j + 12]));
  const vf top = vmax(vmax(max[0], max[1]), vmax(max[2], max[3]));
  const struct reference ref = reference_for(top);
  UNROLL for (int j = 0; j < 16; j += 4) {
    if ((size_t)j < classes)
      terms(r + j, r + j, 4, &ref);
    else
      r[j] = r[j + 1] = r[j + 2] = r[j + 3] = vset1(0.0f);
  }
  UNROLL for (int j = 0; j < 16; j++) vstore(kept + 16 * j, r[j]);
  vd sum[8];
  UNROLL for (int j = 0; j < 8; j++) sum[j] = dwiden(r[j]);
  if (classes > 8) UNROLL for (int j = 0; j < 8; j++) sum[j] = dadd(sum[j], dwiden(r[j + 8]));
  UNROLL for (int j = 0; j < 4; j++) sum[j] = dadd(sum[j], sum[j + 4]);
  dstore(out->sum, dadd(dadd(sum[0], sum[2]), dadd(sum[1], sum[3])));
  vstore(out->n, ref.n);
  vstore(out->shift, vset1(0.0f));
  vstore(out->max, top);
  vstore(left_out, left);
}

#endif
