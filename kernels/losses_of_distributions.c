/* The losses of distributions: Kullback-Leibler, Poisson, Gauss. See elementwise.h. */
#include "elementwise.h"
#include "loss/gaussian_nll.h"
#include "loss/kl_div.h"
#include "loss/poisson.h"
#include "loss/poisson_nll.h"

ELEMENTWISE_LOSS(kl_div)
ELEMENTWISE_LOSS(poisson)
ELEMENTWISE_LOSS(poisson_nll)
ELEMENTWISE_LOSS(gaussian_nll)
