/* Copies columns of up to 16 rows that lie interleaved, as they do where the class axis is not the last: column c of
 * row i is at p[c * step + i]. In the copy, row i begins at i * pitch. Memory is walked in order. */
#ifndef VLOSS_KERNELS_COLUMNS_H
#define VLOSS_KERNELS_COLUMNS_H

#include "view.h"
#include "words/half.h"

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

/* 16 columns of up to 16 rows, of elements of any type; copying back, of floats, may write all 16 elements of a column,
 * whatever the rows. */
#ifndef VLOSS_ISA_IS_AVX2
VFN vf load_16_(const void *p, const vloss_type type) {
  return type == VLOSS_F32 ? vload(p) : type == VLOSS_BF16 ? vload_bf16(p) : vload_f16(p);
}
VFN void split_16(float *to, size_t pitch, const void *p, const vloss_type type, size_t step, size_t rows) {
  vf v[16];
  UNROLL for (size_t c = 0; c < 16; c++) v[c] = load_16_(vloss_element(p, type, c * step), type);
  vtranspose(v);
  UNROLL for (size_t i = 0; i < 16; i++) if (i < rows) vstore(to + i * pitch, v[i]);
}
VFN void store_16_(void *p, const vloss_type type, vf v) {
  if (!VLOSS_IS_HALF(type))
    vstore(p, v);
  else if (type == VLOSS_BF16)
    vstore_bf16(p, v);
  else
    vstore_f16(p, v);
}
VFN void join_16(void *p, const vloss_type type, size_t step, const float *from, size_t pitch, size_t rows) {
  vf v[16];
  UNROLL for (size_t i = 0; i < 16; i++) v[i] = i < rows ? vload(from + i * pitch) : vset1(0.0f);
  vtranspose(v);
  UNROLL for (size_t c = 0; c < 16; c++) store_16_(vloss_element_out(p, type, c * step), type, v[c]);
}
#endif
VFN void join_16_of(float *p, size_t step, const float *from, size_t pitch, size_t rows) {
  _Alignas(64) float columns[256];
  join_16(columns, VLOSS_F32, 16, from, pitch, rows);
  for (size_t c = 0; c < 16; c++)
    for (size_t i = 0; i < rows; i++) p[c * step + i] = columns[16 * c + i];
}

/* Of n columns of the rows, as many as can be read by whole vectors; of the array `readable` elements from p on may be
 * read. Returns how many. */
VFN size_t split_sixteens(float *to, size_t pitch, const void *p, const vloss_type type, size_t step, size_t rows,
                          size_t n, size_t readable) {
  size_t c = 0;
  for (; c + 16 <= n && (c + 15) * step + 16 <= readable; c += 16)
    split_16(to + c, pitch, vloss_element(p, type, c * step), type, step, rows);
  return c;
}
/* Copies n columns of the rows. */
static void split_columns(float *to, size_t pitch, const float *p, size_t step, size_t rows, size_t n,
                          size_t readable) {
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
  else
    split_few(to, pitch, p, step, rows, split_sixteens(to, pitch, p, VLOSS_F32, step, rows, n, readable), n);
}

/* Copies 16 columns at a time back, of elements of any type: of 16 rows, or of all that lie side by side; then what a
 * store writes beyond its column is written again by the next one's. Or, where the caller says so, anything may be
 * written between columns. Returns how many columns. */
