/* The losses of a difference p - t. See elementwise.h. */
#include "elementwise.h"

#include "loss/huber.h"
#include "loss/l1.h"
#include "loss/log_cosh.h"
#include "loss/mse.h"
#include "loss/smooth_l1.h"

ELEMENTWISE_LOSS(l1, FEW_OPERATIONS)
ELEMENTWISE_LOSS(mse, PRODUCT | KNOWS_CALM | FEW_OPERATIONS)
ELEMENTWISE_LOSS_WITH(smooth_l1, smooth_l1_constants, PRODUCT | KNOWS_CALM | HAS_USUAL | FEW_OPERATIONS)
ELEMENTWISE_LOSS_WITH(huber, huber_constants, PRODUCT | KNOWS_CALM | FEW_OPERATIONS)
ELEMENTWISE_LOSS(log_cosh, PRODUCT | KNOWS_CALM)
