/* CPU and operating system features as bits: what the instructions report (vloss_cpu_read), and a pure function from
 * that to the bits (vloss_cpu_decode), which tests feed with the facts of other CPUs. Every compiler flag of
 * cmake/VlossIsa.cmake has its bit here.
 */
#ifndef VLOSS_DISPATCH_CPU_H
#define VLOSS_DISPATCH_CPU_H

#include <stddef.h>
#include <stdint.h>

/* X(bit, name, what to say when it is missing). Best first: the first missing one says most about why an ISA cannot be
 * used. POPCNT and SSE4.2 are here because compilers use them freely under -mavx2. */
#define VLOSS_CPU_FEATURES(X)                                                                   \
  X(AVX512F, "avx512f", "The CPU has no AVX512F.")                                              \
  X(AVX512CD, "avx512cd", "The CPU has no AVX512CD.")                                           \
  X(AVX512BW, "avx512bw", "The CPU has no AVX512BW.")                                           \
  X(AVX512DQ, "avx512dq", "The CPU has no AVX512DQ.")                                           \
  X(AVX512VL, "avx512vl", "The CPU has no AVX512VL.")                                           \
  X(AVX2, "avx2", "The CPU has no AVX2.")                                                       \
  X(FMA, "fma", "The CPU has no FMA.")                                                          \
  X(F16C, "f16c", "The CPU has no F16C.")                                                       \
  X(AVX, "avx", "The CPU has no AVX.")                                                          \
  X(POPCNT, "popcnt", "The CPU has no POPCNT.")                                                 \
  X(SSE42, "sse4.2", "The CPU has no SSE4.2.")                                                  \
  X(SSE2, "sse2", "The CPU has no SSE2.")                                                       \
  X(NEON, "neon", "The CPU has no NEON (Advanced SIMD).")                                       \
  X(OS_AVX512, "os-avx512", "The operating system does not save the AVX-512 registers (XCR0).") \
  X(OS_AVX, "os-avx", "The operating system does not save the AVX registers (OSXSAVE, XCR0).")

/* VLOSS_CPU_AVX2 and so on: each one bit. */
#define VLOSS_CPU_INDEX_(bit, name, missing) VLOSS_CPU_INDEX_##bit,
#define VLOSS_CPU_BIT_(bit, name, missing) VLOSS_CPU_##bit = 1 << VLOSS_CPU_INDEX_##bit,
enum { VLOSS_CPU_FEATURES(VLOSS_CPU_INDEX_) VLOSS_CPU_FEATURE_COUNT };
enum { VLOSS_CPU_FEATURES(VLOSS_CPU_BIT_) VLOSS_CPU_NONE = 0 };

/* What the ISAs need. */
enum {
  VLOSS_CPU_TIER_AVX2 = VLOSS_CPU_AVX2 | VLOSS_CPU_FMA | VLOSS_CPU_F16C | VLOSS_CPU_AVX | VLOSS_CPU_POPCNT |
                        VLOSS_CPU_SSE42 | VLOSS_CPU_SSE2 | VLOSS_CPU_OS_AVX,
  VLOSS_CPU_TIER_AVX512 = VLOSS_CPU_TIER_AVX2 | VLOSS_CPU_AVX512F | VLOSS_CPU_AVX512CD | VLOSS_CPU_AVX512BW |
                          VLOSS_CPU_AVX512DQ | VLOSS_CPU_AVX512VL | VLOSS_CPU_OS_AVX512
};

/* What the instructions report; all 0 where there is no CPUID. */
struct vloss_cpu_facts {
  uint32_t max_leaf;  /* leaf 0, EAX: leaves above it mean nothing */
  uint32_t leaf1_ecx; /* leaf 1 */
  uint32_t leaf1_edx;
  uint32_t leaf7_ebx; /* leaf 7, subleaf 0 */
  uint64_t xcr0;      /* means nothing unless leaf 1 reports OSXSAVE; without it XGETBV is illegal */
  uint32_t neon;      /* 1 on aarch64, whose baseline it is */
};

struct vloss_cpu_facts vloss_cpu_read(void);
uint32_t vloss_cpu_decode(const struct vloss_cpu_facts *facts);

/* The CPU's own name for itself, or "" where it has none to tell. */
enum { VLOSS_CPU_BRAND_SIZE = 49 };
void vloss_cpu_brand(char brand[VLOSS_CPU_BRAND_SIZE]);

/* Why features do not meet a need, by the first missing bit; null if they do. */
const char *vloss_cpu_missing(uint32_t features, uint32_t needs);

#endif
