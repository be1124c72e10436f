/* The same data in every run and on every machine. */
#ifndef VLOSS_BENCH_RANDOM_H
#define VLOSS_BENCH_RANDOM_H

#include <cstddef>
#include <cstdint>

class Random {  // splitmix64
 public:
  std::uint64_t Next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // The sum of four uniform 16-bit numbers, shifted and scaled to mean 0 and standard deviation 3; at most 10.4.
  float NormalLike() {
    const std::uint64_t z = Next();
    const std::uint64_t sum = (z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48);
    return (static_cast<float>(sum) - 2 * 65535.0f) * (3 / 37837.2f);  // 65536 sqrt(4/12)
  }
  std::int64_t Below(std::size_t n) { return static_cast<std::int64_t>((Next() >> 32) * n >> 32); }
  float Between(float low, float high) { return low + (high - low) * static_cast<float>(Below(1 << 20)) * 0x1p-20f; }
  float Probability() { return static_cast<float>(205 + Below(3892 - 205)) / 4096; }
  float Sign() { return Below(2) ? 1.0f : -1.0f; }

 private:
  std::uint64_t state_ = 1;
};

#endif
