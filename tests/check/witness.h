/* The inputs of the flag witness (witness.c): classes of ordinary inputs, every one a normal number of its type or 0,
 * that make what is between input and result small. */
#ifndef VLOSS_TESTS_CHECK_WITNESS_H
#define VLOSS_TESTS_CHECK_WITNESS_H

#include "job.h"

enum ordinary {
  ORDINARY,         /* as a network makes them */
  LEADING,          /* logits: one class 20 to 110 ahead of the others */
  SATURATED,        /* 20 to 104 from 0; probabilities as far into their ends */
  SMALL,            /* 1e-15 to 1e-30 */
  SMALL_DIFFERENCE, /* predictions equal to their targets, or a few ulp beside them, at every size */
  LARGE_NUMBERS,    /* 1e4 to 1e18 */
  ENDS,             /* probabilities 0, 1 and just beside; one-hot rows; logits at -inf and at finite masks */
  ORDINARIES
};
const char *ordinary_name(enum ordinary kind);

/* Fills the operands of a job anew. Weights and upstream gradients stay. */
void fill_ordinary(struct job *job, enum ordinary kind, struct random *r);

/* Gives row and column of every operand, weights and upstream gradients too, values that no function makes small. */
void fill_harmless(struct job *job, size_t row, size_t column, bool whole_row, struct random *r);

#endif
