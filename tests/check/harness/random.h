/* The generator behind every input: integers only, so the same numbers come out on every platform. */
#ifndef VLOSS_TESTS_CHECK_RANDOM_H
#define VLOSS_TESTS_CHECK_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
  uint64_t state;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t random_bits(struct random *r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* 0 .. n - 1; the bias of the modulus does not matter here. */
static inline size_t random_below(struct random *r, size_t n) { return (size_t)((random_bits(r) >> 16) % n); }

/* A multiple of 2^-24 in [0, 1): exact as a float. */
static inline float random_unit(struct random *r) { return (float)(random_bits(r) >> 40) * 0x1p-24f; }

/* A seed that depends on every byte of a text as well: FNV-1a, continued. */
static inline uint64_t random_mix(uint64_t seed, const char *text) {
  uint64_t h = seed ^ 0xcbf29ce484222325u;
  for (; *text; text++) h = (h ^ (unsigned char)*text) * 0x100000001b3u;
  return h;
}

#endif
