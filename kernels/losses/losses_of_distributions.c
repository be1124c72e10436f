/* The losses of a distribution against another: Kullback-Leibler, and Poisson as Keras has it. See elementwise.h. */
#include "elementwise.h"

#include "loss/kl_div.h"
#include "loss/poisson.h"

CALM_LOSS(kl_div)
CALM_LOSS(poisson)
