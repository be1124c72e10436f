/* The words of sweep.def of one ISA over an array, inlined (kernels/words/vmath.h) and as SLEEF computes them. */
#ifndef VLOSS_TESTS_WORDS_SWEEP_H
#define VLOSS_TESTS_WORDS_SWEEP_H

#include <stddef.h>

/* n is a multiple of 16. */
typedef void apply(const float *x, float *y, size_t n);

typedef void apply_double(const double *x, double *y, size_t n);

enum {
#define WORD(name, ...) MAP_##name,
#include "sweep.def"
#undef WORD
  MAPS
};
enum { DOUBLE_EXP, DOUBLE_LOG, DOUBLE_MAPS };

struct maps {
  const char *isa;
  apply *inlined[MAPS];
  apply_double *doubles[DOUBLE_MAPS]; /* dexp, dlog */
  apply *sleef[MAPS];                 /* null where SLEEF has no such function, none of this ISA, or is not there */
};

#define ISA(isa, ...) extern const struct maps maps_##isa;
#include "isas.def"
#undef ISA

#endif
