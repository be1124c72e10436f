/* The losses of a difference p - t. See elementwise.h. */
#include "elementwise.h"

#include "loss/huber.h"
#include "loss/l1.h"
#include "loss/log_cosh.h"
#include "loss/mse.h"
#include "loss/smooth_l1.h"

ELEMENTWISE_LOSS(l1)
CALM_PRODUCT_LOSS(mse)
CALM_PRODUCT_LOSS(smooth_l1)
CALM_PRODUCT_LOSS(huber)
CALM_PRODUCT_LOSS(log_cosh)
