/* The rows of the bench as benchmarks: how each is timed. */
#ifndef VLOSS_BENCH_ROWS_H
#define VLOSS_BENCH_ROWS_H

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "sizes.h"

// Registers the rows of the plan with Google Benchmark, those of one thread and those of each of `threads` beside them,
// and returns how many there are. before_run is called with a
// row's name and iterations each time it starts.
using BeforeRun = std::function<void(const std::string &, std::int64_t)>;
std::size_t RegisterRows(Plan plan, const std::vector<std::size_t> &threads, const BeforeRun &before_run);

// The same of the pairs of two libraries: each ISA of the second beside that of the first, FUNCTION/ISA/SIZE. A row
// times both in turn and has the nanoseconds of a call as two counters, with the libraries' names. Returns how many
// rows match the filter; before_run is called each time one starts.
std::size_t RegisterPairs(const std::string &filter, const std::function<void()> &before_run);

// Whether, in the rows that ran, a comparison failed or a call returned an error.
bool AnyFailure();

// ---- For rows.cc and pairs.cc

// Ends a row with an error.
void Fail(benchmark::State &state, const std::string &why);

// All sizes of a function that the plan times, whatever the inputs and the class axis.
std::vector<Size> AllSizesOf(const Function &function, Plan plan);

// Whether a library has the function; and those of the variants whose library does.
bool Has(const struct library *which, const Function &function);
std::vector<std::string> Having(const Function &function, std::vector<std::string> names);

#endif