VFN size_t join_sixteens(void *p, const vloss_type type, size_t step, const float *from, size_t pitch, size_t rows,
                         size_t n, const int anything) {
  size_t c = 0;
  for (; c + 16 <= n && (anything || (c + 15) * step + 16 <= n * step); c += 16)
    join_16(vloss_element_out(p, type, c * step), type, step, from + c, pitch, rows);
  return c;
}
/* Copies n columns of the rows back, and writes nothing else. */
static void join_columns(float *p, size_t step, const float *from, size_t pitch, size_t rows, size_t n) {
  size_t c = 0;
  if (rows == 2 && step == 2)
    join_2(p, from, pitch, n);
  else if (rows == 3 && step == 3)
    join_3(p, from, pitch, n);
  else if (rows == 4 && step == 4)
    join_4(p, from, pitch, n);
  else if (rows == 16 || rows == step)
    c = join_sixteens(p, VLOSS_F32, step, from, pitch, rows, n, 0);
  else if (rows > 4)
    for (; c + 16 <= n; c += 16) join_16_of(p + c * step, step, from + c, pitch, rows);
  if (rows != step || rows > 4) join_few(p, step, from, pitch, rows, c, n);
}

/* ---- Of elements of any type ------------------------------------------------------------------------------------- */

/* What cannot be read or written in its place goes by way of floats: of rows that are all that lie side by side as many
 * columns as fit, of others 16, which lie 16 apart. */
enum { COLUMNS_AT_ONCE = 16 * 16 };
VFN size_t columns_at_once(size_t step, size_t rows) { return rows == step ? COLUMNS_AT_ONCE / rows / 16 * 16 : 16; }
static void read_columns(float *to, size_t pitch, const void *p, vloss_type type, size_t step, size_t rows, size_t n,
                         size_t readable) {
  float floats[COLUMNS_AT_ONCE + 16];
  const size_t at_once = columns_at_once(step, rows);
  size_t c = 0;
  if (!VLOSS_IS_HALF(type))
    split_columns(to, pitch, p, step, rows, n, readable);
  else if (step == 1)
    view_read(to, p, type, n);
  else if (rows == 1)
    view_gather(to, p, type, step, n);
  else if (rows != step || rows > 4)
    c = VLOSS_HALF_IS_BF16(type) ? split_sixteens(to, pitch, p, VLOSS_BF16, step, rows, n, readable)
                                 : split_sixteens(to, pitch, p, VLOSS_F16, step, rows, n, readable);
  if (!VLOSS_IS_HALF(type) || rows == 1) return;
  for (size_t m; c < n; c += m) {
    const void *const from = vloss_element(p, type, c * step);
    m = n - c < at_once ? n - c : at_once;
    if (rows == step)
      view_read(floats, from, type, m * step);
    else
      view_read_runs(floats, from, type, step, rows, m, readable - c * step);
    split_columns(to + c, pitch, floats, rows == step ? step : 16, rows, m, COLUMNS_AT_ONCE + 16);
  }
}
static void write_columns(void *p, vloss_type type, size_t step, const float *from, size_t pitch, size_t rows,
                          size_t n) {
  float floats[COLUMNS_AT_ONCE + 16];
  const size_t at_once = columns_at_once(step, rows);
  size_t c = 0;
  if (!VLOSS_IS_HALF(type))
    join_columns(p, step, from, pitch, rows, n);
  else if (step == 1)
    view_write(p, from, type, n, 0);
  else if (rows == 1)
    view_scatter(p, from, type, step, n);
  else if (rows == 16 || (rows == step && rows > 4))
    c = VLOSS_HALF_IS_BF16(type) ? join_sixteens(p, VLOSS_BF16, step, from, pitch, rows, n, 0)
                                 : join_sixteens(p, VLOSS_F16, step, from, pitch, rows, n, 0);
  if (!VLOSS_IS_HALF(type) || rows == 1) return;
  for (size_t m; c < n; c += m) {
    void *const home = vloss_element_out(p, type, c * step);
    m = n - c < at_once ? n - c : at_once;
    if (rows == step) {
      join_columns(floats, step, from + c, pitch, rows, m);
      view_write(home, floats, type, m * step, 0);
    } else {
      const size_t joined = join_sixteens(floats, VLOSS_F32, 16, from + c, pitch, rows, m, 1);
      join_few(floats, 16, from + c, pitch, rows, joined, m);
      view_write_runs(home, floats, type, step, rows, m);
    }
  }
}

#endif
