/* Rows whose classes are spread over calls: in any shards, merged in any order and grouping, on any ISA, they have the
 * bits of a call on the whole rows; and what is refused leaves everything as it was. With SPLIT_OF_DOUBLES of doubles.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "memory/types.h"
#include "shards.h"
#include "vloss/vloss.h"

#ifdef SPLIT_OF_DOUBLES
typedef double number;
enum { TYPE = VLOSS_F64, OTHER_TYPE = VLOSS_F32, EXPONENTS = 1020 };
#else
typedef float number;
enum { TYPE = VLOSS_F32, OTHER_TYPE = VLOSS_F64, EXPONENTS = 125 };
#endif
enum { MOST = 60000, ROWS = 40, SHARDS = 16 };

static number logits[MOST], shard_logits[MOST], grad[MOST], split_grad[MOST], weights[MOST], upstream[ROWS],
    row_weights[ROWS];
static int64_t labels[ROWS];
static int32_t narrow_labels[ROWS];
static vloss_row_state states[SHARDS][ROWS], again[SHARDS][ROWS];

struct results {
  number loss[ROWS], lse[ROWS], z[ROWS];
  int64_t predicted[ROWS];
  int32_t correct[ROWS];
};

/* ---- Inputs ---- */

static number bell(struct random *r) {
  const float x = (random_unit(r) + random_unit(r) + random_unit(r) + random_unit(r) - 2) * 1.73f;
#ifdef SPLIT_OF_DOUBLES
  return (double)x * (1 + (double)random_unit(r) * 0x1p-25);
#else
  return x;
#endif
}
/* Where numbers are far from each other. */
static number far_logit(struct random *r) {
#ifdef SPLIT_OF_DOUBLES
  if (random_below(r, 2)) return 0x1.4p62 + 1024 * ((double)random_below(r, 3) - 1); /* on both sides of large */
#endif
  return 0x1p31f + 256 * (float)random_below(r, 3);
}
static number any_logit(struct random *r, int kind) {
  switch (kind) {
    case 0:
      return bell(r);
    case 1:
      return 6 * bell(r);
    case 2:
      return 100 * bell(r);
    case 3:
      return 65536 + 3 * bell(r); /* on both sides of huge */
    case 4:
      return -65536 + 3 * bell(r);
    case 5:
      return (number)ldexp((double)bell(r), (int)random_below(r, EXPONENTS)); /* up to 1e38 or 1e307 */
    case 6:
      return far_logit(r);
    case 7:
      return random_below(r, 20) ? -INFINITY : bell(r); /* masked */
    case 8:
      return random_below(r, 2) ? -0.0f : 0.0f;
    case 9:
      return random_below(r, 50) ? -60 + bell(r) : -bell(r) * 1e-3f; /* a few classes of lse near 0 */
    default:
      return -1e4f * random_unit(r);
  }
}
static void fill_logits(struct random *r, size_t rows, size_t classes, size_t inner) {
  for (size_t o = 0; o < rows / inner; o++)
    for (size_t i = 0; i < inner; i++) {
      number *x = logits + o * classes * inner + i;
      const int kind = (int)random_below(r, 11);
      double sum = 0;
      for (size_t c = 0; c < classes; c++) x[c * inner] = any_logit(r, kind);
      if (kind < 2 && random_below(r, 2)) { /* log-probabilities */
        for (size_t c = 0; c < classes; c++) sum += exp((double)x[c * inner]);
        for (size_t c = 0; c < classes; c++) x[c * inner] = (number)((double)x[c * inner] - log(sum));
      }
      if (random_below(r, 8) == 0) x[random_below(r, classes) * inner] = 30; /* a leader */
      if (random_below(r, 12) == 0)                                          /* whole blocks without a class */
        for (size_t c = random_below(r, 3) * 4096; c < classes && random_below(r, 6000); c++) x[c * inner] = -INFINITY;
      if (random_below(r, 25) == 0) x[random_below(r, classes) * inner] = NAN;
      if (random_below(r, 25) == 0) x[random_below(r, classes) * inner] = INFINITY;
    }
}

