/* Inputs on which arithmetic is slow where nothing was done about it, for rows beside those with ordinary inputs:
 *   confident  one class 40 to 106 nats ahead of the others; logits of the elementwise losses near +-48 and +-95, their
 *              probabilities near 0 and 1; vectors with one large entry. Everything is in the normal range of float
 *   denormal   all operands below 2^-126, but for targets that are -1 or 1 */
#ifndef VLOSS_BENCH_INPUTS_H
#define VLOSS_BENCH_INPUTS_H

#include "functions.h"
#include "problem.h"

enum class Inputs { kOrdinary, kConfident, kDenormal };
constexpr Inputs kAwkward[] = {Inputs::kConfident, Inputs::kDenormal};
const char *NameOf(Inputs inputs);

// Whether there are such inputs for the function.
bool TakesAwkward(const Function &function);

// Lets the operands of the problem point to arrays of their own, kCacheBytes each at most, without filling them.
void PointToAwkward(problem &p);

// Fills them, and the labels.
void FillAwkward(const Function &function, Inputs inputs, const problem &p);

#endif
