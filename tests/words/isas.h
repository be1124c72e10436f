/* The ISAs of this build that this CPU can run, for the tests that have one table of functions per ISA. */
#ifndef VLOSS_TESTS_WORDS_ISAS_H
#define VLOSS_TESTS_WORDS_ISAS_H

#include <stdio.h>

#include "vloss/vloss.h"

/* EACH_ISA(X) is X(isa) for every ISA of the build. */
#ifdef VLOSS_HAVE_AVX512
#define ISA_AVX512(X) X(avx512)
#else
#define ISA_AVX512(X)
#endif
#ifdef VLOSS_HAVE_AVX2
#define ISA_AVX2(X) X(avx2)
#else
#define ISA_AVX2(X)
#endif
#ifdef VLOSS_HAVE_NEON
#define ISA_NEON(X) X(neon)
#else
#define ISA_NEON(X)
#endif
#define EACH_ISA(X) ISA_AVX512(X) ISA_AVX2(X) ISA_NEON(X) X(scalar)

/* Whether the ISA can run here; says so if it cannot. */
static inline int isa_runs(const char *isa) {
  const char *reason = vloss_isa_unsupported_reason(isa);
  if (reason) printf("SKIP %s: %s\n", isa, reason);
  return !reason;
}

#endif
