// Two libraries beside each other, for vloss-compare.
#include <algorithm>
#include <array>
#include <limits>
#include <random>
#include <regex>

#include "comparison.h"
#include "library.h"
#include "machine.h"
#include "rows.h"

namespace {

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

// Whether both do.
bool Takes(const Function &function, vloss_type type, const Pair &pair) {
  for (const struct variant *side : pair.sides)
    if (library_use(side->name) != VLOSS_OK || !Takes(function, type)) return false;
  return true;
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

}  // namespace

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
        for (const Size &size : AllSizesOf(function, Plan::kEverything)) {
          const bool ordinary = size.inputs == Inputs::kOrdinary && !size.inner;
          if (pair.name == "scalar" && !ordinary) continue;  // they would take most of the time
          add(RowName(function, pair.name, size), function, size, pair);
        }
        for (const vloss_type type : kTypes)
          if (pair.name != "scalar" && Takes(function, type, pair))
            for (const Size &size : TypedSizesOf(function, Plan::kEverything, type))
              add(RowName(function, pair.name, size), function, size, pair);
        for (const Size &size : CallSizesOf(function, Plan::kEverything))
          add(CallName(function, pair.name, size), function, size, pair);
      }
  return count;
}
