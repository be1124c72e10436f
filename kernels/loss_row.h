/* What a row of losses.def says: the public entry of the registry, and traits for those who check a loss, test it or
 * measure it, so that none of them knows a loss by its name. The kernels have no use for it. */
#ifndef VLOSS_KERNELS_LOSS_ROW_H
#define VLOSS_KERNELS_LOSS_ROW_H

#include <float.h>
#include <stddef.h>

#include "vloss/vloss.h"

/* What the numbers of an operand are. Where one lies outside, the loss is what the formula gives, but of the three that
 * are checked. */
enum vloss_domain {
  DOMAIN_REAL,               /* any float */
  DOMAIN_PROBABILITY,        /* mostly in [0, 1] */
  DOMAIN_STRICT_PROBABILITY, /* in [0, 1], or VLOSS_ERROR_PROBABILITY */
  DOMAIN_UNIT,               /* in [0, 1]; nothing is promised of others */
  DOMAIN_LOG_PROBABILITY,    /* 0 and below */
  DOMAIN_POSITIVE,           /* mostly above 0 */
  DOMAIN_WEIGHED,            /* mostly in [0, 1], and multiplied by a factor, the other operand */
  DOMAIN_FACTOR,             /* mostly above 0, at most 2^64 */
  DOMAIN_VARIANCE,           /* 0 and above, or VLOSS_ERROR_VARIANCE */
  DOMAIN_RATE,               /* 0 and above, or VLOSS_ERROR_RATE */
  DOMAIN_COUNT,              /* 0, 1, 2, ... and what lies between */
  DOMAIN_SIGN,               /* -1 and 1, rarely another */
  DOMAIN_HINGE_LABEL,        /* 0 and 1, or -1 and 1 */
  DOMAIN_ROW_PROBABILITY     /* a row of them sums to 1, nearly */
};

/* What the first parameter of a loss says of its operands, for those of which it does. */
enum vloss_first_parameter {
  PARAMETER_OF_FORMULA,
  PARAMETER_LOG_PREDICTION, /* 1: the prediction is a logarithm, and any float */
  PARAMETER_LOG_TARGET,     /* 1: the target is a logarithm, as the prediction is */
  PARAMETER_LABEL_MODE /* 1: targets are 0 and 1; 2: -1 and 1; 0: 1 if every target of the call is 0 or 1, else 2 */
};

enum { VLOSS_MAX_PARAMETERS = 4 }; /* no loss has more */

struct vloss_loss_row {
  vloss_loss_info info;
  enum vloss_domain prediction, target, other;
  enum vloss_first_parameter first_parameter;
  int rounds; /* the formula rounds to float on the way, so that the loss has steps */
};

#endif
