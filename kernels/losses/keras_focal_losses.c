/* The focal form of Keras' binary cross-entropy. See elementwise.h. */
#include "elementwise.h"

#include "loss/keras_binary_focal.h"

ELEMENTWISE_LOSS_WITH(keras_binary_focal, keras_binary_focal_constants, 0)
