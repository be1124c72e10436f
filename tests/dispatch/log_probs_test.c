/* vloss_log_probs: published values; the order of ties, signed zeros, masked classes and NaN; tops longer than one pass
 * finds, of sorted, reversed, constant and random rows; ignored ids, rows of which nothing is wanted, ids that occur
 * twice; a softcap; and slopes, by differences. Every ISA. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "vloss/vloss.h"

static const char *isa;

static int near(double a, double b, double tolerance) {
  return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= tolerance * fabs(b);
}
#define EXPECT_NEAR(got, expected, what, i)                                                                            \
  EXPECT(near((double)(got), expected, 3e-7), "%s: %s[%d] is %.9g, expected %.9g", isa, what, (int)(i), (double)(got), \
         (double)(expected))

/* PyTorch's values, to nine digits. */
static const float x[9] = {1, 2, 3, 0.5f, -0.5f, 0, 2, 0, -1};
static void published(void) {
  static const double logprobs[9] = {-2.40760596, -1.40760596, -0.407605964, -0.680269671, -1.68026967,
                                     -1.18026967, -0.16984602, -2.16984602,  -3.16984602};
  static const int32_t ranks[9] = {2, 1, 0, 0, 2, 1, 0, 1, 2}, tops[9] = {2, 1, 0, 0, 2, 1, 0, 1, 2};
  static const double log_sums[3] = {0.407605964, 0.680269671, 0.16984602};
  static const double entropies[2][3] = {{0.832395582, 1.02019134, 0.524266617}, {1.02019134, 1.07809965, 0.905959256}};
  static const double slopes[2][9] = {{0.141817094, 0.140770357, -0.282587451, -0.172163658, 0.122988253, 0.0491754056,
                                       -0.299058234, 0.187917268, 0.111140966},
                                      {0.0614941264, 0.0245877028, -0.0860818292, -0.0437594461, 0.0370273575,
                                       0.00673208861, -0.138776809, 0.0645588137, 0.0742179957}};
  static const int32_t ids[9] = {0, 1, 2, 0, 1, 2, 0, 1, 2};
  static const float ones[3] = {1, 1, 1};
  float logprob[9], top_logprob[9], log_sum[3], max[3], lse[3], entropy[3], grad[9];
  int32_t rank[9], top_id[9];
  vloss_log_probs_args a = {.rows = 3,
                            .classes = 3,
                            .logits = x,
                            .ids = ids,
                            .ids_per_row = 3,
                            .label_type = VLOSS_I32,
                            .logprob = logprob,
                            .rank = rank,
                            .top = 3,
                            .top_id = top_id,
                            .top_logprob = top_logprob,
                            .max = max,
                            .log_sum = log_sum,
                            .lse = lse,
                            .entropy = entropy,
                            .entropy_upstream = ones,
                            .grad = grad};
  for (int half = 0; half < 2; half++) {
    EXPECT(vloss_log_probs(&a) == VLOSS_OK, "%s", isa);
    for (int i = 0; i < 3; i++) {
      EXPECT_NEAR(entropy[i], entropies[half][i], "entropy", i);
      if (half) continue;
      EXPECT_NEAR(log_sum[i], log_sums[i], "log_sum", i);
      EXPECT_NEAR(max[i], i == 0 ? 3 : i == 1 ? 0.5 : 2, "max", i);
      EXPECT_NEAR(lse[i], (double)max[i] + log_sums[i], "lse", i);
    }
    for (int i = 0; i < 9; i++) {
      EXPECT_NEAR(grad[i], slopes[half][i], "slope of the entropy", i);
      EXPECT(rank[i] == ranks[i] && top_id[i] == tops[i], "%s: rank %d, top %d", isa, rank[i], top_id[i]);
      if (half) continue;
      EXPECT_NEAR(logprob[i], logprobs[i], "logprob", i);
      EXPECT_NEAR(top_logprob[i], logprobs[i - i % 3 + top_id[i]], "top", i);
    }
    a.scale = 0.5;
  }
}

