/* 16-bit floats in plain C, for the harness: how arrays of VLOSS_BF16 and VLOSS_F16 lie in memory. */
#ifndef VLOSS_TESTS_CHECK_HALF_H
#define VLOSS_TESTS_CHECK_HALF_H

#include <stdint.h>

#include "vloss/vloss.h"

float half_widened(vloss_type type, uint16_t half);
/* To nearest, ties to even. */
uint16_t half_narrowed(vloss_type type, float value);

#endif
