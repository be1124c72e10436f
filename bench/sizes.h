/* Which rows the bench has: of every function its sizes, inputs and ISAs, and how each is named. */
#ifndef VLOSS_BENCH_SIZES_H
#define VLOSS_BENCH_SIZES_H

#include <cstddef>
#include <string>
#include <vector>

#include "functions.h"
#include "inputs.h"
#include "limits.h"

// How much is measured: every row; all that a table can show, which is that without what would take most of the time,
// scalar in memory; the table that is made in minutes; its short form.
enum class Plan { kEverything, kFull, kTable, kShort };

struct Size {
  std::size_t classes, rows;  // of an elementwise loss one row, of all elements
  bool memory;                // sized for memory rather than for L2
  std::size_t bytes;          // the working set
  std::size_t inner = 0;      // 0: classes are last; else a row of those that show what another class axis costs
  Inputs inputs = Inputs::kOrdinary;
  std::size_t threads = 1;  // in L2 each has the rows, or the elements, that the row of one thread has
  vloss_type type = VLOSS_F32;
};

// What of the plan the table shows of a function with ordinary inputs; and what is timed: that, and what is missing
// among it for speed against size, from L1 to memory.
std::vector<Size> SizesOf(const Function &function, Plan plan);
std::vector<Size> WithCurveOf(const Function &function, Plan plan);

// The sizes in L2 among those, which are measured with other inputs, too; and what an axis costs that is not last, all
// of about as many elements, 1 first. Empty where a function has none.
std::vector<Size> AwkwardSizesOf(const Function &function, Plan plan, Inputs inputs);
std::vector<Size> InnerSizesOf(const Function &function);

// What of the table's sizes is timed on so many threads: in L2 so many times as much.
std::vector<Size> ThreadSizesOf(const Function &function, Plan plan, std::size_t threads);

std::size_t MostThreads();

// The types beside f32; and of the plan what is timed of a function in each: of the sizes in L2 and in memory, in the
// same order for every type, f32 included. In the tables only functions that tell of the others.
constexpr vloss_type kTypes[] = {VLOSS_BF16, VLOSS_F16, VLOSS_F64};
const char *NameOf(vloss_type type);
std::vector<Size> TypedSizesOf(const Function &function, Plan plan, vloss_type type);

// What the call rows time: too little for the memory to matter, as routers of experts, boosted trees and embeddings
// call it. The last of an elementwise loss is the one that the table shows of every loss.
std::vector<Size> CallSizesOf(const Function &function, Plan plan);

// What the cold rows time, which a call meets with cold caches after scalar work of some milliseconds: a token's
// logits.
std::vector<Size> ColdSizesOf(const Function &function);

// What of the plan is measured. In the table most losses are called on the best ISA only. Scalar is left out of the
// tables' sizes beyond L2: it is far from any limit of the memory, so that it would say what it says in L2, and take
// most of the time.
std::vector<std::string> IsasOf(const Size &size, Plan plan);
bool CallsAreCompared(const Function &function, Plan plan);  // ISA with ISA, and each with its plain loop
std::vector<std::string> CallIsasOf(const Function &function, const Size &size, Plan plan);
std::vector<std::string> ColdIsasOf();                               // without scalar
std::vector<std::string> ThreadIsasOf(const Size &size, Plan plan);  // the best one alone, in the tables
std::vector<std::string> TypedIsasOf(const Size &size, Plan plan);   // without scalar, in the tables
const std::vector<std::string> &SupportedIsas();                     // best first

// The plain loops that stand beside those ISAs, as variants. That of scalar only where it is the one there is, or
// everything is timed: in the tables scalar is no ISA that anybody would choose.
std::vector<std::string> PlainsOf(const std::vector<std::string> &isas, Plan plan);

// Where the data of a row lie. Between L2 and memory: beyond a common L2, well within a common last-level cache.
struct Place {
  const char *name;
  std::size_t bytes;
};
const std::vector<Place> &Places();

// The names of the rows. variant: an ISA, a plain loop ("plain-avx2"), or a peer.
std::string RowName(const Function &function, const std::string &variant, const Size &size);
std::string CallName(const Function &function, const std::string &variant, const Size &size);
std::string ColdName(const Function &function, const std::string &variant, const Size &size);
std::string RateName(const std::string &rate, const std::string &isa);
std::string LimitName(const std::string &traffic, const std::string &way, bool memory);
std::string LimitNameIn(const Place &place, const std::string &traffic, const std::string &way);
std::string MathName(const std::string &function, const std::string &isa, const std::string &whose);

bool IsElementwise(const Function &function);
bool TakesLabelLists(const Function &function);

// The memory limit that holds for a function: null for one that moves no matrix, as NLL, which reads one logit a row.
const bench_limit *LimitOf(const Function &function);
std::size_t ArraysOf(const Function &function);

#endif
