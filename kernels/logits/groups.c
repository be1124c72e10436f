/* Copying the small rows of a group into a tile, and back. */
#include "groups.h"

/* Where the rows of a group begin, by one division. Lanes that no row fills repeat the last one. */
VFN void row_offsets(const struct vloss_shape *shape, const struct group *g, size_t stride, size_t *offset) {
  const size_t inner = shape->inner, plane = quotient(g->first, inner);
  size_t column = g->first - plane * inner, line = plane * stride;
  for (size_t i = 0; i < 16; i++) {
    offset[i] = line + column;
    if (i + 1 >= g->n || ++column < inner) continue;
    column = 0;
    line += stride;
  }
}

struct tile group_tile(const struct vloss_shape *shape, const struct group *g, const float *p, size_t stride,
                       float *copy) {
  const size_t classes = shape->classes;
  if (g->layout == ACROSS) return (struct tile){p + row_offset(shape, stride, g->first), shape->inner, g->n};
  if (shape->inner == 1 && g->n == 16) {
    const size_t whole = whole_vectors(g, stride, classes);
    p += g->first * stride;
    for (size_t c = 0; c < classes; c += 16) {
      /* The last 16 classes overlap those before, so only rows of fewer than 16 have tails. */
      size_t at = classes < 16 ? 0 : c + 16 > classes ? classes - 16 : c;
      vf r[16];
      gather_16(r, p + at, stride, classes, whole);
      for (size_t j = 0; j < 16; j++) vstore(copy + (at + j) * 16, r[j]);
    }
    return (struct tile){copy, 16, 16};
  }
  size_t offset[16];
  row_offsets(shape, g, stride, offset);
  for (size_t c = 0; c < classes; c++, p += shape->inner)
    UNROLL for (size_t i = 0; i < 16; i++) copy[c * 16 + i] = p[offset[i]];
  return (struct tile){copy, 16, 16};
}

void group_scatter(const struct vloss_shape *shape, const struct group *g, float *p, size_t stride, const float *copy) {
  const size_t classes = shape->classes;
  if (g->layout == ACROSS) return;
  if (shape->inner == 1 && g->n == 16) {
    const size_t whole = whole_vectors(g, stride, classes);
    p += g->first * stride;
    for (size_t c = 0; c < classes; c += 16) {
      size_t at = classes < 16 ? 0 : c + 16 > classes ? classes - 16 : c;
      vf r[16];
      for (size_t j = 0; j < 16; j++) r[j] = vload(copy + (at + j) * 16);
      vtranspose(r);
      size_t i = 0;
      for (; i < whole; i++) vstore(p + i * stride + at, r[i]);
      for (; i < 16; i++) vstore_tail(p + i * stride + at, r[i], classes);
    }
    return;
  }
  size_t offset[16];
  row_offsets(shape, g, stride, offset);
  for (size_t c = 0; c < classes; c++, p += shape->inner) {
    if (g->n == 16)
      UNROLL for (size_t i = 0; i < 16; i++) p[offset[i]] = copy[c * 16 + i];
    else
      for (size_t i = 0; i < g->n; i++) p[offset[i]] = copy[c * 16 + i];
  }
}
