// See cold.h.
#include "cold.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

#include "data.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kWork{5};
constexpr std::size_t kCalls = 15;

double SecondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Each step needs the one before, so that no compiler makes vectors of it; one cache line a step, through the array
// that the calls do not use.
void WorkOnOtherMemory() {
  static volatile std::uint64_t kept;
  constexpr std::size_t kLine = 64 / sizeof(float), kStepsAtOnce = 4096;
  const std::size_t lines = MemoryBytes() / 64;
  static std::size_t line = 0;
  std::uint64_t hash = kept;
  for (const Clock::time_point begin = Clock::now(); Clock::now() - begin < kWork;)
    for (std::size_t i = 0; i < kStepsAtOnce; i++, line = (line + 1) % lines)
      hash = (hash ^ static_cast<std::uint64_t>(SharedData().expected[line * kLine])) * 0x9e3779b97f4a7c15u;
  kept = hash;
}

}  // namespace

double SecondsOfColdCall(const std::function<void()> &call) {
  std::array<double, kCalls> seconds;
  for (double &of : seconds) {
    WorkOnOtherMemory();
    const Clock::time_point begin = Clock::now();
    call();
    of = SecondsSince(begin);
  }
  std::nth_element(seconds.begin(), seconds.begin() + kCalls / 2, seconds.end());
  return seconds[kCalls / 2];
}
