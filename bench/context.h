/* What the measurements were made on and with: for Google Benchmark's context, and the head of the table. */
#ifndef VLOSS_BENCH_CONTEXT_H
#define VLOSS_BENCH_CONTEXT_H

#include <string>
#include <utility>
#include <vector>

std::vector<std::pair<std::string, std::string>> Context();

#endif
