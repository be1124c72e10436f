/* The limits of the machine for moving memory: loops that do what a kernel of the same traffic cannot avoid, no more.
 */
#ifndef VLOSS_BENCH_LIMITS_H
#define VLOSS_BENCH_LIMITS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Several ways to do the same traffic; the fastest is the limit, and which one that is depends on the cache level.
 * n is a multiple of BENCH_LIMIT_BLOCK floats; the arrays are aligned to 64 bytes. */
enum { BENCH_LIMIT_BLOCK = 4096 };
struct bench_limit {
  const char *traffic; /* "read" a, "fill" out, "update" out in place, "copy" a to out, "add" a and b into out */
  const char *way;
  unsigned arrays, bytes; /* arrays used; bytes moved per float of one array */
  void (*run)(const float *a, const float *b, float *out, size_t n);
};
extern const struct bench_limit bench_limits[];
extern const size_t bench_limit_count;

#ifdef __cplusplus
}
#endif

#endif
