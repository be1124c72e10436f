/* The machine that the bench runs on: its caches and memory, from which the rows in memory are sized; and whether
 * others used it meanwhile. */
#ifndef VLOSS_BENCH_MACHINE_H
#define VLOSS_BENCH_MACHINE_H

#include <cstddef>
#include <string>

// The size of a core's L2 in bytes; 0 if the system does not say.
std::size_t L2Bytes();

// The working set of the rows in memory, outputs included: beyond the last-level caches, unless the memory is too small
// for that. SetMemoryBytes overrides it, before the first other use.
std::size_t MemoryBytes();
void SetMemoryBytes(std::size_t bytes);

// That in words: beside the last-level cache; and a warning if it is not beyond it, else empty.
std::string MemoryWords();
std::string MemoryWarning();

// Seconds of this thread's CPU time.
double CpuSeconds();

// What was going on in the machine while rows ran.
struct Usage {
  double wall = 0, own = 0, others = 0;  // seconds; of CPU time that of this process, and that of all others
};

// From its making to Stop.
class Watch {
 public:
  Watch();
  Usage Stop() const;  // counted in the total, too

 private:
  double wall_, own_, busy_;
};

// A warning if, in all that was watched, this process had to wait for a CPU or others were busy; else empty.
std::string BusyWarning();

#endif
