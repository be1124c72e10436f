/* What a file of row losses (row_losses.c) exports of each: what row_loop.c calls. */
#ifndef VLOSS_KERNELS_ROW_LOSS_H
#define VLOSS_KERNELS_ROW_LOSS_H

#include "kernels.h"
#include "loss.h"

struct row_loss {
  void (*constants)(const double *parameters, struct constants *k);
  double (*loss)(const struct row *r);
};

/* A row loss, compiled once more for rows whose columns lie side by side: the copy's step is a constant. */
#define ROW_LOSS(name)                            \
  static double name##_row(const struct row *r) { \
    struct row dense = *r;                        \
    dense.step = 1;                               \
    return r->step == 1 ? name(&dense) : name(r); \
  }                                               \
  const struct row_loss KERNEL(name) = {name##_constants, name##_row};

#endif
