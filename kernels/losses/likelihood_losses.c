/* Negative log-likelihoods: Poisson, Gauss. See elementwise.h. */
#include "elementwise.h"

#include "loss/gaussian_nll.h"
#include "loss/poisson_nll.h"

ELEMENTWISE_LOSS_WITH(poisson_nll, poisson_nll_constants, MAY_BE_NEGATIVE | KNOWS_CALM)
ELEMENTWISE_LOSS_WITH(gaussian_nll, gaussian_nll_constants, MAY_BE_NEGATIVE | KNOWS_CALM | NEEDS_OTHER)
