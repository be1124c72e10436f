/* vloss::openmp: the bits, the threads that it takes, and calls from inside a parallel region. */
#include <limits.h>
#include <omp.h>

#include "same_bits.h"
#include "vloss/openmp.h"

static void nothing(void) {}
static void count(void *argument, size_t index) { ((int *)argument)[index]++; }

int main(void) {
  int failures = same_bits(vloss_openmp_executor, nothing, 1);

  omp_set_num_threads(5);
  vloss_executor executor = vloss_openmp_executor(0);
  if (executor.threads != 5) failures++, printf("FAIL: %zu threads, not 5\n", executor.threads);

  /* More threads than OpenMP can name, and than there are tasks; no tasks. */
  int done[3] = {0};
  executor = vloss_openmp_executor(SIZE_MAX);
  executor.run(executor.context, 0, count, done);
  executor.run(executor.context, 3, count, done);
  if (executor.threads > INT_MAX || done[0] != 1 || done[1] != 1 || done[2] != 1)
    failures++, printf("FAIL: %zu threads did %d, %d, %d\n", executor.threads, done[0], done[1], done[2]);

  float losses[8];
  executor = vloss_openmp_executor(3);
#pragma omp parallel for num_threads(4)
  for (int i = 0; i < 8; i++)
    if (vloss_loss(&(vloss_loss_args){.kind = VLOSS_MSE,
                                      .rows = ROWS,
                                      .columns = CLASSES,
                                      .prediction = logits,
                                      .target = target,
                                      .loss = &losses[i],
                                      .executor = &executor}) != VLOSS_OK)
      losses[i] = -1;
  for (int i = 0; i < 8; i++)
    if (memcmp(&losses[i], &alone.mse, sizeof alone.mse) != 0)
      failures++, printf("FAIL: %a in a parallel region\n", (double)losses[i]);
  return failures != 0;
}
