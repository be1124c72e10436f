/* Log-probabilities of rows whose classes are spread over calls: of every type, in any shards, merged in any order and
 * grouping, on any ISA, they have the bits of a call on the whole rows; and what is refused leaves everything as it
 * was.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check/harness/half.h"
#include "expect.h"
#include "memory/types.h"
#include "shards.h"
#include "vloss/vloss.h"

enum { MOST = 100000, ROWS = 40, SHARDS = 12, IDS = 3, TOPS = 40000, STATE_BYTES = 1 << 20 };

static double logits[MOST], typed[MOST], shard_logits[MOST]; /* the last two of any type */
static int64_t ids[ROWS * IDS];
static int32_t narrow_ids[ROWS * IDS];
static uint64_t states[SHARDS][STATE_BYTES / 8], again[SHARDS][STATE_BYTES / 8];

static struct results {
  double logprob[ROWS * IDS], top_logprob[TOPS], max[ROWS], log_sum[ROWS], lse[ROWS], entropy[ROWS];
  int64_t top_id[TOPS];
} expected, got;

static size_t size_of(vloss_type type) { return type == VLOSS_F64 ? 8 : type == VLOSS_F32 ? 4 : 2; }

/* ---- Inputs ---- */

static double any_logit(struct random *r, int kind, size_t c) {
  const double v = (double)(random_unit(r) + random_unit(r) + random_unit(r) - 1.5f);
  switch (kind) {
    case 0:
      return 2 * v;
    case 1:
      return 100 * v;
    case 2:
      return 65000 + 3 * v;
    case 3:
      return ldexp(v, (int)random_below(r, 120));
    case 4:
      return random_below(r, 20) ? -INFINITY : v; /* masked */
    case 5:
      return random_below(r, 2) ? -0.0 : 0.0;
    case 6:
      return (double)c * 1e-3; /* rises: every block has a new maximum */
    case 7:
      return random_below(r, 50) ? -60 + v : -1e-3 * v;
    default:
      return -1e4 * (double)random_unit(r);
  }
}
static void fill_logits(struct random *r, size_t rows, size_t classes, size_t inner) {
  for (size_t row = 0; row < rows; row++) {
    double *const x = logits + row / inner * classes * inner + row % inner;
    const int kind = (int)random_below(r, 9);
    for (size_t c = 0; c < classes; c++) x[c * inner] = any_logit(r, kind, c);
    if (random_below(r, 8) == 0) x[random_below(r, classes) * inner] = 30; /* a leader */
    if (random_below(r, 12) == 0)                                          /* whole blocks without a class */
      for (size_t c = random_below(r, 3) * 4096; c < classes && random_below(r, 6000); c++) x[c * inner] = -INFINITY;
    if (random_below(r, 12) == 0) x[random_below(r, classes) * inner] = NAN;
    if (random_below(r, 25) == 0) x[random_below(r, classes) * inner] = INFINITY;
  }
}
static void typed_logits(vloss_type type, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (type == VLOSS_F64)
      typed[i] = logits[i] * (isfinite(logits[i]) ? 1 + 0x1p-40 : 1);
    else if (type == VLOSS_F32)
      ((float *)(void *)typed)[i] = (float)logits[i];
    else
      ((uint16_t *)(void *)typed)[i] = half_narrowed(type, (float)logits[i]);
}

