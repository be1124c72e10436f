// See executors.h.
#include "executors.h"

#include <map>

#ifdef BENCH_OPENMP
#include "vloss/openmp.h"

const char *const kExecutorName = "OpenMP";

namespace {
vloss_executor Make(std::size_t threads) { return vloss_openmp_executor(threads); }
}  // namespace

#else
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

const char *const kExecutorName = "std::thread";

namespace {

void Run(void *context, std::size_t count, vloss_task *task, void *argument) {
  const std::size_t threads = reinterpret_cast<std::uintptr_t>(context);
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i; (i = next++) < count;) task(argument, i);
  };
  std::vector<std::thread> others;
  while (others.size() + 1 < threads && others.size() + 1 < count) others.emplace_back(work);
  work();
  for (std::thread &other : others) other.join();
}

vloss_executor Make(std::size_t threads) {
  return {reinterpret_cast<void *>(static_cast<std::uintptr_t>(threads)), threads, Run};
}

}  // namespace
#endif

const vloss_executor *ExecutorOf(std::size_t threads) {
  static std::map<std::size_t, vloss_executor> executors;
  return threads > 1 ? &executors.try_emplace(threads, Make(threads)).first->second : nullptr;
}
