/* A real computation for CPUs that are not this one: cross-entropy and its gradient around the block lengths, checked
 * against libm in double. Prints a hash of all bits, which is the same on every CPU.
 */
#include <inttypes.h>
#include <math.h>

#include "expect.h"
#include "vloss/vloss.h"

enum { ROWS = 3, MAX_CLASSES = 5000 };
static float logits[ROWS * MAX_CLASSES], grad[ROWS * MAX_CLASSES], loss[ROWS];
static int32_t labels[ROWS];

static uint64_t hash = 0xcbf29ce484222325; /* FNV-1a, 64 bits */
static void add_to_hash(const void *data, size_t size) {
  const unsigned char *bytes = data;
  for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3;
}

static void check(size_t classes) {
  uint32_t random = 12345;
  for (size_t i = 0; i < ROWS * classes; i++) {
    random = random * 1664525 + 1013904223;
    logits[i] = (float)(random >> 8) * 0x1p-20f - 8; /* -8 .. 8 */
  }
  for (size_t r = 0; r < ROWS; r++) labels[r] = (int32_t)(r * (classes - 1) / (ROWS - 1));
  const vloss_status status = vloss_cross_entropy(&(vloss_cross_entropy_args){.rows = ROWS,
                                                                              .classes = classes,
                                                                              .logits = logits,
                                                                              .labels = labels,
                                                                              .label_type = VLOSS_I32,
                                                                              .reduction = VLOSS_NONE,
                                                                              .loss = loss,
                                                                              .grad = grad});
  EXPECT(status == VLOSS_OK, "%zu classes: %s", classes, vloss_status_message(status));
  for (size_t r = 0; r < ROWS; r++) {
    const float *row = logits + r * classes;
    double sum = 0;
    for (size_t c = 0; c < classes; c++) sum += exp((double)row[c]);
    const double expected = log(sum) - (double)row[labels[r]];
    EXPECT(fabs((double)loss[r] - expected) <= 1e-6 * (1 + expected), "%zu classes, row %zu: loss %.9g, not %.9g",
           classes, r, (double)loss[r], expected);
    double worst = 0;
    for (size_t c = 0; c < classes; c++)
      worst = fmax(worst, fabs((double)grad[r * classes + c] - exp((double)row[c]) / sum + (c == (size_t)labels[r])));
    EXPECT(worst <= 1e-6, "%zu classes, row %zu: gradient off by %g", classes, r, worst);
  }
  add_to_hash(loss, sizeof loss);
  add_to_hash(grad, ROWS * classes * sizeof *grad);
}

int main(void) {
  static const size_t classes[] = {2, 3, 10, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1000, MAX_CLASSES};
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) check(classes[i]);
  printf("hash %016" PRIx64 "\n", hash);
  return report("cross-entropy");
}
