// The same from C++, which has no designated initialisers before C++20.
#include "check.h"

int main() {
  float loss = 0, grad[9] = {0};
  vloss_cross_entropy_args args{};
  args.rows = 3;
  args.classes = 3;
  args.logits = logits;
  args.labels = labels;
  args.loss = &loss;
  args.grad = grad;
  vloss_status status = vloss_cross_entropy(&args);
  return check(status, loss, grad);
}
