// See table.h: the lines of each table, from the results that Google Benchmark reports.
#include "table.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "comparison.h"
#include "context.h"
#include "limits.h"
#include "machine.h"
#include "peers/peers.h"
#include "plain_isas.h"

namespace {

// 50257 as "50,257".
std::string Grouped(std::size_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t i = digits.size(); i > 3;) digits.insert(i -= 3, ",");
  return digits;
}

std::string PlaceWords(const Size &size) {
  const std::size_t l2 = L2Bytes();
  const bool fits = !l2 || size.bytes <= l2;
  return size.memory ? "in memory" : fits ? "in L2" : "in cache";
}

std::string Words(const Size &size) { return Grouped(size.classes) + " classes, " + PlaceWords(size); }

bool TimedInMemory(const std::string &isa) {
  Size memory{};
  memory.memory = true;
  const std::vector<std::string> isas = IsasOf(memory, Plan::kTable);
  return std::find(isas.begin(), isas.end(), isa) != isas.end();
}

// A line of the context, or several.
void PrintWrapped(std::string key, std::string value) {
  constexpr std::size_t kRoom = 120 - 21;
  while (value.size() > kRoom) {
    const std::size_t space = value.rfind(' ', kRoom);
    if (space == std::string::npos) break;
    std::printf("%-20s %s\n", key.c_str(), value.substr(0, space).c_str());
    key.clear();
    value.erase(0, space + 1);
  }
  std::printf("%-20s %s\n", key.c_str(), value.c_str());
}

void Heading(const char *text) { std::printf("\n%s\n", text); }

}  // namespace

void Table::BeforeRun(const std::string &row, std::int64_t iterations) {
  Runs &runs = runs_of_[row];
  runs_ -= runs.count;
  runs.count = runs.iterations == iterations ? runs.count + 1 : 1;
  runs.iterations = iterations;
  runs_ += runs.count;
  progress_.Show(runs_ - 1, expected_runs_);
}

bool Table::ReportContext(const Context &) {
  for (const auto &[key, value] : ::Context())
    if (key != "cpu features" && key != "warning") PrintWrapped(key, value);
  std::fflush(stdout);
  return true;
}

void Table::ReportRuns(const std::vector<Run> &runs) {
  for (const Run &run : runs) {
    std::string row = run.run_name.str();
    if (const std::size_t at = row.rfind("/real_time"); at != std::string::npos) row.erase(at);
    if (run.error_occurred) {
      errors_[row] = run.error_message;
      continue;
    }
    // The median of the repetitions; without repetitions, the one run.
    if (run.run_type == Run::RT_Aggregate ? run.aggregate_name != "median" : run.repetitions > 1) continue;
    const auto counter = [&](const char *name) {
      const auto found = run.counters.find(name);
      return found == run.counters.end() ? 0.0 : found->second.value;
    };
    const double to_nanoseconds = 1e9 / benchmark::GetTimeUnitMultiplier(run.time_unit);
    medians_[row] = {
        counter("items_per_second"), counter("bytes_per_second"),
        run.counters.count("nanoseconds") ? counter("nanoseconds") : run.GetAdjustedCPUTime() * to_nanoseconds};
  }
}

