// See data.h.
#include "data.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "plain_isas.h"
#include "random.h"

namespace {

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
  const std::size_t floats = MemoryBytes() / sizeof(float);
  Random random;
  const auto probability = [&] { return random.Probability(); };
  return {Filled(floats, [&] { return random.NormalLike(); }),
          Filled(floats, probability),
          Filled(floats / 2, probability),
          Filled(floats / 3, probability),
          Filled(floats / 2, [&] { return random.Sign(); }),
          Allocate<float>(floats),
          Allocate<float>(floats),
          Allocate<float>(2 * MostRows()),
          Allocate<float>(2 * MostRows()),
          Allocate<std::int64_t>(MostLabels())};
}

// As many bytes as `count` floats have, from those over and over again.
const void *Converted(vloss_type type, const float *from, std::size_t count) {
  const std::size_t elements = count * sizeof(float) / SizeOf(type);
  char *values = Allocate<char>(count * sizeof(float));
  for (std::size_t i = 0, n; i < elements; i += n) {
    n = std::min(count, elements - i);
    BestPlainLoops(type).from_floats(values + i * SizeOf(type), from, n);
  }
  return values;
}

TypedInputs MakeInputs(vloss_type type) {
  const Data &data = SharedData();
  if (type == VLOSS_F32) return {data.logits, data.first, data.second, data.third, data.signs};
  const std::size_t floats = MemoryBytes() / sizeof(float);
  return {Converted(type, data.logits, floats), Converted(type, data.first, floats),
          Converted(type, data.second, floats / 2), Converted(type, data.third, floats / 3),
          Converted(type, data.signs, floats / 2)};
}

}  // namespace

float *AllocateFloats(std::size_t count) { return Allocate<float>(count); }

const Data &SharedData() {
  static const Data data = Make();
  return data;
}

const TypedInputs &InputsOf(vloss_type type) {
  static std::map<vloss_type, TypedInputs> made;
  const auto found = made.find(type);
  return found != made.end() ? found->second : made.emplace(type, MakeInputs(type)).first->second;
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
