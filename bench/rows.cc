#include "rows.h"

#include <benchmark/benchmark.h>

#include <time.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <regex>

#include "data.h"
#include "library.h"
#include "limits.h"
#include "math_isa.h"
#include "peers/peers.h"

namespace {

bool any_failure = false;

// A kernel that is not all of vloss may decline what it does not compute: no row, and no failure either.
constexpr char kDeclined[] = "declined";
bool Declines(const struct library *which, vloss_status status) {
  return !which->isa_force && (status == VLOSS_ERROR_ARGUMENTS || status == VLOSS_ERROR_TYPE);
}

void Fail(benchmark::State &state, const std::string &why) {
  any_failure |= why != kDeclined;
  state.SkipWithError(why.c_str());
}

void Count(benchmark::State &state, std::size_t items, std::size_t bytes) {
  state.SetItemsProcessed(static_cast<std::int64_t>(items) * state.iterations());
  if (bytes) state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

// For the report: which limit applies, and how much memory a call touches.
void Describe(benchmark::State &state, const std::string &traffic, std::size_t working_set) {
  state.SetLabel(traffic);
  state.counters["working_set"] = static_cast<double>(working_set);
}

// ---- Functions

constexpr std::size_t kClasses[] = {10, 128, 1000, 32000, 50257, 128256};
constexpr std::size_t kLossClasses = 1000;  // of row losses, and where speed is measured against size

// Where the data of a row lie. Between L2 and memory: beyond a common L2, well within a common last-level cache.
struct Place {
  const char *name;
  std::size_t bytes;
};
constexpr Place kPlaces[] = {
    {"L1", std::size_t{24} << 10}, {"L2", kCacheBytes}, {"L3", std::size_t{8} << 20}, {"DRAM", kMemoryBytes}};
const Place &PlaceOf(bool memory) { return kPlaces[memory ? 3 : 1]; }
bool IsMemory(const Place &place) { return place.bytes == kMemoryBytes; }

bool IsElementwise(const Function &function) { return function.info && function.info->family == VLOSS_ELEMENTWISE; }
bool TakesLabelLists(const Function &function) {
  return function.info && (function.info->operands & VLOSS_TAKES_LABEL_LISTS);
}

// Null for a function that moves no matrix: NLL reads one logit a row.
const bench_limit *LimitOf(const Function &function) {
  const auto end = bench_limits + bench_limit_count;
  const auto found =
      std::find_if(bench_limits, end, [&](const bench_limit &l) { return l.traffic == function.traffic; });
  return found == end ? nullptr : found;
}

std::size_t ArraysOf(const Function &function) {
  const bench_limit *limit = LimitOf(function);
  return function.arrays ? function.arrays : limit ? limit->arrays : 1;
}

std::size_t FloatsOf(const Function &function, const Place &place) {
  return place.bytes / sizeof(float) / ArraysOf(function);
}

Size Rows(const Function &function, std::size_t classes, const Place &place) {
  const std::size_t most = TakesLabelLists(function) ? kMostLabels / classes : kMostRows;
  const std::size_t rows = std::clamp<std::size_t>(FloatsOf(function, place) / classes, 1, most);
  return {classes, rows, IsMemory(place), rows * classes * ArraysOf(function) * sizeof(float)};
}

// As many as the loops of the memory's limits work on; where L1 does not hold as many, a multiple of any vector.
Size Elements(const Function &function, const Place &place) {
  const std::size_t floats = FloatsOf(function, place);
  const std::size_t step = floats < BENCH_LIMIT_BLOCK ? BENCH_LIMIT_BLOCK / 8 : BENCH_LIMIT_BLOCK;
  const std::size_t n = floats / step * step;
  return {n, 1, IsMemory(place), n * ArraysOf(function) * sizeof(float)};
}

// What a call row times: too little for the memory to matter.
Size CallOf(const Function &function) { return {IsElementwise(function) ? 4096u : 10u, 1, false, 0}; }

problem ProblemOf(const Function &function, const Size &size) {
  const Data &data = SharedData();
  problem p{};
  p.rows = size.rows;
  p.classes = size.classes;
  p.input = function.info || function.matrix == Matrix::kBackward ? data.first : data.logits;
  p.upstream = data.second;
  p.labels = data.labels;
  p.matrix = data.matrix;
  p.loss = data.per_row;
  p.target = function.info && function.info->operands & VLOSS_TARGET_SIGNS ? data.signs : data.second;
  p.other = data.third;
  p.row_target = data.signs;
  p.parameters = function.parameters.data();
  return p;
}

void Prepare(const Function &function, const Size &size) {
  const problem p = ProblemOf(function, size);
  TakesLabelLists(function) ? FillLabelLists(p.rows, p.classes) : FillLabels(p.rows, p.classes);
  if (function.matrix == Matrix::kInPlace) std::memcpy(p.matrix, p.input, p.rows * p.classes * sizeof(float));
}

// ---- Comparison before timing

struct Results {
  float *values;
  std::size_t count;
  std::size_t Bytes() const { return count * sizeof(float); }
};

Results LossesOf(const Function &function, const Size &size, float *values) {
  return {values, function.loss == Loss::kNone ? 0 : function.loss == Loss::kReduced ? 1 : size.rows};
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

// The results of a function at a size, and beside them those of a call before, to compare with.
class Comparison {
 public:
  Comparison(const Function &function, const Size &size)
      : function_(function),
        size_(size),
        problem_(ProblemOf(function, size)),
        losses_(LossesOf(function, size, SharedData().per_row)),
        matrix_(MatrixOf(function, size, SharedData().matrix)),
        kept_losses_(LossesOf(function, size, SharedData().expected_per_row)),
        kept_matrix_(MatrixOf(function, size, SharedData().expected)) {}

  // Before each call: NaN everywhere, so that a result that was not written is one that differs.
  const problem &Poisoned() {
    std::memset(losses_.values, 0xff, losses_.Bytes());
    std::memset(matrix_.values, 0xff, matrix_.Bytes());
    Prepare(function_, size_);
    return problem_;
  }
  // What went wrong; empty if nothing did.
  std::string Vloss(const std::string &isa) {
    vloss_status status = library_use(isa.c_str());
    if (status == VLOSS_OK) status = function_.vloss(Poisoned());
    if (Declines(library, status)) return kDeclined;
    return status == VLOSS_OK ? "" : isa + ": " + vloss_status_message(status);
  }
  void Keep() {
    std::memcpy(kept_losses_.values, losses_.values, losses_.Bytes());
    std::memcpy(kept_matrix_.values, matrix_.values, matrix_.Bytes());
  }
  bool SameBits() const {
    return !std::memcmp(kept_losses_.values, losses_.values, losses_.Bytes()) &&
           !std::memcmp(kept_matrix_.values, matrix_.values, matrix_.Bytes());
  }
  bool Near() const { return ::Near(kept_losses_, losses_) && ::Near(kept_matrix_, matrix_); }

 private:
  const Function &function_;
  const Size &size_;
  problem problem_;
  Results losses_, matrix_, kept_losses_, kept_matrix_;
};

Agreement Compare(const Function &function, const Size &size, const std::vector<std::string> &isas) {
  Comparison comparison(function, size);
  Agreement agreement;
  std::string first;  // of its library
  for (const std::string &isa : isas) {
    agreement.error = comparison.Vloss(isa);
    if (!agreement.error.empty()) return agreement;
    const struct library *of = library_variant(isa.c_str())->library;
    if (first.empty() || of != library_variant(first.c_str())->library) {
      // Libraries may differ in bits: vloss-check compares those.
      if (!first.empty() && !comparison.Near()) {
        agreement.error = isa + " and " + first + " give different results";
        return agreement;
      }
      comparison.Keep();
      first = isa;
    } else if (!comparison.SameBits()) {
      agreement.error = isa + " and " + first + " give different bits";
      return agreement;
    }
    agreement.isas++;
  }
  function.plain(&comparison.Poisoned());
  if (!comparison.Near()) agreement.error = first + " and the plain loop give different results";
  return agreement;
}

// What went wrong; empty if the peer gives about the same results as vloss.
std::string ComparePeer(const Function &function, const Size &size, const Peer &peer) {
  const std::string &isa = SupportedIsas().front();
  Comparison comparison(function, size);
  const std::string error = comparison.Vloss(isa);
  if (!error.empty()) return error;
  comparison.Keep();
  const PeerCall call = peer.functions.at(function.name)(comparison.Poisoned());
  call.run();
  if (call.fetch) call.fetch();
  return comparison.Near() ? "" : isa + " and " + peer.name + " give different results";
}

std::map<std::string, Agreement> agreements;  // by row name without a variant

const Agreement &CompareOnce(const Function &function, const Size &size, const std::vector<std::string> &isas) {
  const auto [entry, missing] = agreements.try_emplace(RowName(function, "", size));
  if (missing) entry->second = Compare(function, size, isas);
  return entry->second;
}

std::map<std::string, std::string> peer_errors;  // by row name

const std::string &ComparePeerOnce(const Function &function, const Size &size, const Peer &peer) {
  const auto [entry, missing] = peer_errors.try_emplace(RowName(function, peer.name, size));
  if (missing) entry->second = ComparePeer(function, size, peer);
  return entry->second;
}

bool Has(const struct library *which, const Function &function) {
  return library_has(which, function.name.substr(0, function.name.find('/')).c_str());
}

// Those of the variants whose library has the function.
std::vector<std::string> Having(const Function &function, std::vector<std::string> names) {
  const auto lacks = [&](const std::string &name) { return !Has(library_variant(name.c_str())->library, function); };
  names.erase(std::remove_if(names.begin(), names.end(), lacks), names.end());
  return names;
}

// ---- Timing

void CountFunction(benchmark::State &state, const Function &function, const Size &size) {
  const bench_limit *limit = LimitOf(function);
  const std::size_t elements = size.rows * size.classes;
  if (limit)
    Count(state, elements, elements * limit->bytes * ArraysOf(function) / limit->arrays);
  else
    Count(state, size.rows, 0);
  Describe(state, function.traffic, size.bytes);
}

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
    vloss_status status = library_use(variant.c_str());
    for (auto _ : state) {
      if (status == VLOSS_OK) status = function.vloss(p);
      benchmark::ClobberMemory();
    }
    if (status != VLOSS_OK) return Fail(state, vloss_status_message(status));
  }
  CountFunction(state, function, size);
}

void TimePeer(benchmark::State &state, const Function &function, const Size &size, const Peer &peer) try {
  const std::string &error = ComparePeerOnce(function, size, peer);
  if (!error.empty()) return Fail(state, error);

  Prepare(function, size);
  const PeerCall call = peer.functions.at(function.name)(ProblemOf(function, size));
  call.run();  // the first may prepare what the others use
  for (auto _ : state) {
    call.run();
    benchmark::ClobberMemory();
  }
  CountFunction(state, function, size);
} catch (const std::exception &exception) {
  Fail(state, peer.name + ": " + exception.what());
}

void TimeLimit(benchmark::State &state, const bench_limit &limit, const Place &place) {
  const Data &data = SharedData();
  const std::size_t floats = std::max<std::size_t>(place.bytes / sizeof(float) / limit.arrays, BENCH_LIMIT_BLOCK);
  const std::size_t n = floats / BENCH_LIMIT_BLOCK * BENCH_LIMIT_BLOCK;
  std::memset(data.matrix, 0, n * sizeof(float));
  for (auto _ : state) {
    limit.run(data.logits, data.second, data.matrix, n);
    benchmark::ClobberMemory();
  }
  Count(state, n, n * limit.bytes);
  Describe(state, limit.traffic, n * limit.arrays * sizeof(float));
}

// ---- Pairs

// Both of a pair are called in turn, every few hundred microseconds, in an order drawn anew each time, so that whatever
// else goes on in the machine meets both alike. What it adds is kept out by the CPU's time and the shortest turn.
constexpr double kTurn = 1e-4;        // seconds, of one side
constexpr double kRepetition = 2e-3;  // of both sides together: about ten turns each
constexpr int kFewestTurns = 3;       // however long a call takes

struct Pair {
  std::string name;  // the ISA, or "own" where there is no choice
  std::array<const struct variant *, 2> sides;
};

// The ISAs of the second library that have a counterpart in the first.
std::vector<Pair> Pairs() {
  std::vector<Pair> pairs;
  for (const struct variant *head = variants; head < variants + variant_count; head++) {
    const struct variant *base = library_counterpart(head);
    if (head->library == base->library) continue;
    const char *isa = head->isa ? head->isa : base->isa;
    pairs.push_back({isa ? isa : "own", {base, head}});
  }
  return pairs;
}

double CpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void TimePair(benchmark::State &state, const Function &function, const Size &size, const Pair &pair) {
  const Agreement &agreement = CompareOnce(function, size, Having(function, SupportedIsas()));
  if (!agreement.error.empty()) return Fail(state, agreement.error);
  Prepare(function, size);
  const problem p = ProblemOf(function, size);
  vloss_status status = VLOSS_OK;
  const auto seconds_of = [&](const struct variant *side, std::size_t calls) {
    const vloss_status used = library_use(side->name);
    if (status == VLOSS_OK) status = used;
    const double begin = CpuSeconds();
    for (std::size_t i = 0; i < calls && status == VLOSS_OK; i++) {
      status = function.vloss(p);
      benchmark::ClobberMemory();
    }
    return CpuSeconds() - begin;
  };

  static std::minstd_rand random{std::random_device{}()};
  for (auto _ : state) {
    std::size_t calls = 1;
    while (seconds_of(pair.sides[0], calls) + seconds_of(pair.sides[1], calls) < 2 * kTurn && status == VLOSS_OK)
      calls *= 2;
    std::array<double, 2> best;
    best.fill(std::numeric_limits<double>::infinity());
    double spent = 0;
    for (int turn = 0; (turn < kFewestTurns || spent < kRepetition) && status == VLOSS_OK; turn++) {
      const std::size_t first = random() >> 8 & 1;
      for (const std::size_t side : {first, 1 - first}) {
        const double seconds = seconds_of(pair.sides[side], calls);
        best[side] = std::min(best[side], seconds);
        spent += seconds;
      }
    }
    for (const std::size_t side : {0u, 1u})
      state.counters[pair.sides[side]->library->name] = 1e9 * best[side] / static_cast<double>(calls);
  }
  if (status != VLOSS_OK) Fail(state, vloss_status_message(status));
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

Size LossSize(const Function &function, const Place &place) {
  return IsElementwise(function) ? Elements(function, place) : Rows(function, kLossClasses, place);
}

// What is timed: the sizes of the plan, and what is missing among them for speed against size, from L1 to memory.
std::vector<Size> WithCurveOf(const Function &function, Plan plan) {
  std::vector<Size> sizes = SizesOf(function, plan);
  if (plan == Plan::kShort) return sizes;
  for (const Place &place : kPlaces) {
    const Size size = LossSize(function, place);
    const auto same = [&](const Size &s) { return s.classes == size.classes && s.rows == size.rows; };
    if (std::none_of(sizes.begin(), sizes.end(), same)) sizes.push_back(size);
  }
  return sizes;
}

std::string LimitNameIn(const Place &place, const std::string &traffic, const std::string &way) {
  return "limit/" + traffic + "/" + way + "/" + place.name;
}

}  // namespace

std::vector<Size> SizesOf(const Function &function, Plan plan) {
  std::vector<Size> sizes;
  for (const bool memory : {false, true}) {
    if (!function.info || (plan == Plan::kShort && memory)) continue;
    sizes.push_back(LossSize(function, PlaceOf(memory)));
  }
  for (const std::size_t classes : kClasses)
    for (const bool memory : {false, true}) {
      if (function.info) continue;
      // Two rows in L2 show nothing of a function that reads one logit a row but what a call costs.
      const bool usual = memory ? classes == 50257 : classes == 128 || (classes == 50257 && LimitOf(function));
      const bool first = classes == 10 && !memory;
      if (plan == Plan::kTable && !usual && !function.headline) continue;
      if (plan == Plan::kShort && !usual && !(function.headline && first)) continue;
      sizes.push_back(Rows(function, classes, PlaceOf(memory)));
    }
  return sizes;
}

const std::vector<std::string> &SupportedIsas() {
  static const std::vector<std::string> isas = [] {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < variant_count; i++) names.push_back(variants[i].name);
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

std::vector<std::string> CallIsasOf(const Function &function, Plan plan) {
  if (function.headline || (IsElementwise(function) && plan == Plan::kEverything)) return SupportedIsas();
  if (IsElementwise(function) && plan == Plan::kTable) return {SupportedIsas().front()};
  return {};
}

std::string RowName(const Function &function, const std::string &variant, const Size &size) {
  const std::string shape = IsElementwise(function)
                                ? "/n:" + std::to_string(size.classes)
                                : "/V:" + std::to_string(size.classes) + "/N:" + std::to_string(size.rows);
  return function.name + "/" + variant + shape;
}

std::string CallName(const Function &function, const std::string &isa) {
  return "call/" + RowName(function, isa, CallOf(function));
}

std::string LimitName(const std::string &traffic, const std::string &way, bool memory) {
  return LimitNameIn(PlaceOf(memory), traffic, way);
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

  const bool others = libraries[0].name[0] == 0;  // limits, plain loops, peers: not beside libraries to compare
  for (std::size_t i = 0; others && i < bench_limit_count; i++)
    for (const Place &place : kPlaces) {
      const bench_limit &limit = bench_limits[i];
      add(LimitNameIn(place, limit.traffic, limit.way),
          [&limit, &place](benchmark::State &state) { TimeLimit(state, limit, place); });
    }
  for (const auto *some : {&functions, &losses})
    for (const Function &function : *some) {
      for (const Size &size : WithCurveOf(function, plan)) {
        const std::vector<std::string> isas = Having(function, IsasOf(size, plan));
        std::vector<std::string> timed = isas;
        if (others) timed.push_back("plain");
        for (const std::string &variant : timed)
          add(RowName(function, variant, size), [&function, variant, size, isas](benchmark::State &state) {
            TimeFunction(state, function, variant, size, isas);
          });
        for (const Peer &peer : Peers())
          if (others && peer.functions.count(function.name))
            add(RowName(function, peer.name, size),
                [&function, size, &peer](benchmark::State &state) { TimePeer(state, function, size, peer); });
      }
      for (const std::string &isa : Having(function, CallIsasOf(function, plan)))
        add(CallName(function, isa), [&function, isa](benchmark::State &state) {
          TimeFunction(state, function, isa, CallOf(function), Having(function, SupportedIsas()));
        });
    }
  for (int i = 0; others && i < BENCH_MATH_COUNT; i++)
    for (const std::string &isa : SupportedIsas()) {
      const bench_math &math = math_of_isa.at(isa)[i];
      add(MathName(math.name, isa, "inline"),
          [&math](benchmark::State &state) { TimeMath(state, math, math.inlined); });
      if (math.sleef)
        add(MathName(math.name, isa, "sleef"), [&math](benchmark::State &state) { TimeMath(state, math, math.sleef); });
    }
  return count;
}

std::size_t RegisterPairs(const std::string &filter, const std::function<void()> &before_run) {
  std::size_t count = 0;
  const std::regex matches(filter, std::regex::extended);
  const auto add = [&](const std::string &name, const Function &function, const Size &size, const Pair &pair) {
    count += std::regex_search(name, matches);
    benchmark::RegisterBenchmark(name.c_str(), [=, &function](benchmark::State &state) {
      before_run();
      TimePair(state, function, size, pair);
    });
  };
  for (const auto *some : {&functions, &losses})
    for (const Function &function : *some)
      for (const Pair &pair : Pairs()) {
        if (!Has(pair.sides[0]->library, function) || !Has(pair.sides[1]->library, function)) continue;
        for (const Size &size : WithCurveOf(function, Plan::kEverything))
          add(RowName(function, pair.name, size), function, size, pair);
        if (!CallIsasOf(function, Plan::kEverything).empty())
          add(CallName(function, pair.name), function, CallOf(function), pair);
      }
  return count;
}

bool AnyFailure() { return any_failure; }
