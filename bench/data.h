/* The arrays that every row of the bench works on: allocated and touched once, on huge pages where the system has
 * them, and shared, so that all are measured on the same memory. */
#ifndef VLOSS_BENCH_DATA_H
#define VLOSS_BENCH_DATA_H

#include <cstddef>
#include <cstdint>

// The working sets, in bytes, outputs included: half of a common L2, and well beyond any last-level cache.
constexpr std::size_t kCacheBytes = std::size_t{512} << 10;
constexpr std::size_t kMemoryBytes = std::size_t{256} << 20;

struct Data {
  const float *logits;  // kMemoryBytes, normal-like, standard deviation 3
  // For the backward forms, absolute values of the like: of one sign, so that a row's sum can be compared with one that
  // was formed in another order. kMemoryBytes / 3 each.
  const float *positive, *upstream;
  float *matrix;                      // kMemoryBytes, for results
  float *expected;                    // kMemoryBytes, for results to compare with
  float *per_row, *expected_per_row;  // kMostRows
  std::int64_t *labels;               // kMostRows
};
constexpr std::size_t kMostRows = kMemoryBytes / (10 * sizeof(float));  // of 10 classes, the fewest

const Data &SharedData();

// The first `rows` labels become uniform in [0, classes).
void FillLabels(std::size_t rows, std::size_t classes);

#endif
