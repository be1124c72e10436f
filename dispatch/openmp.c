/* See vloss/openmp.h. A library of its own: nothing of vloss is called here, so that it serves the shared and the
 * static vloss. */
#include "vloss/openmp.h"

#include <limits.h>
#include <omp.h>

/* The context is the number of threads itself, so that there is nothing to keep alive. */
static int threads_for(const void *context, size_t count) {
  const size_t threads = (uintptr_t)context;
  return (int)(threads < count ? threads : count ? count : 1);
}
static void run(void *context, size_t count, vloss_task *task, void *argument) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads_for(context, count))
  for (size_t i = 0; i < count; i++) task(argument, i);
}

vloss_executor vloss_openmp_executor(size_t threads) {
  if (!threads) threads = (size_t)omp_get_max_threads();
  if (threads > INT_MAX) threads = INT_MAX;
  return (vloss_executor){(void *)(uintptr_t)threads, threads, run}; /* NOLINT(performance-no-int-to-ptr) */
}
