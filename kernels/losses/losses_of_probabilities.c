/* The binary cross-entropies of probabilities. See elementwise.h. */
#include "elementwise.h"

#include "loss/bce.h"
#include "loss/keras_bce.h"

ELEMENTWISE_LOSS(bce, KNOWS_CALM)
ELEMENTWISE_LOSS_WITH(keras_bce, keras_bce_constants, KNOWS_CALM)
