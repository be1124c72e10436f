/* See self_test.h. Inputs and comparisons are made of integers, so that no flag of this file's compiler changes them.
 */
#include "self_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vloss/vloss.h"

enum { ROWS = 21, CLASSES = 77, ELEMENTS = ROWS * CLASSES };

/* What a call reads and writes. */
static float logits[ELEMENTS], others[ELEMENTS], probabilities[ELEMENTS], variances[ELEMENTS], zero_or_one[ELEMENTS];
static int64_t labels[ROWS];
static float outputs[2 * ELEMENTS + ROWS];

static float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Signs, exponents and significands of numbers between `low` and below `high` as biased exponents. */
static float number(uint32_t random, int negative, uint32_t low, uint32_t high) {
  const uint32_t exponent = low + (random >> 23 & 0xff) % (high - low);
  return from_bits((negative ? random & 0x80000000u : 0) | exponent << 23 | (random & 0x7fffff));
}

/* The inputs; special: a few of them infinite, NaN, zero or denormal. */
static void fill(int special) {
  static const uint32_t specials[] = {0xff800000u, 0x7fc00000u, 0x7f800000u, 0, 0x80000000u, 0x00000123u, 0x7f7fffffu};
  uint64_t state = 1;
  for (int i = 0; i < ELEMENTS; i++) {
    uint32_t r[3];
    for (int k = 0; k < 3; k++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      r[k] = (uint32_t)(state >> 32);
    }
    logits[i] = number(r[0], 1, 117, 131); /* up to 16 */
    others[i] = number(r[1], 1, 117, 131);
    probabilities[i] = number(r[2], 0, 113, 127); /* below 1 */
    variances[i] = number(r[1] ^ r[2], 0, 120, 130);
    zero_or_one[i] = from_bits(r[2] & 64 ? 0x3f800000u : 0);
    labels[i / CLASSES] = r[0] >> 8 & 63;
    if (special && r[0] % 29 == 0) logits[i] = from_bits(specials[r[1] % (sizeof specials / sizeof *specials)]);
  }
}

static vloss_status cross_entropy(vloss_reduction reduction, double smoothing) {
  return vloss_cross_entropy(&(vloss_cross_entropy_args){.rows = ROWS,
                                                         .classes = CLASSES,
                                                         .logits = logits,
                                                         .labels = labels,
                                                         .label_smoothing = smoothing,
                                                         .reduction = reduction,
                                                         .loss = outputs + 2 * ELEMENTS,
                                                         .grad = outputs});
}
static vloss_status cross_entropy_mean(void) { return cross_entropy(VLOSS_MEAN, 0); }
static vloss_status cross_entropy_rows(void) { return cross_entropy(VLOSS_NONE, 0.125); }

static const vloss_softmax_args softmax_args = {.rows = ROWS, .classes = CLASSES, .input = logits, .output = outputs};
static vloss_status softmax(void) { return vloss_softmax(&softmax_args); }
static vloss_status log_softmax(void) { return vloss_log_softmax(&softmax_args); }

static vloss_status loss(vloss_loss_kind kind, vloss_reduction reduction, const float *prediction, const float *target,
                         const float *other) {
  return vloss_loss(&(vloss_loss_args){.kind = kind,
                                       .rows = ROWS,
                                       .columns = CLASSES,
                                       .prediction = prediction,
                                       .target = target,
                                       .other = other,
                                       .reduction = reduction,
                                       .loss = outputs + ELEMENTS,
                                       .grad = outputs});
}
static vloss_status mse(void) { return loss(VLOSS_MSE, VLOSS_NONE, logits, others, NULL); }
static vloss_status mse_mean(void) { return loss(VLOSS_MSE, VLOSS_MEAN, logits, others, NULL); }
static vloss_status huber_sum(void) { return loss(VLOSS_HUBER, VLOSS_SUM, logits, others, NULL); }
static vloss_status log_cosh(void) { return loss(VLOSS_LOG_COSH, VLOSS_NONE, logits, others, NULL); }
static vloss_status bce(void) { return loss(VLOSS_BCE, VLOSS_NONE, probabilities, zero_or_one, NULL); }
static vloss_status bce_with_logits(void) { return loss(VLOSS_BCE_WITH_LOGITS, VLOSS_NONE, logits, zero_or_one, NULL); }
static vloss_status kl_div(void) { return loss(VLOSS_KL_DIV, VLOSS_NONE, logits, probabilities, NULL); }
static vloss_status gaussian_nll(void) { return loss(VLOSS_GAUSSIAN_NLL, VLOSS_NONE, logits, others, variances); }
static vloss_status cosine_similarity(void) { return loss(VLOSS_COSINE_SIMILARITY, VLOSS_NONE, logits, others, NULL); }
static vloss_status triplet_margin(void) {
  return loss(VLOSS_TRIPLET_MARGIN, VLOSS_NONE, logits, others, probabilities);
}

