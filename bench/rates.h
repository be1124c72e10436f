/* The limits of a core for arithmetic: how many instructions of a kind it executes a second where they wait for
 * nothing, on one ISA. With the number of such instructions in a kernel's inner loop they say how fast that could be at
 * best. */
#ifndef VLOSS_BENCH_RATES_H
#define VLOSS_BENCH_RATES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_RATE_COUNT = 5 };
struct bench_rate {
  const char *name;          /* "fma", "add", "shuffle", "convert" (float to double), "any": of each of them in turn */
  size_t lanes;              /* floats of a vector */
  size_t instructions;       /* of a step */
  void (*run)(size_t steps); /* null where there is no vector to measure: scalar */
};
#define ISA(isa, ...) extern const struct bench_rate bench_rates_##isa[BENCH_RATE_COUNT];
#include "isas.def"
#undef ISA

#ifdef __cplusplus
}
#endif

#endif
