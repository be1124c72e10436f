/* What every executor here has to do, in C and in C++: cross-entropy and MSE of 240,000 elements give the bits that
 * they give without one, and two tasks run at the same time where there are two threads. */
#ifndef VLOSS_TESTS_EXECUTORS_SAME_BITS_H
#define VLOSS_TESTS_EXECUTORS_SAME_BITS_H

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vloss/vloss.h"

enum { ROWS = 2400, CLASSES = 100, ELEMENTS = ROWS * CLASSES };
static float logits[ELEMENTS], target[ELEMENTS];
static int64_t labels[ROWS];

struct results {
  float cross_entropy, mse, losses[ROWS], grad[ELEMENTS], mse_grad[ELEMENTS];
};
static struct results alone, shared;

static vloss_status compute(const vloss_executor *executor, struct results *to) {
  vloss_cross_entropy_args ce;
  vloss_loss_args mse;
  vloss_status status;
  memset(to, 0xff, sizeof *to);
  memset(&ce, 0, sizeof ce);
  memset(&mse, 0, sizeof mse);
  ce.rows = ROWS, ce.classes = CLASSES, ce.logits = logits, ce.labels = labels;
  ce.grad = to->grad, ce.executor = executor;
  ce.loss = &to->cross_entropy;
  status = vloss_cross_entropy(&ce);
  if (status != VLOSS_OK) return status;
  ce.reduction = VLOSS_NONE, ce.loss = to->losses;
  status = vloss_cross_entropy(&ce);
  if (status != VLOSS_OK) return status;
  mse.kind = VLOSS_MSE, mse.rows = ROWS, mse.columns = CLASSES, mse.prediction = logits, mse.target = target;
  mse.loss = &to->mse, mse.grad = to->mse_grad, mse.executor = executor;
  return vloss_loss(&mse);
}

/* An executor that counts the runs of another. */
struct counted {
  const vloss_executor *inner;
  int runs;
};
static void run_counted(void *context, size_t count, vloss_task *task, void *argument) {
  struct counted *counted = (struct counted *)context;
  counted->runs++;
  counted->inner->run(counted->inner->context, count, task, argument);
}

/* Two tasks, each of which waits for the other: the first of one thread alone gives up after a minute. */
static void meet(void *argument, size_t index) {
  int *met = (int *)argument;
  const time_t begin = time(NULL);
  (void)index;
  __atomic_fetch_add(met, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(met, __ATOMIC_SEQ_CST) < 2)
    if (time(NULL) > begin + 60) {
      __atomic_store_n(met, 100, __ATOMIC_SEQ_CST);
      return;
    }
}

/* begin gives an executor of so many threads, end takes it down. parallel: two threads run at the same time here. */
static int same_bits(vloss_executor (*begin)(size_t threads), void (*end)(void), int parallel) {
  static const size_t counts[] = {1, 2, 3, 7, 16};
  int failures = 0;
  for (int i = 0; i < ELEMENTS; i++) logits[i] = (float)(i % 997) / 100, target[i] = (float)(i % 1009) / 90;
  for (int r = 0; r < ROWS; r++) labels[r] = (7 * r) % CLASSES;
  if (compute(NULL, &alone) != VLOSS_OK) return printf("FAIL: without an executor\n"), 1;
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    const vloss_executor executor = begin(counts[i]);
    struct counted counted = {&executor, 0};
    const vloss_executor counting = {&counted, executor.threads, run_counted};
    const vloss_status status = compute(&counting, &shared);
    const int same = !memcmp(&alone, &shared, sizeof alone), cut = (counted.runs > 0) == (counts[i] > 1);
    int met = 0;
    if (counts[i] == 2 && parallel) executor.run(executor.context, 2, meet, &met);
    end();
    printf("%2d threads: %s, %s bits, %d runs\n", (int)counts[i], vloss_status_name(status),
           same ? "the same" : "OTHER", counted.runs);
    if (executor.threads != counts[i]) failures++, printf("FAIL: an executor of %d threads\n", (int)executor.threads);
    if (status != VLOSS_OK || !same || !cut) failures++, printf("FAIL\n");
    if (met >= 100) failures++, printf("FAIL: two tasks did not run at the same time\n");
  }
  return failures;
}

#endif
