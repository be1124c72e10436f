/* Negative log-likelihoods: Poisson, Gauss. See elementwise.h. */
#include "elementwise.h"

#include "loss/gaussian_nll.h"
#include "loss/poisson_nll.h"

ELEMENTWISE_LOSS(poisson_nll)
ELEMENTWISE_LOSS(gaussian_nll)
