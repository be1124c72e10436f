/* Writing past the cache what does not fit it. */
#ifndef VLOSS_KERNELS_PAST_CACHE_H
#define VLOSS_KERNELS_PAST_CACHE_H

#include <string.h>

#include "tuning.h"
#include "words/isa.h"

/* memcpy past the cache but for the lines that are not whole. */
VFN void copy_past_cache(float *to, const float *from, size_t n) {
  size_t i = (64 - (uintptr_t)to % 64) % 64 / sizeof *to;
  if (i > n) i = n;
  memcpy(to, from, i * sizeof *to);
  for (; i + 16 <= n; i += 16) vstream(to + i, vload(from + i));
  memcpy(to + i, from + i, (n - i) * sizeof *to);
}

#endif
