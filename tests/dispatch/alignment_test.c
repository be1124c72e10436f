/* Labels and parameters need the alignment of their type and no more: it is not its size everywhere (int64_t and double
 * on 32-bit x86). */
#include <string.h>

#include "expect.h"
#include "vloss/vloss.h"

static _Alignas(16) unsigned char memory[64];

/* A pointer that is a multiple of n, but not of 2n. */
static void *aligned_to(size_t n) { return memory + 16 + n; }

static vloss_status with_labels(size_t n) {
  static const float logits[3] = {1, 2, 3};
  float loss;
  memset(memory, 0, sizeof memory);
  return vloss_cross_entropy(
      &(vloss_cross_entropy_args){.rows = 1, .classes = 3, .logits = logits, .labels = aligned_to(n), .loss = &loss});
}

static vloss_status with_parameter(size_t n) {
  static const float p[3] = {1, 2, 3}, t[3] = {0};
  static const double delta = 0.5;
  float loss;
  memcpy(aligned_to(n), &delta, sizeof delta);
  return vloss_loss(&(vloss_loss_args){.kind = VLOSS_HUBER,
                                       .rows = 1,
                                       .columns = 3,
                                       .prediction = p,
                                       .target = t,
                                       .parameters = aligned_to(n),
                                       .parameter_count = 1,
                                       .loss = &loss});
}

int main(void) {
  for (size_t n = 1; n <= 8; n *= 2) {
    const vloss_status labels = n < _Alignof(int64_t) ? VLOSS_ERROR_ALIGNMENT : VLOSS_OK;
    const vloss_status parameter = n < _Alignof(double) ? VLOSS_ERROR_ALIGNMENT : VLOSS_OK;
    EXPECT(with_labels(n) == labels, "labels aligned to %d: %s", (int)n, vloss_status_name(with_labels(n)));
    EXPECT(with_parameter(n) == parameter, "a parameter aligned to %d: %s", (int)n,
           vloss_status_name(with_parameter(n)));
  }
  return report("alignment");
}
