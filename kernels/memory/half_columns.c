/* See half_columns.h: as many columns as view.c converts at once are turned into rows of 16 bits, 8 x 8 of them at a
 * time, and are then converted as any row; or the other way round. */
#include "half_columns.h"

#include <string.h>

#include "ahead.h"
#include "words/half.h"

enum { COLUMNS = 64, ROWS = 16 };

/* 8 columns of 4 or 8 rows, of which the compiler then leaves out what has to do with the others. */
VFN void turn_8_in(uint16_t *turned, const uint16_t *p, size_t step, const size_t rows) {
  vh r[8];
  UNROLL for (size_t j = 0; j < 8; j++) r[j] = rows == 4 ? vhload_low(p + j * step) : vhload(p + j * step);
  vturn_halves(r);
  UNROLL for (size_t i = 0; i < rows; i++) vhstore(turned + i * COLUMNS, r[i]);
}
VFN void turn_8_out(vh *r, const uint16_t *turned, const size_t rows) {
  UNROLL for (size_t i = 0; i < 8; i++) r[i] = vhload(turned + (i < rows ? i : 0) * COLUMNS);
  vturn_halves(r);
}

/* 2 rows with nothing between them: pairs of 16 bits are numbers of 32, of which row 0 is the low half. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
VFN size_t split_pairs(uint16_t *turned, const uint16_t *p, size_t n) {
  size_t c = 0;
  for (; c + 32 <= n; c += 32) {
    const vi a = viload_pairs(p + 2 * c), b = viload_pairs(p + 2 * c + 32);
    vistore_high_pair(turned + c, vishl(a, 16), vishl(b, 16));
    vistore_high_pair(turned + COLUMNS + c, a, b);
  }
  return c;
}
VFN size_t join_pairs(uint16_t *p, const uint16_t *turned, size_t n) {
  size_t c = 0;
  for (; c + 16 <= n; c += 16) {
    int32_t some[16];
    vistore(some, vior(viload_half(turned + c), vishl(viload_half(turned + COLUMNS + c), 16)));
    memcpy(p + 2 * c, some, sizeof some);
  }
  return c;
}
#else
VFN size_t split_pairs(uint16_t *turned, const uint16_t *p, size_t n) {
  (void)turned, (void)p, (void)n;
  return 0;
}
VFN size_t join_pairs(uint16_t *p, const uint16_t *turned, size_t n) {
  (void)turned, (void)p, (void)n;
  return 0;
}
#endif
VFN void split_two(uint16_t *turned, const uint16_t *p, size_t n) {
  for (size_t c = split_pairs(turned, p, n); c < n; c++) {
    turned[c] = p[2 * c];
    turned[COLUMNS + c] = p[2 * c + 1];
  }
}
VFN void join_two(uint16_t *p, const uint16_t *turned, size_t n) {
  for (size_t c = join_pairs(p, turned, n); c < n; c++) {
    p[2 * c] = turned[c];
    p[2 * c + 1] = turned[COLUMNS + c];
  }
}

VFN void turn_in(uint16_t *to, const uint16_t *p, size_t step, size_t rows, size_t n, size_t readable, const int ask) {
  for (size_t k = 0; k < n; k += 8) {
    if (ask) ask_for_columns(p + k * step, step * sizeof *p, rows * sizeof *p, TILE_AHEAD, 8, 0);
    for (size_t i = 0; i < rows; i += 8) {
      const uint16_t *const from = p + k * step + i;
      uint16_t *const turned = to + i * COLUMNS + k;
      const size_t last = (k + 7) * step + i, can = k + 8 <= n && last < readable ? readable - last : 0;
      if (rows - i <= 4 && can >= 4)
        turn_8_in(turned, from, step, 4);
      else if (can >= 8)
        turn_8_in(turned, from, step, 8);
      else
        for (size_t j = 0; j < 8 && k + j < n; j++)
          for (size_t l = 0; l < 8 && i + l < rows; l++) turned[l * COLUMNS + j] = from[j * step + l];
    }
  }
}
/* n <= 8 elements, by pieces that may overlap. */
VFN void copy_some(uint16_t *p, const uint16_t *from, size_t n) {
  if (n >= 4) {
    memcpy(p, from, 4 * sizeof *p);
    memcpy(p + n - 4, from + n - 4, 4 * sizeof *p);
  } else if (n >= 2) {
    memcpy(p, from, 2 * sizeof *p);
    memcpy(p + n - 2, from + n - 2, 2 * sizeof *p);
  } else {
    *p = *from;
  }
}
/* Some rows of 8 columns or fewer. All are stored before any is loaded again: a load that waits for its store would
 * have the next store wait for it. */
