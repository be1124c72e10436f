/* The binary cross-entropy of logits. See elementwise.h. */
#include "elementwise.h"

#include "loss/bce_with_logits.h"

CALM_LOSS(bce_with_logits)
