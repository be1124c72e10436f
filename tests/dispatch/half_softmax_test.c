/* The softmax functions of 16-bit rows: their results are those of the widened rows, each rounded once, whatever the
 * layout and the number of classes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check/harness/half.h"
#include "expect.h"
#include "vloss/vloss.h"

typedef vloss_status function(const vloss_softmax_args *args, size_t size);
enum { MOST = 100000 };
static uint16_t half_x[MOST], half_h[MOST], half_out[MOST];
static float x[MOST], h[MOST], out[MOST], per_row[MOST];

static uint32_t state = 1;
static float next(float size) {
  state = state * 1664525u + 1013904223u;
  return ((float)(state >> 8) * 0x1p-24f - 0.5f) * 2 * size;
}

/* Inputs: a size of plain ones, or
 *   CONFIDENT  log-sum-exp near 0, one class has nearly everything
 *   CERTAIN    the same, and log S is a denormal number, or none
 *   SMALL      backward forms whose products are denormals */
enum { CONFIDENT = -1, CERTAIN = -2, SMALL = -3 };
static float input(int f, float size, size_t c) {
  if ((size == CONFIDENT || size == CERTAIN) && f < 3) return c == 0 ? 0.0f : size == CONFIDENT ? -60 : -97;
  if (f < 3) return next(size < 0 ? 1 : size);
  if (size == SMALL) return f == 3 ? (next(0.5f) + 0.5f) * 1e-37f : next(20) - 90;
  return f == 3 ? next(0.5f) + 0.5f : next(4) - 4;
}

/* Gaps of 5 elements behind each outer index, which stay as they are. */
static void compare(const char *isa, vloss_type type, int f, size_t rows, size_t classes, size_t inner, float size) {
  static function *const functions[] = {vloss_softmax_sized, vloss_log_softmax_sized, vloss_log_sum_exp_sized,
                                        vloss_softmax_backward_sized, vloss_log_softmax_backward_sized};
  const size_t width = classes * inner, stride = width + 5, n = rows * stride;
  const int backward = f >= 3, of_rows = f == 2;
  for (size_t i = 0; i < n; i++) {
    half_x[i] = half_narrowed(type, input(f, size, i % stride / inner));
    half_h[i] = half_narrowed(type, next(1));
    half_out[i] = 0x1234;
    x[i] = half_widened(type, half_x[i]);
    h[i] = half_widened(type, half_h[i]);
  }
  vloss_softmax_args args = {.rows = rows,
                             .classes = classes,
                             .inner = inner,
                             .input = x,
                             .input_stride = stride,
                             .upstream = backward ? h : NULL,
                             .upstream_stride = backward ? stride : 0,
                             .output = out,
                             .output_stride = of_rows ? 0 : stride};
  EXPECT(functions[f](&args, sizeof args) == VLOSS_OK, "%s, function %d", isa, f);
  args.type = type;
  args.input = half_x;
  args.upstream = backward ? half_h : NULL;
  args.output = of_rows ? (void *)per_row : half_out;
  EXPECT(functions[f](&args, sizeof args) == VLOSS_OK, "%s, function %d of type %d", isa, f, type);
  if (of_rows) {
    EXPECT(memcmp(per_row, out, rows * inner * sizeof *out) == 0, "%s, type %d, %zu x %zu x %zu", isa, type, rows,
           classes, inner);
    return;
  }
  size_t wrong = 0;
  for (size_t i = 0; i < n; i++) wrong += half_out[i] != (i % stride < width ? half_narrowed(type, out[i]) : 0x1234);
  EXPECT(wrong == 0, "%s, function %d of type %d, %zu x %zu x %zu: %zu differ", isa, f, type, rows, classes, inner,
         wrong);
}

/* Results that do not fit the cache, at any alignment, with a NaN row between others. */
static void past_cache(const char *isa, vloss_type type, size_t offset) {
  const size_t rows = 3, classes = 5800000, n = rows * classes;
  uint16_t *half = malloc((2 * n + 64) * sizeof *half), *of_half = half + n + offset;
  float *single = malloc(n * sizeof *single);
  if (!half || !single) {
    EXPECT(0, "no memory for %zu elements", n);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    half[i] = half_narrowed(type, i == classes + 7 ? NAN : next(8));
    single[i] = half_widened(type, half[i]);
  }
  vloss_softmax_args args = {.rows = rows, .classes = classes, .input = single, .output = single};
  EXPECT(vloss_softmax(&args) == VLOSS_OK, "%s", isa);
  args.type = type;
  args.input = half;
  args.output = of_half;
  EXPECT(vloss_softmax(&args) == VLOSS_OK, "%s, type %d", isa, type);
  size_t wrong = 0;
  for (size_t i = 0; i < n; i++) wrong += of_half[i] != half_narrowed(type, single[i]);
  EXPECT(wrong == 0, "%s, type %d, past the cache from %zu on: %zu differ", isa, type, offset, wrong);

  free(half);
  free(single);
}

int main(int argc, char **argv) {
  static const struct {
    size_t rows, classes, inner;
  } shapes[] = {{1, 1, 1},     {37, 7, 1},  {5, 4096, 1}, {3, 4097, 1},  {2, 12500, 1}, {9, 300, 1}, {7, 33, 3},
                {3, 1000, 20}, {4, 3, 100}, {2, 2000, 5}, {1, 4096, 17}, {1, 4200, 17}, {2, 8449, 3}};
  static const vloss_type types[] = {VLOSS_BF16, VLOSS_F16};
  static const float sizes[] = {0.01f, 8, 1000, CONFIDENT, CERTAIN, SMALL};
  enum { CALLS = 2 * 5 * (int)(sizeof sizes / sizeof *sizes) };
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *isa = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(isa)) continue;
    EXPECT(vloss_isa_force(isa) == VLOSS_OK, "%s", isa);
    if (argc > 1 && strcmp(argv[1], "--past-cache") == 0) {
      for (size_t k = 0; k < 4; k++) past_cache(isa, types[k % 2], k / 2 * 3);
      continue;
    }
    for (size_t k = 0; k < CALLS * (sizeof shapes / sizeof *shapes); k++) {
      const size_t s = k / CALLS;
      compare(isa, types[k % 2], (int)(k / 2 % 5), shapes[s].rows, shapes[s].classes, shapes[s].inner,
              sizes[k / 10 % (sizeof sizes / sizeof *sizes)]);
    }
  }
  return report("half_softmax");
}
