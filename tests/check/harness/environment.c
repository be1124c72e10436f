/* See environment.h: the registers of x86 and ARM, and nothing elsewhere. */
#include "environment.h"

#include <fenv.h>

#if defined(__SSE__) /* 32-bit x86, too: what its x87 holds is no concern of SSE arithmetic */
#include <immintrin.h>

uint64_t environment_get(void) { return _mm_getcsr(); }
void environment_set(uint64_t word) { _mm_setcsr((unsigned)word); }

/* MXCSR: flags 0-5, DAZ 6, masks 7-12, rounding 13-14, FTZ 15. */
static const struct environment environments[] = {
    {"default", 0x1f80},
    {"flags set", 0x1fbf},
    {"round down", 0x3f80},
    {"round up", 0x5f80},
    {"round to zero", 0x7f80},
    {"FTZ", 0x9f80},
    {"DAZ", 0x1fc0},
    {"FTZ, DAZ, round up, flags set", 0xdfff},
    {"all traps unmasked", 0x0000},
    {"traps for invalid and division unmasked", 0x1d00},
    {"all traps unmasked, FTZ, DAZ, round to zero", 0xe040},
};

#elif defined(__aarch64__)

/* FPCR in the upper half, FPSR in the lower. */
uint64_t environment_get(void) {
  uint64_t control, status;
  __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control), "=r"(status));
  return control << 32 | status;
}
void environment_set(uint64_t word) {
  __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(word >> 32), "r"(word & 0xffffffffu));
}

/* FPCR: traps 8-12 and 15 (many CPUs have none and keep 0), rounding 22-23 (1 up, 2 down, 3 zero), FZ 24, DN 25.
 * FPSR: flags 0-4 and 7. */
#define FPCR(bits) ((uint64_t)(bits) << 32)
static const struct environment environments[] = {
    {"default", 0},
    {"flags set", 0x9f},
    {"round up", FPCR(1u << 22)},
    {"round down", FPCR(2u << 22)},
    {"round to zero", FPCR(3u << 22)},
    {"FZ", FPCR(1u << 24)},
    {"DN", FPCR(1u << 25)},
    {"FZ, DN, round up, flags set", FPCR(1u << 22 | 1u << 24 | 1u << 25) | 0x9f},
    {"traps enabled where the CPU has them", FPCR(0x9f00)},
};

#elif defined(FE_UPWARD) && defined(FE_DOWNWARD) && defined(FE_TOWARDZERO)

/* What C can name: the rounding mode in the lower half, the flags in the upper one. */
uint64_t environment_get(void) { return (uint64_t)fetestexcept(FE_ALL_EXCEPT) << 32 | (uint32_t)fegetround(); }
void environment_set(uint64_t word) {
  fesetround((int)(uint32_t)word);
  feclearexcept(FE_ALL_EXCEPT);
  feraiseexcept((int)(word >> 32));
}
#define FLAGS ((uint64_t)FE_ALL_EXCEPT << 32)
static const struct environment environments[] = {
    {"default", FE_TONEAREST},
    {"flags set", FE_TONEAREST | FLAGS},
    {"round down", FE_DOWNWARD},
    {"round up", FE_UPWARD},
    {"round to zero, flags set", FE_TOWARDZERO | FLAGS},
};

#else
uint64_t environment_get(void) { return 0; }
void environment_set(uint64_t word) { (void)word; }
static const struct environment environments[] = {{"default", 0}};
#endif

const struct environment *environment_list(size_t *count) {
  *count = sizeof environments / sizeof *environments;
  return environments;
}
