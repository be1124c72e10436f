/* The functions that the bench times, with the plain loop beside each: one row each in functions.cc; and the forms of
 * every loss of the registry, from losses.cc. */
#ifndef VLOSS_BENCH_FUNCTIONS_H
#define VLOSS_BENCH_FUNCTIONS_H

#include <functional>
#include <string>
#include <vector>

#include "plain.h"
#include "problem.h"
#include "vloss/vloss.h"

enum class Loss { kNone, kReduced, kPerRow };  // what problem.loss holds afterwards: nothing, one number, one a row
enum class Matrix {                            // what problem.matrix holds
  kNone,
  kOutput,
  kLosses,   // the loss of each element: floats, doubles of doubles
  kInPlace,  // before the call the logits
  kBackward  // as kOutput; needs upstream, and the output of a forward function as input
};

struct Function {
  std::string name;
  std::string traffic;  // which memory limit of limits.h applies; "" for none
  bool headline;        // the table for a person shows every size of it
  Loss loss;
  Matrix matrix;
  std::function<vloss_status(const problem &)> vloss;
  std::function<plain_loop *(const plain_loops &)> plain;  // the one of a type

  // Of the losses of the registry.
  const vloss_loss_info *info = nullptr;
  std::size_t arrays = 0;  // of the shape of the input, that a call reads and writes; 0: as many as its traffic
  std::vector<double> parameters = {};
};

// Whether the library in use computes it in a type.
bool Takes(const Function &function, vloss_type type);

extern const std::vector<Function> functions;
extern const std::vector<Function> losses;  // losses.cc

#endif
