/* The focal form of the binary cross-entropy with logits. See elementwise.h. */
#include "elementwise.h"

#include "loss/sigmoid_focal.h"

ELEMENTWISE_LOSS_WITH(sigmoid_focal, sigmoid_focal_constants, 0)
