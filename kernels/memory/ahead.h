/* Asking for memory that lies in strides: columns of rows side by side, of which the hardware's prefetchers see no more
 * than a few ahead, if any. */
#ifndef VLOSS_KERNELS_AHEAD_H
#define VLOSS_KERNELS_AHEAD_H

#include <stdint.h>

#include "tuning.h"
#include "words/isa.h"

VFN void ask_at(uintptr_t at, const int to_write) {
  if (to_write)
    __builtin_prefetch((const void *)at, 1, 3);
  else
    __builtin_prefetch((const void *)at, 0, 3);
}
/* The first and the last byte of each of n columns, which follow each other at `step`, `ahead` columns from here; step
 * and width in bytes. The addresses may lie behind the array: nothing is read from there. */
VFN void ask_for_columns(const void *p, size_t step, size_t width, size_t ahead, const size_t n, const int to_write) {
  const uintptr_t first = (uintptr_t)p + ahead * step;
  UNROLL for (size_t k = 0; k < n; k++) {
    ask_at(first + k * step, to_write);
    ask_at(first + k * step + width - 1, to_write);
  }
}
/* What lies side by side. */
VFN void ask_for_bytes(const void *p, size_t bytes, const int to_write) {
  for (uintptr_t line = 0; line < bytes; line += 64) ask_at((uintptr_t)p + line, to_write);
}

#endif
