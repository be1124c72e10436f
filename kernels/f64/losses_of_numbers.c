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

WIDE_LOSS(l1)
WIDE_LOSS(mse)
WIDE_LOSS(smooth_l1)
WIDE_LOSS(huber)
WIDE_LOSS(log_cosh)
WIDE_LOSS(mape)
WIDE_LOSS(msle)
WIDE_LOSS(hinge_embedding)
WIDE_LOSS(hinge)
WIDE_LOSS(squared_hinge)
WIDE_LOSS(soft_margin)
WIDE_LOSS(margin_ranking)
