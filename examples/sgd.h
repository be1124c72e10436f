/* Stochastic gradient descent whose bits depend on nothing but the gradients: random numbers of its own, and sums in a
 * fixed order. */
#ifndef VLOSS_SGD_H
#define VLOSS_SGD_H

#include <string.h>

#include "example.h"

/* SplitMix64: a full-period generator with 64 bits of state (Steele, Lea, Flood 2014). */
static inline uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* Fisher-Yates. */
static inline void shuffle(size_t n, uint32_t *order, uint64_t *random) {
  for (size_t i = n - 1; i > 0; i--) {
    size_t j = (size_t)(next_random(random) % (i + 1));
    uint32_t other = order[j];
    order[j] = order[i];
    order[i] = other;
  }
}

/* y += a x, the one loop that costs time: its elements do not depend on each other, so any vector width gives the same
 * bits. */
static inline void add_scaled(size_t n, float a, const float *restrict x, float *restrict y) {
  for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

/* One step of gradient descent with momentum 0.9. */
static inline void descend(size_t n, float rate, const float *gradient, float *velocity, float *parameters) {
  for (size_t i = 0; i < n; i++) {
    velocity[i] = 0.9f * velocity[i] + gradient[i];
    parameters[i] -= rate * velocity[i];
  }
}

/* FNV-1a over the bits of numbers, lowest byte first on any machine; hash: HASH_START, or that of what came before. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
static inline uint64_t hash_floats(size_t n, const float *x, uint64_t hash) {
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], sizeof bits);
    for (int shift = 0; shift < 32; shift += 8) hash = (hash ^ (bits >> shift & 0xff)) * UINT64_C(0x100000001b3);
  }
  return hash;
}

/* Calls train(context), which returns the hash of the weights, under every ISA that can run here, and compares. */
static inline void train_on_every_isa(const char *name, uint64_t (*train)(void *context), void *context) {
  uint64_t first_hash = 0;
  const char *first = NULL;
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *isa = vloss_isa_name(i), *reason = vloss_isa_unsupported_reason(isa);
    if (reason != NULL) {
      printf("\n%s: not trained on %s: %s\n", name, isa, reason);
      continue;
    }
    require(vloss_isa_force(isa));
    uint64_t hash = train(context);
    if (first == NULL) {
      first = isa;
      first_hash = hash;
    } else if (hash != first_hash) {
      fail("%s: the weights differ between %s and %s", name, first, isa);
    } else {
      printf("the same bits as on %s\n", first);
    }
  }
}

#endif