VFN void put_some(uint16_t *p, size_t step, const vh *r, size_t rows, size_t n) {
  uint16_t some[64];
  UNROLL for (size_t j = 0; j < 8; j++) vhstore(some + 8 * j, r[j]);
  for (size_t j = 0; j < n; j++) copy_some(p + j * step, some + 8 * j, rows);
}
/* m of n columns that follow. Where nothing lies between columns, what a store writes beyond its own is written again
 * by the next one's: the last rows come first, and the last columns of all have no next one. */
VFN void turn_out(uint16_t *p, const uint16_t *from, size_t step, size_t rows, size_t m, size_t n, const int ask) {
  for (size_t k = 0; k < m; k += 8) {
    if (ask) ask_for_columns(p + k * step, step * sizeof *p, rows * sizeof *p, TILE_AHEAD, 8, 1);
    for (size_t i = (rows - 1) / 8 * 8 + 8; i > 0;) {
      i -= 8;
      uint16_t *const to = p + k * step + i;
      const uint16_t *const turned = from + i * COLUMNS + k;
      const size_t here = rows - i < 8 ? rows - i : 8;
      vh r[8];
      if (here == 4 && k + 8 <= m) {
        turn_8_out(r, turned, 4);
        UNROLL for (size_t j = 0; j < 8; j++) vhstore_low(to + j * step, r[j]);
        continue;
      }
      turn_8_out(r, turned, 8);
      if (k + 8 <= m && (here == 8 || (rows == step && (k + 7) * step + i + 8 <= n * step)))
        UNROLL for (size_t j = 0; j < 8; j++) vhstore(to + j * step, r[j]);
      else
        put_some(to, step, r, here, m - k < 8 ? m - k : 8);
    }
  }
}

/* As view_read, but nothing of it is asked for ahead: it is in the cache. */
VFN void widen(float *to, const uint16_t *from, vloss_type type, size_t n) {
  if (n < COLUMNS)
    view_read(to, from, type, n);
  else if (VLOSS_HALF_IS_BF16(type))
    UNROLL for (size_t k = 0; k < COLUMNS; k += 16) vstore(to + k, vload_bf16(from + k));
  else
    UNROLL for (size_t k = 0; k < COLUMNS; k += 16) vstore(to + k, vload_f16(from + k));
}
void read_half_columns(float *to, size_t pitch, const void *p, vloss_type type, size_t step, size_t rows, size_t n,
                       size_t readable, int ask) {
  uint16_t turned[ROWS * COLUMNS];
  for (size_t c = 0, m; c < n; c += m) {
    m = n - c < COLUMNS ? n - c : COLUMNS;
    const uint16_t *const from = (const uint16_t *)p + c * step;
    if (rows == 2 && step == 2)
      split_two(turned, from, m);
    else if (ask)
      turn_in(turned, from, step, rows, m, readable - c * step, 1);
    else
      turn_in(turned, from, step, rows, m, readable - c * step, 0);
    for (size_t i = 0; i < rows; i++) widen(to + i * pitch + c, turned + i * COLUMNS, type, m);
  }
}
void write_half_columns(void *p, vloss_type type, size_t step, const float *from, size_t pitch, size_t rows, size_t n,
                        int ask) {
  uint16_t turned[ROWS * COLUMNS] = {0};
  for (size_t c = 0, m; c < n; c += m) {
    m = n - c < COLUMNS ? n - c : COLUMNS;
    for (size_t i = 0; i < rows; i++) view_write(turned + i * COLUMNS, from + i * pitch + c, type, m, 0);
    uint16_t *const to = (uint16_t *)p + c * step;
    if (rows == 2 && step == 2)
      join_two(to, turned, m);
    else if (ask)
      turn_out(to, turned, step, rows, m, n - c, 1);
    else
      turn_out(to, turned, step, rows, m, n - c, 0);
  }
}
