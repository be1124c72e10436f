/* What the operands of the losses are filled with. The families of inputs.h mean, for single elements:
 *   shifted           both operands near a large number of one sign
 *   confident         large magnitudes; probabilities near 0 and 1
 *   equal             one value in the whole array
 *   masked, cut-off   every fourth element at or beside a kink, a clip or a bound
 *   all-masked        every element there
 *   nan, infinity     in places
 *   huge, tiny        up to 2^120, so that products with labels and weights are floats; denormals
 *   rising            exponents from 2^-30 to 2^30
 *   wide              predictions a few ulp from their targets
 */
#ifndef VLOSS_TESTS_CHECK_LOSS_INPUTS_H
#define VLOSS_TESTS_CHECK_LOSS_INPUTS_H

#include "inputs.h"
#include "loss_row.h"

/* How an array is drawn. */
struct draw {
  enum vloss_domain domain;
  enum family family;
  bool unchecked;     /* values that are errors in checked mode may occur */
  size_t rarity;      /* one element in so many is special, where the family has special values */
  const float *kinks; /* distances, or values, at which something happens */
  size_t kink_count;
  const float *near; /* as many elements: predictions lie beside them, at the kinks' distances; may be null */
};
void fill_operand(struct random *r, const struct draw *draw, size_t rows, size_t columns, float *x);

#endif
