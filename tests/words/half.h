/* The words for 16-bit floats of one ISA, as functions on memory. */
#ifndef VLOSS_TESTS_WORDS_HALF_H
#define VLOSS_TESTS_WORDS_HALF_H

#include <stddef.h>
#include <stdint.h>

/* Of 16 elements; `numbers` and `past_cache` of 32 that are no NaN, the latter to a 64-byte aligned address. */
struct halves {
  const char *isa;
  struct half {
    void (*widen)(const uint16_t *from, float *to);
    void (*narrow)(const float *from, uint16_t *to);
    void (*numbers)(const float *from, uint16_t *to);
    void (*past_cache)(const float *from, uint16_t *to);
  } bf16, f16;
  void (*turn)(const uint16_t *from, uint16_t *to); /* 8 x 8 elements; and to[64 + 4 i] .. are the first 4 of row i,
                                                       to[96] .. the first 4 elements and zeros */
  void (*pairs)(const uint16_t *from, int32_t *to);
};

#endif
