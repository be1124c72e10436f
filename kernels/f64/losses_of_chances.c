/* The elementwise losses of doubles: of probabilities, their logits and logarithms, and of distributions. */
#include "elementwise.h"

#define VLOSS_WIDE
#include "loss/bce.h"
#include "loss/bce_with_logits.h"
#include "loss/gaussian_nll.h"
#include "loss/keras_bce.h"
#include "loss/keras_binary_focal.h"
#include "loss/kl_div.h"
#include "loss/poisson.h"
#include "loss/poisson_nll.h"
#include "loss/sigmoid_focal.h"

WIDE_LOSS(bce)
WIDE_LOSS(bce_with_logits)
WIDE_LOSS(keras_bce)
WIDE_LOSS(sigmoid_focal)
WIDE_LOSS(keras_binary_focal)
WIDE_LOSS(kl_div)
WIDE_LOSS(poisson)
WIDE_LOSS(poisson_nll)
WIDE_LOSS(gaussian_nll)
