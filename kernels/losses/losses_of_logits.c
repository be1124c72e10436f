/* The binary cross-entropy of logits. See elementwise.h. */
#include "elementwise.h"

#include "loss/bce_with_logits.h"

ELEMENTWISE_LOSS_WITH(bce_with_logits, bce_with_logits_constants, KNOWS_CALM)
