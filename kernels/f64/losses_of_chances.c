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

WIDE_LOSS(bce, bce_wide_far)
WIDE_LOSS_AND_SUM(bce_with_logits, wide_far_exponent)
WIDE_LOSS_AND_SUM(keras_bce, NULL)
WIDE_LOSS_AND_SUM(sigmoid_focal, sigmoid_focal_wide_far)
WIDE_LOSS_AND_SUM(keras_binary_focal, keras_binary_focal_wide_far)
WIDE_LOSS(kl_div, kl_div_wide_far)
WIDE_LOSS(poisson, poisson_wide_far)
WIDE_LOSS(poisson_nll, poisson_nll_wide_far)
WIDE_LOSS(gaussian_nll, gaussian_nll_wide_far)
