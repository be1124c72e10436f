// See rows.h: how a function, a limit of the machine and a word of vloss are timed, and the registration of all rows.
#include "rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "cold.h"
#include "comparison.h"
#include "data.h"
#include "library.h"
#include "machine.h"
#include "math_isa.h"
#include "peers/peers.h"
#include "plain_isas.h"
#include "rates.h"

namespace {

bool any_failure = false;

void Count(benchmark::State &state, std::size_t items, std::size_t bytes) {
  state.SetItemsProcessed(static_cast<std::int64_t>(items) * state.iterations());
  if (bytes) state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

// For the report: which limit applies, and how much memory a call touches.
void Describe(benchmark::State &state, const std::string &traffic, std::size_t working_set) {
  state.SetLabel(traffic);
  state.counters["working_set"] = static_cast<double>(working_set);
}

void CountFunction(benchmark::State &state, const Function &function, const Size &size) {
  const bench_limit *limit = LimitOf(function);
  const std::size_t elements = size.rows * size.classes;
  if (limit)
    Count(state, elements,
          elements * limit->bytes * ArraysOf(function) / limit->arrays * SizeOf(size.type) / sizeof(float));
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
  if (const std::string isa = PlainIsa(variant); !isa.empty()) {
    plain_loop *const plain = function.plain(PlainLoops(isa, size.type));
    for (auto _ : state) {
      plain(&p);
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

// What a call takes by the clock stands in two counters: the time of the row is that of what makes it cold, too.
void TimeCold(benchmark::State &state, const Function &function, const std::string &variant, const Size &size,
              const std::vector<std::string> &isas) {
  const Agreement &agreement = CompareOnce(function, size, isas);
  if (!agreement.error.empty()) return Fail(state, agreement.error);
  Prepare(function, size);
  const problem p = ProblemOf(function, size);
  const std::string plain_isa = PlainIsa(variant);
  plain_loop *const plain = plain_isa.empty() ? nullptr : function.plain(PlainLoops(plain_isa, size.type));
  vloss_status status = plain ? VLOSS_OK : library_use(variant.c_str());
  double seconds = 0;
  for (auto _ : state)
    seconds = SecondsOfColdCall([&] {
      if (plain)
        plain(&p);
      else if (status == VLOSS_OK)
        status = function.vloss(p);
    });
  if (status != VLOSS_OK) return Fail(state, vloss_status_message(status));
  state.counters["nanoseconds"] = 1e9 * seconds;
  state.counters["items_per_second"] = static_cast<double>(size.rows * size.classes) / seconds;
  Describe(state, function.traffic, size.bytes);
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

void TimeRate(benchmark::State &state, const bench_rate &rate) {
  constexpr std::size_t kSteps = 1024;
  for (auto _ : state) rate.run(kSteps);
  Count(state, kSteps * rate.instructions, 0);
  state.counters["lanes"] = static_cast<double>(rate.lanes);
}

struct LoopsOfIsa {
  const bench_math *math;
  const bench_rate *rates;
};
const std::map<std::string, LoopsOfIsa> loops_of_isa = {
#define ISA(isa, ISA, ...) VLOSS_IF_BUILT(ISA, {#isa, {bench_math_##isa, bench_rates_##isa}}, )
#include "isas.def"
#undef ISA
};

// What else went on in the machine while a row ran, for the report, which adds it up over all rows.
void RunWatched(benchmark::State &state, const std::function<void(benchmark::State &)> &row) {
  const Watch watch;
  row(state);
  const Usage usage = watch.Stop();
  state.counters["watched_seconds"] = usage.wall;
  state.counters["others_seconds"] = usage.others;
}

}  // namespace

void Fail(benchmark::State &state, const std::string &why) {
  any_failure |= why != kDeclined;
  state.SkipWithError(why.c_str());
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

std::vector<Size> AllSizesOf(const Function &function, Plan plan) {
  std::vector<Size> sizes = WithCurveOf(function, plan);
  const auto append = [&](const std::vector<Size> &more) { sizes.insert(sizes.end(), more.begin(), more.end()); };
  for (const Inputs inputs : kAwkward) append(AwkwardSizesOf(function, plan, inputs));
  append(InnerSizesOf(function));
  return sizes;
}

std::size_t RegisterRows(Plan plan, const std::vector<std::size_t> &threads, const BeforeRun &before_run) {
  std::size_t count = 0;
  const auto append = [](std::vector<std::string> &to, const std::vector<std::string> &more) {
    to.insert(to.end(), more.begin(), more.end());
  };
  // By the clock: what the calling thread computes is not all. And not watched: that is about one thread.
  const auto add_threads = [&](const Function &function, const Size &size) {
    const std::vector<std::string> isas = Having(function, ThreadIsasOf(size, plan));
    for (const std::string &isa : isas) {
      const std::string name = RowName(function, isa, size);
      count++;
      benchmark::RegisterBenchmark(name.c_str(), [=, &function](benchmark::State &state) {
        before_run(name, state.max_iterations);
        TimeFunction(state, function, isa, size, isas);
      })->UseRealTime();
    }
  };
  const auto add = [&](const std::string &name, const std::function<void(benchmark::State &)> &body) {
    count++;
    benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
      before_run(name, state.max_iterations);
      RunWatched(state, body);
    });
  };

  const auto add_type = [&](const Function &function, const Size &size) {
    std::vector<std::string> timed = TypedIsasOf(size, plan);
    const std::vector<std::string> isas = timed;
    append(timed, PlainsOf(isas, plan));
    for (const std::string &variant : timed)
      add(RowName(function, variant, size), [&function, variant, size, isas](benchmark::State &state) {
        TimeFunction(state, function, variant, size, isas);
      });
    for (const Peer &peer : Peers())
      if (peer.types.count(size.type) && peer.functions.count(function.name))
        add(RowName(function, peer.name, size),
            [&function, size, &peer](benchmark::State &state) { TimePeer(state, function, size, peer); });
  };

  const bool others = libraries[0].name[0] == 0;  // limits, plain loops, peers: not beside libraries to compare
  for (std::size_t i = 0; others && i < bench_limit_count; i++)
    for (const Place &place : Places()) {
      const bench_limit &limit = bench_limits[i];
      add(LimitNameIn(place, limit.traffic, limit.way),
          [&limit, &place](benchmark::State &state) { TimeLimit(state, limit, place); });
    }
  for (std::size_t i = 0; others && i < BENCH_RATE_COUNT; i++)
    for (const std::string &isa : SupportedIsas()) {
      const bench_rate &rate = loops_of_isa.at(isa).rates[i];
      if (rate.run) add(RateName(rate.name, isa), [&rate](benchmark::State &state) { TimeRate(state, rate); });
    }
  for (const auto *some : {&functions, &losses})
    for (const Function &function : *some) {
      for (const Size &size : AllSizesOf(function, plan)) {
        const std::vector<std::string> isas = Having(function, IsasOf(size, plan));
        std::vector<std::string> timed = isas;
        if (others && !size.inner) append(timed, PlainsOf(isas, plan));
        for (const std::string &variant : timed)
          add(RowName(function, variant, size), [&function, variant, size, isas](benchmark::State &state) {
            TimeFunction(state, function, variant, size, isas);
          });
        for (const Peer &peer : Peers())
          if (others && !size.inner && size.inputs == Inputs::kOrdinary && peer.functions.count(function.name))
            add(RowName(function, peer.name, size),
                [&function, size, &peer](benchmark::State &state) { TimePeer(state, function, size, peer); });
      }
      for (const vloss_type type : kTypes)
        if (others && Takes(function, type))
          for (const Size &size : TypedSizesOf(function, plan, type)) add_type(function, size);
      for (const std::size_t n : threads)
        for (const Size &size : ThreadSizesOf(function, plan, n)) add_threads(function, size);
      for (const Size &size : CallSizesOf(function, plan)) {
        std::vector<std::string> timed = Having(function, CallIsasOf(function, size, plan));
        if (others && CallsAreCompared(function, plan)) append(timed, PlainsOf(timed, plan));
        for (const std::string &variant : timed)
          add(CallName(function, variant, size), [&function, variant, size](benchmark::State &state) {
            TimeFunction(state, function, variant, size, Having(function, SupportedIsas()));
          });
      }
      for (const Size &size : others &&plan != Plan::kShort ? ColdSizesOf(function) : std::vector<Size>{}) {
        const std::vector<std::string> isas = ColdIsasOf();
        std::vector<std::string> timed = isas;
        append(timed, PlainsOf(isas, plan));
        for (const std::string &variant : timed)
          add(ColdName(function, variant, size), [&function, variant, size, isas](benchmark::State &state) {
            TimeCold(state, function, variant, size, isas);
          });
      }
    }
  for (int i = 0; others && i < BENCH_MATH_COUNT; i++)
    for (const std::string &isa : SupportedIsas()) {
      const bench_math &math = loops_of_isa.at(isa).math[i];
      add(MathName(math.name, isa, "inline"),
          [&math](benchmark::State &state) { TimeMath(state, math, math.inlined); });
      if (math.sleef)
        add(MathName(math.name, isa, "sleef"), [&math](benchmark::State &state) { TimeMath(state, math, math.sleef); });
    }
  return count;
}

bool AnyFailure() { return any_failure; }
