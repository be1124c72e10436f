// vloss-bench: times every function of vloss on every ISA, beside the memory's limits and plain loops. On Google
// Benchmark, whose options all work; --table prints a table for a person instead of its rows.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <regex>
#include <string>
#include <vector>

#include "context.h"
#include "data.h"
#include "executors.h"
#include "library.h"
#include "machine.h"
#include "progress.h"
#include "rows.h"
#include "table.h"

namespace {

constexpr char kHelp[] =
    "vloss-bench [--table | --table-full | --table-short | --library NAME=PATH... [--pairs]] [--memory MIB] [--threads "
    "N[,M...]]\n"
    "            [--benchmark_...]\n"
    "  Rows: FUNCTION/ISA/V:classes/N:rows, FUNCTION/plain-ISA|PEER/V:../N:.., limit/TRAFFIC/WAY/L2|DRAM,\n"
    "        LOSS/forward[_gradient]|each/ISA/n:elements, math/FUNCTION/ISA/inline|sleef;\n"
    "        plain-ISA: the plain loop compiled for the ISA;\n"
    "        rate/fma|add|shuffle|convert|any/ISA: instructions a second on registers;\n"
    "        call/FUNCTION/ISA|plain-ISA/V:10/N:1, V:128/N:32, n:16 and so on: calls on few elements;\n"
    "        cold/FUNCTION/ISA|plain-ISA/V:classes/N:1: one call after 5 ms of scalar work, with cold caches;\n"
    "        inputs/confident/ROW, inputs/denormal/ROW: rows above with such inputs (bench/inputs.h);\n"
    "        FUNCTION/ISA/bf16|f16|f64/...: another type of elements, in L2 and in memory;\n"
    "        inner/FUNCTION/ISA/V:classes/N:rows/inner:positions: a class axis that is not last\n"
    "  --table        medians of 5 interleaved repetitions of the most telling rows, as a table (about 2 minutes)\n"
    "  --table-short  the same with fewer rows and repetitions (less than a minute)\n"
    "  --table-full   the same with all rows: every size, type and call, from L1 to memory (half an hour or more)\n"
    "  --library NAME=PATH  times the functions of this shared library in place of those linked in: rows with "
    "NAME:ISA\n"
    "                       for an ISA, or NAME where the library has no choice. NAME:ISA=PATH: only this ISA of it.\n"
    "                       May be given up to 4 times\n"
    "  --pairs              of two libraries: rows FUNCTION/ISA/..., each times both in turn, every few hundred us;\n"
    "                       two counters with the libraries' names are the ns of a call\n"
    "  --memory MIB         the working set of the rows in memory; else at least 256, and twice the last-level cache\n"
    "  --threads N[,M...]   rows .../threads:N/real_time, too, of the sizes in L2 and in memory of every function, by "
    "the\n"
    "                       clock, with the executor of OpenMP, or else std::thread. In L2 each thread has the work of "
    "the\n"
    "                       row without threads:N, in memory all have it together. In the tables the best ISA alone\n"
    "  exit status 1: ISAs disagree with each other, the plain loop or a peer, or a call failed\n\n";

struct RunOptions {
  std::size_t repetitions;
  const char *min_time;  // seconds
};
RunOptions OptionsOf(Plan plan) {
  if (plan == Plan::kShort) return {3, "0.01"};
  return {5, plan == Plan::kTable ? "0.005" : "0.01"};
}
constexpr RunOptions kPairOptions{21, "1e-6"};  // a repetition is one iteration, however long

// "2,4"; empty if it is not that.
std::vector<std::size_t> ThreadsOf(const char *text) {
  std::vector<std::size_t> threads;
  for (char *end = nullptr;; text = end + 1) {
    const unsigned long n = std::isdigit(static_cast<unsigned char>(*text)) ? std::strtoul(text, &end, 10) : 0;
    if (n < 2 || (*end && *end != ',')) return {};
    threads.push_back(n);
    if (!*end) return threads;
  }
}

bool Begins(const char *text, const char *with) { return !std::strncmp(text, with, std::strlen(with)); }

// The value of the last option that begins so; null if there is none.
const char *ValueOf(const std::vector<char *> &options, const char *name) {
  const auto found =
      std::find_if(options.rbegin(), options.rend(), [&](const char *option) { return Begins(option, name); });
  return found == options.rend() ? nullptr : *found + std::strlen(name);
}

// Every row that matches, as many times as asked for.
void RunPairs(const std::vector<char *> &options) try {
  const char *filter = ValueOf(options, "--benchmark_filter="), *times = ValueOf(options, "--benchmark_repetitions=");
  if (!ValueOf(options, "--benchmark_list_tests")) SharedData();  // takes seconds, which are none of the progress
  Progress progress;
  std::size_t done = 0, expected = 0;
  const std::size_t rows = RegisterPairs(filter ? filter : "", [&] { progress.Show(done++, expected); });
  expected = rows * (times ? std::strtoul(times, nullptr, 10) : kPairOptions.repetitions);
  benchmark::RunSpecifiedBenchmarks();
} catch (const std::regex_error &) {
  std::fprintf(stderr, "vloss-bench: the filter is not a regular expression\n");
  std::exit(2);
}

}  // namespace

