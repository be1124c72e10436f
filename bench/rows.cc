#include "rows.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "data.h"
#include "limits.h"
#include "math_isa.h"

namespace {

bool any_failure = false;

void Fail(benchmark::State &state, const std::string &why) {
  any_failure = true;
  state.SkipWithError(why.c_str());
}

void Count(benchmark::State &state, std::size_t items, std::size_t bytes) {
  state.SetItemsProcessed(static_cast<std::int64_t>(items) * state.iterations());
  if (bytes) state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

// ---- Functions

constexpr std::size_t kClasses[] = {10, 128, 1000, 32000, 50257, 128256};
constexpr Size kCall = {10, 1, false, 10 * sizeof(float)};

// Null for a function that moves no matrix: NLL reads one logit a row.
const bench_limit *LimitOf(const Function &function) {
  const auto end = bench_limits + bench_limit_count;
  const auto found =
      std::find_if(bench_limits, end, [&](const bench_limit &l) { return !std::strcmp(l.traffic, function.traffic); });
  return found == end ? nullptr : found;
}

problem ProblemOf(const Function &function, const Size &size) {
  const Data &data = SharedData();
  const float *input = function.matrix == Matrix::kBackward ? data.positive : data.logits;
  return {size.rows, size.classes, input, data.upstream, data.labels, data.matrix, data.per_row};
}

void Prepare(const Function &function, const Size &size) {
  const problem p = ProblemOf(function, size);
  FillLabels(p.rows, p.classes);
  if (function.matrix == Matrix::kInPlace) std::memcpy(p.matrix, p.input, p.rows * p.classes * sizeof(float));
}

// ---- Comparison before timing

struct Results {
  float *values;
  std::size_t count;
  std::size_t Bytes() const { return count * sizeof(float); }
};

Results LossesOf(const Function &function, const Size &size, float *values) {
  return {values, function.loss == Loss::kNone ? 0 : function.loss == Loss::kMean ? 1 : size.rows};
}

Results MatrixOf(const Function &function, const Size &size, float *values) {
  return {values, function.matrix == Matrix::kNone ? 0 : size.rows * size.classes};
}

// To see that both compute the same thing; how accurate vloss is, its tests say. The plain loops sum in f32 under
// -ffast-math (1e-4), and subtract numbers near each other where vloss does not (1e-6 of the largest).
bool Near(const Results &a, const Results &plain) {
  float largest = 0;
  for (std::size_t i = 0; i < plain.count; i++) largest = std::max(largest, std::fabs(plain.values[i]));
  std::size_t near = 0;
  for (std::size_t i = 0; i < plain.count; i++)
    near += std::fabs(a.values[i] - plain.values[i]) <= 1e-4f * std::fabs(plain.values[i]) + 1e-6f * largest;
  return std::isfinite(largest) && near == plain.count;  // NaN is near nothing
}

Agreement Compare(const Function &function, const Size &size, const std::vector<std::string> &isas) {
  const Data &data = SharedData();
  const problem p = ProblemOf(function, size);
  const Results losses = LossesOf(function, size, data.per_row), matrix = MatrixOf(function, size, data.matrix);
  const Results first_losses = LossesOf(function, size, data.expected_per_row),
                first_matrix = MatrixOf(function, size, data.expected);
  const auto poison = [&] {  // with NaN, so that a result that was not written is one that differs
    std::memset(losses.values, 0xff, losses.Bytes());
    std::memset(matrix.values, 0xff, matrix.Bytes());
    Prepare(function, size);
  };

  Agreement agreement;
  for (const std::string &isa : isas) {
    poison();
    vloss_status status = vloss_isa_force(isa.c_str());
    if (status == VLOSS_OK) status = function.vloss(p);
    if (status != VLOSS_OK) {
      agreement.error = isa + ": " + vloss_status_message(status);
      return agreement;
    }
    if (isa == isas.front()) {
      std::memcpy(first_losses.values, losses.values, losses.Bytes());
      std::memcpy(first_matrix.values, matrix.values, matrix.Bytes());
    } else if (std::memcmp(first_losses.values, losses.values, losses.Bytes()) ||
               std::memcmp(first_matrix.values, matrix.values, matrix.Bytes())) {
      agreement.error = isa + " and " + isas.front() + " give different bits";
      return agreement;
    }
    agreement.isas++;
  }
  poison();
  function.plain(&p);
  if (!Near(first_losses, losses) || !Near(first_matrix, matrix))
    agreement.error = isas.front() + " and the plain loop give different results";
  return agreement;
}

std::map<std::string, Agreement> agreements;  // by row name without a variant

const Agreement &CompareOnce(const Function &function, const Size &size, const std::vector<std::string> &isas) {
  const auto [entry, missing] = agreements.try_emplace(RowName(function, "", size));
  if (missing) entry->second = Compare(function, size, isas);
  return entry->second;
}

// ---- Timing

void TimeFunction(benchmark::State &state, const Function &function, const std::string &variant, const Size &size,
                  const std::vector<std::string> &isas) {
  const Agreement &agreement = CompareOnce(function, size, isas);
  if (!agreement.error.empty()) return Fail(state, agreement.error);

  Prepare(function, size);
  const problem p = ProblemOf(function, size);
  if (variant == "plain") {
    for (auto _ : state) {
      function.plain(&p);
      benchmark::ClobberMemory();
    }
  } else {
    vloss_status status = vloss_isa_force(variant.c_str());
    for (auto _ : state) {
      if (status == VLOSS_OK) status = function.vloss(p);
      benchmark::ClobberMemory();
    }
    if (status != VLOSS_OK) return Fail(state, vloss_status_message(status));
  }
  const bench_limit *limit = LimitOf(function);
  const std::size_t elements = size.rows * size.classes;
  if (limit)
    Count(state, elements, elements * limit->bytes);
  else
    Count(state, size.rows, 0);
}

void TimeLimit(benchmark::State &state, const bench_limit &limit, bool memory) {
  const Data &data = SharedData();
  const std::size_t floats = (memory ? kMemoryBytes : kCacheBytes) / sizeof(float) / limit.arrays;
  const std::size_t n = floats / BENCH_LIMIT_BLOCK * BENCH_LIMIT_BLOCK;
  std::memset(data.matrix, 0, n * sizeof(float));
  for (auto _ : state) {
    limit.run(data.logits, data.upstream, data.matrix, n);
    benchmark::ClobberMemory();
  }
  Count(state, n, n * limit.bytes);
}

// exp takes logits; log and log1p positive numbers of every size that a sum of exponentials has.
void TimeMath(benchmark::State &state, const bench_math &math, void (*run)(const float *, float *, std::size_t)) {
  constexpr std::size_t kFloats = 2048;  // with the results half of an L1 of 32 KiB
  const Data &data = SharedData();
  float *x = data.expected, *y = data.matrix;
  for (std::size_t i = 0; i < kFloats; i++)
    x[i] = math.name == std::string("exp") ? data.logits[i] : std::exp(data.logits[i]);
  run(x, y, kFloats);
  for (std::size_t i = 0; i < kFloats; i++) {
    const double exact = math.exact(static_cast<double>(x[i]));
    if (!(std::fabs(static_cast<double>(y[i]) - exact) <= 0x1p-22 * std::fabs(exact)))
      return Fail(state, "differs from the C library's by more than 2^-22");
  }
  for (auto _ : state) {
    run(x, y, kFloats);
    benchmark::ClobberMemory();
  }
  Count(state, kFloats, 0);
}

const std::map<std::string, const bench_math *> math_of_isa = {
#ifdef VLOSS_HAVE_AVX512
    {"avx512", bench_math_avx512},
#endif
#ifdef VLOSS_HAVE_AVX2
    {"avx2", bench_math_avx2},
#endif
#ifdef VLOSS_HAVE_NEON
    {"neon", bench_math_neon},
#endif
#ifdef VLOSS_HAVE_SCALAR
    {"scalar", bench_math_scalar},
#endif
};

}  // namespace

std::vector<Size> SizesOf(const Function &function, Plan plan) {
  const bench_limit *limit = LimitOf(function);
  std::vector<Size> sizes;
  for (const std::size_t classes : kClasses)
    for (const bool memory : {false, true}) {
      // Two rows in L2 show nothing of a function that reads one logit a row but what a call costs.
      const bool usual = memory ? classes == 50257 : classes == 128 || (classes == 50257 && limit);
      const bool first = classes == 10 && !memory;
      if (plan == Plan::kTable && !usual && !function.headline) continue;
      if (plan == Plan::kShort && !usual && !(function.headline && first)) continue;
      const std::size_t row_bytes = (limit ? limit->arrays : 1) * classes * sizeof(float);
      const std::size_t rows = std::max<std::size_t>(1, (memory ? kMemoryBytes : kCacheBytes) / row_bytes);
      sizes.push_back({classes, rows, memory, rows * row_bytes});
    }
  return sizes;
}

const std::vector<std::string> &SupportedIsas() {
  static const std::vector<std::string> isas = [] {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < vloss_isa_count(); i++)
      if (!vloss_isa_unsupported_reason(vloss_isa_name(i))) names.push_back(vloss_isa_name(i));
    return names;
  }();
  return isas;
}

