/* The rows of the bench: which there are, how each is named, compared and timed. */
#ifndef VLOSS_BENCH_ROWS_H
#define VLOSS_BENCH_ROWS_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "functions.h"

// How much is measured: every row; what the table for a person shows; its short form.
enum class Plan { kEverything, kTable, kShort };

struct Size {
  std::size_t classes, rows;  // of an elementwise loss one row, of all elements
  bool memory;                // sized for memory rather than for L2
  std::size_t bytes;          // the working set
};

// What of the plan is measured. In the table losses are called with few elements on the best ISA only. Scalar is left
// out of the table's sizes in memory: it is far from any limit of the memory, so that it would say what it says in L2,
// and take most of the time.
std::vector<Size> SizesOf(const Function &function, Plan plan);
std::vector<std::string> IsasOf(const Size &size, Plan plan);
std::vector<std::string> CallIsasOf(const Function &function, Plan plan);
const std::vector<std::string> &SupportedIsas();  // best first

// The names of the rows. variant: an ISA, "plain", or a peer.
std::string RowName(const Function &function, const std::string &variant, const Size &size);
std::string CallName(const Function &function, const std::string &isa);
std::string LimitName(const std::string &traffic, const std::string &way, bool memory);
std::string MathName(const std::string &function, const std::string &isa, const std::string &whose);

// What was found before a function was first timed at a size: whether the ISAs gave the same bits, and the plain loop
// about the same numbers. Nothing was compared if no row of it ran.
struct Agreement {
  std::size_t isas = 0;  // compared
  std::string error;     // the first mismatch; empty if there is none
};
Agreement AgreementOf(const Function &function, const Size &size);

// Registers the rows of the plan with Google Benchmark and returns how many there are. before_run is called with a
// row's name and iterations each time it starts.
using BeforeRun = std::function<void(const std::string &, std::int64_t)>;
std::size_t RegisterRows(Plan plan, const BeforeRun &before_run);

// The same of the pairs of two libraries: each ISA of the second beside that of the first, FUNCTION/ISA/SIZE. A row
// times both in turn and has the nanoseconds of a call as two counters, with the libraries' names. Returns how many
// rows match the filter; before_run is called each time one starts.
std::size_t RegisterPairs(const std::string &filter, const std::function<void()> &before_run);

// Whether, in the rows that ran, a comparison failed or a call returned an error.
bool AnyFailure();

#endif