static void any_features(struct random *r, size_t rows, vloss_cross_entropy_args *a) {
  if (random_below(r, 3) == 0) a->scale = random_below(r, 2) ? 0.7 : 2;
  if (random_below(r, 3) == 0) a->softcap = random_below(r, 2) ? 30 : 3;
  if (random_below(r, 3) == 0) a->z_loss = 0.01;
  for (size_t i = 0; i < rows; i++) row_weights[i] = random_below(r, 9) ? random_unit(r) - 0.25f : 0;
  if (random_below(r, 3) == 0) a->row_weights = row_weights;
  if (random_below(r, 3) || rows < 2) return;
  a->shift = 1 + random_below(r, rows - 1);
  for (size_t n = a->shift + 1; n <= rows && a->sequence == 0; n++)
    if (rows % n == 0 && random_below(r, 3)) a->sequence = n;
}

static vloss_cross_entropy_args any_call(struct random *r, size_t *rows) {
  static const size_t totals[] = {1, 2, 17, 300, 4095, 4096, 4097, 4200, 8192, 8193, 12288, 12400, 20000, 29000, 40000};
  static const size_t inners[] = {1, 1, 1, 2, 3, 16, 17};
  vloss_cross_entropy_args a = {.total_classes = totals[random_below(r, sizeof totals / sizeof *totals)],
                                .inner = inners[random_below(r, 7)],
                                .rows = 1 + random_below(r, 3),
                                .type = (vloss_type)TYPE};
  if (random_below(r, 4) == 0) a.rows = 18;
  while (a.rows > 1 && a.rows * a.inner * a.total_classes > MOST) a.rows--;
  if (a.rows * a.inner * a.total_classes > MOST) a.inner = MOST / a.total_classes;
  if (a.rows * a.inner > ROWS) a.rows = 1;
  *rows = a.rows * a.inner;
  fill_logits(r, *rows, a.total_classes, a.inner);
  a.ignore_index = -1;
  a.flags = VLOSS_UNCHECKED;
  a.reduction = (vloss_reduction)random_below(r, 3);
  a.label_type = random_below(r, 2) ? VLOSS_I32 : VLOSS_I64;
  a.labels = a.label_type == VLOSS_I32 ? (const void *)narrow_labels : labels;
  for (size_t i = 0; i < *rows; i++) {
    labels[i] = (int64_t)random_below(r, a.total_classes);
    if (random_below(r, 9) == 0) labels[i] = -1;
    if (random_below(r, 20) == 0) labels[i] = (int64_t)a.total_classes;
    narrow_labels[i] = (int32_t)labels[i];
    upstream[i] = random_below(r, 30) ? bell(r) : ldexpf(1, 60);
  }
  if (random_below(r, 2)) a.upstream = upstream;
  if (random_below(r, 3) == 0) a.weights = weights;
  for (size_t c = 0; c < a.total_classes; c++) weights[c] = random_below(r, 9) ? random_unit(r) : bell(r);
  if (random_below(r, 12) == 0) weights[random_below(r, a.total_classes)] = INFINITY;
  static const double smoothings[] = {0, 0, 0.1, 1};
  a.label_smoothing = smoothings[random_below(r, 4)];
  any_features(r, *rows, &a);
  return a;
}

/* ---- The two ways ---- */

static const char *isas[8];
static size_t isa_count;
static void any_isa(struct random *r) { vloss_isa_force(isas[random_below(r, isa_count)]); }

static vloss_status predicted_call(vloss_cross_entropy_args a, struct results *out, size_t rows,
                                   vloss_status (*call)(const vloss_cross_entropy_args *)) {
  int32_t narrow[ROWS];
  a.loss = out->loss;
  a.lse = out->lse;
  a.z_loss_part = out->z;
  a.correct = out->correct;
  a.predicted = a.label_type == VLOSS_I32 ? (void *)narrow : out->predicted;
  const vloss_status status = call(&a);
  for (size_t i = 0; a.label_type == VLOSS_I32 && i < rows; i++) out->predicted[i] = narrow[i];
  return status;
}

