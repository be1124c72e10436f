/* The loops of math_isa.h, compiled once per ISA. SLEEF is called by its explicit-ISA names, as vloss would call it. */
#include "math_isa.h"

#include <math.h>

#include "words/isa.h"
#include "words/vmath.h"

#if defined(VLOSS_ISA_IS_AVX512)
#include <immintrin.h>
#include <sleef.h>
#define SLEEF_LANES 16
#define SLEEF_LOAD _mm512_loadu_ps
#define SLEEF_STORE _mm512_storeu_ps
#define SLEEF_NAME(f) Sleef_##f##f16_u10avx512f
#elif defined(VLOSS_ISA_IS_AVX2)
#include <immintrin.h>
#include <sleef.h>
#define SLEEF_LANES 8
#define SLEEF_LOAD _mm256_loadu_ps
#define SLEEF_STORE _mm256_storeu_ps
#define SLEEF_NAME(f) Sleef_##f##f8_u10avx2
#elif defined(VLOSS_ISA_IS_NEON)
#include <arm_neon.h>
#include <sleef.h>
#define SLEEF_LANES 4
#define SLEEF_LOAD vld1q_f32
#define SLEEF_STORE vst1q_f32
#define SLEEF_NAME(f) Sleef_##f##f4_u10advsimd
#endif

#define INLINED(f)                                                        \
  static void inlined_##f(const float *x, float *y, size_t n) {           \
    for (size_t i = 0; i < n; i += 16) vstore(y + i, v##f(vload(x + i))); \
  }
INLINED(exp)
INLINED(log)
INLINED(log1p)

#ifdef SLEEF_LANES
#define SLEEF(f)                                                                                      \
  static void sleef_##f(const float *x, float *y, size_t n) {                                         \
    for (size_t i = 0; i < n; i += SLEEF_LANES) SLEEF_STORE(y + i, SLEEF_NAME(f)(SLEEF_LOAD(x + i))); \
  }
SLEEF(exp)
SLEEF(log)
SLEEF(log1p)
#else
#define sleef_exp NULL
#define sleef_log NULL
#define sleef_log1p NULL
#endif

const struct bench_math VLOSS_ISA_SYMBOL(bench_math)[BENCH_MATH_COUNT] = {
    {"exp", exp, inlined_exp, sleef_exp},
    {"log", log, inlined_log, sleef_log},
    {"log1p", log1p, inlined_log1p, sleef_log1p},
};
