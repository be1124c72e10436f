/* Walking over rows in groups of up to 16: how a group lies in memory, and the gathering of small rows into a tile. */
#ifndef VLOSS_KERNELS_ROWS16_H
#define VLOSS_KERNELS_ROWS16_H

#include "calm.h"
#include "memory/past_cache.h"
#include "table.h"
#include "tile_sums.h"

#define group_tile VLOSS_ISA_SYMBOL(vloss_group_tile)
#define group_scatter VLOSS_ISA_SYMBOL(vloss_group_scatter)

enum layout {
  ALONG,       /* inner == 1: each row's classes are contiguous, vectors run along the classes */
  ACROSS,      /* inner >= 16: 16 rows are contiguous, vectors run across them */
  INTERLEAVED, /* fewer rows beside each other: the vectors run through memory (slabs.h) */
  GATHERED     /* few classes, enough rows: the rows are copied into a tile first */
};
struct group {
  size_t first, n; /* rows first .. first + n - 1 */
  enum layout layout;
  int calm; /* denormals have been met: what is made of rows is made of copies (calm.h) */
};

/* a / b: divisions of 64 bits take up to three times as long as those of 32. */
VFN size_t quotient(size_t a, size_t b) { return (uint64_t)(a | b) >> 32 ? a / b : (uint32_t)a / (uint32_t)b; }

VFN size_t row_offset(const struct vloss_shape *shape, size_t stride, size_t row) {
  if (shape->inner == 1) return row * stride;
  const size_t plane = quotient(row, shape->inner);
  return plane * stride + (row - plane * shape->inner);
}

/* The group that begins with row `first`, of rows before `last`. */
VFN struct group group_at(const struct vloss_shape *shape, size_t first, size_t last, int rereads) {
  const size_t plane = shape->inner == 1 ? first : quotient(first, shape->inner);
  size_t rest = last - first, in_line = (plane + 1) * shape->inner - first;
  struct group g = {first, rest < 16 ? rest : 16, GATHERED, 0};
  if (shape->inner == 1 && (shape->classes > GATHER_CLASSES || g.n < GATHER_ROWS)) {
    g.layout = ALONG;
    if (rereads && shape->classes * 16 * sizeof(float) > GROUP_BYTES) g.n = 1;
  } else if (shape->inner > 1 && g.n == 16 && in_line >= 16) {
    g.layout = ACROSS;
  } else if (shape->inner > 1 && shape->classes > GATHER_CLASSES) {
    g.layout = INTERLEAVED;
    if (in_line > g.n) in_line = g.n;
    /* Whole slabs, as many as fit; those that do not stay in the cache one at a time. */
    const size_t slabs = rereads && shape->classes * 16 * sizeof(float) > GROUP_BYTES ? 1 : quotient(g.n, shape->inner);
    g.n = in_line == shape->inner && slabs > 1 ? slabs * shape->inner : in_line;
  }
  return g;
}

/* Bands: where a class of all rows side by side is more than a vector, and the rows are more than the cache holds, 16
 * rows have a line or two of each class to themselves, which the hardware does not foresee: it waits for each. So up to
 * BAND_ROWS of them are walked down together, a few classes of 16 rows after those of the 16 before: memory then comes
 * as it lies, and a line that belongs to two groups comes once. Rows beyond whole groups are one of fewer, ACROSS, too,
 * of which whole vectors are copied. How many rows from `first` on are a band; 0: none. */
enum { BAND_ROWS = 16 * BAND_GROUPS };
VFN size_t band_rows(const struct vloss_shape *shape, size_t first, size_t last) {
  if (shape->inner <= 16 || shape->classes <= SHORT_ROW) return 0;
  if (shape->classes * shape->inner * sizeof(float) <= ASKED_BYTES) return 0;
  const size_t column = first - quotient(first, shape->inner) * shape->inner;
  const size_t left = shape->inner - column < last - first ? shape->inner - column : last - first;
  /* Half a group is worth one; of fewer rows the slabs (slabs.h) compute less. */
  if (left <= BAND_ROWS) return left % 16 < 8 ? left > 31 ? left - left % 16 : 0 : left > 16 ? left : 0;
  const size_t bands = (left + BAND_ROWS - 1) / BAND_ROWS, rows = left / bands / 16 * 16; /* of one size, about */
  return left - (bands - 1) * rows <= BAND_ROWS ? rows : rows + 16;
}
/* Group number k of a band of n rows. */
VFN size_t band_groups(size_t n) { return (n + 15) / 16; }
VFN struct group band_group(size_t first, size_t n, size_t k, int calm) {
  return (struct group){first + 16 * k, n - 16 * k < 16 ? n - 16 * k : 16, ACROSS, calm};
}

