/* Which ISAs there are plain loops of, and their names as variants: what vloss's avx2 is held against is plain-avx2. */
#ifndef VLOSS_BENCH_PLAIN_ISAS_H
#define VLOSS_BENCH_PLAIN_ISAS_H

#include <string>
#include <vector>

#include "plain.h"

// The ISAs whose plain loops this CPU can run, best first; the last is scalar, which any CPU can.
const std::vector<std::string> &PlainIsas();

// Those of an ISA, and of the best.
const plain_loops &PlainLoops(const std::string &isa, vloss_type type);
const plain_loops &BestPlainLoops(vloss_type type);

// "plain-avx2" for "avx2", and back; "" for another variant.
std::string PlainName(const std::string &isa);
std::string PlainIsa(const std::string &variant);

#endif