std::vector<std::string> IsasOf(const Size &size, Plan plan) {
  std::vector<std::string> isas;
  for (const std::string &isa : SupportedIsas())
    if (plan == Plan::kEverything || !size.memory || isa != "scalar") isas.push_back(isa);
  return isas;
}

std::string RowName(const Function &function, const std::string &variant, const Size &size) {
  return std::string(function.name) + "/" + variant + "/V:" + std::to_string(size.classes) +
         "/N:" + std::to_string(size.rows);
}

std::string CallName(const Function &function, const std::string &isa) {
  return "call/" + RowName(function, isa, kCall);
}

std::string LimitName(const std::string &traffic, const std::string &way, bool memory) {
  return "limit/" + traffic + "/" + way + (memory ? "/DRAM" : "/L2");
}

std::string MathName(const std::string &function, const std::string &isa, const std::string &whose) {
  return "math/" + function + "/" + isa + "/" + whose;
}

Agreement AgreementOf(const Function &function, const Size &size) {
  const auto found = agreements.find(RowName(function, "", size));
  return found == agreements.end() ? Agreement{} : found->second;
}

std::size_t RegisterRows(Plan plan, const BeforeRun &before_run) {
  std::size_t count = 0;
  const auto add = [&](const std::string &name, const std::function<void(benchmark::State &)> &body) {
    count++;
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
      before_run(name, state.max_iterations);
      body(state);
    });
  };

  for (std::size_t i = 0; i < bench_limit_count; i++)
    for (const bool memory : {false, true}) {
      const bench_limit &limit = bench_limits[i];
      add(LimitName(limit.traffic, limit.way, memory),
          [&limit, memory](benchmark::State &state) { TimeLimit(state, limit, memory); });
    }
  for (const Function &function : functions) {
    for (const Size &size : SizesOf(function, plan)) {
      const std::vector<std::string> isas = IsasOf(size, plan);
      std::vector<std::string> variants = isas;
      variants.push_back("plain");
      for (const std::string &variant : variants)
        add(RowName(function, variant, size), [&function, variant, size, isas](benchmark::State &state) {
          TimeFunction(state, function, variant, size, isas);
        });
    }
    if (!function.headline) continue;
    for (const std::string &isa : SupportedIsas())
      add(CallName(function, isa),
          [&function, isa](benchmark::State &state) { TimeFunction(state, function, isa, kCall, SupportedIsas()); });
  }
  for (int i = 0; i < BENCH_MATH_COUNT; i++)
    for (const std::string &isa : SupportedIsas()) {
      const bench_math &math = math_of_isa.at(isa)[i];
      add(MathName(math.name, isa, "inline"),
          [&math](benchmark::State &state) { TimeMath(state, math, math.inlined); });
      if (math.sleef)
        add(MathName(math.name, isa, "sleef"), [&math](benchmark::State &state) { TimeMath(state, math, math.sleef); });
    }
  return count;
}

bool AnyFailure() { return any_failure; }
