/* What a row of the bench works on, and the comparison before it is timed: whether the ISAs give the same bits, and
 * plain loops and peers about the same numbers. */
#ifndef VLOSS_BENCH_COMPARISON_H
#define VLOSS_BENCH_COMPARISON_H

#include <cstddef>
#include <string>
#include <vector>

#include "peers/peers.h"
#include "sizes.h"

// A kernel that is not all of vloss may decline what it does not compute: no row, and no failure either.
constexpr char kDeclined[] = "declined";

// The arrays of a row, and what has to be in them before it runs.
problem ProblemOf(const Function &function, const Size &size);
void Prepare(const Function &function, const Size &size);

// What was found before a function was first timed at a size. Nothing was compared if no row of it ran.
struct Agreement {
  std::size_t isas = 0;  // compared
  std::string error;     // the first mismatch; empty if there is none
};
Agreement AgreementOf(const Function &function, const Size &size);
const Agreement &CompareOnce(const Function &function, const Size &size, const std::vector<std::string> &isas);

// What went wrong; empty if the peer gives about the same results as vloss.
const std::string &ComparePeerOnce(const Function &function, const Size &size, const Peer &peer);

#endif
