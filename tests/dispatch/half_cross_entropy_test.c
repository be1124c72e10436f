/* Cross-entropy, NLL and rows whose classes are spread, of 16-bit logits: what is float has the bits of the call on the
 * widened logits, and the gradient is that call's, each rounded once; with every option, in every layout, of any number
 * of classes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check/harness/half.h"
#include "check/harness/random.h"
#include "expect.h"
#include "vloss/vloss.h"

enum { MOST = 110000, ROWS = 33000, CLASSES = 13000, SHARDS = 4, GAP = 5 };
static uint16_t half_x[MOST], half_t[MOST], half_grad[MOST], half_grad_t[MOST];
static float x[MOST], t[MOST], grad[MOST], grad_t[MOST], weights[CLASSES], upstream[ROWS], row_weights[ROWS];
static int64_t labels[ROWS];
static int32_t narrow_labels[ROWS];
static vloss_row_state states[SHARDS][64];

/* The rows' results of the two calls, first of floats, then of 16 bits. */
static struct results {
  float loss[ROWS], lse[ROWS], z[ROWS], max[ROWS], log_sum[ROWS];
  int64_t predicted[ROWS];
  int32_t correct[ROWS];
} results[2];

/* ---- Inputs ---- */

static const struct shape {
  size_t rows, classes, inner;
} shapes[] = {{1, 1, 1},     {37, 7, 1},    {33000, 2, 1}, {3000, 33, 1}, {500, 100, 1}, {40, 256, 1},
              {33, 257, 1},  {20, 1000, 1}, {5, 4095, 1},  {5, 4096, 1},  {3, 4097, 1},  {2, 8193, 1},
              {3, 12500, 1}, {400, 5, 50},  {4, 3, 100},   {7, 33, 3},    {40, 10, 48},  {6, 100, 17},
              {2, 256, 40},  {2, 300, 20},  {1, 4096, 17}, {1, 4200, 17}, {2, 8449, 3},  {2, 2000, 5},
              {17, 128, 33}, {1, 12289, 8}, {18, 17, 1},   {1200, 17, 3}, {2500, 1, 2}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* One row's logits: kinds that take every turn of the kernels. */
enum { KINDS = 12 };
static float any_logit(struct random *r, int kind, size_t c) {
  const float v = random_unit(r) * 2 - 1;
  switch (kind) {
    case 0:
    case 1:
      return 8 * v;
    case 2:
      return 0.01f * v;
    case 3:
      return 1000 * v;
    case 4:
      return c == 0 ? 0 : -60 + v; /* one class has everything: lse near 0 */
    case 5:
      return c == 0 ? 0 : -97;
    case 6:
      return -9.4f + v; /* of some number of classes lse is near 0 */
    case 7:
      return 65000 + 400 * v;
    case 8:
      return ldexpf(v, (int)random_below(r, 125));
    case 9:
      return random_below(r, 20) ? -INFINITY : 3 * v;
    case 10:
      return random_below(r, 2) ? -0.0f : 0.0f;
    default:
      return c == 17 ? 30 : v; /* a leader */
  }
}
static void fill_logits(struct random *r, vloss_type type, const struct shape *s, size_t stride) {
  for (size_t i = 0; i < s->rows * stride; i++) half_x[i] = half_t[i] = half_narrowed(type, NAN);
  for (size_t o = 0; o < s->rows; o++)
    for (size_t i = 0; i < s->inner; i++) {
      uint16_t *const row = half_x + o * stride + i, *const target = half_t + o * stride + i;
      const int kind = (int)random_below(r, KINDS);
      const int special = (int)random_below(r, s->classes > 256 ? 10 : 40);
      for (size_t c = 0; c < s->classes; c++) {
        row[c * s->inner] = half_narrowed(type, any_logit(r, kind, c));
        const float some = random_unit(r) * 2 / (float)s->classes;
        target[c * s->inner] = half_narrowed(type, random_below(r, 5) ? some : random_below(r, 2) ? -some : 0);
      }
      if (special == 0) row[random_below(r, s->classes) * s->inner] = half_narrowed(type, NAN);
      if (special == 1) row[random_below(r, s->classes) * s->inner] = half_narrowed(type, INFINITY);
      if (special == 2) target[random_below(r, s->classes) * s->inner] = half_narrowed(type, INFINITY);
      if (special == 3) /* an infinite weight at the maximum */
        for (size_t c = 0; c < s->classes; c++)
          target[c * s->inner] = half_narrowed(type, c == s->classes / 2 ? INFINITY : 0),
                     row[c * s->inner] = half_narrowed(type, c == s->classes / 2 ? 3.0f : 1.0f);
    }
  for (size_t i = 0; i < s->rows * stride; i++) {
    x[i] = half_widened(type, half_x[i]);
    t[i] = half_widened(type, half_t[i]);
  }
}

/* Threads that are none, and begin at the end. */
static void backwards(void *context, size_t count, vloss_task *task, void *argument) {
  (void)context;
  while (count-- > 0) task(argument, count);
}
static const vloss_executor executor = {NULL, 3, backwards};

static void any_features(struct random *r, size_t rows, vloss_cross_entropy_args *a) {
  if (random_below(r, 4) == 0) a->scale = random_below(r, 2) ? 0.7 : 2;
  if (random_below(r, 4) == 0) a->softcap = random_below(r, 2) ? 30 : 3;
  if (random_below(r, 3) == 0) a->z_loss = 0.01;
  for (size_t i = 0; i < rows; i++) row_weights[i] = random_below(r, 9) ? random_unit(r) - 0.25f : 0;
  if (random_below(r, 3) == 0) a->row_weights = row_weights;
  if (random_below(r, 3) == 0 && rows > 1) a->shift = 1 + random_below(r, rows - 1 < 20 ? rows - 1 : 20);
  if (a->shift && rows % 100 == 0) a->sequence = 100;
}

/* A call on floats, but for logits, targets and outputs. */
static vloss_cross_entropy_args any_call(struct random *r, const struct shape *s) {
  static const double smoothings[] = {0, 0, 0.1, 1};
  vloss_cross_entropy_args a = {.rows = s->rows, .classes = s->classes, .inner = s->inner};
  a.ignore_index = -1;
  a.flags = VLOSS_UNCHECKED;
  a.reduction = (vloss_reduction)random_below(r, 3);
  a.label_type = random_below(r, 2) ? VLOSS_I32 : VLOSS_I64;
  a.labels = a.label_type == VLOSS_I32 ? (const void *)narrow_labels : labels;
  a.label_smoothing = smoothings[random_below(r, 4)];
  for (size_t i = 0; i < s->rows * s->inner; i++) {
    static const size_t borders[] = {0, 1, 4095, 4096, 8191, 8192};
    const size_t border = borders[random_below(r, 6)];
    labels[i] = (int64_t)(random_below(r, 3) == 0 && border < s->classes ? border : random_below(r, s->classes));
    if (random_below(r, 9) == 0) labels[i] = -1;
    if (random_below(r, 20) == 0) labels[i] = (int64_t)s->classes;
    narrow_labels[i] = (int32_t)labels[i];
    upstream[i] = random_below(r, 30) ? random_unit(r) - 0.5f : ldexpf(1, 60);
  }
  if (random_below(r, 2)) a.upstream = upstream;
  if (random_below(r, 3) == 0) a.weights = weights;
  for (size_t c = 0; c < s->classes; c++) weights[c] = random_unit(r) * 2 - (random_below(r, 9) == 0);
  if (random_below(r, 6) == 0) /* 17 is the leader of some rows */
    weights[random_below(r, 2) && s->classes > 17 ? 17 : random_below(r, s->classes)] = INFINITY;
  if (random_below(r, 3) == 0) a.executor = &executor;
  any_features(r, s->rows * s->inner, &a);
  return a;
}

/* ---- Calls on whole rows ---- */

static void set_outputs(struct random *r, vloss_cross_entropy_args *a, vloss_cross_entropy_args *half, int nll) {
  const uint64_t wanted = random_below(r, 4) ? 7 : random_below(r, 8), more = random_below(r, 16);
  memset(results, 0, sizeof results);
  for (int k = 0; k < 2; k++) {
    vloss_cross_entropy_args *const to = k ? half : a;
    if (wanted & 1 || nll) to->loss = results[k].loss;
    if (wanted & 2 && !nll) to->lse = results[k].lse;
    if (wanted & 4 && !nll) to->predicted = results[k].predicted;
    if (more & 1 && !nll) to->z_loss_part = results[k].z;
    if (more & 2 && !nll && a->labels) to->correct = results[k].correct;
    if (more & 4 && !nll && !half->total_classes) to->max = results[k].max;
    if (more & 8 && !nll && !half->total_classes) to->log_sum = results[k].log_sum;
  }
  if (!nll && !(wanted & 7)) a->lse = results[0].lse, half->lse = results[1].lse;
}

static size_t wrong_gradients(vloss_type type, size_t n, size_t stride, size_t width, const uint16_t *got,
                              const float *expected, uint16_t gap) {
  size_t wrong = 0;
  for (size_t i = 0; i < n; i++) wrong += got[i] != (i % stride < width ? half_narrowed(type, expected[i]) : gap);
  return wrong;
}

/* NaN is all that is left on the stack: what reads behind a buffer there is seen. */
static __attribute__((noinline)) void litter(void) {
  volatile uint32_t stack[16384];
  for (size_t i = 0; i < sizeof stack / sizeof *stack; i++) stack[i] = 0xffffffff;
}

static void compare(struct random *r, uint64_t number, const char *isa) {
  const struct shape *s = &shapes[random_below(r, SHAPES)];
  const vloss_type type = random_below(r, 2) ? VLOSS_BF16 : VLOSS_F16;
  const int nll = random_below(r, 6) == 0, in_place = random_below(r, 3) == 0, gradient = random_below(r, 4) != 0;
  const size_t width = s->classes * s->inner, stride = width + (random_below(r, 2) ? GAP : 0), n = s->rows * stride;
  vloss_cross_entropy_args a = any_call(r, s), half;
  if (n > MOST) return;
  fill_logits(r, type, s, stride);
  a.logits = x;
  a.logits_stride = a.grad_stride = stride;
  if (nll) a.label_smoothing = a.scale = a.softcap = a.z_loss = 0;
  const int targets = !nll && random_below(r, 3) == 0;
  if (targets) a.targets = t, a.targets_stride = stride, a.labels = NULL, a.ignore_index = 0, a.shift = 0;
  half = a;
  half.type = type;
  half.logits = half_x;
  if (targets) half.targets = half_t;
  set_outputs(r, &a, &half, nll);
  const int targets_gradient = targets && random_below(r, 2), over_targets = random_below(r, 2) == 0;
  for (size_t i = 0; i < n; i++) half_grad[i] = half_grad_t[i] = 0x1234;
  if (targets_gradient) {
    a.grad_targets = grad_t, half.grad_targets = over_targets ? half_t : half_grad_t;
    a.grad_targets_stride = half.grad_targets_stride = stride;
  }
  if (gradient) a.grad = grad, half.grad = in_place ? half_x : half_grad;
  vloss_status (*const call)(const vloss_cross_entropy_args *) = nll ? vloss_nll : vloss_cross_entropy;
  const vloss_status status = call(&a);
  EXPECT(status == VLOSS_OK, "%s", vloss_status_name(status));
  litter();
  EXPECT(call(&half) == VLOSS_OK, "of type %d", type);
  char text[200];
  snprintf(text, sizeof text,
           "%s, case %llu: %s%s of type %d, %zu x %zu x %zu, reduction %d, smoothing %g, scale %g, softcap %g", isa,
           (unsigned long long)number, nll ? "nll" : "cross_entropy", targets ? " with targets" : "", type, s->rows,
           s->classes, s->inner, a.reduction, a.label_smoothing, a.scale, a.softcap);
  EXPECT(memcmp(results[0].loss, results[1].loss, sizeof results->loss) == 0, "%s: loss", text);
  EXPECT(memcmp(results[0].lse, results[1].lse, sizeof results->lse) == 0, "%s: lse", text);
  EXPECT(memcmp(results[0].predicted, results[1].predicted, sizeof results->predicted) == 0, "%s: predicted", text);
  EXPECT(memcmp(&results[0], &results[1], sizeof *results) == 0, "%s: the results of a row", text);
  if (targets_gradient) {
    const uint16_t between = over_targets ? half_narrowed(type, NAN) : 0x1234;
    const size_t wrong_t = wrong_gradients(type, n, stride, width, half.grad_targets, grad_t, between);
    EXPECT(wrong_t == 0, "%s: %zu gradients of targets", text, wrong_t);
  }
  if (!gradient) return;
  const uint16_t gap = in_place ? half_narrowed(type, NAN) : 0x1234;
  const size_t wrong = wrong_gradients(type, n, stride, width, half.grad, grad, gap);
  EXPECT(wrong == 0, "%s: %zu gradients", text, wrong);
}

/* ---- Rows whose classes are spread ---- */

static vloss_cross_entropy_args shard_of(const vloss_cross_entropy_args *whole, size_t first, size_t last) {
  vloss_cross_entropy_args a = *whole;
  a.class_offset = first;
  a.classes = last - first;
  a.logits = half_x + first * a.inner;
  return a;
}

static void compare_split(struct random *r, uint64_t number, const char *isa) {
  static const struct shape spread[] = {{3, 12500, 1}, {2, 8193, 3},  {1, 4200, 17}, {2, 4096, 2},
                                        {20, 300, 1},  {1, 12288, 5}, {18, 5000, 1}};
  const struct shape *s = &spread[random_below(r, sizeof spread / sizeof *spread)];
  const vloss_type type = random_below(r, 2) ? VLOSS_BF16 : VLOSS_F16;
  const size_t width = s->classes * s->inner, stride = width + GAP, rows = s->rows * s->inner;
  size_t border[SHARDS + 1] = {0}, count = 0;
  vloss_cross_entropy_args a = any_call(r, s), half;
  fill_logits(r, type, s, stride);
  a.total_classes = s->classes;
  a.logits_stride = stride;
  half = a;
  half.type = type;
  for (size_t c = 4096; c < s->classes; c += 4096)
    if (random_below(r, 2)) border[++count] = c;
  border[++count] = s->classes;
  for (size_t k = 0; k < count; k++) {
    vloss_cross_entropy_args part = shard_of(&half, border[k], border[k + 1]);
    part.states = states[k];
    EXPECT(vloss_cross_entropy_partial(&part) == VLOSS_OK, "partial");
  }
  for (size_t k = 1; k < count; k++) EXPECT(vloss_cross_entropy_merge(states[0], states[k], rows) == VLOSS_OK, "merge");
  half.states = states[0];
  /* The whole call on floats, and the rest of the steps. */
  a.classes = s->classes;
  a.total_classes = 0;
  a.logits = x;
  vloss_cross_entropy_args finish = half;
  set_outputs(r, &a, &finish, 0);
  a.grad = grad;
  a.grad_stride = stride;
  EXPECT(vloss_cross_entropy(&a) == VLOSS_OK, "the whole call");
  EXPECT(vloss_cross_entropy_finish(&finish) == VLOSS_OK, "finish");
  EXPECT(memcmp(&results[0], &results[1], sizeof *results) == 0, "%s, case %llu: finished", isa,
         (unsigned long long)number);
  for (size_t k = 0; k < count; k++) {
    vloss_cross_entropy_args part = shard_of(&half, border[k], border[k + 1]);
    part.grad = (void *)(uintptr_t)part.logits;
    part.grad_stride = stride;
    EXPECT(vloss_cross_entropy_partial_gradient(&part) == VLOSS_OK, "gradient");
  }
  const size_t wrong = wrong_gradients(type, s->rows * stride, stride, width, half_x, grad, half_narrowed(type, NAN));
  EXPECT(wrong == 0, "%s, case %llu: %zu gradients of type %d, %zu x %zu x %zu", isa, (unsigned long long)number, wrong,
         type, s->rows, s->classes, s->inner);
}

/* half_cross_entropy_test [SEED [CASES]] */
int main(int argc, char **argv) {
  struct random r = {argc > 1 ? strtoull(argv[1], NULL, 10) : 1};
  const uint64_t cases = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *isa = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(isa)) continue;
    EXPECT(vloss_isa_force(isa) == VLOSS_OK, "%s", isa);
    for (uint64_t n = 0; n < cases; n++) compare(&r, n, isa);
    for (uint64_t n = 0; n < cases / 7; n++) compare_split(&r, n, isa);
  }
  return report("half_cross_entropy");
}
