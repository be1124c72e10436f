/* The threads that a call is lent: POSIX threads that live for a run, some 20 us each to start, which the calls that
 * vloss cuts up are longer than. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "function.h"

struct run {
  atomic_size_t next;
  size_t count;
  vloss_task *task;
  void *argument;
};

static void *work(void *context) {
  struct run *run = context;
  for (size_t i; (i = atomic_fetch_add(&run->next, 1)) < run->count;) run->task(run->argument, i);
  return NULL;
}

/* Where a thread cannot be had, the others do its part. */
static void run_on_threads(void *context, size_t count, vloss_task *task, void *argument) {
  enum { MOST = 256 };
  struct run run = {0, count, task, argument};
  pthread_t others[MOST];
  size_t started = 0;
  const size_t threads = (size_t)(uintptr_t)context;
  while (started + 1 < threads && started + 1 < count && started < MOST &&
         pthread_create(&others[started], NULL, work, &run) == 0)
    started++;
  work(&run);
  while (started > 0) pthread_join(others[--started], NULL);
}

vloss_executor threads_executor(size_t threads) {
  return (vloss_executor){(void *)(uintptr_t)threads, threads, run_on_threads};
}

size_t threads_available(void) {
#ifdef CPU_COUNT
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return (size_t)CPU_COUNT(&set);
#endif
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? (size_t)count : 1;
}
