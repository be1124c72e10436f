/* A program that runs vloss on the threads of OpenMP, and needs nothing of OpenMP for that itself. */
#include <stdio.h>
#include <string.h>

#include <vloss/openmp.h>

static float x[200000], y[200000];

int main(void) {
  const vloss_executor executor = vloss_openmp_executor(2);
  float alone = -1, shared = -2;
  vloss_status status;
  vloss_loss_args args = {.kind = VLOSS_MSE, .rows = 1, .columns = 200000, .prediction = x, .target = y};
  for (int i = 0; i < 200000; i++) x[i] = (float)i, y[i] = (float)(i % 1000);
  args.loss = &alone;
  status = vloss_loss(&args);
  if (status == VLOSS_OK) {
    args.loss = &shared;
    args.executor = &executor;
    status = vloss_loss(&args);
  }
  if (status != VLOSS_OK || memcmp(&alone, &shared, sizeof alone) != 0) {
    printf("%s: alone %.9g, on two threads %.9g\n", vloss_status_name(status), (double)alone, (double)shared);
    return 1;
  }
  return 0;
}
