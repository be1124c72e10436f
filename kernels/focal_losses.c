/* The focal forms of the binary cross-entropies. See elementwise.h. */
#include "elementwise.h"
#include "loss/sigmoid_focal.h"

#include "loss/keras_binary_focal.h" /* builds on the one before */

ELEMENTWISE_LOSS(sigmoid_focal)
ELEMENTWISE_LOSS(keras_binary_focal)
