/* The memory limits, written with the compiler's vectors of 64 bytes and compiled with -O3 -march=native. */
#include "limits.h"

#include <string.h>
#ifdef __AVX__
#include <immintrin.h>
#endif

typedef float v16 __attribute__((vector_size(64), may_alias));
enum { LANES = 16 };
#define EACH(i, n) (size_t i = 0; i < (n); i += LANES)

static inline v16 load(const float *p) { return *(const v16 *)p; }
static inline void store(float *p, v16 x) { *(v16 *)p = x; }

/* Reads `streams` runs of `run` floats side by side, with eight accumulators to hide the latency of the add; the sum
 * goes to out, so that the loads stay. */
static inline __attribute__((always_inline)) void read_streams(const float *a, float *out, size_t n, size_t streams,
                                                               size_t run) {
  v16 sum[8] = {{0}};
  for (size_t block = 0; block < n; block += streams * run)
    for (size_t i = 0; i < run; i += LANES * 8 / streams)
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; j++) sum[j] += load(a + block + j % streams * run + i + j / streams * LANES);
  for (size_t j = 1; j < 8; j++) sum[0] += sum[j];
  store(out, sum[0]);
}
static void read_linear(const float *a, const float *b, float *out, size_t n) {
  (void)b;
  read_streams(a, out, n, 1, BENCH_LIMIT_BLOCK);
}
/* Four pages at a time keep more of the prefetcher busy. */
static void read_pages(const float *a, const float *b, float *out, size_t n) {
  (void)b;
  read_streams(a, out, n, 4, BENCH_LIMIT_BLOCK / 4);
}

static void fill(const float *a, const float *b, float *out, size_t n) {
  (void)a, (void)b;
  for
    EACH(i, n) store(out + i, (v16){0});
}
static void update(const float *a, const float *b, float *out, size_t n) {
  (void)a, (void)b;
  for
    EACH(i, n) store(out + i, -load(out + i));
}
static void copy(const float *a, const float *b, float *restrict out, size_t n) {
  (void)b;
  for
    EACH(i, n) store(out + i, load(a + i));
}
static void copy_memcpy(const float *a, const float *b, float *restrict out, size_t n) {
  (void)b;
  memcpy(out, a, n * sizeof *a);
}
static void add(const float *a, const float *b, float *out, size_t n) {
  for
    EACH(i, n) store(out + i, load(a + i) + load(b + i));
}

#ifdef __AVX__
/* Stores past the cache, which spare the memory the read of a line before it is written. */
static inline void stream(float *p, v16 x) {
#ifdef __AVX512F__
  _mm512_stream_ps(p, (__m512)x);
#else
  const __m256 *half = (const __m256 *)&x;
  _mm256_stream_ps(p, half[0]);
  _mm256_stream_ps(p + 8, half[1]);
#endif
}
static void fill_nontemporal(const float *a, const float *b, float *out, size_t n) {
  (void)a, (void)b;
  for
    EACH(i, n) stream(out + i, (v16){0});
  _mm_sfence();
}
static void copy_nontemporal(const float *a, const float *b, float *out, size_t n) {
  (void)b;
  for
    EACH(i, n) stream(out + i, load(a + i));
  _mm_sfence();
}
static void add_nontemporal(const float *a, const float *b, float *out, size_t n) {
  for
    EACH(i, n) stream(out + i, load(a + i) + load(b + i));
  _mm_sfence();
}
#endif

const struct bench_limit bench_limits[] = {
    {"read", "linear", 1, 4, read_linear},
    {"read", "four_pages", 1, 4, read_pages},
    {"fill", "store", 1, 4, fill},
    {"update", "store", 1, 8, update},
    {"copy", "store", 2, 8, copy},
    {"copy", "memcpy", 2, 8, copy_memcpy},
    {"add", "store", 3, 12, add},
#ifdef __AVX__
    {"fill", "nontemporal", 1, 4, fill_nontemporal},
    {"copy", "nontemporal", 2, 8, copy_nontemporal},
    {"add", "nontemporal", 3, 12, add_nontemporal},
#endif
};
const size_t bench_limit_count = sizeof bench_limits / sizeof *bench_limits;
