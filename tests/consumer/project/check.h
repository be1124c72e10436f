/* The check that every program here makes: three rows of three logits, whose mean loss and gradient are known. */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <vloss/vloss.h>

static const float logits[9] = {1.0f, 2.0f, 3.0f, 0.5f, -0.5f, 0.0f, 2.0f, 0.0f, -1.0f};
static const int64_t labels[3] = {2, 0, 1};

/* As PyTorch computes them in float64. */
static const double known_loss = 1.08590722;
static const double known_grad[9] = {0.0300101911, 0.081576157, -0.111586348, -0.164506536, 0.0621079077,
                                     0.102398629,  0.281264911, -0.295268267, 0.0140033554};

/* 0 if all is as known: the exit status of the program. */
static int check(vloss_status status, float loss, const float *grad) {
  char version[32];
  int wrong = 0;
  if (status != VLOSS_OK) {
    printf("%s: %s\n", vloss_status_name(status), vloss_status_message(status));
    return 1;
  }
  if (!(fabs((double)loss - known_loss) < 2e-7)) {
    printf("loss %.9g, known %.9g\n", (double)loss, known_loss);
    wrong = 1;
  }
  for (int i = 0; i < 9; i++) {
    if (!(fabs((double)grad[i] - known_grad[i]) < 1e-7)) {
      printf("gradient %d: %.9g, known %.9g\n", i, (double)grad[i], known_grad[i]);
      wrong = 1;
    }
  }
  snprintf(version, sizeof version, "%d.%d.%d", VLOSS_VERSION_MAJOR, VLOSS_VERSION_MINOR, VLOSS_VERSION_PATCH);
  if (strcmp(version, vloss_version()) != 0) {
    printf("header %s, library %s\n", version, vloss_version());
    wrong = 1;
  }
  return wrong;
}

#endif