/* The classes of a shard, side by side with what is behind them in memory. */
static vloss_cross_entropy_args shard_of(const vloss_cross_entropy_args *whole, size_t first, size_t last) {
  vloss_cross_entropy_args a = *whole;
  a.class_offset = first;
  a.classes = last - first;
  a.logits = shard_logits;
  a.logits_stride = (last - first) * a.inner + 3;
  if (a.rows * a.logits_stride > MOST) a.logits_stride = 0;
  const size_t stride = a.logits_stride ? a.logits_stride : a.classes * a.inner;
  for (size_t o = 0; o < a.rows; o++)
    memcpy(shard_logits + o * stride, logits + (o * a.total_classes + first) * a.inner,
           a.classes * a.inner * sizeof *logits);
  return a;
}

static void merge_all(struct random *r, vloss_row_state s[SHARDS][ROWS], size_t count, size_t rows) {
  for (size_t left = count; left > 1; left--) {
    const size_t into = random_below(r, left);
    size_t from = random_below(r, left - 1);
    if (from >= into) from++;
    any_isa(r);
    EXPECT(vloss_cross_entropy_merge(s[into], s[from], rows) == VLOSS_OK, "merge");
    memmove(s[from], s[left - 1], sizeof *s);
  }
}

static int differ(const void *a, const void *b, size_t n) { return memcmp(a, b, n) != 0; }

static void compare(struct random *r, uint64_t seed) {
  size_t rows, border[SHARDS + 1];
  vloss_cross_entropy_args a = any_call(r, &rows), whole = a;
  struct results expected = {0}, got = {0};
  whole.classes = a.total_classes;
  whole.total_classes = 0;
  whole.logits = logits;
  whole.grad = grad;
  any_isa(r);
  EXPECT(predicted_call(whole, &expected, rows, vloss_cross_entropy) == VLOSS_OK, "the whole call");
  const size_t count = any_borders(r, a.total_classes, SHARDS, border);
  for (size_t k = 0; k < count; k++) {
    vloss_cross_entropy_args part = shard_of(&a, border[k], border[k + 1]);
    part.states = states[k];
    if (random_below(r, 3) == 0) part.executor = &executor;
    any_isa(r);
    EXPECT(vloss_cross_entropy_partial(&part) == VLOSS_OK, "partial");
  }
  memcpy(again, states, sizeof again);
  merge_all(r, states, count, rows);
  merge_all(r, again, count, rows);
  a.states = states[0];
  const unsigned long long n = (unsigned long long)seed;
  EXPECT(!differ(states[0], again[0], rows * sizeof **states), "case %llu: the order of merging shows", n);
  any_isa(r);
  EXPECT(predicted_call(a, &got, rows, vloss_cross_entropy_finish) == VLOSS_OK, "finish");
  EXPECT(!differ(got.loss, expected.loss, sizeof got.loss), "case %llu: loss", n);
  EXPECT(!differ(got.lse, expected.lse, sizeof got.lse), "case %llu: lse", n);
  EXPECT(!differ(got.predicted, expected.predicted, sizeof got.predicted), "case %llu: predicted", n);
  EXPECT(!differ(got.z, expected.z, sizeof got.z), "case %llu: what z_loss adds", n);
  EXPECT(!differ(got.correct, expected.correct, sizeof got.correct), "case %llu: correct", n);
  for (size_t k = 0; k < count; k++) {
    vloss_cross_entropy_args part = shard_of(&a, border[k], border[k + 1]);
    const size_t width = part.classes * a.inner, stride = part.logits_stride ? part.logits_stride : width;
    const int in_place = random_below(r, 2) == 0;
    part.grad = in_place ? shard_logits : split_grad;
    part.grad_stride = part.logits_stride;
    if (random_below(r, 3) == 0) part.executor = &executor;
    any_isa(r);
    EXPECT(vloss_cross_entropy_partial_gradient(&part) == VLOSS_OK, "gradient");
    for (size_t o = 0; o < a.rows; o++)
      EXPECT(!differ((number *)part.grad + o * stride, grad + (o * a.total_classes + border[k]) * a.inner,
                     width * sizeof *grad),
             "case %llu: gradient of shard %zu, outer row %zu", n, k, o);
  }
}

/* ---- Refusals ---- */

