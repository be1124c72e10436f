// Loops over a vector math library with the widest vectors of this machine: two passes a row, as one writes them with
// intrinsics. Compiled twice: BENCH_SLEEF calls SLEEF, BENCH_LIBMVEC the C library's libmvec.
#if defined(__aarch64__)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif
#ifdef BENCH_SLEEF
#include <sleef.h>
#else
#include <gnu/libc-version.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstring>

#include "peers.h"

#if defined(__AVX512F__)
using vec = __m512;
#define SLEEF_NAME(function) Sleef_##function##f16_u10avx512f
#define LIBMVEC_NAME(function) _ZGVeN16v_##function##f
#elif defined(__AVX2__) && defined(__FMA__)
using vec = __m256;
#define SLEEF_NAME(function) Sleef_##function##f8_u10avx2
#define LIBMVEC_NAME(function) _ZGVdN8v_##function##f
#elif defined(__aarch64__)
using vec = float32x4_t;
#define SLEEF_NAME(function) Sleef_##function##f4_u10advsimd
#define LIBMVEC_NAME(function) _ZGVnN4v_##function##f
#endif

#ifdef BENCH_SLEEF
#define MATH(f) SLEEF_NAME(f)
#else
#define MATH(f) LIBMVEC_NAME(f)
extern "C" {
vec LIBMVEC_NAME(exp)(vec);
vec LIBMVEC_NAME(log)(vec);
vec LIBMVEC_NAME(log1p)(vec);
}
#endif

namespace {

constexpr std::size_t kLanes = sizeof(vec) / sizeof(float);

vec Load(const float *p) {
  vec x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
void Store(float *p, vec x) { std::memcpy(p, &x, sizeof x); }
vec All(float x) { return x - vec{}; }
vec Max(vec a, vec b) { return a > b ? a : b; }

// The last n elements of a row, fewer than a vector has, and fill in the lanes beyond.
vec LoadTail(const float *p, std::size_t n, float fill) {
#ifdef __AVX512F__
  return _mm512_mask_loadu_ps(All(fill), static_cast<__mmask16>((1u << n) - 1), p);
#else
  vec x = All(fill);
  std::memcpy(&x, p, n * sizeof(float));
  return x;
#endif
}
void StoreTail(float *p, std::size_t n, vec x) {
#ifdef __AVX512F__
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), x);
#else
  std::memcpy(p, &x, n * sizeof(float));
#endif
}

template <class Combine>
float Across(vec x, Combine combine) {
  float lanes[kLanes];
  Store(lanes, x);
  for (std::size_t n = kLanes / 2; n; n /= 2)
    for (std::size_t i = 0; i < n; i++) lanes[i] = combine(lanes[i], lanes[i + n]);
  return lanes[0];
}
float Sum(vec x) {
  return Across(x, [](float a, float b) { return a + b; });
}

// body(i, x) for every vector of the row, from element i; tail(i, n, x) for the rest.
template <class Body, class Tail>
void Each(const float *x, std::size_t n, float fill, Body body, Tail tail) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, Load(x + i));
  if (i < n) tail(i, n - i, LoadTail(x + i, n - i, fill));
}

float RowMax(const float *x, std::size_t n) {
  vec max[4];  // enough to hide the latency
  for (vec &m : max) m = All(x[0]);
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (std::size_t j = 0; j < 4; j++) max[j] = Max(max[j], Load(x + i + j * kLanes));
  vec all = Max(Max(max[0], max[1]), Max(max[2], max[3]));
  const auto add = [&](vec v) { all = Max(all, v); };
  Each(
      x + i, n - i, x[0], [&](std::size_t, vec v) { add(v); }, [&](std::size_t, std::size_t, vec v) { add(v); });
  return Across(all, [](float a, float b) { return std::max(a, b); });
}

float SumExp(const float *x, std::size_t n, float max) {
  vec sum{};
  const auto add = [&](vec v) { sum += MATH(exp)(v - max); };
  Each(
      x, n, -INFINITY, [&](std::size_t, vec v) { add(v); }, [&](std::size_t, std::size_t, vec v) { add(v); });
  return Sum(sum);
}

// Also keeps the terms.
float SumExp(const float *x, std::size_t n, float max, float *terms) {
  vec sum{};
  Each(
      x, n, -INFINITY,
      [&](std::size_t i, vec v) {
        const vec e = MATH(exp)(v - max);
        Store(terms + i, e);
        sum += e;
      },
      [&](std::size_t i, std::size_t rest, vec v) {
        const vec e = MATH(exp)(v - max);
        StoreTail(terms + i, rest, e);
        sum += e;
      });
  return Sum(sum);
}

// y = f(x), in place or not.
template <class F>
void Map(const float *x, float *y, std::size_t n, F f) {
  Each(
      x, n, 0, [&](std::size_t i, vec v) { Store(y + i, f(v)); },
      [&](std::size_t i, std::size_t rest, vec v) { StoreTail(y + i, rest, f(v)); });
}

float LogSumExp(const float *x, std::size_t n) {
  const float max = RowMax(x, n);
  return std::log(SumExp(x, n, max)) + max;
}

void CrossEntropy(const problem &p) {
  double total = 0;
  for (std::size_t r = 0; r < p.rows; r++) {
    const float *x = Floats(p.input) + r * p.classes;
    total += static_cast<double>(LogSumExp(x, p.classes) - x[p.labels[r]]);
  }
  *Floats(p.loss) = static_cast<float>(total / static_cast<double>(p.rows));
}

