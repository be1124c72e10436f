#include "data.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

// splitmix64: the same data in every run and on every machine.
class Random {
 public:
  std::uint64_t Next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // The sum of four uniform 16-bit numbers, shifted and scaled to mean 0 and standard deviation 3.
  float NormalLike() {
    const std::uint64_t z = Next();
    const std::uint64_t sum = (z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48);
    return (static_cast<float>(sum) - 2 * 65535.0f) * (3 / 37837.2f);  // 65536 sqrt(4/12)
  }
  std::int64_t Below(std::size_t n) { return static_cast<std::int64_t>((Next() >> 32) * n >> 32); }
  float Probability() { return static_cast<float>(205 + Below(3892 - 205)) / 4096; }

 private:
  std::uint64_t state_ = 1;
};

// Each array starts an odd number of cache lines further into its first page than the one before, so that no two of
// them compete for the same cache sets in step.
template <class T>
T *Allocate(std::size_t count) {
  static std::size_t stagger = 0;
  constexpr std::size_t kHuge = std::size_t{2} << 20;
  const std::size_t bytes = (count * sizeof(T) / kHuge + 2) * kHuge;
  void *block = mmap(nullptr, bytes + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) {
    std::perror("vloss-bench: memory");
    std::exit(1);
  }
  char *start = static_cast<char *>(block) + (kHuge - reinterpret_cast<std::uintptr_t>(block) % kHuge) % kHuge;
#ifdef MADV_HUGEPAGE
  madvise(start, bytes, MADV_HUGEPAGE);  // advice: without it the rows are slower, but all alike
#endif
  std::memset(start, 0, bytes);
  stagger += 17 * 64;
  return reinterpret_cast<T *>(start + stagger);
}

template <class Draw>
const float *Filled(std::size_t count, Draw draw) {
  float *values = Allocate<float>(count);
  std::generate_n(values, count, draw);
  return values;
}

Data Make() {
  constexpr std::size_t kFloats = kMemoryBytes / sizeof(float);
  Random random;
  const auto probability = [&] { return random.Probability(); };
  return {Filled(kFloats, [&] { return random.NormalLike(); }),
          Filled(kFloats, probability),
          Filled(kFloats / 2, probability),
          Filled(kFloats / 3, probability),
          Filled(kFloats / 2, [&] { return random.Below(2) ? 1.0f : -1.0f; }),
          Allocate<float>(kFloats),
          Allocate<float>(kFloats),
          Allocate<float>(kMostRows),
          Allocate<float>(kMostRows),
          Allocate<std::int64_t>(kMostLabels)};
}

}  // namespace

const Data &SharedData() {
  static const Data data = Make();
  return data;
}

void FillLabels(std::size_t rows, std::size_t classes) {
  Random random;
  std::int64_t *labels = SharedData().labels;
  for (std::size_t r = 0; r < rows; r++) labels[r] = random.Below(classes);
}

void FillLabelLists(std::size_t rows, std::size_t classes) {
  Random random;
  const std::size_t count = (classes + 99) / 100, step = classes / count;
  for (std::size_t r = 0; r < rows; r++) {
    std::int64_t *list = SharedData().labels + r * classes;
    const std::size_t start = static_cast<std::size_t>(random.Below(step));
    for (std::size_t i = 0; i < count; i++) list[i] = static_cast<std::int64_t>(start + i * step);
    std::fill(list + count, list + classes, -1);
  }
}
