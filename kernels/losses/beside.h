/* Rows that lie side by side, as they do where the class axis is not the last: up to 16 of them, taken as their memory
 * comes. The lanes of a vector are neighbours in memory, whatever rows and columns they are of, and so are those of
 * the sums: each row has 16 lanes as in reduce.h, lane j of row i is number j * width + i. So nothing is copied. */
#ifndef VLOSS_KERNELS_BESIDE_H
#define VLOSS_KERNELS_BESIDE_H

#include <string.h>

#include "row.h"

struct beside {
  size_t rows, columns; /* up to 16 rows */
  size_t column_stride; /* elements between one column and the next */
  int dense;            /* nothing lies between one column and the next */
  size_t width;         /* then `rows`; else 16: a column is a vector */
  size_t vector_stride; /* elements between one vector and the next: 16, or column_stride */
  size_t readable;      /* elements that may be read, from the first on */
  const float *p, *t, *other;
  float *grad, *grad_target, *grad_other;
  struct row *row;
  struct row_state *state;
  double *scratch; /* BESIDE_SCRATCH */
};
enum { BESIDE_LANES = 16 * 16 + 16, BESIDE_SUMS = 6, BESIDE_SCRATCH = BESIDE_SUMS * BESIDE_LANES };

VFN struct beside beside_of(size_t rows, size_t columns, size_t column_stride, size_t first) {
  const int dense = rows == column_stride;
  return (struct beside){.rows = rows,
                         .columns = columns,
                         .column_stride = column_stride,
                         .dense = dense,
                         .width = dense ? rows : 16,
                         .vector_stride = dense ? 16 : column_stride,
                         .readable = columns * column_stride - first};
}

/* The vectors of so many columns. */
VFN size_t beside_vectors(const struct beside *b, size_t columns) { return (columns * b->width + 15) / 16; }
/* The columns from c on: 16, or fewer at the end. */
VFN size_t beside_columns(const struct beside *b, size_t c) { return b->columns - c < 16 ? b->columns - c : 16; }

/* The vector at an element. Lanes beyond what may be read are 0; beyond what belongs to the rows there is anything. */
VFN vf beside_get_or(const struct beside *b, const float *p, size_t at, float fill) {
  return at + 16 <= b->readable ? vload(p + at) : vtail(p + at, b->readable - at, fill);
}
VFN vf beside_get(const struct beside *b, const float *p, size_t at) { return beside_get_or(b, p, at, 0.0f); }
/* Whether n columns from c on can be read by whole vectors. */
VFN int beside_whole(const struct beside *b, size_t c, size_t n) {
  return (c + n - 1) * b->column_stride + (b->dense ? b->rows : 16) <= b->readable;
}
/* The first n lanes, by stores of constant length that may overlap. */
VFN void beside_put_some(float *p, vf v, size_t n) {
  float lanes[16];
  vstore(lanes, v);
  if (n >= 8)
    memcpy(p, lanes, 32), memcpy(p + n - 8, lanes + n - 8, 32);
  else if (n >= 4)
    memcpy(p, lanes, 16), memcpy(p + n - 4, lanes + n - 4, 16);
  else
    for (size_t i = 0; i < n; i++) p[i] = lanes[i];
}
VFN void beside_put(const struct beside *b, float *p, size_t at, vf v) {
  const size_t end = b->columns * b->column_stride, n = !b->dense ? b->rows : end - at < 16 ? end - at : 16;
  if (n == 16)
    vstore(p + at, v);
  else
    beside_put_some(p + at, v, n);
}

/* What is a number a row as the vectors have it: 16 rows, or as often as it takes. It begins at a phase below `rows`.
 */
enum { BESIDE_PATTERN = 16 + 16 };
VFN void beside_repeat(const struct beside *b, float *pattern) {
  for (size_t i = b->rows; i < BESIDE_PATTERN; i++) pattern[i] = b->dense ? pattern[i - b->rows] : 0;
}
/* Where the pattern begins for the vector after the one at `phase`: `turn` more, round and round. */
VFN size_t beside_turn(const struct beside *b) { return b->dense ? 16 % b->width : 0; }
VFN size_t beside_phase(const struct beside *b, size_t phase, size_t turn) {
  return phase + turn < b->width ? phase + turn : phase + turn - b->width;
}

/* The label of the row of each lane of 16 columns, less the lane's column: it is reached where that is c. Rows without
 * one have -1, which is below all. Classes are counted in 32 bits. */
struct beside_labels {
  int32_t of[16 * 16];
};
VFN void beside_label(const struct beside *b, struct beside_labels *labels) {
  for (size_t i = 0; i < b->width; i++) {
    const int32_t label = i < b->rows && b->state[i].pass == 0 ? (int32_t)b->row[i].label : -1;
    for (int32_t j = 0; j < 16; j++) labels->of[(size_t)j * b->width + i] = label - j;
  }
}
VFN vf beside_without_label(const struct beside_labels *labels, size_t vector, size_t c, vf v, vf fill) {
  return vsel(vieq(viload(labels->of + 16 * vector), viset1((int32_t)c)), fill, v);
}

/* The 16 lanes of sum number which of row i. */
VFN vd beside_lanes(const struct beside *b, int which, size_t i) {
  double lanes[16];
  for (size_t j = 0; j < 16; j++) lanes[j] = b->scratch[(size_t)which * BESIDE_LANES + j * b->width + i];
  return dload(lanes);
}

/* The lanes j of sums from dsplit_scaled are of columns 0, 2 .. 14, 1, 3 .. 15. Sums here are by columns: this moves
 * them. `spare` has room for as many. */
VFN void beside_split(const struct beside *b, double *lanes, double *spare) {
  for (size_t j = 0; j < 16; j++) {
    const double *from = lanes + (j < 8 ? 2 * j : 2 * j - 15) * b->width;
    double *to = spare + j * b->width;
    for (size_t i = 0; i < b->width; i++) to[i] = from[i];
  }
  memcpy(lanes, spare, 16 * b->width * sizeof *lanes);
}

/* dsum of each row, at lanes[i]: lanes j and j + 8, j + 4, j + 2, j + 1. What a vector takes beyond these halves has
 * been read by then. */
VFN void beside_sum(const struct beside *b, double *lanes) {
  for (size_t half = 8 * b->width; half >= b->width; half /= 2)
    for (size_t f = 0; f < half; f += 16) dstore(lanes + f, dadd(dload(lanes + f), dload(lanes + half + f)));
}

/* Writes the gradients of rows that all have one number for all columns, if that is so. */
VFN int beside_fill(const struct beside *b) {
  float fill[BESIDE_PATTERN];
  const size_t turn = beside_turn(b), vectors = beside_vectors(b, b->columns);
  for (size_t i = 0; i < b->rows; i++)
    if (b->state[i].pass != ROW_FILL) return 0;
  for (size_t i = 0; i < b->rows; i++) {
    fill[i] = with_factor(&b->row[i], b->state[i].fill);
    b->state[i].pass = ROW_DONE;
  }
  beside_repeat(b, fill);
  for (size_t vector = 0, at = 0, phase = 0; vector < vectors; vector++, at += b->vector_stride) {
    if (b->grad) beside_put(b, b->grad, at, vload(fill + phase));
    if (b->grad_target) beside_put(b, b->grad_target, at, vload(fill + phase));
    if (b->grad_other) beside_put(b, b->grad_other, at, vload(fill + phase));
    phase = beside_phase(b, phase, turn);
  }
  return 1;
}

#endif
