/* A C program that uses vloss the way the header shows. */
#include "check.h"

int main(void) {
  float loss = 0, grad[9] = {0};
  vloss_status status = vloss_cross_entropy(&(vloss_cross_entropy_args){
      .rows = 3, .classes = 3, .logits = logits, .labels = labels, .loss = &loss, .grad = grad});
  return check(status, loss, grad);
}
