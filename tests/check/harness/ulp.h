/* How far a float is from what the reference says, in units of the last place. */
#ifndef VLOSS_TESTS_CHECK_ULP_H
#define VLOSS_TESTS_CHECK_ULP_H

#include <stdbool.h>

#include "reference.h"

/* 0 for an exact answer, infinity for one of the wrong kind (NaN, infinite, finite; NaN must be 0x7fc00000). flushed: a
 * denormal or -0 is of the wrong kind, +0 is right for what is below 2^-126 (and the gate at that size beside it), and
 * an error below 2^-140 does not count: factors that are denormal themselves have no more digits. */
double ulp_error(float got, struct expectation expected, double gate, bool flushed);

/* The same of a result of 16 bits in units of the last place of its type, given the gate of the float that it was
 * rounded from, in units of a float's last place: what that allows does not count. */
double ulp_error_of_half(vloss_type type, float got, struct expectation expected, double gate, bool flushed);
/* What a result of 16 bits may be off beyond that: half a unit for its own rounding, and a little. */
#define HALF_GATE 0.51

/* The same of doubles, whose NaN must be 0x7ff8000000000000, and +0 may stand for what is below 2^-1022. */
double ulp_error_of_double(double got, struct expectation expected, double gate, bool flushed);

/* The bits of a float. */
uint32_t float_bits(float x);

#endif
