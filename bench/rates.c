/* The loops of rates.h, compiled once per ISA: as many independent chains as the registers hold, which is no fewer than
 * the latency of an instruction times how many start in a cycle on any core known. Written out, as compilers do not
 * agree on when a loop is to be unrolled. */
#include "rates.h"

#include "words/isa.h"

#if defined(VLOSS_ISA_IS_AVX512)
#include <immintrin.h>
#define LANES 16
#define CHAINS 16
typedef __m512 floats;
typedef __m512i lanes;
#define SET _mm512_set1_ps
#define REVERSED _mm512_set_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define FMA _mm512_fmadd_ps
#define ADD _mm512_add_ps
#define AND _mm512_and_ps
#define SHUFFLE(x, order) _mm512_permutexvar_ps(order, x)
#define CONVERT(x) _mm512_cvtps_pd(_mm512_castps512_ps256(x))
#define REGISTER "v"
#elif defined(VLOSS_ISA_IS_AVX2)
#include <immintrin.h>
#define LANES 8
#define CHAINS 12
typedef __m256 floats;
typedef __m256i lanes;
#define SET _mm256_set1_ps
#define REVERSED _mm256_set_epi32(0, 1, 2, 3, 4, 5, 6, 7)
#define FMA _mm256_fmadd_ps
#define ADD _mm256_add_ps
#define AND _mm256_and_ps
#define SHUFFLE _mm256_permutevar8x32_ps
#define CONVERT(x) _mm256_cvtps_pd(_mm256_castps256_ps128(x))
#define REGISTER "x"
#elif defined(VLOSS_ISA_IS_NEON)
#include <arm_neon.h>
#define LANES 4
#define CHAINS 16
typedef float32x4_t floats;
typedef float32x4_t lanes;
#define SET vdupq_n_f32
#define REVERSED vdupq_n_f32(0)
#define FMA(x, a, b) vfmaq_f32(x, a, b)
#define ADD vaddq_f32
#define AND(x, a) vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vreinterpretq_u32_f32(a)))
#define SHUFFLE vzip1q_f32
#define CONVERT(x) vcvt_f64_f32(vget_low_f32(x))
#define REGISTER "w"
#endif

#ifdef CHAINS
#define FIRST(STEP) STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8) STEP(9) STEP(10) STEP(11)
#if CHAINS == 16
#define EACH(STEP) FIRST(STEP) STEP(12) STEP(13) STEP(14) STEP(15)
#else
#define EACH(STEP) FIRST(STEP)
#endif

/* The compiler may neither leave out what made x nor know what is in it. */
#define KEEP(x) __asm__ volatile("" : "+" REGISTER(x));
#define TAKEN(x) __asm__ volatile("" : : REGISTER(x));

#define CHAIN(i) floats x##i = one;
#define FMA_STEP(i)             \
  x##i = FMA(x##i, half, half); \
  KEEP(x##i)
#define ADD_STEP(i)      \
  x##i = ADD(x##i, one); \
  KEEP(x##i)
#define SHUFFLE_STEP(i)        \
  x##i = SHUFFLE(x##i, order); \
  KEEP(x##i)
#define CONVERT_STEP(i) TAKEN(CONVERT(x##i)) KEEP(x##i)
#define MIXED_STEP(i)                         \
  x##i = i % 4 == 0   ? FMA(x##i, half, half) \
         : i % 4 == 1 ? ADD(x##i, one)        \
         : i % 4 == 2 ? SHUFFLE(x##i, order)  \
                      : AND(x##i, one);       \
  KEEP(x##i)

#define RATE(name, STEP)                            \
  static void name(size_t steps) {                  \
    const floats half = SET(0.5f), one = SET(1.0f); \
    const lanes order = REVERSED;                   \
    (void)half, (void)order;                        \
    EACH(CHAIN)                                     \
    while (steps--) {                               \
      EACH(STEP)                                    \
    }                                               \
  }
RATE(fmas, FMA_STEP)
RATE(adds, ADD_STEP)
RATE(shuffles, SHUFFLE_STEP)
RATE(converts, CONVERT_STEP)
RATE(mixed, MIXED_STEP)
#else
#define LANES 1
#define CHAINS 0
#define fmas NULL
#define adds NULL
#define shuffles NULL
#define converts NULL
#define mixed NULL
#endif

const struct bench_rate VLOSS_ISA_SYMBOL(bench_rates)[BENCH_RATE_COUNT] = {
    {"fma", LANES, CHAINS, fmas},         {"add", LANES, CHAINS, adds},  {"shuffle", LANES, CHAINS, shuffles},
    {"convert", LANES, CHAINS, converts}, {"any", LANES, CHAINS, mixed},
};
