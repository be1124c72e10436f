/* What the arrays of a call are filled with: the awkward families of logits, labels, weights and the rest. Integer
 * arithmetic and exact float operations only, so that every platform makes the same numbers. */
#ifndef VLOSS_TESTS_CHECK_INPUTS_H
#define VLOSS_TESTS_CHECK_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

enum family {
  PLAIN,     /* as a network makes them: standard deviation 5 */
  SHIFTED,   /* plain, with 1e8 added or subtracted */
  CONFIDENT, /* the target, or another class, far above the rest: losses down to 1e-26 and below */
  EQUAL,     /* one value */
  MASKED,    /* some classes at -inf or at a finite mask, in places a whole leading run of them */
  ALL_MASKED,
  WITH_NAN,
  WITH_INFINITY,
  HUGE_RANGE, /* up to 3.4e38 */
  TINY,       /* denormals */
  CUT_OFF,    /* probabilities just above and below 2^-126 */
  RISING,     /* ever greater maxima, steps from below 1 to beyond the range of exp */
  WIDE,       /* magnitudes around 2^16 */
  FAMILIES
};

/* What the families are made of. Nearly normal: standard deviation 4.6, multiples of 2^-19 below 16. */
float any_bell(struct random *r);
/* Any finite float with an exponent field in [low, high]. */
float any_with_exponent(struct random *r, uint32_t low, uint32_t high);
/* A NaN of either sign, quiet or signalling, with any payload. */
float any_nan(struct random *r);

const char *family_name(enum family family);

/* rows x classes floats; labels: where the target of each row is (null: anywhere). Rows that have a family's
 * special value alternate at random with plain ones. */
void fill_logits(struct random *r, enum family family, size_t rows, size_t classes, const int64_t *labels, float *x);

/* Class indices in [0, classes), first and last often. */
void fill_labels(struct random *r, size_t rows, size_t classes, int64_t *labels);

/* Probabilities: normalised, one-hot, unnormalised, with zeros; some NaN if the family is WITH_NAN. */
void fill_probabilities(struct random *r, enum family family, size_t rows, size_t classes, float *p);

/* Log-probabilities: 0 and below, with -inf and values around log 2^-126. */
void fill_log_probabilities(struct random *r, enum family family, size_t rows, size_t classes, float *x);

/* Class weights: with zeros; below zero as well if `sign`. */
void fill_weights(struct random *r, bool with_signs, size_t n, float *w);

/* Gradients from above: both signs, zeros, and magnitudes from 2^-10 to 2^10. */
void fill_upstream(struct random *r, size_t n, float *h);

/* What a loss of one class, scaled by 2^16 as in 16-bit training, sends into a log-softmax. */
void fill_one_hot(struct random *r, size_t n, float *h);

/* Gradients of losses, as fill_upstream: some from denormals up to the largest float or, unless alone, up to 2^115, to
 * which weights and targets may add 2^12. */
void fill_scales(struct random *r, bool alone, size_t n, float *h);

#endif
