/* Rows that lie interleaved: a slab is up to 15 rows side by side, the values of one class after the other. Its memory
 * is taken as it comes: in 16 classes of w rows, w vectors, a lane holds class c % 16 of one row, and so does the same
 * lane of the next 16 classes. So the lanes are those of the rows' own sums (sums.h), in the same order, and what
 * belongs to a row is a pattern of w vectors. */
#ifndef VLOSS_KERNELS_SLAB_MEMORY_H
#define VLOSS_KERNELS_SLAB_MEMORY_H

#include "groups.h"

/* Class c of row i is at p[c * step + i]; step == w where nothing lies between. */
struct slab {
  const float *p;
  size_t step, w;
};
enum { SLAB_ROWS = 15, SLAB_VECTORS = 4 * SLAB_ROWS };
/* Of a block of 64 classes, and of a pattern; stores of whole vectors spill over the end. */
#define SLAB_BLOCK (16 * SLAB_VECTORS + 16)
#define SLAB_PATTERN (16 * SLAB_ROWS + 16)

/* The slab that begins with row i of a group, and how many there are. */
VFN size_t slab_rows(const struct vloss_shape *shape, const struct group *g) {
  return g->n < shape->inner ? g->n : shape->inner;
}
VFN struct slab slab_at(const struct vloss_shape *shape, const struct group *g, const float *p, size_t stride,
                        size_t i) {
  return (struct slab){p + row_offset(shape, stride, g->first + i), shape->inner, slab_rows(shape, g)};
}

VFN size_t block_classes(size_t c, size_t classes) { return classes - c < BLOCK ? classes - c : BLOCK; }
/* The same in whole vectors of 16. */
VFN size_t used_vectors(size_t c, size_t classes) { return (block_classes(c, classes) + 15) / 16 * 16; }

/* Classes c..c+63, the values of each beside each other: in place, or in the buffer with `fill` behind the last class.
 */
static __attribute__((noinline, unused)) void slab_copy(const struct slab *s, size_t c, size_t classes, float fill,
                                                        float *buffer) {
  const size_t n = block_classes(c, classes), w = s->w;
  const float *p = s->p + c * s->step;
  if (s->step == w) {
    memcpy(buffer, p, n * w * sizeof *p);
  } else {
    const int ask = classes * s->step * sizeof *p > ASKED_BYTES / 4;
    for (size_t j = 0; j < n; j++) {
      if (ask) ask_for_columns(p + j * s->step, s->step * sizeof *p, w * sizeof *p, COLUMNS_AHEAD, 1, 0);
      copy_few(buffer + j * w, p + j * s->step, w);
    }
  }
  for (size_t i = n * w; i < BLOCK * w; i += 16) vstore(buffer + i, vset1(fill));
}
VFN const float *slab_block(const struct slab *s, size_t c, size_t classes, float fill, float *buffer) {
  if (s->step == s->w && classes - c >= BLOCK) return s->p + c * s->step;
  slab_copy(s, c, classes, fill, buffer);
  return buffer;
}
/* The same with -inf for each row's class in skip (-1: none), and behind the last class. */
VFN const float *slab_block_but(const struct slab *s, size_t c, size_t classes, vi skip, float *buffer) {
  const vm here = vmand(vigt(skip, viset1((int32_t)c - 1)), vigt(viset1((int32_t)(c + BLOCK)), skip));
  if (!vany(here)) return slab_block(s, c, classes, -INF, buffer);
  int32_t skips[16];
  vistore(skips, skip);
  slab_copy(s, c, classes, -INF, buffer);
  for (size_t i = 0; i < s->w; i++)
    if (skips[i] >= 0 && (size_t)skips[i] - c < BLOCK) buffer[((size_t)skips[i] - c) * s->w + i] = -INF;
  return buffer;
}

/* The classes of a slab's output: straight to memory, or from the buffer. */
VFN float *slab_output(const struct slab *s, size_t c, size_t classes, float *buffer) {
  return s->step == s->w && classes - c >= BLOCK ? (float *)(uintptr_t)s->p + c * s->step : buffer;
}
VFN void slab_write(const struct slab *s, size_t c, size_t classes, const float *buffer) {
  float *p = (float *)(uintptr_t)s->p + c * s->step;
  const size_t n = block_classes(c, classes);
  if (s->step == s->w) {
    if (n < BLOCK) memcpy(p, buffer, n * s->w * sizeof *p);
  } else {
    const int ask = classes * s->step * sizeof *p > ASKED_BYTES / 4;
    for (size_t j = 0; j < n; j++) {
      if (ask) ask_for_columns(p + j * s->step, s->step * sizeof *p, s->w * sizeof *p, COLUMNS_AHEAD, 1, 1);
      copy_few(p + j * s->step, buffer + j * s->w, s->w);
    }
  }
}

/* l % w, for lanes l of two vectors. */
#define EIGHT(l, w)                                                                                                \
  (l) % (w), ((l) + 1) % (w), ((l) + 2) % (w), ((l) + 3) % (w), ((l) + 4) % (w), ((l) + 5) % (w), ((l) + 6) % (w), \
      ((l) + 7) % (w)
#define LANES(w) \
  { EIGHT(0, w), EIGHT(8, w), EIGHT(16, w), EIGHT(24, w) }
static const int32_t row_of_lane[SLAB_ROWS + 1][32] = {LANES(1),  LANES(1),  LANES(2),  LANES(3), LANES(4),  LANES(5),
                                                       LANES(6),  LANES(7),  LANES(8),  LANES(9), LANES(10), LANES(11),
                                                       LANES(12), LANES(13), LANES(14), LANES(15)};
#undef LANES
#undef EIGHT
/* One value a row, in lanes i..i+w-1 of `rows`, as a pattern. */
VFN void to_pattern(float *pattern, vf rows, size_t i, size_t w) {
  const vi first = viset1((int32_t)i);
  const size_t step = (size_t)row_of_lane[w][16];
  for (size_t k = 0, row = 0; k < 16 * w; k += 16) {
    vstore(pattern + k, vpermute(rows, viadd(viload(row_of_lane[w] + row), first)));
    row += step;
    if (row >= w) row -= w;
  }
}
/* The greatest of each row in a pattern. */
VFN vf pattern_max(const float *pattern, size_t w) {
  vf max = vload(pattern);
  for (size_t k = 1; k < 16; k++) max = vmax(vload(pattern + k * w), max);
  return max;
}
/* The sums of the rows, by the tree of dsum. */
VFN void pattern_sum(double *sums, size_t w) {
  for (size_t h = 8; h > 0; h /= 2)
    for (size_t i = 0; i < h * w;)
      if (i + 16 <= h * w) {
        dstore(sums + i, dadd(dload(sums + i), dload(sums + i + h * w)));
        i += 16;
      } else {
        sums[i] += sums[i + h * w];
        i++;
      }
}
/* Rows i..i+15 of an array of 16, whatever follows. */
VFN vf rows_from(const float *values, size_t i) {
  float twice[32];
  if (i == 0) return vload(values);
  vstore(twice, vload(values));
  vstore(twice + 16, vload(values));
  return vload(twice + i);
}
VFN vi irows_from(const int32_t *values, size_t i) {
  int32_t rows[32];
  for (size_t k = 0; k < 16; k++) rows[k] = i + k < 16 ? values[i + k] : -1;
  return viload(rows);
}

#endif
