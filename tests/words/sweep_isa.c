/* The maps of one ISA: compiled once per ISA. VLOSS_SLEEF is defined where SLEEF may be used. */
#include "sweep.h"

#include "words/vmath_special.h"

/* Half an ulp of x or less, half of which are below 0: +-2^-25 x. */
VFN vf vrest(vf x) { return vmul(x, vfloat(vior(viset1(0x33000000), vishl(vbits(x), 31)))); }

#define WORD(name, witness, vector, ...)                              \
  static void inlined_##name(const float *from, float *y, size_t n) { \
    for (size_t i = 0; i < n; i += 16) {                              \
      const vf x = vload(from + i);                                   \
      vstore(y + i, vector);                                          \
    }                                                                 \
  }
#include "sweep.def"
#undef WORD

#define DOUBLE(name)                                                      \
  static void double_##name(const double *x, double *y, size_t n) {       \
    for (size_t i = 0; i < n; i += 16) dstore(y + i, name(dload(x + i))); \
  }
DOUBLE(dexp)
DOUBLE(dlog)

/* SLEEF's vectors are not always of 16: how many there are, and how to load and store one. */
#if defined(VLOSS_SLEEF) && defined(VLOSS_ISA_IS_AVX512)
#include <sleef.h>
#define WIDTH 16
#define CALL(name, x, y) _mm512_storeu_ps(y, Sleef_##name##f16_u10avx512f(_mm512_loadu_ps(x)))
#elif defined(VLOSS_SLEEF) && defined(VLOSS_ISA_IS_AVX2)
#include <sleef.h>
#define WIDTH 8
#define CALL(name, x, y) _mm256_storeu_ps(y, Sleef_##name##f8_u10avx2(_mm256_loadu_ps(x)))
#elif defined(VLOSS_SLEEF) && defined(VLOSS_ISA_IS_NEON)
#include <sleef.h>
#define WIDTH 4
#define CALL(name, x, y) vst1q_f32(y, Sleef_##name##f4_u10advsimd(vld1q_f32(x)))
#endif

#ifdef CALL
#define SLEEF(name)                                                 \
  static void sleef_##name(const float *x, float *y, size_t n) {    \
    for (size_t i = 0; i < n; i += WIDTH) CALL(name, x + i, y + i); \
  }
SLEEF(exp)
SLEEF(log)
SLEEF(log1p)
#define WITNESS(name) sleef_##name
#define sleef_NONE NULL
#else
#define WITNESS(name) NULL
#endif

const struct maps VLOSS_ISA_SYMBOL(maps) = {
    .isa = VLOSS_ISA_NAME,
    .doubles = {double_dexp, double_dlog},
#define WORD(name, witness, ...) .inlined[MAP_##name] = inlined_##name, .sleef[MAP_##name] = WITNESS(witness),
#include "sweep.def"
#undef WORD
};
