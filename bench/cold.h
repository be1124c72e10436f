/* One call that meets cold caches, and a core that has not met wide vectors for milliseconds: what an inference step
 * sees, which asks for one token's loss or log-probability between two runs of a model. */
#ifndef VLOSS_BENCH_COLD_H
#define VLOSS_BENCH_COLD_H

#include <functional>

// The seconds that a call takes by the clock, the median of some, each after 5 ms of scalar work that goes through more
// memory than L2 holds.
double SecondsOfColdCall(const std::function<void()> &call);

#endif
