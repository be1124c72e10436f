#include "table.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "context.h"
#include "limits.h"

namespace {

// 50257 as "50,257".
std::string Grouped(std::size_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t i = digits.size(); i > 3;) digits.insert(i -= 3, ",");
  return digits;
}

std::string Words(const Size &size) {
  const long l2 = L2Bytes();
  const bool fits = l2 <= 0 || size.bytes <= static_cast<std::size_t>(l2);
  return Grouped(size.classes) + " classes, in " + (size.memory ? "memory" : fits ? "L2" : "cache");
}

void Heading(const char *text) { std::printf("\n%s\n", text); }

}  // namespace

void Table::BeforeRun(const std::string &row, std::int64_t iterations) {
  Progress &progress = progress_[row];
  runs_ -= progress.runs;
  progress.runs = progress.iterations == iterations ? progress.runs + 1 : 1;
  progress.iterations = iterations;
  runs_ += progress.runs;

  const std::size_t percent = expected_runs_ ? std::min<std::size_t>(100, 100 * (runs_ - 1) / expected_runs_) : 0;
  const bool terminal = isatty(STDERR_FILENO);
  if (percent >= shown_percent_ + (terminal ? 1 : 10)) {
    shown_percent_ = percent;
    std::fprintf(stderr, terminal ? "\rmeasuring %3zu%%" : "measuring %3zu%%\n", percent);
  }
}

bool Table::ReportContext(const Context &) {
  for (const auto &[key, value] : ::Context())
    if (key != "cpu features") std::printf("%-20s %s\n", key.c_str(), value.c_str());
  std::fflush(stdout);
  return true;
}

void Table::ReportRuns(const std::vector<Run> &runs) {
  for (const Run &run : runs) {
    const std::string row = run.run_name.str();
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
    medians_[row] = {counter("items_per_second"), counter("bytes_per_second"),
                     run.GetAdjustedCPUTime() * to_nanoseconds};
  }
}

void Table::Finalize() {
  if (isatty(STDERR_FILENO)) std::fprintf(stderr, "\r               \r");
  if (Any("limit/")) PrintLimits();
  PrintFunctions();
  if (Any("math/")) PrintMath();
  if (Any("call/")) PrintCalls();
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

double Table::LimitOf(const std::string &traffic, bool memory) const {
  double best = 0;
  for (std::size_t i = 0; i < bench_limit_count; i++)
    if (traffic == bench_limits[i].traffic)
      if (const Median *median = Find(LimitName(traffic, bench_limits[i].way, memory)))
        best = std::max(best, median->bytes);
  return best;
}

void Table::PrintLimits() const {
  Heading("The memory's limits, in GB/s moved; the fastest way of each traffic is what the functions are held against");
  std::printf("%-12s%-14s%10s%10s\n", "traffic", "way", "in L2", "memory");
  for (std::size_t i = 0; i < bench_limit_count; i++) {
    const bench_limit &limit = bench_limits[i];
    const Median *cache = Find(LimitName(limit.traffic, limit.way, false));
    const Median *memory = Find(LimitName(limit.traffic, limit.way, true));
    if (cache && memory)
      std::printf("%-12s%-14s%10.1f%10.1f\n", limit.traffic, limit.way, cache->bytes / 1e9, memory->bytes / 1e9);
  }
}

void Table::PrintFunctions() const {
  Heading(
      "The functions, in 1e9 elements a second. For each ISA: its speed, that as a share of the memory's limit, and "
      "how\n"
      "many times as fast as the plain loop; bits: how many ISAs were compared and found to give the same");
  std::printf("%-28s%7s%7s", "", "limit", "plain");
  for (const std::string &isa : SupportedIsas()) std::printf(" |%7s%13s", isa.c_str(), "");
  std::printf(" |  bits\n");
  for (const Function &function : functions) {
    bool first = true;
    for (const Size &size : SizesOf(function, plan_)) {
      if (!Find(RowName(function, "plain", size)) && AgreementOf(function, size).error.empty()) continue;
      if (first)
        std::printf("%s%s\n", function.name,
                    *function.traffic ? "" : ", in 1e9 rows a second: it reads one logit a row");
      first = false;
      PrintFunction(function, size);
    }
  }
}

void Table::PrintFunction(const Function &function, const Size &size) const {
  const Median *plain = Find(RowName(function, "plain", size));
  const double limit = LimitOf(function.traffic, size.memory);
  const Agreement agreement = AgreementOf(function, size);
  std::printf("  %-26s", Words(size).c_str());
  // The limit is in bytes; plain->bytes / plain->items are the bytes of an element.
  if (limit > 0 && plain)
    std::printf("%7.2f", limit / (plain->bytes / plain->items) / 1e9);
  else
    std::printf("%7s", "-");
  plain ? std::printf("%7.2f", plain->items / 1e9) : std::printf("%7s", "-");
  for (const std::string &isa : SupportedIsas()) {
    const Median *median = Find(RowName(function, isa, size));
    if (!median) {
      std::printf(" |%7s%13s", "-", "");
      continue;
    }
    std::printf(" |%7.2f", median->items / 1e9);
    limit > 0 ? std::printf("%5.0f%%", 100 * median->bytes / limit) : std::printf("%6s", "-");
    plain ? std::printf("%6.2fx", median->items / plain->items) : std::printf("%7s", "-");
  }
  if (agreement.error.empty())
    std::printf(" |  %zu equal\n", agreement.isas);
  else
    std::printf(" |  NO\n");
}

void Table::PrintMath() const {
  Heading("exp, log and log1p in L1, in 1e9 a second: as vloss inlines them, and as calls into SLEEF");
  std::printf("%-12s%-12s%10s%10s\n", "function", "ISA", "inlined", "SLEEF");
  for (const char *name : {"exp", "log", "log1p"})
    for (const std::string &isa : SupportedIsas()) {
      const Median *inlined = Find(MathName(name, isa, "inline")), *sleef = Find(MathName(name, isa, "sleef"));
      if (!inlined) continue;
      std::printf("%-12s%-12s%10.2f", name, isa.c_str(), inlined->items / 1e9);
      sleef ? std::printf("%10.2f\n", sleef->items / 1e9) : std::printf("%10s\n", "-");
    }
}

void Table::PrintCalls() const {
  Heading("One call on one row of 10 classes, in ns");
  for (const Function &function : functions) {
    if (!function.headline) continue;
    std::printf("%-32s", function.name);
    for (const std::string &isa : SupportedIsas())
      if (const Median *median = Find(CallName(function, isa)))
        std::printf("%10s %6.1f", isa.c_str(), median->nanoseconds);
    std::printf("\n");
  }
}
