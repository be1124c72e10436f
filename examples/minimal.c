/* The smallest program, quoted by the README: mean loss of two rows of three classes, and its gradient. */
#include <stdio.h>
#include <vloss/vloss.h>

int main(void) {
  const float logits[2][3] = {{1, 2, 3}, {0, 4, 0}};
  const int64_t labels[2] = {2, 0};
  float loss, grad[2][3];
  vloss_status status = vloss_cross_entropy(&(vloss_cross_entropy_args){
      .rows = 2, .classes = 3, .logits = logits, .labels = labels, .loss = &loss, .grad = grad});
  if (status != VLOSS_OK) return fprintf(stderr, "%s\n", vloss_status_message(status)), 1;
  printf("mean loss %.6f\n", loss);
  for (int r = 0; r < 2; r++) printf("gradient %9.6f %9.6f %9.6f\n", grad[r][0], grad[r][1], grad[r][2]);
  return 0;
}
