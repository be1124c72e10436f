/* How far a run is, on standard error, with an estimate of what is left: on a terminal one line that changes, else a
 * line every tenth. */
#ifndef VLOSS_BENCH_PROGRESS_H
#define VLOSS_BENCH_PROGRESS_H

#include <chrono>
#include <cstddef>

class Progress {
 public:
  void Show(std::size_t done, std::size_t expected);  // nothing where expected is 0

 private:
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::size_t shown_percent_ = 0;
};

#endif