void CrossEntropyGradient(const problem &p) {
  const float share = 1 / static_cast<float>(p.rows);
  double total = 0;
  for (std::size_t r = 0; r < p.rows; r++) {
    const float *x = Floats(p.input) + r * p.classes;
    float *gradient = Floats(p.matrix) + r * p.classes;
    const float max = RowMax(x, p.classes);
    const float sum = SumExp(x, p.classes, max, gradient);
    total += static_cast<double>(std::log(sum) + max - x[p.labels[r]]);
    Map(gradient, gradient, p.classes, [&](vec e) { return e * (share / sum); });
    gradient[p.labels[r]] -= share;
  }
  *Floats(p.loss) = static_cast<float>(total / static_cast<double>(p.rows));
}

void Softmax(const problem &p) {
  for (std::size_t r = 0; r < p.rows; r++) {
    const float *x = Floats(p.input) + r * p.classes;
    float *y = Floats(p.matrix) + r * p.classes;
    const float sum = SumExp(x, p.classes, RowMax(x, p.classes), y);
    Map(y, y, p.classes, [&](vec e) { return e * (1 / sum); });
  }
}

void LogSoftmax(const problem &p) {
  for (std::size_t r = 0; r < p.rows; r++) {
    const float *x = Floats(p.input) + r * p.classes;
    const float lse = LogSumExp(x, p.classes);
    Map(x, Floats(p.matrix) + r * p.classes, p.classes, [&](vec v) { return v - lse; });
  }
}

void LogSumExps(const problem &p) {
  for (std::size_t r = 0; r < p.rows; r++) Floats(p.loss)[r] = LogSumExp(Floats(p.input) + r * p.classes, p.classes);
}

// Elementwise losses, as means. formula(p, t, gradient) returns the loss and sets the gradient.
// Few enough to be summed in float. The bench takes a multiple of a vector.
constexpr std::size_t kBlock = 4096;

template <class Formula>
void Elementwise(const problem &p, float *gradient, Formula formula) {
  const std::size_t n = p.rows * p.classes;
  const float share = 1 / static_cast<float>(n);
  double total = 0;
  for (std::size_t block = 0; block < n; block += kBlock) {
    vec sum{};
    for (std::size_t i = block; i < std::min(block + kBlock, n); i += kLanes) {
      vec slope;
      sum += formula(Load(Floats(p.input) + i), Load(Floats(p.target) + i), slope);
      if (gradient) Store(gradient + i, slope * share);
    }
    total += static_cast<double>(Sum(sum));
  }
  *Floats(p.loss) = static_cast<float>(total / static_cast<double>(n));
}

vec Bce(vec x, vec t, vec &slope) {
  slope = (x - t) / Max(x * (1 - x), All(1e-12f));
  return -(t * Max(MATH(log)(x), All(-100)) + (1 - t) * Max(MATH(log)(1 - x), All(-100)));
}
vec BceWithLogits(vec x, vec t, vec &slope) {
  const vec e = MATH(exp)(-Max(x, -x)), one = All(1);
  slope = (x > 0 ? one : e) / (1 + e) - t;
  return Max(x, vec{}) - x * t + MATH(log1p)(e);
}
vec KlDiv(vec x, vec t, vec &slope) {
  slope = -t;
  return t > 0 ? t * (MATH(log)(t) - x) : vec{};
}

template <void run(const problem &)>
PeerCall Loop(const problem &p) {
  return {[p] { run(p); }};
}
template <vec formula(vec, vec, vec &)>
PeerCall Forward(const problem &p) {
  return {[p] { Elementwise(p, nullptr, [](vec x, vec t, vec &slope) { return formula(x, t, slope); }); }};
}
template <vec formula(vec, vec, vec &)>
PeerCall Gradient(const problem &p) {
  return {[p] { Elementwise(p, Floats(p.matrix), [](vec x, vec t, vec &slope) { return formula(x, t, slope); }); }};
}

}  // namespace

#define STRING_(x) #x
#define STRING(x) STRING_(x)

#ifdef BENCH_SLEEF
Peer Sleef() {
  const char *name = "sleef";
  const std::string version =
      STRING(SLEEF_VERSION_MAJOR) "." STRING(SLEEF_VERSION_MINOR) "." STRING(SLEEF_VERSION_PATCHLEVEL);
#else
Peer Libmvec() {
  const char *name = "libmvec";
  const std::string version = gnu_get_libc_version();
#endif
  return {name,
          version,
          "loops with intrinsics over " STRING(MATH(exp)) " and the like",
          {{"cross_entropy/forward", Loop<CrossEntropy>},
           {"cross_entropy/forward_gradient", Loop<CrossEntropyGradient>},
           {"softmax", Loop<Softmax>},
           {"log_softmax", Loop<LogSoftmax>},
           {"log_sum_exp", Loop<LogSumExps>},
           {"bce/forward", Forward<Bce>},
           {"bce/forward_gradient", Gradient<Bce>},
           {"bce_with_logits/forward", Forward<BceWithLogits>},
           {"bce_with_logits/forward_gradient", Gradient<BceWithLogits>},
           {"kl_div/forward", Forward<KlDiv>},
           {"kl_div/forward_gradient", Gradient<KlDiv>}}};
}
