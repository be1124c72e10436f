/* A ready executor (vloss.h, vloss_executor) that runs a call on the threads of OpenMP. It is a library of its own,
 * vloss::openmp in CMake and vloss-openmp for pkg-config, which vloss itself does not need. */
#ifndef VLOSS_OPENMP_H
#define VLOSS_OPENMP_H

#include "vloss.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For so many threads, the calling one included; 0: as many as omp_get_max_threads() says now (OMP_NUM_THREADS, or a
 * thread per CPU). Any number of calls and threads may use it, at the same time, too. Inside a parallel region of the
 * caller's, OpenMP gives one thread unless the caller has asked for nested ones: results are the same. */
VLOSS_API vloss_executor vloss_openmp_executor(size_t threads);

#ifdef __cplusplus
}
#endif

#endif