typedef vloss_status step(const vloss_cross_entropy_args *);
static unsigned char before[sizeof states], before_grad[sizeof grad];
static void refused(vloss_status expected, step *call, const vloss_cross_entropy_args *a, const char *what) {
  memcpy(before, states, sizeof states);
  memcpy(before_grad, grad, sizeof grad);
  const vloss_status status = call(a);
  EXPECT(status == expected, "%s: %s", what, vloss_status_name(status));
  EXPECT(!differ(before, states, sizeof states) && !differ(before_grad, grad, sizeof grad), "%s: written", what);
}
static void merge_refused(vloss_status expected, const vloss_row_state *from, const char *what) {
  memcpy(before, states, sizeof states);
  const vloss_status status = vloss_cross_entropy_merge(states[0], from, 2);
  EXPECT(status == expected, "%s: %s", what, vloss_status_name(status));
  EXPECT(!differ(before, states, sizeof states), "%s: written", what);
}

static vloss_cross_entropy_args two_rows(size_t first, size_t last, vloss_row_state *s) {
  return (vloss_cross_entropy_args){.rows = 2,
                                    .classes = last - first,
                                    .class_offset = first,
                                    .total_classes = 10000,
                                    .logits = logits,
                                    .type = (vloss_type)TYPE,
                                    .labels = labels,
                                    .states = s};
}

static void bad_shards_and_fields(void) {
  vloss_cross_entropy_args a = two_rows(0, 4096, states[0]);
  static const size_t shards[][2] = {{0, 4095},    {0, 100},      {1, 4096},    {100, 10000},
                                     {4096, 9999}, {8192, 12288}, {9999, 10000}};
  for (size_t i = 0; i < sizeof shards / sizeof *shards; i++) {
    a = two_rows(shards[i][0], shards[i][1], states[0]);
    refused(VLOSS_ERROR_SHARD, vloss_cross_entropy_partial, &a, "a shard off the borders");
  }
  a = two_rows(0, 4096, states[0]);
  a.class_offset = 12288;
  a.classes = 0;
  refused(VLOSS_ERROR_SHARD, vloss_cross_entropy_partial, &a, "an empty shard past the end");
  a = two_rows(0, 4096, states[0]);
  refused(VLOSS_ERROR_ARGUMENTS, vloss_cross_entropy, &a, "a shard given to the whole call");
  refused(VLOSS_ERROR_ARGUMENTS, vloss_nll, &a, "states given to nll");
  a.grad = grad;
  refused(VLOSS_ERROR_ARGUMENTS, vloss_cross_entropy_partial, &a, "partial with a gradient");
  refused(VLOSS_ERROR_ARGUMENTS, vloss_cross_entropy_finish, &a, "finish with a gradient");
  a.grad = NULL;
  number results[2];
  int32_t correct[2];
  a.z_loss_part = results;
  refused(VLOSS_ERROR_ARGUMENTS, vloss_cross_entropy_partial, &a, "partial with what z_loss adds");
  a.z_loss_part = NULL;
  a.correct = correct;
  refused(VLOSS_ERROR_ARGUMENTS, vloss_cross_entropy_partial, &a, "partial with correct");
  a.correct = NULL;
  static step *const steps[] = {vloss_cross_entropy_partial, vloss_cross_entropy_finish,
                                vloss_cross_entropy_partial_gradient};
  for (size_t i = 0; i < 3; i++) {
    vloss_cross_entropy_args other = a;
    other.loss = i == 1 ? results : NULL;
    other.grad = i == 2 ? grad : NULL;
    other.max = results;
    refused(VLOSS_ERROR_ARGUMENTS, steps[i], &other, "max of parts of rows");
    other.max = NULL;
    other.log_sum = results;
    refused(VLOSS_ERROR_ARGUMENTS, steps[i], &other, "log_sum of parts of rows");
    other.log_sum = NULL;
    other.grad_targets = grad;
    refused(VLOSS_ERROR_ARGUMENTS, steps[i], &other, "a gradient of targets that there are not");
    other.grad_targets = NULL;
    other.softcap = -1;
    refused(VLOSS_ERROR_SCALE, steps[i], &other, "a softcap below 0");
    other.softcap = 0;
    other.shift = 2;
    refused(VLOSS_ERROR_ARGUMENTS, steps[i], &other, "labels shifted out of all rows");
  }
  refused(VLOSS_ERROR_NO_OUTPUT, vloss_cross_entropy_finish, &a, "finish without an output");
  refused(VLOSS_ERROR_NO_OUTPUT, vloss_cross_entropy_partial_gradient, &a, "no gradient");
  a.labels = NULL;
  a.targets = weights;
  refused(VLOSS_ERROR_ARGUMENTS, vloss_cross_entropy_partial, &a, "probability targets");
  a = two_rows(0, 4096, NULL);
  refused(VLOSS_ERROR_NO_OUTPUT, vloss_cross_entropy_partial, &a, "partial without states");
  a = two_rows(0, 4096, (vloss_row_state *)(void *)((char *)states[0] + 4));
  refused(VLOSS_ERROR_ALIGNMENT, vloss_cross_entropy_partial, &a, "states off their alignment");
  a = two_rows(0, 4096, (vloss_row_state *)(void *)logits);
  refused(VLOSS_ERROR_OVERLAP, vloss_cross_entropy_partial, &a, "states over the logits");
  a = two_rows(0, 4096, states[0]);
  a.type = (vloss_type)4;
  refused(VLOSS_ERROR_ENUM, vloss_cross_entropy_partial, &a, "no type");
  a.type = VLOSS_BF16;
  a.logits = (const char *)logits + 1;
  refused(vloss_builds_type(VLOSS_BF16) ? VLOSS_ERROR_ALIGNMENT : VLOSS_ERROR_TYPE, vloss_cross_entropy_partial, &a,
          "16-bit logits at an odd address");
  a = two_rows(0, 4096, states[0]);
  a.total_classes = (size_t)INT32_MAX + 1;
  refused(VLOSS_ERROR_OVERFLOW, vloss_cross_entropy_partial, &a, "too many classes");
  a = two_rows(0, 0, states[0]);
  a.total_classes = 0;
  refused(VLOSS_ERROR_NO_CLASSES, vloss_cross_entropy_partial, &a, "no classes");
  a = two_rows(0, 4096, states[0]);
  labels[1] = 10000;
  size_t bad_row = 42;
  a.bad_row = &bad_row;
  refused(VLOSS_ERROR_LABEL, vloss_cross_entropy_partial, &a, "a label beyond all classes");
  EXPECT(bad_row == 1, "bad_row is %zu", bad_row);
  labels[1] = 9000;
}