void Table::Finalize() {
  if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\r\033[K");
  for (const std::string &warning : {MemoryWarning(), BusyWarning()})
    if (!warning.empty()) std::printf("\nWARNING: %s\n", warning.c_str());
  if (Any("limit/")) PrintLimits();
  PrintFunctions();
  PrintLosses();
  if (Any("inputs/")) PrintInputs();
  if (Any("inner/")) PrintInner();
  PrintTypes();
  if (!threads_.empty()) PrintThreads();
  PrintPeers();
  if (Any("math/")) PrintMath();
  if (Any("rate/")) PrintRates();
  PrintCalls();
  if (Any("cold/")) PrintCold();
  PrintPlainAhead();
  std::fflush(stdout);
  for (const auto &[row, message] : errors_) std::fprintf(stderr, "%s: %s\n", row.c_str(), message.c_str());
}

const Table::Median *Table::Find(const std::string &row) const {
  const auto found = medians_.find(row);
  return found == medians_.end() ? nullptr : &found->second;
}

bool Table::Any(const std::string &prefix) const {
  const auto next = medians_.lower_bound(prefix);
  return next != medians_.end() && next->first.compare(0, prefix.size(), prefix) == 0;
}

bool Table::Ran(const Function &function, const Size &size) const {
  return Find(RowName(function, SupportedIsas().front(), size)) || !AgreementOf(function, size).error.empty();
}

// Whether there are rows of the ISA's own plain loop.
bool Table::HasPlain(const std::string &isa) const { return !PlainsOf({isa}, plan_).empty(); }

double Table::LimitOf(const std::string &traffic, bool memory) const {
  double best = 0;
  for (std::size_t i = 0; i < bench_limit_count; i++)
    if (traffic == bench_limits[i].traffic)
      if (const Median *median = Find(LimitName(traffic, bench_limits[i].way, memory)))
        best = std::max(best, median->bytes);
  return best;
}

void Table::PrintFunctions() const {
  Heading(
      "The functions, in 1e9 elements a second. For each ISA: its speed, that as a share of the memory's limit, the "
      "speed\n"
      "of the plain loop compiled for the same ISA, and how many times that vloss is; bits: how many ISAs were "
      "compared\n"
      "and found to give the same");
  std::printf("%-28s%7s", "", "limit");
  for (const std::string &isa : SupportedIsas()) {
    std::printf(" |%7s", isa.c_str());
    if (HasPlain(isa)) std::printf("%13s%7s", "plain", "");
  }
  std::printf(" |  bits\n");
  for (const Function &function : functions) {
    bool first = true;
    for (const Size &size : SizesOf(function, plan_)) {
      if (!Ran(function, size)) continue;
      if (first)
        std::printf("%s%s\n", function.name.c_str(),
                    function.traffic.size() ? "" : ", in 1e9 rows a second: it reads one logit a row");
      first = false;
      PrintFunction(function, size);
    }
  }
}

void Table::PrintFunction(const Function &function, const Size &size) const {
  const Median *any = Find(RowName(function, SupportedIsas().front(), size));
  const double limit = LimitOf(function.traffic, size.memory);
  const Agreement agreement = AgreementOf(function, size);
  std::printf("  %-26s", Words(size).c_str());
  // The limit is in bytes; any->bytes / any->items are the bytes of an element.
  if (limit > 0 && any)
    std::printf("%7.2f", limit / (any->bytes / any->items) / 1e9);
  else
    std::printf("%7s", "-");
  for (const std::string &isa : SupportedIsas()) {
    const Median *median = Find(RowName(function, isa, size)), *plain = Find(RowName(function, PlainName(isa), size));
    median ? std::printf(" |%7.2f", median->items / 1e9) : std::printf(" |%7s", "-");
    if (!HasPlain(isa)) continue;
    median &&limit > 0 ? std::printf("%5.0f%%", 100 * median->bytes / limit) : std::printf("%6s", "-");
    plain ? std::printf("%7.2f", plain->items / 1e9) : std::printf("%7s", "-");
    median &&plain ? std::printf("%6.2fx", median->items / plain->items) : std::printf("%7s", "-");
  }
  if (agreement.error.empty())
    std::printf(" |  %zu equal\n", agreement.isas);
  else
    std::printf(" |  NO\n");
}

// Of a loss in L2 and in memory, the columns of the ISAs: speed, share and times; of those that are not timed in
// memory, being far from any limit, the speed alone.
void Table::PrintLosses() const {
  const auto measured = [&](const Function &function) {
    const std::vector<Size> sizes = SizesOf(function, plan_);
    return std::any_of(sizes.begin(), sizes.end(), [&](const Size &size) { return Ran(function, size); });
  };
  bool first = true;
  constexpr std::pair<Matrix, const char *> kForms[] = {
      {Matrix::kNone, "forward"}, {Matrix::kOutput, "forward and gradient"}, {Matrix::kLosses, "each element's loss"}};
  for (const auto &[form, words] : kForms) {
    bool first_of_form = true;
    for (const Function &function : losses) {
      if (function.matrix != form || !measured(function)) continue;
      if (first)
        Heading(
            "The losses, read as above; row losses have 1,000 classes. call: 4,096 elements on the best ISA, in us");
      if (first_of_form) PrintLossHead(function, words);
      PrintLoss(function);
      first = first_of_form = false;
    }
  }
}

void Table::PrintLossHead(const Function &function, const char *form) const {
  std::string places, isas;
  for (const Size &size : SizesOf(function, Plan::kEverything)) {
    std::string columns = " |";
    for (const std::string &isa : IsasOf(size, Plan::kTable)) {
      columns += std::string(isa.size() < 7 ? 7 - isa.size() : 1, ' ') + isa;
      if (TimedInMemory(isa)) columns += std::string(11, ' ');
    }
    std::string place = " |  " + PlaceWords(size);
    place.resize(columns.size(), ' ');
    places += place;
    isas += columns;
  }
  std::printf("%-23s%s |  call |bits\n%-23s%s |       |\n", form, places.c_str(), "", isas.c_str());
}

void Table::PrintLoss(const Function &function) const {
  std::printf(std::strlen(function.info->name) > 21 ? "  %s\n%23s" : "  %-21s%s", function.info->name, "");
  std::size_t compared = 0;
  bool agree = true;
  for (const Size &size : SizesOf(function, Plan::kEverything)) {
    const double limit = LimitOf(function.traffic, size.memory);
    std::printf(" |");
    for (const std::string &isa : IsasOf(size, Plan::kTable)) {
      const Median *median = Find(RowName(function, isa, size)), *plain = Find(RowName(function, PlainName(isa), size));
      median ? std::printf("%7.2f", median->items / 1e9) : std::printf("%7s", "-");
      if (!TimedInMemory(isa)) continue;
      const double share = median && limit > 0 ? median->bytes / limit : 0;
      share > 0 ? std::printf("%4.0f%%", 100 * share) : std::printf("%5s", "-");
      const double times = median && plain ? median->items / plain->items : 0;
      times > 0 ? std::printf("%5.*fx", times < 9.995 ? 2 : 1, times) : std::printf("%6s", "-");
    }
    const Agreement agreement = AgreementOf(function, size);
    compared = std::max(compared, agreement.isas);
    agree = agree && agreement.error.empty();
  }
  const Median *call = Find(CallName(function, SupportedIsas().front(), CallSizesOf(function, Plan::kShort).back()));
  call ? std::printf(" |%6.2f", call->nanoseconds / 1e3) : std::printf(" |%6s", "-");
  agree ? std::printf(" |%4zu\n", compared) : std::printf(" |  NO\n");
}

// Of every function that a peer computes: all speeds, and how many times as fast as the fastest of the others vloss is.
void Table::PrintPeers() const {
  const std::string &isa = SupportedIsas().front();
  std::vector<std::string> others{PlainName(PlainIsas().front())};
  for (const Peer &peer : Peers()) others.push_back(peer.name);
  const auto width = [](const std::string &name) { return std::max(8, static_cast<int>(name.size()) + 1); };

  bool first = true;
  for (const auto *some : {&functions, &losses})
    for (const Function &function : *some) {
      bool first_size = true;
      for (const Size &size : SizesOf(function, plan_)) {
        const auto speed = [&](const std::string &name) {
          const Median *median = Find(RowName(function, name, size));
          return median ? median->items / 1e9 : 0;
        };
        const auto cell = [&](const std::string &name) {
          speed(name) > 0 ? std::printf("%*.2f", width(name), speed(name)) : std::printf("%*s", width(name), "-");
        };
        if (std::none_of(others.begin() + 1, others.end(), speed)) continue;
        if (first) {
          Heading(
              "The peers, on one thread, in 1e9 elements a second; what each was asked to do stands at the top. The "
              "plain\n"
              "loop is C that the compiler vectorises with libmvec. At the end how many times as fast as the fastest "
              "vloss is");
          std::printf("%-28s%*s", "", width(isa), isa.c_str());
          for (const std::string &name : others) std::printf("%*s", width(name), name.c_str());
          std::printf("\n");
        }
        if (first_size)
          std::printf("%s%s\n", function.name.c_str(), function.traffic.empty() ? ", in 1e9 rows a second" : "");
        first = first_size = false;

        std::printf("  %-26s", (function.info ? PlaceWords(size) : Words(size)).c_str());
        cell(isa);
        for (const std::string &name : others) cell(name);
        const auto fastest = *std::max_element(others.begin(), others.end(),
                                               [&](const auto &x, const auto &y) { return speed(x) < speed(y); });
        std::printf("%8.2fx %s\n", speed(isa) / speed(fastest), fastest.c_str());
      }
    }
}
