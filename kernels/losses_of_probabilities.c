/* The binary cross-entropies. See elementwise.h. */
#include "elementwise.h"
#include "loss/bce.h"
#include "loss/bce_with_logits.h"
#include "loss/keras_bce.h"

ELEMENTWISE_LOSS(bce)
ELEMENTWISE_LOSS(bce_with_logits)
ELEMENTWISE_LOSS(keras_bce)
