/* Copies columns of up to 16 rows that lie interleaved, as they do where the class axis is not the last: column c of
 * row i is at p[c * step + i]. In the copy, row i begins at i * pitch. Memory is walked in order. */
#ifndef VLOSS_KERNELS_COLUMNS_H
#define VLOSS_KERNELS_COLUMNS_H

#include "ahead.h"
#include "half_columns.h"
#include "words/isa.h"

/* Few rows: loops of constant length, which compilers turn into shuffles where the step is constant, too; out of line,
 * because inlined they forget `restrict`. */
VFN void split_few(float *restrict to, size_t pitch, const float *restrict p, size_t step, const size_t rows,
                   size_t from, size_t n) {
  for (size_t c = from; c < n; c++)
    for (size_t i = 0; i < rows; i++) to[i * pitch + c] = p[c * step + i];
}
VFN void join_few(float *restrict p, size_t step, const float *restrict from, size_t pitch, const size_t rows,
                  size_t first, size_t n) {
  for (size_t c = first; c < n; c++)
    for (size_t i = 0; i < rows; i++) p[c * step + i] = from[i * pitch + c];
}
#define ALL_OF_FEW(rows)                                                                                         \
  static __attribute__((noinline)) void split_##rows(float *restrict to, size_t pitch, const float *restrict p,  \
                                                     size_t n) {                                                 \
    split_few(to, pitch, p, rows, rows, split_eights_##rows(to, pitch, p, n), n);                                \
  }                                                                                                              \
  static __attribute__((noinline)) void join_##rows(float *restrict p, const float *restrict from, size_t pitch, \
                                                    size_t n) {                                                  \
    join_few(p, rows, from, pitch, rows, join_eights_##rows(p, from, pitch, n), n);                              \
  }
#ifdef VLOSS_ISA_IS_AVX2
#include "columns_avx2.h"
#else
#define split_eights_2(to, pitch, p, n) 0
#define split_eights_3 split_eights_2
#define split_eights_4 split_eights_2
#define join_eights_2(p, from, pitch, n) 0
#define join_eights_3 join_eights_2
#define join_eights_4 join_eights_2
#endif
ALL_OF_FEW(2)
ALL_OF_FEW(3)
ALL_OF_FEW(4)

/* 16 columns of up to 16 rows; copying back may write all 16 elements of a column, whatever the rows. */
#ifndef VLOSS_ISA_IS_AVX2
VFN void split_16(float *to, size_t pitch, const float *p, size_t step, size_t rows) {
  vf v[16];
  UNROLL for (size_t c = 0; c < 16; c++) v[c] = vload(p + c * step);
  vtranspose(v);
  UNROLL for (size_t i = 0; i < 16; i++) if (i < rows) vstore(to + i * pitch, v[i]);
}
VFN void join_16(float *p, size_t step, const float *from, size_t pitch, size_t rows) {
  vf v[16];
  UNROLL for (size_t i = 0; i < 16; i++) v[i] = i < rows ? vload(from + i * pitch) : vset1(0.0f);
  vtranspose(v);
  UNROLL for (size_t c = 0; c < 16; c++) vstore(p + c * step, v[c]);
}
#endif
VFN void join_16_of(float *p, size_t step, const float *from, size_t pitch, size_t rows) {
  _Alignas(64) float columns[256];
  join_16(columns, 16, from, pitch, rows);
  for (size_t c = 0; c < 16; c++)
    for (size_t i = 0; i < rows; i++) p[c * step + i] = columns[16 * c + i];
}

/* Copies n columns of the rows; of the array `readable` elements from p on may be read. */
static void split_columns(float *to, size_t pitch, const float *p, size_t step, size_t rows, size_t n, size_t readable,
                          int ask) {
  if (rows == 2 && step == 2)
    split_2(to, pitch, p, n);
  else if (rows == 3 && step == 3)
    split_3(to, pitch, p, n);
  else if (rows == 4 && step == 4)
    split_4(to, pitch, p, n);
  else if (rows == 1)
    split_few(to, pitch, p, step, 1, 0, n);
  else if (rows == 2)
    split_few(to, pitch, p, step, 2, 0, n);
  else {
    size_t c = 0;
    for (; c + 16 <= n && (c + 15) * step + 16 <= readable; c += 16) {
      if (ask) ask_for_columns(p + c * step, step * sizeof *p, rows * sizeof *p, TILE_AHEAD, 16, 0);
      split_16(to + c, pitch, p + c * step, step, rows);
    }
    split_few(to, pitch, p, step, rows, c, n);
  }
}

/* Copies n columns of the rows back, and writes nothing else. */
static void join_columns(float *p, size_t step, const float *from, size_t pitch, size_t rows, size_t n, int ask) {
  size_t c = 0;
  if (rows == 2 && step == 2)
    join_2(p, from, pitch, n);
  else if (rows == 3 && step == 3)
    join_3(p, from, pitch, n);
  else if (rows == 4 && step == 4)
    join_4(p, from, pitch, n);
  else if (rows == 16 || rows == step)
    /* What a store writes beyond its column is written again by the next one's: up to the last columns. */
    for (; c + 16 <= n && (c + 15) * step + 16 <= n * step; c += 16) {
      if (ask) ask_for_columns(p + c * step, step * sizeof *p, rows * sizeof *p, TILE_AHEAD, 16, 1);
      join_16(p + c * step, step, from + c, pitch, rows);
    }
  else if (rows > 4)
    for (; c + 16 <= n; c += 16) {
      if (ask) ask_for_columns(p + c * step, step * sizeof *p, rows * sizeof *p, TILE_AHEAD, 16, 1);
      join_16_of(p + c * step, step, from + c, pitch, rows);
    }
  if (rows != step || rows > 4) join_few(p, step, from, pitch, rows, c, n);
}

/* The same of elements of any type; with ask, those of the next TILE_AHEAD columns are asked for meanwhile. */
static void read_columns_asking(float *to, size_t pitch, const void *p, vloss_type type, size_t step, size_t rows,
                                size_t n, size_t readable, int ask) {
  if (!VLOSS_IS_HALF(type))
    split_columns(to, pitch, p, step, rows, n, readable, ask);
  else if (step == 1)
    view_read(to, p, type, n);
  else
    read_half_columns(to, pitch, p, type, step, rows, n, readable, ask);
}
static void write_columns_asking(void *p, vloss_type type, size_t step, const float *from, size_t pitch, size_t rows,
                                 size_t n, int ask) {
  if (!VLOSS_IS_HALF(type))
    join_columns(p, step, from, pitch, rows, n, ask);
  else if (step == 1)
    view_write(p, from, type, n, 0);
  else
    write_half_columns(p, type, step, from, pitch, rows, n, ask);
}
VFN void read_columns(float *to, size_t pitch, const void *p, vloss_type type, size_t step, size_t rows, size_t n,
                      size_t readable) {
  read_columns_asking(to, pitch, p, type, step, rows, n, readable, 0);
}
VFN void write_columns(void *p, vloss_type type, size_t step, const float *from, size_t pitch, size_t rows, size_t n) {
  write_columns_asking(p, type, step, from, pitch, rows, n, 0);
}

#endif