static vloss_log_probs_args any_call(struct random *r, size_t *rows) {
  static const size_t totals[] = {1, 2, 17, 300, 4095, 4096, 4097, 4200, 8192, 8193, 12288, 12400, 20000, 40000, 94000};
  static const size_t inners[] = {1, 1, 1, 2, 3, 17}, tops[] = {0, 0, 1, 5, 20, 513, 1100, 5000};
  static const vloss_type types[] = {VLOSS_F32, VLOSS_F32, VLOSS_F64, VLOSS_BF16, VLOSS_F16};
  vloss_log_probs_args a = {.total_classes = totals[random_below(r, sizeof totals / sizeof *totals)],
                            .inner = inners[random_below(r, 6)],
                            .rows = 1 + random_below(r, 3),
                            .type = types[random_below(r, 5)],
                            .top = tops[random_below(r, 8)],
                            .ids_per_row = random_below(r, IDS + 1),
                            .ignore_index = -1,
                            .flags = VLOSS_UNCHECKED,
                            .label_type = random_below(r, 2) ? VLOSS_I32 : VLOSS_I64};
  if (!vloss_builds_type(a.type)) a.type = VLOSS_F32;
  if (random_below(r, 4) == 0) a.rows = 18;
  while (a.rows > 1 && a.rows * a.inner * a.total_classes > MOST) a.rows--;
  if (a.rows * a.inner * a.total_classes > MOST) a.inner = MOST / a.total_classes;
  if (a.rows * a.inner > ROWS) a.rows = 1;
  *rows = a.rows * a.inner;
  if (a.top > a.total_classes) a.top = a.total_classes;
  if (a.top * *rows > TOPS) a.top = 20;
  fill_logits(r, *rows, a.total_classes, a.inner);
  typed_logits(a.type, *rows * a.total_classes);
  for (size_t i = 0; i < *rows * a.ids_per_row; i++) {
    ids[i] = (int64_t)random_below(r, a.total_classes);
    if (random_below(r, 5) == 0) ids[i] = -1;
    if (random_below(r, 20) == 0) ids[i] = (int64_t)a.total_classes;
    narrow_ids[i] = (int32_t)ids[i];
  }
  if (a.ids_per_row) a.ids = a.label_type == VLOSS_I32 ? (const void *)narrow_ids : ids;
  if (random_below(r, 3) == 0) a.scale = random_below(r, 2) ? 0.7 : 2;
  if (random_below(r, 3) == 0) a.softcap = random_below(r, 2) ? 30 : 3;
  return a;
}

/* ---- The two ways ---- */

static const char *isas[8];
static size_t isa_count;
static void any_isa(struct random *r) { vloss_isa_force(isas[random_below(r, isa_count)]); }

typedef vloss_status function(const vloss_log_probs_args *);

/* Those of the results that `which` has bits of: so that finish is asked for some of what partial has kept. */
static vloss_status results_of(vloss_log_probs_args a, unsigned which, struct results *out, function *call) {
  memset(out, 0, sizeof *out);
  if (a.ids_per_row && which & 1) a.logprob = out->logprob;
  if (a.top && which & 2) a.top_id = out->top_id;
  if (a.top && which & 4) a.top_logprob = out->top_logprob;
  if (which & 8) a.max = out->max;
  if (which & 16) a.log_sum = out->log_sum;
  if (which & 32) a.entropy = out->entropy;
  a.lse = out->lse;
  return call(&a);
}

/* The classes of a shard, side by side with what is behind them in memory. */
static vloss_log_probs_args shard_of(const vloss_log_probs_args *whole, size_t first, size_t last) {
  vloss_log_probs_args a = *whole;
  const size_t size = size_of(a.type);
  a.class_offset = first;
  a.classes = last - first;
  a.logits = shard_logits;
  a.logits_stride = (last - first) * a.inner + 3;
  if (a.rows * a.logits_stride > MOST) a.logits_stride = 0;
  const size_t stride = a.logits_stride ? a.logits_stride : a.classes * a.inner;
  for (size_t o = 0; o < a.rows; o++)
    memcpy((char *)shard_logits + o * stride * size, (char *)typed + (o * a.total_classes + first) * a.inner * size,
           a.classes * a.inner * size);
  return a;
}

static void merge_all(struct random *r, uint64_t s[SHARDS][STATE_BYTES / 8], size_t count, size_t rows, size_t bytes) {
  for (size_t left = count; left > 1; left--) {
    const size_t into = random_below(r, left);
    size_t from = random_below(r, left - 1);
    if (from >= into) from++;
    EXPECT(vloss_log_probs_merge(s[into], s[from], rows, bytes) == VLOSS_OK, "merge");
    memmove(s[from], s[left - 1], sizeof *s);
  }
}

