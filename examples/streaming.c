/* A row of 100,000,000 classes that is never in memory at once: its logits are made a chunk at a time, each chunk adds
 * what it knows to one state of 128 bytes, and loss, lse and prediction come of that. The logits are (c mod 1000) / 64,
 * so the loss is known: sum_c exp(x_c) is a geometric series. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vloss/vloss.h>

enum { TOTAL = 100000000, PERIOD = 1000, CHUNK = 256 * VLOSS_CLASS_BLOCK };

static float logit(size_t c) { return (float)(c % PERIOD) / 64; }

static int fail(vloss_status status) {
  fprintf(stderr, "%s\n", vloss_status_message(status));
  return 1;
}

int main(void) {
  float *chunk = malloc(CHUNK * sizeof *chunk);
  const int64_t label = 123456789 % TOTAL;
  vloss_row_state row, part;
  vloss_cross_entropy_args args = {.rows = 1, .total_classes = TOTAL, .labels = &label};
  vloss_status status;
  if (!chunk) return 1;
  memset(&row, 0, sizeof row); /* nothing is known yet */
  for (size_t first = 0; first < TOTAL; first += CHUNK) {
    const size_t classes = TOTAL - first < CHUNK ? TOTAL - first : CHUNK;
    for (size_t i = 0; i < classes; i++) chunk[i] = logit(first + i);
    args.logits = chunk;
    args.classes = classes;
    args.class_offset = first;
    args.states = &part;
    if ((status = vloss_cross_entropy_partial(&args)) != VLOSS_OK) return fail(status);
    if ((status = vloss_cross_entropy_merge(&row, &part, 1)) != VLOSS_OK) return fail(status);
  }
  free(chunk);

  float loss, lse;
  int64_t predicted;
  args.states = &row;
  args.loss = &loss;
  args.lse = &lse;
  args.predicted = &predicted;
  if ((status = vloss_cross_entropy_finish(&args)) != VLOSS_OK) return fail(status);
  const double sum = TOTAL / PERIOD * expm1(PERIOD / 64.) / expm1(1 / 64.),
               exact = log(sum) - (double)logit((size_t)label);
  const double ulps = fabs((double)loss - exact) / ldexp(1, ilogb(exact) - 23);
  printf("loss %.7g, exactly %.9g: %.2f ulp; lse %.7g, the first of the greatest logits is class %lld\n", (double)loss,
         exact, ulps, (double)lse, (long long)predicted);
  return !(ulps <= 2 && predicted == PERIOD - 1);
}
