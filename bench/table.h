/* The results as a table for a person, printed when all rows have run; meanwhile progress on stderr. */
#ifndef VLOSS_BENCH_TABLE_H
#define VLOSS_BENCH_TABLE_H

#include <benchmark/benchmark.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "progress.h"
#include "rows.h"

class Table : public benchmark::BenchmarkReporter {
 public:
  // threads: the numbers of threads that there are rows of, beside those of one.
  Table(Plan plan, std::vector<std::size_t> threads) : plan_(plan), threads_(std::move(threads)) {}

  // Progress: a row starts. Google Benchmark calls a row with growing iterations until they take long enough, and from
  // then on once a repetition with the same.
  void BeforeRun(const std::string &row, std::int64_t iterations);
  void SetExpectedRuns(std::size_t runs) { expected_runs_ = runs; }

  bool ReportContext(const Context &context) override;
  void ReportRuns(const std::vector<Run> &runs) override;
  void Finalize() override;

 private:
  struct Median {
    double items, bytes, nanoseconds;  // a second, a second, a call
  };
  struct Tally {  // of an ISA in a place
    std::size_t behind = 0, rows = 0;
    double worst = 1;  // the least speed over that of the plain loop
  };
  const Median *Find(const std::string &row) const;
  bool Any(const std::string &prefix) const;
  bool Ran(const Function &function, const Size &size) const;
  bool HasPlain(const std::string &isa) const;
  double LimitOf(const std::string &traffic, bool memory) const;  // bytes a second; 0 if not measured

  void PrintLimits() const;
  void PrintFunctions() const;
  void PrintFunction(const Function &function, const Size &size) const;
  void PrintLosses() const;
  void PrintLossHead(const Function &function, const char *form) const;
  void PrintLoss(const Function &function) const;
  void PrintTimes(const std::string &row, const std::string &ordinary, bool agree) const;
  void PrintInputs() const;
  void PrintInner() const;
  void PrintTypes() const;
  void PrintTypesLine(const Function &function, const Size &size, const std::vector<Size> &typed) const;
  void PrintThreads() const;
  void PrintThreadsLine(const Function &function, const std::vector<Size> &sizes, std::size_t first,
                        std::size_t end) const;
  void PrintPeers() const;
  void PrintMath() const;
  void PrintCalls() const;
  void PrintCold() const;
  void PrintRates() const;
  void PrintPlainAhead() const;
  using NameOfRow = std::string(const Function &, const std::string &variant, const Size &);
  void PrintCallsHead(const char *text) const;
  void PrintCall(const Function &function, const Size &size, NameOfRow *name) const;
  std::map<std::string, Tally> TallyOf(const std::string &isa) const;

  Plan plan_;
  std::vector<std::size_t> threads_;
  std::map<std::string, Median> medians_;
  std::map<std::string, std::string> errors_;

  struct Runs {
    std::int64_t iterations;
    std::size_t count;
  };
  std::map<std::string, Runs> runs_of_;
  std::size_t runs_ = 0, expected_runs_ = 0;
  Progress progress_;
};

#endif