/* The hash is of everything written. A change of the kernels that changes bits changes it: the failure tells the new
 * one. */
static const struct {
  const char *name;
  int special;
  vloss_status (*run)(void);
  uint32_t hash;
} cases[] = {
    {"cross_entropy, mean", 0, cross_entropy_mean, 0x1ea8c01eu},
    {"cross_entropy, rows, smoothing", 0, cross_entropy_rows, 0x56cc3928u},
    {"cross_entropy, special values", 1, cross_entropy_rows, 0xab211379u},
    {"softmax", 0, softmax, 0xc5228313u},
    {"softmax, special values", 1, softmax, 0x20cb7c2au},
    {"log_softmax", 0, log_softmax, 0xd61cb81bu},
    {"mse", 0, mse, 0xf1c10920u},
    {"mse, mean with NaN", 1, mse_mean, 0x5981f5eeu},
    {"huber, sum", 0, huber_sum, 0x00cc0f7fu},
    {"log_cosh, special values", 1, log_cosh, 0x4b4c8e04u},
    {"bce", 0, bce, 0x2abcaf12u},
    {"bce_with_logits", 0, bce_with_logits, 0xe6221452u},
    {"bce_with_logits, special values", 1, bce_with_logits, 0x6dcc7354u},
    {"kl_div", 0, kl_div, 0x2a1673f6u},
    {"gaussian_nll", 0, gaussian_nll, 0xb60b6966u},
    {"cosine_similarity", 0, cosine_similarity, 0xaefbaa0eu},
    {"triplet_margin", 0, triplet_margin, 0x015293e2u},
};
enum { CASES = sizeof cases / sizeof *cases };

/* FNV-1a. */
static uint32_t hash_outputs(void) {
  uint32_t h = 0x811c9dc5u;
  for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
    uint32_t bits;
    memcpy(&bits, &outputs[i], sizeof bits);
    for (int k = 0; k < 32; k += 8) h = (h ^ (bits >> k & 0xff)) * 0x01000193u;
  }
  return h;
}

static int test_case(size_t i, const char *isa) {
  fill(cases[i].special);
  memset(outputs, 0, sizeof outputs);
  const vloss_status status = cases[i].run();
  const uint32_t hash = hash_outputs();
  if (status == VLOSS_OK && hash == cases[i].hash) return 0;
  printf("FAIL      %-6s  %s: %s, bits 0x%08" PRIx32 ", not 0x%08" PRIx32 "\n", isa, cases[i].name,
         vloss_status_name(status), hash, cases[i].hash);
  return 1;
}

int self_test(void) {
  int failed = 0;
  for (size_t k = 0; k < vloss_isa_count(); k++) {
    const char *isa = vloss_isa_name(k), *reason = vloss_isa_unsupported_reason(isa);
    int bad = 0;
    if (reason) {
      printf("not       %-6s  %s\n", isa, reason);
      continue;
    }
    vloss_isa_force(isa);
    for (size_t i = 0; i < CASES; i++) bad += test_case(i, isa);
    if (!bad) printf("ok        %-6s  %d results have the known bits\n", isa, (int)CASES);
    failed += bad;
  }
  vloss_isa_force(NULL);
  return failed;
}
