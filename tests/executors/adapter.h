/* The adapter of docs/threads.md that ADAPTER names, as C or C++: SNIPPET is the file with its lines. */
#include "same_bits.h"
/* Behind the header, as a program would have it. */
#include SNIPPET

#define PTHREADPOOL 1
#define STD_THREAD 2
#define TBB 3

#if ADAPTER == PTHREADPOOL
static pthreadpool_t pool;
static vloss_executor begin(size_t threads) {
  pool = pthreadpool_create(threads);
  return pool_executor(pool);
}
static void end(void) { pthreadpool_destroy(pool); }
static int parallel(void) { return 1; }

#elif ADAPTER == STD_THREAD
static vloss_executor begin(size_t threads) { return thread_executor(threads); }
static void end() {}
static int parallel() { return 1; }

#elif ADAPTER == TBB
static tbb::task_arena *arena;
static vloss_executor begin(size_t threads) {
  arena = new tbb::task_arena(static_cast<int>(threads));
  return arena_executor(*arena);
}
static void end() { delete arena; }
/* TBB has no more threads than CPUs. */
static int parallel() { return tbb::this_task_arena::max_concurrency() > 1; }
#endif

int main(void) { return same_bits(begin, end, parallel()) != 0; }
