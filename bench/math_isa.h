/* exp, log and log1p over an array, once with the functions that vloss inlines and once with SLEEF's, on one ISA. */
#ifndef VLOSS_BENCH_MATH_ISA_H
#define VLOSS_BENCH_MATH_ISA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_MATH_COUNT = 3 };
struct bench_math {
  const char *name;                                    /* "exp" */
  double (*exact)(double);                             /* the C library's */
  void (*inlined)(const float *x, float *y, size_t n); /* n: a multiple of 16 */
  void (*sleef)(const float *x, float *y, size_t n);   /* null where SLEEF has no vector function */
};
#define ISA(isa, ...) extern const struct bench_math bench_math_##isa[BENCH_MATH_COUNT];
#include "isas.def"
#undef ISA

#ifdef __cplusplus
}
#endif

#endif