/* The order: values down, class numbers up; -0 and 0 are alike; -inf comes last. */
static void order(void) {
  static const float row[7] = {-0.0f, -INFINITY, 0, 3, -INFINITY, 3, -1};
  static const int64_t ids[8] = {0, 1, 2, 3, 4, 5, 6, -100}, ranks[8] = {2, 5, 3, 0, 6, 1, 4, -1},
                       tops[7] = {3, 5, 0, 2, 6, 1, 4};
  int64_t rank[8], top_id[7];
  float logprob[8], top_logprob[7], grad[7];
  static const float upstream[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const vloss_log_probs_args a = {.rows = 1,
                                  .classes = 7,
                                  .logits = row,
                                  .ids = ids,
                                  .ids_per_row = 8,
                                  .logprob = logprob,
                                  .rank = rank,
                                  .top = 7,
                                  .top_id = top_id,
                                  .top_logprob = top_logprob,
                                  .upstream = upstream,
                                  .grad = grad};
  EXPECT(vloss_log_probs(&a) == VLOSS_OK, "%s", isa);
  const double log_sum = log(2 + 2 * exp(-3) + exp(-4));
  for (int i = 0; i < 8; i++) {
    EXPECT(rank[i] == ranks[i], "%s: rank of %d is %d", isa, i, (int)rank[i]);
    EXPECT_NEAR(logprob[i], i == 7 ? 0 : (double)row[i] - 3 - log_sum, "logprob", i);
    if (i == 7) continue;
    EXPECT(top_id[i] == tops[i], "%s: top %d is %d", isa, i, (int)top_id[i]);
    EXPECT_NEAR(top_logprob[i], (double)row[tops[i]] - 3 - log_sum, "top", i);
    EXPECT_NEAR(grad[i], (double)upstream[i] - 28 * exp((double)row[i] - 3 - log_sum), "grad", i);
  }
}

/* Rows without an answer; one that ignores all its ids is not read, and one with an id twice. */
static void special(void) {
  static const float rows[5][3] = {
      {1, NAN, 2}, {1, INFINITY, 2}, {-INFINITY, -INFINITY, -INFINITY}, {NAN, NAN, NAN}, {1, 2, 3}};
  static const int64_t ids[10] = {0, -100, 1, 2, 0, 1, -100, -100, 2, 2};
  static const float upstream[10] = {1, 1, 1, 1, 1, 1, NAN, INFINITY, 1, 1};
  float logprob[10], grad[15], top_logprob[10], entropy[5];
  int64_t rank[10], top_id[10];
  vloss_log_probs_args a = {.rows = 5,
                            .classes = 3,
                            .logits = rows,
                            .ids = ids,
                            .ids_per_row = 2,
                            .logprob = logprob,
                            .rank = rank,
                            .upstream = upstream,
                            .grad = grad};
  EXPECT(vloss_log_probs(&a) == VLOSS_OK, "%s", isa);
  for (int i = 0; i < 10; i++) {
    const int ignored = ids[i] == -100, good = i >= 8;
    EXPECT(good ? rank[i] == 0 : rank[i] == -1, "%s: rank %d is %d", isa, i, (int)rank[i]);
    EXPECT_NEAR(logprob[i], ignored ? 0 : good ? -0.407605964 : NAN, "logprob", i);
  }
  static const double twice[3] = {-0.180061146, -0.489456942, 0.669518088};
  for (int i = 0; i < 15; i++) EXPECT_NEAR(grad[i], i < 9 ? NAN : i < 12 ? 0 : twice[i - 12], "grad", i);
  a.top = 2, a.top_id = top_id, a.top_logprob = top_logprob, a.entropy = entropy;
  EXPECT(vloss_log_probs(&a) == VLOSS_OK, "%s", isa);
  for (int i = 0; i < 8; i++) {
    EXPECT(top_id[i] == -1 && isnan(top_logprob[i]), "%s: top %d is %d", isa, i, (int)top_id[i]);
    EXPECT(isnan(entropy[i / 2]), "%s: entropy %d", isa, i / 2);
  }
  EXPECT(top_id[8] == 2 && top_id[9] == 1 && rank[6] == -1, "%s", isa);
}

/* All classes of long rows in order. */
enum { LONG = 9001 };
static float row[LONG], logprob_of[LONG];
static int32_t found[LONG], identity[LONG], rank_of[LONG];
static int compare(const void *a, const void *b) {
  const int32_t p = *(const int32_t *)a, q = *(const int32_t *)b;
  return row[p] != row[q] ? (row[p] > row[q] ? -1 : 1) : p - q;
}
static void sorted(size_t classes, size_t top, int kind) {
  uint32_t state = 1;
  for (size_t c = 0; c < classes; c++) {
    state = state * 1664525u + 1013904223u;
    const float random = (float)(state >> 20) / 256; /* with ties */
    row[c] = kind == 0       ? random
             : kind == 1     ? (float)c / 64
             : kind == 2     ? -(float)c / 64
             : kind == 3     ? 1.5f
             : c % 1000 == 7 ? 20
                             : random;
    identity[c] = (int32_t)c;
  }
  vloss_log_probs_args a = {.rows = 1,
                            .classes = classes,
                            .logits = row,
                            .ids = identity,
                            .ids_per_row = 1,
                            .label_type = VLOSS_I32,
                            .top = top,
                            .top_id = found,
                            .top_logprob = logprob_of};
  EXPECT(vloss_log_probs(&a) == VLOSS_OK, "%s", isa);
  qsort(identity, classes, sizeof *identity, compare);
  size_t wrong = 0;
  for (size_t j = 0; j < top; j++) wrong += found[j] != identity[j];
  EXPECT(wrong == 0, "%s: %zu of the top %zu of %zu classes, kind %d", isa, wrong, top, classes, kind);
  a.ids = found, a.ids_per_row = top < 50 ? top : 50;
  a.top_id = NULL, a.top_logprob = NULL, a.top = 0, a.rank = rank_of;
  EXPECT(vloss_log_probs(&a) == VLOSS_OK, "%s", isa);
  for (size_t j = 0; j < a.ids_per_row; j++)
    EXPECT(rank_of[j] == (int32_t)j, "%s: rank %d of place %zu", isa, rank_of[j], j);
}

/* Entropy and log S of rows of several blocks, whose maxima differ. */
static void long_entropy(void) {
  float entropy, log_sum;
  double sum = 0, spread = 0, max = -INFINITY;
  uint32_t state = 7;
  for (size_t c = 0; c < LONG; c++) {
    state = state * 1664525u + 1013904223u;
    row[c] = (float)(state >> 16) * 0x1p-14f + (float)(c / 4096);
    max = fmax(max, (double)row[c]);
  }
  for (size_t c = 0; c < LONG; c++) {
    sum += exp((double)row[c] - max);
    spread += exp((double)row[c] - max) * (max - (double)row[c]);
  }
  const vloss_log_probs_args a = {.rows = 1, .classes = LONG, .logits = row, .entropy = &entropy, .log_sum = &log_sum};
  EXPECT(vloss_log_probs(&a) == VLOSS_OK, "%s", isa);
  EXPECT_NEAR(log_sum, log(sum), "log_sum of a long row", 0);
  EXPECT_NEAR(entropy, log(sum) + spread / sum, "entropy of a long row", 0);
}

/* sum_k U_k lp_k + V H + W lse of all rows, in double by the formulas. */
static double value_of(const float *logits, size_t classes, double scale, double cap, const int64_t *ids,
                       const float *u, float v, float w) {
  double y[16], max = -INFINITY, sum = 0, spread = 0, all = 0;
  for (size_t c = 0; c < classes; c++) {
    y[c] = cap == 0 ? scale * (double)logits[c] : cap * tanh(scale * (double)logits[c] / cap);
    if (y[c] > max) max = y[c];
  }
  for (size_t c = 0; c < classes; c++) {
    sum += exp(y[c] - max);
    spread += exp(y[c] - max) * (max - y[c]);
  }
  const double entropy = log(sum) + spread / sum;
  for (size_t k = 0; k < 2; k++) all += (double)u[k] * (y[ids[k]] - max - log(sum));
  return all + (double)v * entropy + (double)w * (max + log(sum));
}
static void slopes(double scale, double cap) {
  static const int64_t ids[2] = {3, 7};
  static const float u[2] = {1.5f, -0.25f}, v = 0.75f, w = -2;
  float logits[9] = {1, -2, 0.5f, 6, 2.5f, -9, 0, 4, 3}, grad[9], logprob[2], entropy, lse;
  const vloss_log_probs_args a = {.rows = 1,
                                  .classes = 9,
                                  .logits = logits,
                                  .scale = scale,
                                  .softcap = cap,
                                  .ids = ids,
                                  .ids_per_row = 2,
                                  .logprob = logprob,
                                  .entropy = &entropy,
                                  .lse = &lse,
                                  .upstream = u,
                                  .entropy_upstream = &v,
                                  .lse_upstream = &w,
                                  .grad = grad};
  EXPECT(vloss_log_probs(&a) == VLOSS_OK, "%s", isa);
  const double value = (double)u[0] * (double)logprob[0] + (double)u[1] * (double)logprob[1] +
                       (double)v * (double)entropy + (double)w * (double)lse;
  EXPECT(near(value, value_of(logits, 9, scale, cap, ids, u, v, w), 1e-6), "%s: %g", isa, value);
  for (size_t c = 0; c < 9; c++) {
    const float here = logits[c], step = 0x1p-10f;
    logits[c] = here + step;
    const double above = value_of(logits, 9, scale, cap, ids, u, v, w);
    logits[c] = here - step;
    const double slope = (above - value_of(logits, 9, scale, cap, ids, u, v, w)) / (2 * (double)step);
    logits[c] = here;
    EXPECT(fabs(slope - (double)grad[c]) < 2e-6, "%s: slope %zu is %.9g, expected %.9g", isa, c, (double)grad[c],
           slope);
  }
}

/* With a softcap -inf is -cap, +inf cap; and the classes are in the order of their capped logits. */
static void capped(void) {
  float logits[64], logprob[64], top_logprob[64], max;
  int64_t ids[64], rank[64], top_id[64];
  for (int c = 0; c < 64; c++) {
    logits[c] = (float)((c * 37) % 64) - 32;
    ids[c] = c;
  }
  logits[5] = -INFINITY;
  logits[9] = INFINITY;
  const vloss_log_probs_args a = {.rows = 1,
                                  .classes = 64,
                                  .logits = logits,
                                  .softcap = 4,
                                  .ids = ids,
                                  .ids_per_row = 64,
                                  .logprob = logprob,
                                  .rank = rank,
                                  .top = 64,
                                  .top_id = top_id,
                                  .top_logprob = top_logprob,
                                  .max = &max};
  EXPECT(vloss_log_probs(&a) == VLOSS_OK, "%s", isa);
  EXPECT(max == 4 && fabsf(logprob[9] - logprob[5] - 8) < 1e-5f, "%s: %g, %g", isa, (double)max, (double)logprob[5]);
  for (int j = 0; j < 64; j++) {
    EXPECT(rank[top_id[j]] == j && logprob[top_id[j]] == top_logprob[j], "%s: place %d", isa, j);
    if (j) EXPECT(top_logprob[j] <= top_logprob[j - 1], "%s: place %d", isa, j);
  }
}

int main(void) {
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    isa = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(isa)) continue;
    EXPECT(vloss_isa_force(isa) == VLOSS_OK, "%s", isa);
    published();
    order();
    special();
    capped();
    long_entropy();
    for (int kind = 0; kind < 5; kind++) {
      sorted(1, 1, kind);
      sorted(40, 40, kind);
      sorted(300, 300, kind);
      sorted(700, 3, kind);
      sorted(5000, 5000, kind);
      sorted(LONG, 20, kind);
      sorted(LONG, 64, kind);
      sorted(LONG, 513, kind);
    }
    slopes(1, 0);
    slopes(0.7, 0);
    slopes(1.3, 5);
  }
  return report("log_probs");
}
