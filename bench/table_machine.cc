// The parts of the table about single calls, warm and cold, and the arithmetic of a core; and its last lines, which
// count where the plain loops are ahead.
#include <algorithm>
#include <cstdio>

#include "limits.h"
#include "plain_isas.h"
#include "table.h"

namespace {

constexpr double kAhead = 1.03;  // less is noise, even where repetitions are interleaved
constexpr const char *kCall = "call";
constexpr const char *kRates[] = {"fma", "add", "shuffle", "convert", "any"};

std::string ShapeOf(const Function &function, const Size &size) {
  const std::string classes = std::to_string(size.classes);
  return IsElementwise(function) ? classes : std::to_string(size.rows) + " x " + classes;
}

// The place that a size was made for, if not exactly: of one row of many classes there is no half.
std::string PlaceOf(const Size &size) {
  const std::vector<Place> &places = Places();
  const auto found = std::find_if(places.begin(), places.end() - 1,
                                  [&](const Place &place) { return size.bytes < place.bytes + place.bytes / 2; });
  return size.memory ? places.back().name : found->name;
}

}  // namespace

// The head and the lines of calls: what one takes on each ISA, and by the plain loop of the same ISA.
void Table::PrintCallsHead(const char *text) const {
  std::printf("\n%s, in ns; beside each ISA its plain loop, and how many times vloss is that\n%-50s", text, "");
  for (const std::string &isa : ColdIsasOf()) std::printf(" |%9s%9s%7s", isa.c_str(), "plain", "");
  std::printf("\n");
}

void Table::PrintCall(const Function &function, const Size &size, NameOfRow *name) const {
  std::printf("  %-36s%12s", function.name.c_str(), ShapeOf(function, size).c_str());
  for (const std::string &isa : ColdIsasOf()) {
    const Median *median = Find(name(function, isa, size)), *plain = Find(name(function, PlainName(isa), size));
    std::printf(" |");
    for (const Median *of : {median, plain}) of ? std::printf("%9.0f", of->nanoseconds) : std::printf("%9s", "-");
    median &&plain ? std::printf("%6.2fx", plain->nanoseconds / median->nanoseconds) : std::printf("%7s", "-");
  }
  std::printf("\n");
}

void Table::PrintCalls() const {
  bool first = true;
  for (const auto *some : {&functions, &losses})
    for (const Function &function : *some)
      for (const Size &size : CallSizesOf(function, plan_)) {
        if (!CallsAreCompared(function, plan_)) continue;
        if (!Find(CallName(function, SupportedIsas().front(), size))) continue;
        if (first) PrintCallsHead("One call");
        first = false;
        PrintCall(function, size, CallName);
      }
}

void Table::PrintCold() const {
  PrintCallsHead("One cold call, after 5 ms of other work");
  for (const Function &function : functions)
    for (const Size &size : ColdSizesOf(function))
      if (Find(ColdName(function, SupportedIsas().front(), size))) PrintCall(function, size, ColdName);
}

void Table::PrintRates() const {
  std::printf("\nThe arithmetic of a core, in 1e9 instructions a second of vectors\n%-12s", "");
  for (const char *name : kRates) std::printf("%10s", name);
  std::printf("\n");
  for (const std::string &isa : ColdIsasOf()) {
    std::printf("%-12s", isa.c_str());
    for (const char *name : kRates) {
      const Median *median = Find(RateName(name, isa));
      median ? std::printf("%10.2f", median->items / 1e9) : std::printf("%10s", "-");
    }
    std::printf("\n");
  }
}

void Table::PrintLimits() const {
  std::printf(
      "\nThe memory's limits, in GB/s moved; the fastest way of each traffic is what the functions are held against\n");
  std::printf("%-12s%-14s%10s%10s\n", "traffic", "way", "in L2", "memory");
  for (std::size_t i = 0; i < bench_limit_count; i++) {
    const bench_limit &limit = bench_limits[i];
    const Median *cache = Find(LimitName(limit.traffic, limit.way, false));
    const Median *memory = Find(LimitName(limit.traffic, limit.way, true));
    if (cache && memory)
      std::printf("%-12s%-14s%10.1f%10.1f\n", limit.traffic, limit.way, cache->bytes / 1e9, memory->bytes / 1e9);
  }
}

void Table::PrintMath() const {
  std::printf("\nexp, log and log1p in L1, in 1e9 a second: as vloss inlines them, and as calls into SLEEF\n");
  std::printf("%-12s%-12s%10s%10s\n", "function", "ISA", "inlined", "SLEEF");
  for (const char *name : {"exp", "log", "log1p"})
    for (const std::string &isa : SupportedIsas()) {
      const Median *inlined = Find(MathName(name, isa, "inline")), *sleef = Find(MathName(name, isa, "sleef"));
      if (!inlined) continue;
      std::printf("%-12s%-12s%10.2f", name, isa.c_str(), inlined->items / 1e9);
      sleef ? std::printf("%10.2f\n", sleef->items / 1e9) : std::printf("%10s\n", "-");
    }
}

// Where the plain loop of the ISA is ahead, by place.
std::map<std::string, Table::Tally> Table::TallyOf(const std::string &isa) const {
  std::map<std::string, Tally> tallies;
  const auto count = [&](const std::string &place, const std::string &row, const std::string &plain_row) {
    const Median *median = Find(row), *plain = Find(plain_row);
    if (!median || !plain) return;
    Tally &tally = tallies[place];
    const double times = median->items / plain->items;
    tally.rows++;
    tally.behind += times * kAhead < 1;
    tally.worst = std::min(tally.worst, times);
  };
  for (const auto *some : {&functions, &losses})
    for (const Function &function : *some) {
      for (const Size &size : WithCurveOf(function, plan_))
        count(PlaceOf(size), RowName(function, isa, size), RowName(function, PlainName(isa), size));
      for (const Size &size : CallSizesOf(function, plan_))
        count(kCall, CallName(function, isa, size), CallName(function, PlainName(isa), size));
    }
  return tallies;
}

void Table::PrintPlainAhead() const {
  std::vector<std::string> places;
  for (const Place &place : Places()) places.push_back(place.name);
  places.push_back(kCall);
  bool first = true;
  for (const std::string &isa : SupportedIsas()) {
    const std::map<std::string, Tally> tallies = TallyOf(isa);
    if (tallies.empty()) continue;
    if (first) {
      std::printf(
          "\nWhere the plain loop of the same ISA is ahead by more than 3%%: in how many of the rows above (f32, "
          "ordinary\n"
          "inputs), and the least that vloss is of its speed\n%-12s",
          "");
      for (const std::string &place : places) std::printf(" |%19s", place.c_str());
      std::printf("\n");
    }
    first = false;
    std::printf("%-12s", isa.c_str());
    for (const std::string &place : places) {
      const auto found = tallies.find(place);
      if (found == tallies.end()) {
        std::printf(" |%19s", "-");
        continue;
      }
      const Tally &tally = found->second;
      std::printf(" |%4zu of %4zu %5.2fx", tally.behind, tally.rows, tally.worst);
    }
    std::printf("\n");
  }
}
