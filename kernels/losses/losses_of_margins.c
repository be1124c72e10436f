/* The losses with a margin, elementwise. See elementwise.h. */
#include "elementwise.h"

#include "loss/hinge.h"
#include "loss/hinge_embedding.h"
#include "loss/margin_ranking.h"
#include "loss/soft_margin.h"
#include "loss/squared_hinge.h"

ELEMENTWISE_LOSS(hinge_embedding)
CALM_LOSS(hinge)
CALM_PRODUCT_LOSS(squared_hinge)
CALM_LOSS(soft_margin)
CALM_LOSS(margin_ranking)
