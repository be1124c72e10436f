/* The focal form of the binary cross-entropy with logits. See elementwise.h. */
#include "elementwise.h"

#include "loss/sigmoid_focal.h"

ELEMENTWISE_LOSS(sigmoid_focal)
