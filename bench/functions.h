/* The functions that the bench times: one row each, with the plain loop beside it. */
#ifndef VLOSS_BENCH_FUNCTIONS_H
#define VLOSS_BENCH_FUNCTIONS_H

#include <vector>

#include "problem.h"
#include "vloss/vloss.h"

enum class Loss { kNone, kMean, kPerRow };  // what problem.loss holds afterwards: nothing, one number, one a row
enum class Matrix {                         // what problem.matrix holds
  kNone,
  kOutput,
  kInPlace,  // before the call the logits
  kBackward  // as kOutput; needs upstream, and the output of a forward function as input
};

struct Function {
  const char *name;
  const char *traffic;  // which memory limit of limits.h applies; "" for none
  bool headline;        // the table for a person shows every size of it
  Loss loss;
  Matrix matrix;
  vloss_status (*vloss)(const problem &);
  void (*plain)(const problem *);
};

extern const std::vector<Function> functions;

#endif
