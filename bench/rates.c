/* The loops of rates.h, compiled once per ISA: as many independent chains as the registers hold, which is more than the
 * longest latency times the instructions that start in a cycle on any core known (4 times 4). */
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
/* The compiler may neither leave out what made x nor know what is in it. */
#define KEEP(x) __asm__ volatile("" : "+" REGISTER(x))
#define TAKEN(x) __asm__ volatile("" : : REGISTER(x))

/* `instruction` is of a chain x and the constants below. */
#define RATE(name, instruction)                          \
  static void name(size_t steps) {                       \
    const floats half = SET(0.5f), one = SET(1.0f);      \
    const lanes order = REVERSED;                        \
    floats chains[CHAINS];                               \
    (void)half, (void)one, (void)order;                  \
    for (size_t i = 0; i < CHAINS; i++) chains[i] = one; \
    while (steps--) {                                    \
      UNROLL for (size_t i = 0; i < CHAINS; i++) {       \
        floats x = chains[i];                            \
        instruction;                                     \
        KEEP(x);                                         \
        chains[i] = x;                                   \
      }                                                  \
    }                                                    \
  }
RATE(fmas, x = FMA(x, half, half))
RATE(adds, x = ADD(x, one))
RATE(shuffles, x = SHUFFLE(x, order))
RATE(converts, TAKEN(CONVERT(x)))
RATE(mixed, x = i % 4 == 0   ? FMA(x, half, half)
                : i % 4 == 1 ? ADD(x, one)
                : i % 4 == 2 ? SHUFFLE(x, order)
                             : AND(x, one))
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
