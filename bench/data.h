/* The arrays that every row of the bench works on: allocated and touched once, on huge pages where the system has
 * them, and shared, so that all are measured on the same memory. */
#ifndef VLOSS_BENCH_DATA_H
#define VLOSS_BENCH_DATA_H

#include <cstddef>
#include <cstdint>

#include "machine.h"
#include "vloss/vloss.h"

// The working set of the rows in L2, in bytes, outputs included: half of a common L2. Of those in memory: MemoryBytes.
constexpr std::size_t kCacheBytes = std::size_t{512} << 10;

struct Data {
  const float *logits;  // MemoryBytes(), normal-like, standard deviation 3
  // Probabilities between 0.05 and 0.95, which every loss and the backward forms accept as prediction, target and what
  // else there is. Of one sign, so that a row's sum can be compared with one that was formed in another order;
  // multiples of 2^-12, so that sums and products of two are exact and any loop finds the same kinks and ties. As large
  // as a function that takes one, two or three of them needs: MemoryBytes(), a half and a third of it.
  const float *first, *second, *third;
  const float *signs;                 // as many as of second, -1 or 1
  float *matrix;                      // MemoryBytes(), for results
  float *expected;                    // MemoryBytes(), for results to compare with
  float *per_row, *expected_per_row;  // MostRows(), with room for doubles
  std::int64_t *labels;               // MostLabels()
};
inline std::size_t MostRows() { return MemoryBytes() / (10 * sizeof(float)); }  // of 10 classes, the fewest
inline std::size_t MostLabels() {                                               // with their rows in memory
  return MemoryBytes() / (sizeof(float) + sizeof(std::int64_t));
}

const Data &SharedData();

// The inputs in another type, each rounded once, as many bytes as those of floats; made when they are first asked for.
struct TypedInputs {
  const void *logits, *first, *second, *third, *signs;
};
const TypedInputs &InputsOf(vloss_type type);
inline std::size_t SizeOf(vloss_type type) {
  return type == VLOSS_F64 ? sizeof(double) : type == VLOSS_F32 ? sizeof(float) : 2;
}

// Further arrays, allocated like those.
float *AllocateFloats(std::size_t count);

// The first `rows` labels become uniform in [0, classes).
void FillLabels(std::size_t rows, std::size_t classes);

// The same for lists of labels, `classes` entries a row: one class in a hundred, then -1 to the end.
void FillLabelLists(std::size_t rows, std::size_t classes);

#endif