int main(int argc, char **argv) {
  Plan plan = Plan::kEverything;
  bool pairs = false;
  std::vector<std::size_t> threads;
  std::vector<char *> given;
  for (int i = 1; i < argc; i++) {
    if (!std::strcmp(argv[i], "--table"))
      plan = Plan::kTable;
    else if (!std::strcmp(argv[i], "--table-full"))
      plan = Plan::kFull;
    else if (!std::strcmp(argv[i], "--table-short"))
      plan = Plan::kShort;
    else if (!std::strcmp(argv[i], "--pairs"))
      pairs = true;
    else if (!std::strcmp(argv[i], "--library")) {
      const char *wrong = i + 1 < argc ? library_open(argv[++i]) : "--library needs NAME=PATH";
      if (wrong) {
        std::fprintf(stderr, "vloss-bench: %s\n", wrong);
        return 2;
      }
    } else if (!std::strcmp(argv[i], "--memory")) {
      const unsigned long mib = i + 1 < argc ? std::strtoul(argv[++i], nullptr, 10) : 0;
      if (mib < 32 || mib > 1ul << 20) {
        std::fprintf(stderr, "vloss-bench: --memory needs a number of MiB from 32\n");
        return 2;
      }
      SetMemoryBytes(std::size_t{mib} << 20);
    } else if (!std::strcmp(argv[i], "--threads")) {
      threads = ThreadsOf(i + 1 < argc ? argv[++i] : "");
      if (threads.empty()) {
        std::fprintf(stderr, "vloss-bench: --threads needs numbers from 2, with commas between\n");
        return 2;
      }
    } else
      given.push_back(argv[i]);
    if (!std::strcmp(argv[i], "--help")) std::fputs(kHelp, stdout);
  }

  if (libraries[0].name[0] && plan != Plan::kEverything) {
    std::fprintf(stderr, "vloss-bench: a table is of the library linked in; leave out --table or --library\n");
    return 2;
  }
  if (pairs && library_count != 2) {
    std::fprintf(stderr, "vloss-bench: --pairs needs two libraries\n");
    return 2;
  }
  if (!threads.empty() && *std::max_element(threads.begin(), threads.end()) > MostThreads()) {
    std::fprintf(stderr, "vloss-bench: of --threads %zu at most, as their rows in L2 have to fit into --memory\n",
                 MostThreads());
    return 2;
  }
  if (pairs && !threads.empty()) {
    std::fprintf(stderr, "vloss-bench: --pairs is of one thread; leave out --threads\n");
    return 2;
  }
  library_list_variants();

  // Our options come before those given, which therefore win.
  const RunOptions options = pairs ? kPairOptions : OptionsOf(plan);
  std::vector<std::string> ours{argv[0]};
  if (pairs || plan != Plan::kEverything) {
    ours.push_back("--benchmark_enable_random_interleaving=true");
    ours.push_back("--benchmark_repetitions=" + std::to_string(options.repetitions));
    ours.push_back(std::string("--benchmark_min_time=") + options.min_time);
  }
  std::vector<char *> arguments;
  for (std::string &option : ours) arguments.push_back(option.data());
  arguments.insert(arguments.end(), given.begin(), given.end());
  int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  for (const auto &[key, value] : Context()) benchmark::AddCustomContext(key, value);
  if (!threads.empty()) benchmark::AddCustomContext("executor", kExecutorName);
  if (pairs) {
    RunPairs(given);
  } else if (plan == Plan::kEverything) {
    RegisterRows(plan, threads, [](const std::string &, std::int64_t) {});
    benchmark::RunSpecifiedBenchmarks();
    for (const std::string &warning : {MemoryWarning(), BusyWarning()})
      if (!warning.empty()) std::fprintf(stderr, "vloss-bench: %s\n", warning.c_str());
  } else {
    Table table(plan, threads);
    const std::size_t rows = RegisterRows(
        plan, threads, [&](const std::string &row, std::int64_t iterations) { table.BeforeRun(row, iterations); });
    if (!ValueOf(given, "--benchmark_filter") && !ValueOf(given, "--benchmark_repetitions"))
      table.SetExpectedRuns(rows * options.repetitions);
    benchmark::RunSpecifiedBenchmarks(&table);
  }
  benchmark::Shutdown();
  return AnyFailure() ? 1 : 0;
}