/* How many of a group's rows can be read and written from `at` in vectors of 16: all where rows are that long, else
 * those that spill only into later rows of the group's own dense memory. */
VFN size_t whole_vectors(const struct group *g, size_t stride, size_t classes) {
  if (classes >= 16) return g->n;
  return stride == classes && g->n * classes >= 16 ? (g->n * classes - 16) / classes + 1 : 0;
}

/* Whether up to n rows from row `first` on are calm that come after some that were, or not. */
VFN int rows_calm(const struct vloss_shape *shape, size_t first, size_t n, const float *x, size_t stride, int calm) {
  if (calm || !DENORMALS_ARE_SLOW) return calm;
  return met_denormals(0, x + row_offset(shape, stride, first), first * shape->classes, n * shape->classes);
}

/* Whether group_tile would turn one matrix of 16 rows and up to 16 classes. */
VFN int gathers_16(const struct vloss_shape *shape, const struct group *g) {
  return g->layout == GATHERED && shape->inner == 1 && g->n == 16 && shape->classes <= 16;
}
/* r[c] = class c of 16 rows, for up to 16 classes from p on; the first `whole` rows in whole vectors. */
VFN void gather_16(vf *r, const float *p, size_t stride, size_t classes, size_t whole) {
  UNROLL for (size_t i = 0; i < 16; i++) r[i] =
      i < whole ? vload(p + i * stride) : vtail(p + i * stride, classes < 16 ? classes : 16, 0.0f);
  vtranspose(r);
}

/* The tile of a group: in place, or a copy in `copy` (GATHER_CLASSES * 16 floats), turned 16 x 16 at a time. */
struct tile group_tile(const struct vloss_shape *shape, const struct group *g, const float *p, size_t stride,
                       float *copy);
/* Writes a group's copy home, where group_out took one. */
void group_scatter(const struct vloss_shape *shape, const struct group *g, float *p, size_t stride, const float *copy);

/* Writes class c of the group's rows: straight to memory, or into the copy, which group_scatter brings home. */
VFN void tile_store(const struct tile *t, size_t c, vf v) {
  float *p = (float *)(uintptr_t)t->p + c * t->step; /* a tile that is written was made of what may be */
  if (t->n == 16)
    vstore(p, v);
  else
    vstore_tail(p, v, t->n);
}
VFN struct tile group_out(const struct vloss_shape *shape, const struct group *g, float *p, size_t stride,
                          float *copy) {
  if (g->layout == ACROSS) return (struct tile){p + row_offset(shape, stride, g->first), shape->inner, g->n};
  return (struct tile){copy, 16, 16};
}
/* Calls step(context, c, n) for n <= 16 classes at a time, and with n = 16 and out + c on a 64-byte boundary wherever
 * `aligned` asks for it. */
typedef void class_step(void *context, size_t c, size_t n);
VFN void for_classes(size_t classes, const float *out, const int aligned, class_step *step, void *context) {
  size_t c = 0;
  if (aligned) {
    const size_t head = (64 - (uintptr_t)out % 64) % 64 / sizeof *out;
    c = head < classes ? head : classes;
    if (c) step(context, 0, c);
  }
  for (; c + 16 <= classes; c += 16) step(context, c, 16);
  if (c < classes) step(context, c, classes - c);
}

VFN vf load_n(const float *p, size_t n) { return n == 16 ? vload(p) : vtail(p, n, 0.0f); }
VFN void store_n(float *p, vf v, size_t n, int past_cache) {
  if (n < 16)
    vstore_tail(p, v, n);
  else if (past_cache)
    vstream(p, v);
  else
    vstore(p, v);
}
VFN void fill_row(float *p, float value, size_t classes) {
  for (size_t c = 0; c < classes; c++) p[c] = value;
}

#endif
