/* The binary cross-entropies. See elementwise.h. */
#include "elementwise.h"
#include "loss/bce.h"
#include "loss/bce_with_logits.h"
#include "loss/keras_bce.h"

CALM_LOSS(bce)
CALM_LOSS(bce_with_logits)
ELEMENTWISE_LOSS(keras_bce)
