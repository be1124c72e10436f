/* The type of the elements that a plain loop is compiled for, by PLAIN_IS_F64, PLAIN_IS_BF16, PLAIN_IS_F16 or none of
 * them for f32; it computes in `real`. Rows of 16 bits are widened a block at a time into a buffer that stays in L1, by
 * a shift or by the CPU's conversion of f16, and results are narrowed from one. Elements that are reals are used where
 * they are: there all of this is nothing. */
#ifndef VLOSS_BENCH_PLAIN_TYPE_H
#define VLOSS_BENCH_PLAIN_TYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LOOP static inline __attribute__((always_inline, unused))

#if defined(PLAIN_IS_F64)
#define PLAIN_REAL double
#else
#define PLAIN_REAL float
#endif
typedef PLAIN_REAL real;

#if !defined(PLAIN_IS_BF16) && !defined(PLAIN_IS_F16)
typedef real element;
#define AT_ONCE SIZE_MAX /* elements of a block */
enum { BUFFER = 1, ROW_BUFFER = 1 };
LOOP const real *read_block(const element *from, size_t n, real *buffer) {
  (void)n, (void)buffer;
  return from;
}
LOOP real *place_of_block(element *to, real *buffer) {
  (void)buffer;
  return to;
}
LOOP void write_block(element *to, const real *from, size_t n) { (void)to, (void)from, (void)n; }
LOOP real widened(element e) { return e; }
LOOP element narrowed(real v) { return v; }

#else
#define AT_ONCE ((size_t)BUFFER)
enum { BUFFER = 2048, ROW_BUFFER = 1 << 17 }; /* 8 KiB; more classes than any row has */

#if defined(PLAIN_IS_BF16)
typedef uint16_t element;
LOOP real widened(element e) {
  const uint32_t bits = (uint32_t)e << 16;
  real v;
  memcpy(&v, &bits, sizeof v);
  return v;
}
LOOP element narrowed(real v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return (element)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#elif defined(__F16C__)
#include <immintrin.h>
typedef uint16_t element;
LOOP real widened(element e) { return _cvtsh_ss(e); }
LOOP element narrowed(real v) { return (element)_cvtss_sh(v, _MM_FROUND_TO_NEAREST_INT); }

#elif defined(__aarch64__)
typedef __fp16 element;
LOOP real widened(element e) { return e; }
LOOP element narrowed(real v) { return (element)v; }

#else /* The CPU converts none. Infinity and NaN are not among what the bench converts. */
typedef uint16_t element;
LOOP real widened(element e) {
  const uint32_t bits = (uint32_t)(e & 0x7fff) << 13;
  real v;
  memcpy(&v, &bits, sizeof v);
  return (e & 0x8000 ? -0x1p112f : 0x1p112f) * v;
}
LOOP element narrowed(real v) {
  const real scaled = v * 0x1p-112f; /* has f16's exponent, denormal numbers included */
  uint32_t bits;
  memcpy(&bits, &scaled, sizeof bits);
  const uint32_t magnitude = bits & 0x7fffffff;
  return (element)((bits >> 16 & 0x8000) | ((magnitude + 0xfff + (magnitude >> 13 & 1)) >> 13));
}
#endif

LOOP const real *read_block(const element *from, size_t n, real *buffer) {
  size_t i = 0;
#if defined(PLAIN_IS_F16) && defined(__F16C__) /* which the compiler does not find by itself */
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(buffer + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i))));
#endif
  for (; i < n; i++) buffer[i] = widened(from[i]);
  return buffer;
}
LOOP real *place_of_block(element *to, real *buffer) {
  (void)to;
  return buffer;
}
LOOP void write_block(element *to, const real *from, size_t n) {
  size_t i = 0;
#if defined(PLAIN_IS_F16) && defined(__F16C__)
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128((__m128i *)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; i++) to[i] = narrowed(from[i]);
}
#endif

/* How many of the n elements the block from element `at` has. */
LOOP size_t block_at(size_t n, size_t at) { return n - at < AT_ONCE ? n - at : AT_ONCE; }

#endif
