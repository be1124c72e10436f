/* vloss-calls: makes a fixed list of short calls, each of them once under the eyes of callgrind, which counts the
 * instructions (see counts.py). AVX2, as Valgrind knows no AVX-512. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

#include "vloss/vloss.h"

enum { MOST = 8192, SKIPPED = 77 };
static float x[MOST], t[MOST], probabilities[MOST], other[MOST], grad[MOST], out[MOST];
static const int64_t labels[256];

/* Twice, as the first call of all chooses an ISA; the second one is counted. */
#define COUNTED(name, call)                                              \
  do {                                                                   \
    for (int counted = 0; counted < 2; counted++) {                      \
      if (counted) CALLGRIND_ZERO_STATS;                                 \
      if (counted) CALLGRIND_TOGGLE_COLLECT;                             \
      const vloss_status status = call;                                  \
      if (counted) CALLGRIND_TOGGLE_COLLECT;                             \
      if (counted) CALLGRIND_DUMP_STATS_AT(name);                        \
      if (status != VLOSS_OK) {                                          \
        fprintf(stderr, "%s: %s\n", name, vloss_status_message(status)); \
        exit(1);                                                         \
      }                                                                  \
    }                                                                    \
  } while (0)

static void cross_entropies(void) {
#define CROSS_ENTROPY(name, ...) \
  COUNTED(name,                  \
          vloss_cross_entropy(&(vloss_cross_entropy_args){.logits = x, .labels = labels, .loss = out, __VA_ARGS__}))
  CROSS_ENTROPY("cross_entropy 1 x 10", .rows = 1, .classes = 10);
  CROSS_ENTROPY("cross_entropy 1 x 10, gradient", .rows = 1, .classes = 10, .grad = grad);
  CROSS_ENTROPY("cross_entropy 1 x 128", .rows = 1, .classes = 128);
  CROSS_ENTROPY("cross_entropy 32 x 128", .rows = 32, .classes = 128);
  CROSS_ENTROPY("cross_entropy 32 x 128, gradient", .rows = 32, .classes = 128, .grad = grad);
  CROSS_ENTROPY("cross_entropy 1 x 1024", .rows = 1, .classes = 1024);
  COUNTED("nll 32 x 128", vloss_nll(&(vloss_cross_entropy_args){
                              .rows = 32, .classes = 128, .logits = x, .labels = labels, .loss = out}));
}

static void softmaxes(void) {
#define ROWS_OF(function, name, ...) \
  COUNTED(name, function(&(vloss_softmax_args){.input = x, .output = out, __VA_ARGS__}))
  ROWS_OF(vloss_softmax, "softmax 1 x 16", .rows = 1, .classes = 16);
  ROWS_OF(vloss_softmax, "softmax 8 x 256", .rows = 8, .classes = 256);
  ROWS_OF(vloss_log_softmax, "log_softmax 1 x 16", .rows = 1, .classes = 16);
  ROWS_OF(vloss_log_sum_exp, "log_sum_exp 1 x 16", .rows = 1, .classes = 16);
  COUNTED("softmax_backward 8 x 256",
          vloss_softmax_backward(
              &(vloss_softmax_args){.rows = 8, .classes = 256, .input = probabilities, .upstream = t, .output = out}));
  ROWS_OF(vloss_log_softmax_backward, "log_softmax_backward 8 x 256", .rows = 8, .classes = 256, .upstream = t);
  COUNTED("log_probs 1 x 1024",
          vloss_log_probs(&(vloss_log_probs_args){
              .rows = 1, .classes = 1024, .logits = x, .ids = labels, .ids_per_row = 1, .logprob = out}));
}

static void losses(void) {
#define LOSS(name, which, ...) \
  COUNTED(name, vloss_loss(&(vloss_loss_args){.kind = VLOSS_##which, .loss = out, __VA_ARGS__}))
#define OF_NUMBERS .prediction = x, .target = t
#define OF_CHANCES .prediction = probabilities, .target = probabilities
  LOSS("mse 16", MSE, OF_NUMBERS, .rows = 1, .columns = 16);
  LOSS("mse 16, gradient", MSE, OF_NUMBERS, .rows = 1, .columns = 16, .grad = grad);
  LOSS("mse 256", MSE, OF_NUMBERS, .rows = 1, .columns = 256);
  LOSS("mse 4096, gradient", MSE, OF_NUMBERS, .rows = 1, .columns = 4096, .grad = grad);
  LOSS("huber 4096", HUBER, OF_NUMBERS, .rows = 1, .columns = 4096);
  LOSS("bce_with_logits 16", BCE_WITH_LOGITS, .prediction = x, .target = probabilities, .rows = 1, .columns = 16);
  LOSS("bce_with_logits 4096", BCE_WITH_LOGITS, .prediction = x, .target = probabilities, .rows = 1, .columns = 4096);
  LOSS("cosine_similarity 1 x 16", COSINE_SIMILARITY, OF_NUMBERS, .rows = 1, .columns = 16);
  LOSS("cosine_similarity 32 x 128", COSINE_SIMILARITY, OF_NUMBERS, .rows = 32, .columns = 128);
  LOSS("triplet_margin 32 x 128", TRIPLET_MARGIN, OF_NUMBERS, .other = other, .rows = 32, .columns = 128);
  LOSS("multi_margin 32 x 128", MULTI_MARGIN, .prediction = x, .labels = labels, .rows = 32, .columns = 128);
  LOSS("keras_categorical_crossentropy 32 x 128", KERAS_CATEGORICAL_CROSSENTROPY, OF_CHANCES, .rows = 32,
       .columns = 128);
  for (size_t i = 0; i < MOST; i++) other[i] = i % 128 == 77;
  LOSS("keras_categorical_crossentropy 32 x 128 of one-hot targets", KERAS_CATEGORICAL_CROSSENTROPY,
       .prediction = probabilities, .target = other, .rows = 32, .columns = 128);
}

int main(void) {
  if (vloss_isa_force("avx2") != VLOSS_OK) {
    puts("SKIP: no AVX2 here");
    return SKIPPED;
  }
  uint32_t state = 1;
  for (size_t i = 0; i < MOST; i++) {
    float *const arrays[] = {x, t, other};
    for (size_t a = 0; a < sizeof arrays / sizeof *arrays; a++) {
      state = state * 1664525 + 1013904223; /* Numerical Recipes' generator */
      arrays[a][i] = (float)(state >> 8) * 0x1p-22f - 2;
    }
    probabilities[i] = (float)(state >> 8) * 0x1p-24f + 0x1p-24f;
  }
  cross_entropies();
  softmaxes();
  losses();
  return 0;
}
