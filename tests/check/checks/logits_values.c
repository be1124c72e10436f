/* Values of the functions of logits that were wrong once: log-sum-exp near 0, coefficients that cancel beside a masked
 * class, infinite upstreams, means without a denominator. */
#include <math.h>

#include "known.h"

#define INF INFINITY
#define NONE REDUCTION(NONE)
#define SMOOTHING(e) .option.smoothing = e

static const struct known table[] = {
    {"one class far ahead at 0", "log_sum_exp", 1, 2, P(0, -40), OUTPUT(4.248354255291589e-18), .tolerance = 2e-7},
    {"one class", "log_sum_exp", 5, 1, P(1e-6f, -1e-6f, 0.3f, 1e-30f, 1.00000012f),
     OUTPUT(1e-6f, -1e-6f, 0.3f, 1e-30f, 1.00000012f), .exact = true},
    {"never below the maximum", "log_sum_exp", 3, 2, P(1e-6f, -90, 1.5f, -50, 0.7f, -30), OUTPUT(1e-6f, 1.5f, 0.7f),
     .exact = true},
    {"near 0", "log_sum_exp", 2, 3, P(1e-3f, -15, -14, -1e-3f, -9, -10),
     OUTPUT(1.001136341028907e-3, -8.310356947536450e-4), .tolerance = 2e-6},
    {"the target far ahead at 0", "cross_entropy", 1, 2, P(0, -40), LABELS(0), NONE, LSE(4.248354255291589e-18),
     .tolerance = 2e-7},
    {"another class far ahead at 0", "cross_entropy", 1, 2, P(-40, 0), LABELS(0), NONE, LSE(4.248354255291589e-18),
     .tolerance = 2e-7},
    {"another class far ahead at 0", "cross_entropy", 1, 3, P(-40, 0, -41), LABELS(0), NONE, LSE(5.811236444626578e-18),
     .tolerance = 2e-7},
    {"lse cancels the maximum", "log_sum_exp", 4, 2,
     P(-0.6931472f, -0.6931472f, -3.79724145f, -0.00898382347f, -0.01f, -4.6101575f, -1.0986123f, -0.40546510f),
     OUTPUT(-1.904654299957768e-9, 0.013398812113867483, 8.5092075202468905e-8, 1.3038969959092284e-09),
     .tolerance = 1.2e-7},
    {"lse cancels the target", "cross_entropy", 1, 2, P(-0.6931472f, -0.6931472f), LABELS(1), NONE,
     LSE(-1.904654299957768e-9), .tolerance = 1.2e-7},
    {"lse cancels, with smoothing", "cross_entropy", 1, 2, P(-0.01f, -4.6101575f), LABELS(0), SMOOTHING(0.1), NONE,
     LSE(8.5092075202468905e-8), .tolerance = 1.2e-7},
    {"masked class, negative q", "cross_entropy", 1, 2, P(1, -INF), T(1, -0.2f), SMOOTHING(0.1), NONE, L(-INF)},
    {"masked class, positive q", "cross_entropy", 1, 2, P(1, -INF), T(1, -0.01f), SMOOTHING(0.1), NONE, L(INF)},
    {"infinite upstream", "cross_entropy", 3, 3, P(1, 2, 3, 1, 2, 3, 1, 2, 3), LABELS(1, -100, 0),
     UPSTREAM(INF, INF, 1), NONE, L(1.40760596, 0, 2.40760596),
     G(NAN, NAN, NAN, 0, 0, 0, -0.909969427, 0.244728471, 0.665240956)},
    {"infinite upstream", "nll", 3, 3, P(-1, -2, -3, -1, -2, -3, -1, -2, -3), LABELS(1, -100, 0),
     UPSTREAM(-INF, INF, 1), NONE, L(2, 0, 1), G(NAN, NAN, NAN, 0, 0, 0, -1, 0, 0)},
    {"weights that add up to 0", "cross_entropy", 3, 2, P(1, 2, 1, 2, 1, 2), LABELS(0, 1, -100), W(1, -1),
     REDUCTION(MEAN), L(NAN), G(NAN, NAN, NAN, NAN, 0, 0)},
    {"weights that add up to 0", "nll", 3, 2, P(-1, -2, -1, -2, -1, -2), LABELS(0, 1, -100), W(1, -1), REDUCTION(MEAN),
     L(NAN), G(NAN, NAN, NAN, NAN, 0, 0)},
    {"no weight", "nll", 1, 2, P(-1, -2), LABELS(0), W(0, 1), REDUCTION(MEAN), L(NAN), G(NAN, NAN)},
};
const struct known_table logits_values = {"values of logits", table, sizeof table / sizeof *table};
