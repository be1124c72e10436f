/* Logits that are denormal, of which some CPUs make products slowly. To exp they are what 0 is, bit for bit: so where
 * they have been met, the terms of rows are made of copies that have 0 in their place. What looks closer than that, as
 * a label's logit, a maximum or lse near 0, reads the rows themselves. */
#ifndef VLOSS_KERNELS_CALM_H
#define VLOSS_KERNELS_CALM_H

#include <string.h>

#include "tuning.h"
#include "words/vmath_special.h"

/* A row of up to so many classes is copied where there are other buffers on the stack, too. */
enum { FEW_CLASSES = CLASS_BLOCK / 4 };

#define copy_calm VLOSS_ISA_SYMBOL(vloss_copy_calm)

/* Whether denormals have been met before these n logits, the first at x, which come after `before` others: the first of
 * these is one, or the flag is up that is raised by whatever is done with one. Looking at flags may wait for all that
 * is being computed, so it is done once in CLASS_BLOCK logits. `met`: what was known before. */
VFN int met_denormals(int met, const float *x, size_t before, size_t n) {
  if (met || !DENORMALS_ARE_SLOW) return met;
  uint32_t bits;
  memcpy(&bits, x, sizeof bits);
  if ((bits << 1) - 1 < 0x00ffffff) return 1;
  return before / CLASS_BLOCK != (before + n) / CLASS_BLOCK && vmet_denormal();
}
/* n logits that are `step` apart, with 0 for denormals; `to` may be x where step is 1. */
void copy_calm(const float *x, size_t step, size_t n, float *to);

#endif