static void compare(struct random *r, unsigned long long n) {
  size_t rows, border[SHARDS + 1];
  const unsigned which = (unsigned)random_below(r, 64);
  vloss_log_probs_args a = any_call(r, &rows), whole = a;
  const size_t bytes = vloss_log_probs_state_bytes(a.total_classes, a.ids_per_row, a.top);
  EXPECT(bytes == 32 + (a.total_classes + 4095) / 4096 * 32 + a.ids_per_row * 16 + a.top * 16, "the bytes of a state");
  if (rows * bytes > STATE_BYTES) return;
  whole.classes = a.total_classes;
  whole.total_classes = 0;
  whole.logits = typed;
  if (!(which & 6)) whole.top = 0; /* as there it asks for something */
  if (!(which & 1)) whole.ids = NULL, whole.ids_per_row = 0;
  any_isa(r);
  EXPECT(results_of(whole, which, &expected, vloss_log_probs) == VLOSS_OK, "the whole call");
  const size_t count = any_borders(r, a.total_classes, SHARDS, border);
  for (size_t k = 0; k < count; k++) {
    vloss_log_probs_args part = shard_of(&a, border[k], border[k + 1]);
    part.states = states[k];
    if (random_below(r, 3) == 0) part.executor = &executor;
    any_isa(r);
    EXPECT(vloss_log_probs_partial(&part) == VLOSS_OK, "partial");
    memcpy(again[k], states[k], rows * bytes);
  }
  merge_all(r, states, count, rows, bytes);
  merge_all(r, again, count, rows, bytes);
  EXPECT(!memcmp(states[0], again[0], rows * bytes), "case %llu: the order of merging shows", n);
  a.states = states[0];
  if (random_below(r, 3) == 0) a.executor = &executor;
  any_isa(r);
  EXPECT(results_of(a, which, &got, vloss_log_probs_finish) == VLOSS_OK, "finish");
#define SAME(result) \
  EXPECT(!memcmp(expected.result, got.result, sizeof got.result), "case %llu, type %d: %s", n, (int)a.type, #result)
  SAME(logprob);
  SAME(top_id);
  SAME(top_logprob);
  SAME(max);
  SAME(log_sum);
  SAME(lse);
  SAME(entropy);
}

/* ---- Refusals ---- */

enum { CLASSES = 10000 };
static unsigned char before[sizeof *states], before_results[sizeof got];
static void refused(vloss_status status, function *call, const vloss_log_probs_args *a, const char *what) {
  memcpy(before, states[0], sizeof before);
  memcpy(before_results, &got, sizeof got);
  const vloss_status answer = call(a);
  EXPECT(answer == status, "%s: %s", what, vloss_status_name(answer));
  EXPECT(!memcmp(before, states[0], sizeof before) && !memcmp(before_results, &got, sizeof got), "%s: written", what);
}
static void merge_refused(vloss_status status, void *into, const void *from, size_t bytes, const char *what) {
  memcpy(before, states[0], sizeof before);
  const vloss_status answer = vloss_log_probs_merge(into, from, 2, bytes);
  EXPECT(answer == status, "%s: %s", what, vloss_status_name(answer));
  EXPECT(!memcmp(before, states[0], sizeof before), "%s: written", what);
}
static vloss_log_probs_args two_rows(size_t first, size_t last, void *s) {
  return (vloss_log_probs_args){.rows = 2,
                                .classes = last - first,
                                .class_offset = first,
                                .total_classes = CLASSES,
                                .logits = (const float *)(const void *)typed + first,
                                .logits_stride = CLASSES,
                                .ids = ids,
                                .ids_per_row = 1,
                                .top = 5,
                                .states = s};
}

static void refused_partial(void) {
  static float number[2];
  vloss_log_probs_args a = two_rows(0, 4096, states[0]);
  a.classes = 4000;
  refused(VLOSS_ERROR_SHARD, vloss_log_probs_partial, &a, "a shard off the borders");
  a.classes = 4096, a.class_offset = 1;
  refused(VLOSS_ERROR_SHARD, vloss_log_probs_partial, &a, "a shard that begins off the borders");
  a.class_offset = 8192;
  refused(VLOSS_ERROR_SHARD, vloss_log_probs_partial, &a, "a shard past the end");
#define REFUSED(status, field, value)                                     \
  do {                                                                    \
    a = two_rows(0, 4096, states[0]);                                     \
    a.field = (value);                                                    \
    refused(status, vloss_log_probs_partial, &a, #field " with partial"); \
  } while (0)
  REFUSED(VLOSS_ERROR_ARGUMENTS, logprob, number);
  REFUSED(VLOSS_ERROR_ARGUMENTS, rank, ids);
  REFUSED(VLOSS_ERROR_ARGUMENTS, top_id, ids);
  REFUSED(VLOSS_ERROR_ARGUMENTS, top_logprob, number);
  REFUSED(VLOSS_ERROR_ARGUMENTS, max, number);
  REFUSED(VLOSS_ERROR_ARGUMENTS, log_sum, number);
  REFUSED(VLOSS_ERROR_ARGUMENTS, lse, number);
  REFUSED(VLOSS_ERROR_ARGUMENTS, entropy, number);
  REFUSED(VLOSS_ERROR_ARGUMENTS, grad, number);
  REFUSED(VLOSS_ERROR_ARGUMENTS, upstream, number);
  REFUSED(VLOSS_ERROR_ARGUMENTS, entropy_upstream, number);
  REFUSED(VLOSS_ERROR_ARGUMENTS, lse_upstream, number);
  REFUSED(VLOSS_ERROR_ARGUMENTS, top, CLASSES + 1);
  REFUSED(VLOSS_ERROR_ARGUMENTS, ids_per_row, 0);
  REFUSED(VLOSS_ERROR_NO_OUTPUT, states, NULL);
  REFUSED(VLOSS_ERROR_NULL, logits, NULL);
  REFUSED(VLOSS_ERROR_ARGUMENTS, ids, NULL);
  REFUSED(VLOSS_ERROR_NO_CLASSES, total_classes, 0);
  REFUSED(VLOSS_ERROR_OVERFLOW, total_classes, (size_t)INT32_MAX + 1);
  REFUSED(VLOSS_ERROR_ALIGNMENT, states, (char *)states[0] + 4);
  REFUSED(VLOSS_ERROR_OVERLAP, states, typed);
  REFUSED(VLOSS_ERROR_SCALE, scale, -1);
  REFUSED(VLOSS_ERROR_OVERFLOW, rows, SIZE_MAX / 64);
  int64_t wrong[2] = {0, CLASSES};
  size_t bad_row = 7;
  a = two_rows(0, 4096, states[0]);
  a.ids = wrong, a.bad_row = &bad_row;
  refused(VLOSS_ERROR_LABEL, vloss_log_probs_partial, &a, "an id beyond all classes");
  EXPECT(bad_row == 1, "bad_row is %zu", bad_row);
  a = two_rows(0, 4096, states[0]);
  a.total_classes = 0, a.class_offset = 0, a.lse = got.lse;
  refused(VLOSS_ERROR_ARGUMENTS, vloss_log_probs, &a, "a whole call with states");
}

static void refused_states(void) {
  const size_t bytes = vloss_log_probs_state_bytes(CLASSES, 1, 5);
  vloss_log_probs_args a = two_rows(0, 4096, states[0]), b = two_rows(4096, CLASSES, states[1]),
                       end = two_rows(0, 0, NULL);
  EXPECT(vloss_log_probs_partial(&a) == VLOSS_OK && vloss_log_probs_partial(&b) == VLOSS_OK, "partial");
  end.states = states[0], end.lse = got.lse;
  refused(VLOSS_ERROR_STATE, vloss_log_probs_finish, &end, "a state of some classes");
  merge_refused(VLOSS_ERROR_OVERLAP, states[0], states[0], bytes, "a state with itself");
  memcpy(states[2], states[0], 2 * bytes);
  merge_refused(VLOSS_ERROR_STATE, states[0], states[2], bytes, "the same classes twice");
  merge_refused(VLOSS_ERROR_STATE, states[0], states[1], bytes - 16, "states of other bytes");
  merge_refused(VLOSS_ERROR_STATE, states[0], states[1], 8, "states of eight bytes");
  merge_refused(VLOSS_ERROR_NULL, states[0], NULL, bytes, "no states");
  merge_refused(VLOSS_ERROR_ALIGNMENT, states[0], (char *)states[1] + 4, bytes, "states off their alignment");
#define OTHER(field, value)                                                         \
  do {                                                                              \
    b = two_rows(4096, CLASSES, states[3]);                                         \
    b.field = (value);                                                              \
    EXPECT(vloss_log_probs_partial(&b) == VLOSS_OK, "partial");                     \
    merge_refused(VLOSS_ERROR_STATE, states[0], states[3], bytes, "other " #field); \
  } while (0)
  OTHER(scale, 2);
  OTHER(softcap, 30);
  OTHER(ids, ids + 1);
  OTHER(top, 4);
  EXPECT(vloss_log_probs_merge(states[0], states[1], 2, bytes) == VLOSS_OK, "merge");
#define FINISH_REFUSED(status, field, value)                            \
  do {                                                                  \
    a = end;                                                            \
    a.field = (value);                                                  \
    refused(status, vloss_log_probs_finish, &a, #field " with finish"); \
  } while (0)
  FINISH_REFUSED(VLOSS_ERROR_STATE, scale, 2);
  FINISH_REFUSED(VLOSS_ERROR_STATE, softcap, 30);
  FINISH_REFUSED(VLOSS_ERROR_STATE, top, 4);
  FINISH_REFUSED(VLOSS_ERROR_STATE, ids, ids + 1);
  FINISH_REFUSED(VLOSS_ERROR_STATE, total_classes, CLASSES - 1);
  FINISH_REFUSED(VLOSS_ERROR_ARGUMENTS, rank, got.top_id);
  FINISH_REFUSED(VLOSS_ERROR_ARGUMENTS, grad, got.max);
  FINISH_REFUSED(VLOSS_ERROR_NO_OUTPUT, lse, NULL);
  FINISH_REFUSED(VLOSS_ERROR_NULL, states, NULL);
  FINISH_REFUSED(VLOSS_ERROR_OVERLAP, lse, states[0]);
  if (vloss_builds_type(VLOSS_F64)) FINISH_REFUSED(VLOSS_ERROR_STATE, type, VLOSS_F64);
  /* A damaged state of the right size: one id more, and one of the top less. */
  uint32_t *const counts = (uint32_t *)(void *)states[0] + 4;
  counts[0]++, counts[1]--;
  refused(VLOSS_ERROR_STATE, vloss_log_probs_finish, &end, "a state of other ids and tops");
  counts[0]--, counts[1]++;
  EXPECT(vloss_log_probs_finish(&end) == VLOSS_OK, "finish");
}

/* Zeros, and shards without classes, are neutral. */
static void neutral(void) {
  const size_t bytes = vloss_log_probs_state_bytes(CLASSES, 1, 5);
  vloss_log_probs_args a = two_rows(0, CLASSES, states[0]), empty = two_rows(4096, 4096, states[1]);
  EXPECT(vloss_log_probs_partial(&a) == VLOSS_OK && vloss_log_probs_partial(&empty) == VLOSS_OK, "partial");
  memcpy(again[0], states[0], 2 * bytes);
  memset(states[2], 0, 2 * bytes);
  EXPECT(vloss_log_probs_merge(states[0], states[2], 2, bytes) == VLOSS_OK, "merge of zeros");
  EXPECT(vloss_log_probs_merge(states[0], states[1], 2, bytes) == VLOSS_OK, "merge of no classes");
  EXPECT(!memcmp(states[0], again[0], 2 * bytes), "neutral states change something");
  EXPECT(vloss_log_probs_merge(states[1], states[0], 2, bytes) == VLOSS_OK, "merge into no classes");
  EXPECT(vloss_log_probs_merge(states[2], states[0], 2, bytes) == VLOSS_OK, "merge into zeros");
  EXPECT(!memcmp(states[1], again[0], 2 * bytes) && !memcmp(states[2], again[0], 2 * bytes), "not what was merged");
  EXPECT(vloss_log_probs_merge(NULL, NULL, 0, 0) == VLOSS_OK, "nothing to merge");
  EXPECT(vloss_log_probs_state_bytes(0, 1, 0) == 0 && vloss_log_probs_state_bytes(7, 1, 8) == 0 &&
             vloss_log_probs_state_bytes((size_t)INT32_MAX + 1, 0, 0) == 0 &&
             vloss_log_probs_state_bytes(7, (size_t)INT32_MAX + 1, 0) == 0,
         "bytes of no state");
}

/* log_probs_split_test [SEED [CASES]] */
int main(int argc, char **argv) {
  struct random r = {argc > 1 ? strtoull(argv[1], NULL, 10) : 1};
  const unsigned long long cases = argc > 2 ? strtoull(argv[2], NULL, 10) : 1500;
  for (size_t i = 0; vloss_isa_name(i); i++)
    if (vloss_isa_force(vloss_isa_name(i)) == VLOSS_OK) isas[isa_count++] = vloss_isa_name(i);
  for (unsigned long long n = 0; n < cases; n++) compare(&r, n);
  vloss_isa_force(NULL);
  for (size_t c = 0; c < 2 * CLASSES; c++) logits[c] = any_logit(&r, 0, c);
  typed_logits(VLOSS_F32, 2 * CLASSES);
  ids[0] = 7, ids[1] = 9000, ids[2] = 11;
  refused_partial();
  refused_states();
  neutral();
  return report("log_probs_split");
}
