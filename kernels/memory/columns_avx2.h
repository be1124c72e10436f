/* Rows for AVX2: 8 columns of 2, 3 or 4 rows at a time. A register has columns c .. c + 3 in one half and c + 4 .. c +
 * 7 in the other: so they are turned without moving anything between halves, in the registers that there are. Of few
 * rows, of which compilers make no such loops, each function returns the columns done, all but up to 7. */
#ifndef VLOSS_KERNELS_COLUMNS_AVX2_H
#define VLOSS_KERNELS_COLUMNS_AVX2_H

#include "words/isa.h"

VFN __m256 halves_(const float *low, const float *high) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}
VFN void put_halves_(float *low, float *high, __m256 v) {
  _mm_storeu_ps(low, _mm256_castps256_ps128(v));
  _mm_storeu_ps(high, _mm256_extractf128_ps(v, 1));
}

VFN size_t split_eights_2(float *to, size_t pitch, const float *p, size_t n) {
  size_t c = 0;
  for (; c + 8 <= n; c += 8, p += 16) {
    const __m256 a = halves_(p, p + 8), b = halves_(p + 4, p + 12);
    _mm256_storeu_ps(to + c, _mm256_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0)));
    _mm256_storeu_ps(to + pitch + c, _mm256_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1)));
  }
  return c;
}
VFN size_t join_eights_2(float *p, const float *from, size_t pitch, size_t n) {
  size_t c = 0;
  for (; c + 8 <= n; c += 8, p += 16) {
    const __m256 x = _mm256_loadu_ps(from + c), y = _mm256_loadu_ps(from + pitch + c);
    put_halves_(p, p + 8, _mm256_unpacklo_ps(x, y));
    put_halves_(p + 4, p + 12, _mm256_unpackhi_ps(x, y));
  }
  return c;
}

/* Of x0 y0 z0 x1, y1 z1 x2 y2, z2 x3 y3 z3: first the pairs that lie across two of them. */
VFN size_t split_eights_3(float *to, size_t pitch, const float *p, size_t n) {
  size_t c = 0;
  for (; c + 8 <= n; c += 8, p += 24) {
    const __m256 a = halves_(p, p + 12), b = halves_(p + 4, p + 16), d = halves_(p + 8, p + 20);
    const __m256 x2_y2_x3_y3 = _mm256_shuffle_ps(b, d, _MM_SHUFFLE(2, 1, 3, 2));
    const __m256 y0_z0_y1_z1 = _mm256_shuffle_ps(a, b, _MM_SHUFFLE(1, 0, 2, 1));
    _mm256_storeu_ps(to + c, _mm256_shuffle_ps(a, x2_y2_x3_y3, _MM_SHUFFLE(2, 0, 3, 0)));
    _mm256_storeu_ps(to + pitch + c, _mm256_shuffle_ps(y0_z0_y1_z1, x2_y2_x3_y3, _MM_SHUFFLE(3, 1, 2, 0)));
    _mm256_storeu_ps(to + 2 * pitch + c, _mm256_shuffle_ps(y0_z0_y1_z1, d, _MM_SHUFFLE(3, 0, 3, 1)));
  }
  return c;
}
VFN size_t join_eights_3(float *p, const float *from, size_t pitch, size_t n) {
  size_t c = 0;
  for (; c + 8 <= n; c += 8, p += 24) {
    const __m256 x = _mm256_loadu_ps(from + c), y = _mm256_loadu_ps(from + pitch + c),
                 z = _mm256_loadu_ps(from + 2 * pitch + c);
    const __m256 x0_x2_y0_y2 = _mm256_shuffle_ps(x, y, _MM_SHUFFLE(2, 0, 2, 0));
    const __m256 y1_y3_z1_z3 = _mm256_shuffle_ps(y, z, _MM_SHUFFLE(3, 1, 3, 1));
    const __m256 z0_z2_x1_x3 = _mm256_shuffle_ps(z, x, _MM_SHUFFLE(3, 1, 2, 0));
    put_halves_(p, p + 12, _mm256_shuffle_ps(x0_x2_y0_y2, z0_z2_x1_x3, _MM_SHUFFLE(2, 0, 2, 0)));
    put_halves_(p + 4, p + 16, _mm256_shuffle_ps(y1_y3_z1_z3, x0_x2_y0_y2, _MM_SHUFFLE(3, 1, 2, 0)));
    put_halves_(p + 8, p + 20, _mm256_shuffle_ps(z0_z2_x1_x3, y1_y3_z1_z3, _MM_SHUFFLE(3, 1, 3, 1)));
  }
  return c;
}

