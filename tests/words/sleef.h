/* The words of kernels/words/sleef.h of one ISA as functions on memory. */
#ifndef VLOSS_TESTS_WORDS_SLEEF_H
#define VLOSS_TESTS_WORDS_SLEEF_H

#include <stddef.h>

enum {
  SLEEF_EXP,
  SLEEF_LOG,
  SLEEF_LOG1P,
  SLEEF_EXPM1,
  SLEEF_TANH,
  SLEEF_POW,
  INLINED_EXP,
  INLINED_LOG,
  INLINED_LOG1P,
  LOG1P_UNIT,
  SLEEF_EXP_PARTS,
  SLEEF_LOW_PART,
  SLEEF_WORDS
};

/* n is a multiple of 16; y is the exponent of powers. */
typedef void sleef_apply(const double *x, const double *y, double *result, size_t n);

struct sleef {
  const char *isa;
  sleef_apply *words[SLEEF_WORDS];
};

#define ISA(isa, ...) extern const struct sleef sleef_##isa;
#include "isas.def"
#undef ISA

#endif
