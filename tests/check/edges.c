/* What mutants of the kernels got wrong unnoticed: -0 at kinks, one operand alone beyond the range of its square,
 * factors at the ends of their ranges, weights that cancel together with flags. */
#include <math.h>

#include "known.h"

#define NONE REDUCTION(NONE), .exact = true
#define UPSTREAM(...) .upstream = (const float[]){__VA_ARGS__}, .option.upstream = true

static const struct known table[] = {
    /* ---- -0 is 0 at every kink ---- */
    {"-0", "l1", 1, 3, P(-0.0f, 0, -0.0f), T(0, -0.0f, -0.0f), NONE, L(0, 0, 0), G(0, 0, 0), GT(0, 0, 0)},
    {"-0", "smooth_l1", 1, 2, P(-0.0f, 0), T(0, -0.0f), PARAMETERS(0), NONE, L(0, 0), G(0, 0), GT(0, 0)},
    {"-0", "huber", 1, 2, P(-0.0f, 0), T(0, -0.0f), NONE, L(0, 0), G(0, 0), GT(0, 0)},
    {"-0", "log_cosh", 1, 2, P(-0.0f, 0), T(0, -0.0f), NONE, L(0, 0), G(0, 0), GT(0, 0)},
    {"-0", "mape", 1, 2, P(-0.0f, -0.0f), T(0, -0.0f), NONE, L(0, 0), G(0, 0)},
    {"-0", "msle", 1, 2, P(-0.0f, -0.0f), T(0, -0.0f), NONE, L(0, 0), G(0, 0)},
    {"-0", "bce", 1, 3, P(-0.0f, -0.0f, 1), T(-0.0f, 1, -0.0f), NONE, L(0, 100, 100), G(0, -1e12, 1e12),
     GT(100, 100, -100)},
    {"-0", "bce_with_logits", 1, 2, P(-0.0f, 0), T(1, -0.0f), REDUCTION(NONE), L(0.693147181, 0.693147181),
     G(-0.5, 0.5), GT(0, 0)},
    {"-0", "keras_bce", 1, 2, P(-0.0f, -0.0f), T(1, 0), REDUCTION(NONE), L(15.4249485, 0), G(0, 0)},
    {"-0", "sigmoid_focal", 1, 2, P(-0.0f, -0.0f), T(1, 0), REDUCTION(NONE), L(0.0433216988, 0.129965096),
     G(-0.0745716988, 0.223715096)},
    {"-0", "kl_div", 1, 2, P(-0.0f, -1), T(-0.0f, -0.0f), NONE, L(0, 0), G(0, 0), GT(-INFINITY, -INFINITY)},
    {"-0", "poisson", 1, 2, P(-0.0f, 1), T(-0.0f, -0.0f), NONE, L(0, 1), G(1, 1)},
    {"-0", "gaussian_nll", 1, 1, P(-0.0f), T(0), OTHER(-0.0f), REDUCTION(NONE), L(-6.90775528), G(0), GT(0), GO(5e5)},
    {"-0", "hinge_embedding", 1, 2, P(-0.0f, 0), T(-1, -1), PARAMETERS(0), NONE, L(0, 0), G(-1, -1)},
    {"-0", "soft_margin", 1, 2, P(-0.0f, 0), T(1, -1), REDUCTION(NONE), L(0.693147181, 0.693147181), G(-0.5, 0.5)},
    {"-0", "margin_ranking", 1, 4, P(-0.0f, 0, -0.0f, 0), OTHER(0, -0.0f, 0, -0.0f), T(1, 1, -1, -1), NONE,
     L(0, 0, 0, 0), G(-1, -1, 1, 1), GO(1, 1, -1, -1)},
    {"-0", "multi_margin", 1, 2, P(-0.0f, 0), LABELS(1), PARAMETERS(1, 0), NONE, L(0), G(0, 0)},
    {"-0", "categorical_hinge", 1, 2, P(-0.0f, 0), T(-0.0f, 1), NONE, L(1), G(0.5, -1)},
    {"-0 labels", "hinge", 1, 2, P(0.25f, 0.25f), T(-0.0f, 1), NONE, L(1.25, 0.75), G(1, -1)},
    {"-0", "cross_entropy", 1, 2, P(-0.0f, 0), LABELS(0), REDUCTION(NONE), L(0.693147181), G(-0.5, 0.5)},

    /* ---- One operand whose square no float holds, the other ordinary ---- */
    {"first alone", "cosine_similarity", 1, 2, P(1e30f, 0), T(2, 0), REDUCTION(NONE), L(-1)},
    {"second alone", "cosine_similarity", 1, 2, P(2, 0), T(1e30f, 0), REDUCTION(NONE), L(-1)},
    {"second alone, at an angle", "cosine_similarity", 1, 2, P(0, 2), T(3e30f, 4e30f), REDUCTION(NONE), L(-0.8),
     G(-0.3, 0)},
    {"first alone", "cosine_embedding", 1, 2, P(1e30f, 0), OTHER(2, 0), T(1), REDUCTION(NONE), L(1.25e-13),
     .tolerance = 1e-3},
    {"second alone", "cosine_embedding", 1, 2, P(2, 0), OTHER(1e30f, 0), T(1), REDUCTION(NONE), L(1.25e-13),
     .tolerance = 1e-3},
    {"second alone, at an angle", "cosine_embedding", 1, 2, P(0, 2), OTHER(3e30f, 4e30f), T(-1), REDUCTION(NONE),
     L(0.8)},
    {"first, one element far away", "triplet_margin", 1, 1, P(0), T(1e30f), OTHER(0), REDUCTION(NONE), L(1e30f), G(-2),
     GT(1), GO(1)},
    {"second, one element far away", "triplet_margin", 1, 1, P(0), T(0), OTHER(1e30f), REDUCTION(NONE), L(0), G(0),
     GT(0), GO(0)},
    {"prediction alone", "mse", 1, 2, P(1e25f, 1), T(0, 0), NONE, L(INFINITY, 1), G(2e25f, 2), GT(-2e25f, -2)},
    {"target alone", "mse", 1, 2, P(0, 0), T(1e25f, 1), NONE, L(INFINITY, 1), G(-2e25f, -2), GT(2e25f, 2)},
    {"squares", "squared_hinge", 1, 2, P(-1e25f, 3), T(1, -1), NONE, L(INFINITY, 16), G(-2e25f, 8)},
    {"squares", "multi_margin", 1, 2, P(0, 1e25f), LABELS(0), PARAMETERS(2), REDUCTION(NONE), G(-1e25f, 1e25f)},
    {"squares", "gaussian_nll", 1, 2, P(1e25f, 2), T(0, 0), OTHER(1, 1), REDUCTION(NONE), L(INFINITY, 2), G(1e25f, 2),
     GT(-1e25f, -2)},

    /* ---- Factors multiply before anything is rounded ---- */
    {"upstream 0", "mse", 1, 3, P(2, INFINITY, NAN), T(0, 0, 0), UPSTREAM(0, -0.0f, 0), NONE, L(4, INFINITY, NAN),
     G(0, 0, NAN), GT(0, 0, NAN)},
    {"upstream 0", "triplet_margin", 1, 1, P(1), T(-1), OTHER(1), UPSTREAM(0), NONE, L(3), G(0), GT(0), GO(0)},
    {"upstream 0", "cross_entropy", 1, 2, P(0, 0), LABELS(0), UPSTREAM(0), REDUCTION(NONE), L(0.693147181), G(0, 0)},
    {"weight and upstream far apart", "mse", 1, 2, P(1, 1), T(0, 0), W(0x1p120f, 0x1p-120f),
     UPSTREAM(0x1p-125f, 0x1p125f), NONE, L(0x1p120, 0x1p-120), G(0x1p-4, 64), GT(-0x1p-4, -64)},
    {"weight and upstream far apart", "multi_margin", 1, 2, P(0, 0), LABELS(0), UPSTREAM(0x1p100f), NONE, L(0.5),
     G(-0x1p99, 0x1p99)},
    {"loss below 2^-126, weighted", "mse", 1, 1, P(0x1p-80f), T(0), W(0x1p100f), NONE, L(0x1p-60), G(0x1p21)},
    {"loss below 2^-126, weighted", "huber", 1, 1, P(0x1.8p-80f), T(0), W(0x1p100f), NONE, L(0x1.2p-60), G(0x1.8p20)},
    {"loss below 2^-149, weighted", "smooth_l1", 1, 1, P(0x1.8p-80f), T(0), W(0x1p100f), NONE, L(0x1.2p-60),
     G(0x1.8p20)},
    {"gradient below 2^-126, times upstream", "soft_margin", 1, 1, P(95), T(1), UPSTREAM(65536), REDUCTION(NONE),
     L(5.52109e-42), G(-3.61829648e-37), .tolerance = 1e-4},
    {"gradient below 2^-149, times upstream", "bce_with_logits", 1, 1, P(-110), T(0), UPSTREAM(1e30f), REDUCTION(NONE),
     G(1.6889118802e-18)},
    {"gradient at the greatest float", "l1", 1, 1, P(1), T(0), UPSTREAM(0x1.fffffep127f), NONE, L(1),
     G((double)0x1.fffffep127f)},

    /* ---- Live weights that add up to 0 are no empty mean, whatever the flags ---- */
    {"weights cancel, empty mean 0", "cross_entropy", 2, 2, P(0, 0, 0, 0), LABELS(0, 1), W(1, -1), REDUCTION(MEAN),
     .option.flags = VLOSS_EMPTY_MEAN_ZERO, L(NAN), G(NAN, NAN, NAN, NAN)},
    {"weights cancel, unchecked", "cross_entropy", 2, 2, P(0, 0, 0, 0), LABELS(0, 1), W(1, -1), REDUCTION(MEAN),
     .option.flags = VLOSS_UNCHECKED, L(NAN), G(NAN, NAN, NAN, NAN)},
    {"weights cancel, one row ignored", "cross_entropy", 3, 2, P(0, 0, 0, 0, 0, 0), LABELS(0, -100, 1), W(1, -1),
     REDUCTION(MEAN), .option.flags = VLOSS_EMPTY_MEAN_ZERO, L(NAN), G(NAN, NAN, 0, 0, NAN, NAN)},
    {"weights cancel, sum", "cross_entropy", 2, 2, P(0, 0, 0, 0), LABELS(0, 1), W(1, -1), REDUCTION(SUM), L(0),
     G(-0.5, 0.5, -0.5, 0.5)},
    {"weights cancel, empty mean 0", "mse", 1, 2, P(1, 1), T(0, 0), W(1, -1), REDUCTION(MEAN),
     .option.flags = VLOSS_EMPTY_MEAN_ZERO, .exact = true, L(0), G(1, -1)},
    {"an unchecked row cancels the weights", "cross_entropy", 2, 2, P(0, 0, 0, 0), LABELS(0, 7), W(-1, 1),
     REDUCTION(MEAN), .option.flags = VLOSS_UNCHECKED, L(NAN), G(NAN, NAN, NAN, NAN)},
};
const struct known_table edge_values = {"edges", table, sizeof table / sizeof *table};