/* 4 x 4 in each half, there and back. */
VFN void transpose_halves_(__m256 *v) {
  const __m256 a = _mm256_unpacklo_ps(v[0], v[1]), b = _mm256_unpackhi_ps(v[0], v[1]);
  const __m256 d = _mm256_unpacklo_ps(v[2], v[3]), e = _mm256_unpackhi_ps(v[2], v[3]);
  v[0] = _mm256_shuffle_ps(a, d, _MM_SHUFFLE(1, 0, 1, 0));
  v[1] = _mm256_shuffle_ps(a, d, _MM_SHUFFLE(3, 2, 3, 2));
  v[2] = _mm256_shuffle_ps(b, e, _MM_SHUFFLE(1, 0, 1, 0));
  v[3] = _mm256_shuffle_ps(b, e, _MM_SHUFFLE(3, 2, 3, 2));
}
VFN size_t split_eights_4(float *to, size_t pitch, const float *p, size_t n) {
  size_t c = 0;
  for (; c + 8 <= n; c += 8, p += 32) {
    __m256 v[4];
    UNROLL for (int k = 0; k < 4; k++) v[k] = halves_(p + 4 * k, p + 4 * k + 16);
    transpose_halves_(v);
    UNROLL for (size_t i = 0; i < 4; i++) _mm256_storeu_ps(to + i * pitch + c, v[i]);
  }
  return c;
}
VFN size_t join_eights_4(float *p, const float *from, size_t pitch, size_t n) {
  size_t c = 0;
  for (; c + 8 <= n; c += 8, p += 32) {
    __m256 v[4];
    UNROLL for (size_t i = 0; i < 4; i++) v[i] = _mm256_loadu_ps(from + i * pitch + c);
    transpose_halves_(v);
    UNROLL for (int k = 0; k < 4; k++) put_halves_(p + 4 * k, p + 4 * k + 16, v[k]);
  }
  return c;
}

/* 16 columns of up to 16 rows, 4 rows at a time. */
VFN void split_16(float *to, size_t pitch, const float *p, size_t step, size_t rows) {
  for (size_t first = 0; first < rows; first += 4, to += 4 * pitch) UNROLL for (size_t c = 0; c < 16; c += 8) {
      const float *const low = p + c * step + first, *const high = low + 4 * step;
      __m256 v[4];
      UNROLL for (size_t k = 0; k < 4; k++) v[k] = halves_(low + k * step, high + k * step);
      transpose_halves_(v);
      if (rows - first >= 4) {
        UNROLL for (size_t i = 0; i < 4; i++) _mm256_storeu_ps(to + i * pitch + c, v[i]);
      } else {
        UNROLL for (size_t i = 0; i < 3; i++) if (i < rows - first) _mm256_storeu_ps(to + i * pitch + c, v[i]);
      }
    }
}
/* The first rows last: what is written of more than there are goes where the next column's first ones do. */
VFN void join_16(float *p, size_t step, const float *from, size_t pitch, size_t rows) {
  for (size_t c = 0; c < 16; c += 8)
    for (size_t first = (rows + 3) / 4 * 4; first > 0;) {
      first -= 4;
      float *const low = p + c * step + first, *const high = low + 4 * step;
      __m256 v[4];
      UNROLL for (size_t i = 0; i < 4; i++) v[i] =
          _mm256_loadu_ps(from + (first + i < rows ? first + i : rows - 1) * pitch + c);
      transpose_halves_(v);
      UNROLL for (size_t k = 0; k < 4; k++) put_halves_(low + k * step, high + k * step, v[k]);
    }
}

#endif
