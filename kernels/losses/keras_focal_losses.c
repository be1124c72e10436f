/* The focal form of Keras' binary cross-entropy. See elementwise.h. */
#include "elementwise.h"

#include "loss/keras_binary_focal.h"

ELEMENTWISE_LOSS(keras_binary_focal)
