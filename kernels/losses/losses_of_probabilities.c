/* The binary cross-entropies of probabilities. See elementwise.h. */
#include "elementwise.h"

#include "loss/bce.h"
#include "loss/keras_bce.h"

CALM_LOSS(bce)
ELEMENTWISE_LOSS(keras_bce)
