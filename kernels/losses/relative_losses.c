/* The losses of a difference against the size of the target, or of logarithms. See elementwise.h. */
#include "elementwise.h"

#include "loss/mape.h"
#include "loss/msle.h"

ELEMENTWISE_LOSS(mape, PRODUCT | KNOWS_CALM | FEW_OPERATIONS)
ELEMENTWISE_LOSS(msle, PRODUCT)
