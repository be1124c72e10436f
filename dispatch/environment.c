/* See environment.h: the control and status registers of x86 and ARM, and what C has for all others. */
#include "environment.h"

#include <stdint.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#include <fenv.h>
#endif

#include "words/strict.h"

#if defined(__SSE__)
/* Every exception masked, round to nearest, no flush to zero; the low six bits are flags, of which kernels look at two:
 * a denormal operand, a result below 2^-126 (vmet_denormal). Reading the register takes as long as a short row's kernel
 * (5 ns), writing it less: so it is read once, and restored without a look at what it has become. */
#define DEFAULT_MXCSR 0x1f80u
#define MXCSR_OTHER_FLAGS 0x2du
typedef unsigned environment;
static environment enter(void) {
  const unsigned saved = _mm_getcsr();
  if ((saved & ~MXCSR_OTHER_FLAGS) != DEFAULT_MXCSR) _mm_setcsr(DEFAULT_MXCSR);
  return saved;
}
static void leave(environment saved) { _mm_setcsr(saved); }
#elif defined(__aarch64__)
/* FPCR (modes) in the low half, FPSR (flags) in the high half; the default of both is 0. "memory": what is computed
 * from memory, or stored to it, stays on its side. */
typedef uint64_t environment;
static environment enter(void) {
  uint64_t control, flags;
  __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control), "=r"(flags));
  __asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(0)) : "memory");
  return control | flags << 32;
}
static void leave(environment saved) {
  __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(saved & 0xffffffff), "r"(saved >> 32) : "memory");
}
#else
/* All that C can name: modes, traps and flags. Where the C library knows no environment, the calls do nothing. */
typedef fenv_t environment;
static environment enter(void) {
  fenv_t saved;
  fegetenv(&saved);
  fesetenv(FE_DFL_ENV);
  return saved;
}
static void leave(environment saved) { fesetenv(&saved); }
#endif

vloss_status vloss_in_default_environment(vloss_run *run, const void *args, size_t size, int function) {
  const environment saved = enter();
  const vloss_status status = run(args, size, function);
  leave(saved);
  return status;
}
