/* The losses of a difference against the size of the target, or of logarithms. See elementwise.h. */
#include "elementwise.h"

#include "loss/mape.h"
#include "loss/msle.h"

CALM_PRODUCT_LOSS(mape)
ELEMENTWISE_LOSS(msle)
