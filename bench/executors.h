/* The threads of the rows with --threads: OpenMP's, where vloss::openmp is built, else some that each run starts. */
#ifndef VLOSS_BENCH_EXECUTORS_H
#define VLOSS_BENCH_EXECUTORS_H

#include <cstddef>

#include "vloss/vloss.h"

// Of so many threads, for the life of the program; null for one.
const vloss_executor *ExecutorOf(std::size_t threads);

// "OpenMP" or "std::thread".
extern const char *const kExecutorName;

#endif
