/* The elementwise losses of doubles: of differences, and of signs. */
#include "elementwise.h"

#define VLOSS_WIDE
#include "loss/hinge.h"
#include "loss/hinge_embedding.h"
#include "loss/huber.h"
#include "loss/l1.h"
#include "loss/log_cosh.h"
#include "loss/mape.h"
#include "loss/margin_ranking.h"
#include "loss/mse.h"
#include "loss/msle.h"
#include "loss/smooth_l1.h"
#include "loss/soft_margin.h"
#include "loss/squared_hinge.h"

WIDE_PAIRS(l1, 0)
WIDE_PAIRS(mse, 0)
WIDE_PAIRS(smooth_l1, 0)
WIDE_PAIRS(huber, 0)
WIDE_LOSS(log_cosh, NULL)
WIDE_PAIRS(mape, 0)
WIDE_LOSS_AND_SUM(msle, NULL)
WIDE_LOSS_AND_SUM(hinge_embedding, NULL)
WIDE_PAIRS(hinge, WIDE_GRADIENT_TELLS)
WIDE_PAIRS(squared_hinge, WIDE_GRADIENT_TELLS)
WIDE_LOSS(soft_margin, soft_margin_wide_far)
WIDE_PAIRS(margin_ranking, WIDE_OTHER | WIDE_GRADIENT_TELLS)