static void bad_states(void) {
  static const size_t border[] = {0, 4096, 8192, 10000};
  for (size_t k = 0; k < 3; k++) {
    const vloss_cross_entropy_args a = two_rows(border[k], border[k + 1], states[k]);
    EXPECT(vloss_cross_entropy_partial(&a) == VLOSS_OK, "partial");
  }
  merge_refused(VLOSS_ERROR_NULL, NULL, "no states");
  merge_refused(VLOSS_ERROR_OVERLAP, states[0], "states merged with themselves");
  memcpy(states[5], states[0], sizeof *states);
  merge_refused(VLOSS_ERROR_STATE, states[5], "the label's class twice");
  vloss_cross_entropy_args other = two_rows(4096, 8192, states[4]);
  other.label_smoothing = 0.5;
  EXPECT(vloss_cross_entropy_partial(&other) == VLOSS_OK, "partial");
  merge_refused(VLOSS_ERROR_STATE, states[4], "another smoothing");
  other = two_rows(4096, 8192, states[4]);
  other.scale = 0.5;
  EXPECT(vloss_cross_entropy_partial(&other) == VLOSS_OK, "partial");
  merge_refused(VLOSS_ERROR_STATE, states[4], "another scale");
  other.scale = 0;
  other.softcap = 30;
  EXPECT(vloss_cross_entropy_partial(&other) == VLOSS_OK, "partial");
  merge_refused(VLOSS_ERROR_STATE, states[4], "a softcap");
  other = two_rows(4096, 8192, states[4]);
  other.total_classes = 12288;
  EXPECT(vloss_cross_entropy_partial(&other) == VLOSS_OK, "partial");
  merge_refused(VLOSS_ERROR_STATE, states[4], "another number of classes");
  other = two_rows(4096, 8192, states[4]);
  other.type = (vloss_type)OTHER_TYPE;
  if (vloss_cross_entropy_partial(&other) == VLOSS_OK) merge_refused(VLOSS_ERROR_STATE, states[4], "another type");
  other = two_rows(4096, 8192, states[4]);
  labels[1] = 9001;
  EXPECT(vloss_cross_entropy_partial(&other) == VLOSS_OK, "partial");
  labels[1] = 9000;
  merge_refused(VLOSS_ERROR_STATE, states[4], "another label of the second row");
  number loss = 42;
  vloss_cross_entropy_args a = two_rows(0, 4096, states[0]);
  a.loss = &loss;
  refused(VLOSS_ERROR_STATE, vloss_cross_entropy_finish, &a, "states of a part");
  EXPECT(vloss_cross_entropy_merge(states[0], states[1], 2) == VLOSS_OK, "merge");
  refused(VLOSS_ERROR_STATE, vloss_cross_entropy_finish, &a, "states of two parts");
  memcpy(states[5], states[0], sizeof *states);
  merge_refused(VLOSS_ERROR_STATE, states[5], "more classes than there are");
  vloss_row_state twice[2];
  memcpy(twice, states[0], sizeof twice);
  EXPECT(vloss_cross_entropy_merge(states[1], states[1] + ROWS - 2, 0) == VLOSS_OK, "nothing to merge");
  EXPECT(vloss_cross_entropy_merge(states[0], states[2], 2) == VLOSS_OK, "merge");
  /* The third block missing, the second there twice. */
  memcpy(states[6], states[1], sizeof *states);
  if (vloss_cross_entropy_merge(twice, states[6], 2) == VLOSS_OK) {
    a.states = twice;
    refused(VLOSS_ERROR_STATE, vloss_cross_entropy_finish, &a, "a block twice and none of another");
    a.states = states[0];
  }
  labels[0] = 1;
  refused(VLOSS_ERROR_STATE, vloss_cross_entropy_finish, &a, "states of another label");
  labels[0] = 7;
  a.label_smoothing = 0.1;
  refused(VLOSS_ERROR_STATE, vloss_cross_entropy_finish, &a, "states of another smoothing");
  a.label_smoothing = 0;
  EXPECT(loss == 42, "a refused finish wrote the loss");
  EXPECT(vloss_cross_entropy_finish(&a) == VLOSS_OK && loss != 42, "complete states");
  a = two_rows(0, 4096, states[1]);
  a.grad = grad;
  refused(VLOSS_ERROR_STATE, vloss_cross_entropy_partial_gradient, &a, "a gradient of incomplete states");
}

