/* The vector words of one ISA, callable from code that is compiled for none. */
#ifndef VLOSS_TESTS_WORDS_WORDS_H
#define VLOSS_TESTS_WORDS_WORDS_H

#include <stddef.h>
#include <stdint.h>

enum {
#define WORD(in, out, name, vector, scalar) WORD_##name,
#include "words.def"
#undef WORD
  WORD_COUNT
};

/* A word on 16 lanes in memory. */
typedef void lanes(const void *a, const void *b, const void *c, void *out);

struct words {
  const char *isa;
  lanes *const *lane_wise;                    /* by WORD_name */
  void (*copy)(const float *from, float *to); /* vload, vstore */
  void (*load_tail)(const float *from, size_t n, float fill, float *to16);
  void (*store_tail)(const float *from16, size_t n, float *to);
  void (*stream)(const float *from, float *to);
  void (*set)(float f, int32_t i, double d, float *f16, int32_t *i16, double *d16);
  int (*any_greater)(const float *a, const float *b);
  uint32_t (*lanes_greater)(const float *a, const float *b);
  float (*first)(const float *a);
  float (*greatest)(const float *a);
  double (*sum)(const double *a);
  void (*split)(const float *a, double *split, double *positive);
  void (*transpose)(float *rows16x16);
  void (*permute)(const float *a, const int32_t *order, float *permuted);
  /* Whether products with a denormal are noticed; -1: not even asked for, as the ISA has no flag for them. */
  int (*met_denormal)(const float *a, const float *b, float *product);
  int (*any_double_greater)(const double *a, const double *b);
};

#define ISA(isa, ...) extern const struct words words_##isa;
#include "isas.def"
#undef ISA

#endif
