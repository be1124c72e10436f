/* The losses of a distribution against another: Kullback-Leibler, and Poisson as Keras has it. See elementwise.h. */
#include "elementwise.h"

#include "loss/kl_div.h"
#include "loss/poisson.h"

ELEMENTWISE_LOSS_WITH(kl_div, kl_div_constants, MAY_BE_NEGATIVE | KNOWS_CALM)
ELEMENTWISE_LOSS(poisson, MAY_BE_NEGATIVE | KNOWS_CALM)
