/* The losses with a margin, elementwise. See elementwise.h. */
#include "elementwise.h"

#include "loss/hinge.h"
#include "loss/hinge_embedding.h"
#include "loss/margin_ranking.h"
#include "loss/soft_margin.h"
#include "loss/squared_hinge.h"

ELEMENTWISE_LOSS_WITH(hinge_embedding, hinge_embedding_constants, MAY_BE_NEGATIVE | HAS_USUAL | FEW_OPERATIONS)
ELEMENTWISE_LOSS_WITH(hinge, hinge_constants, KNOWS_CALM | FEW_OPERATIONS)
ELEMENTWISE_LOSS_WITH(squared_hinge, hinge_constants, PRODUCT | KNOWS_CALM | FEW_OPERATIONS)
ELEMENTWISE_LOSS(soft_margin, KNOWS_CALM)
ELEMENTWISE_LOSS_WITH(margin_ranking, margin_ranking_constants, KNOWS_CALM | HAS_USUAL | NEEDS_OTHER | FEW_OPERATIONS)
