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

WIDE_LOSS_AND_SUM(l1, NULL)
WIDE_LOSS_AND_SUM(mse, NULL)
WIDE_LOSS_AND_SUM(smooth_l1, NULL)
WIDE_LOSS_AND_SUM(huber, NULL)
WIDE_LOSS(log_cosh, NULL)
WIDE_LOSS_AND_SUM(mape, NULL)
WIDE_LOSS_AND_SUM(msle, NULL)
WIDE_LOSS_AND_SUM(hinge_embedding, NULL)
WIDE_LOSS_AND_SUM(hinge, NULL)
WIDE_LOSS_AND_SUM(squared_hinge, NULL)
WIDE_LOSS(soft_margin, soft_margin_wide_far)
WIDE_LOSS_AND_SUM(margin_ranking, NULL)
