/* bindings/rust/examples/calls.rs in C, without the threads: prints the same bits. */
#include <stdio.h>
#include <string.h>
#include <vloss/vloss.h>

enum { ROWS = 64, CLASSES = 5000, ALL = ROWS * CLASSES };
static float x[ALL], t[ALL], grad[ALL];

static void numbers(float *values, uint32_t seed) {
  for (size_t i = 0; i < ALL; i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(seed >> 8) / (1 << 20) - 8;
  }
}

static uint32_t bits(float value) {
  uint32_t result;
  memcpy(&result, &value, sizeof result);
  return result;
}

static uint32_t hash(const float *values) {
  uint32_t result = 2166136261u;
  for (size_t i = 0; i < ALL; i++) {
    for (int shift = 0; shift < 32; shift += 8) result = (result ^ ((bits(values[i]) >> shift) & 255)) * 16777619u;
  }
  return result;
}

int main(void) {
  int64_t labels[ROWS];
  for (int row = 0; row < ROWS; row++) labels[row] = row * 7919 % CLASSES;
  numbers(x, 1);
  numbers(t, 2);
  float loss;
  if (vloss_cross_entropy(&(vloss_cross_entropy_args){.rows = ROWS,
                                                      .classes = CLASSES,
                                                      .logits = x,
                                                      .labels = labels,
                                                      .label_smoothing = 0.1,
                                                      .loss = &loss,
                                                      .grad = grad}))
    return 1;
  printf("cross_entropy %08x %08x\n", (unsigned)bits(loss), (unsigned)hash(grad));
  if (vloss_loss(&(vloss_loss_args){.kind = VLOSS_HUBER,
                                    .rows = ROWS,
                                    .columns = CLASSES,
                                    .prediction = x,
                                    .target = t,
                                    .parameters = (const double[]){0.5},
                                    .parameter_count = 1,
                                    .loss = &loss,
                                    .grad = grad}))
    return 1;
  printf("huber %08x %08x\n", (unsigned)bits(loss), (unsigned)hash(grad));
  return 0;
}