/* Zeros and empty shards are neutral. */
static void neutral(void) {
  vloss_cross_entropy_args a = two_rows(0, 10000, states[0]);
  EXPECT(vloss_cross_entropy_partial(&a) == VLOSS_OK, "partial");
  memset(states[1], 0, sizeof *states);
  memcpy(before, states, sizeof states);
  EXPECT(vloss_cross_entropy_merge(states[0], states[1], 2) == VLOSS_OK, "merge of zeros");
  EXPECT(!differ(before, states, sizeof *states), "zeros are something");
  EXPECT(vloss_cross_entropy_merge(states[1], states[0], 2) == VLOSS_OK, "merge into zeros");
  EXPECT(!differ(states[0], states[1], 2 * sizeof **states), "zeros were something");
  a = two_rows(4096, 4096, states[2]);
  a.logits = NULL;
  EXPECT(vloss_cross_entropy_partial(&a) == VLOSS_OK, "an empty shard");
  EXPECT(vloss_cross_entropy_merge(states[2], states[0], 2) == VLOSS_OK, "merge into an empty shard");
  EXPECT(!differ(states[0], states[2], 2 * sizeof **states), "an empty shard was something");
}

/* split_test [SEED [CASES]] */
int main(int argc, char **argv) {
  struct random r = {argc > 1 ? strtoull(argv[1], NULL, 10) : 1};
  for (size_t i = 0; vloss_isa_name(i); i++)
    if (vloss_isa_force(vloss_isa_name(i)) == VLOSS_OK) isas[isa_count++] = vloss_isa_name(i);
  const uint64_t cases = argc > 2 ? strtoull(argv[2], NULL, 10) : 1500;
  for (uint64_t n = 0; n < cases; n++) compare(&r, n);
  vloss_isa_force(NULL);
  for (size_t c = 0; c < MOST; c++) logits[c] = bell(&r);
  labels[0] = 7;
  labels[1] = 9000;
  bad_shards_and_fields();
  bad_states();
  neutral();
  return report("split");
}
