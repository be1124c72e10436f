// See progress.h.
#include "progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

void Progress::Show(std::size_t done, std::size_t expected) {
  const std::size_t percent = expected ? std::min<std::size_t>(100, 100 * done / expected) : 0;
  const bool terminal = isatty(STDERR_FILENO);
  if (percent < shown_percent_ + (terminal ? 1 : 10)) return;
  shown_percent_ = percent;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin_;
  const double left = passed.count() * static_cast<double>(100 - percent) / static_cast<double>(percent);
  std::fprintf(stderr,
               terminal ? "\rmeasured %3zu%%, about %.0f s left \033[K" : "measured %3zu%%, about %.0f s left\n",
               percent, left);
}
