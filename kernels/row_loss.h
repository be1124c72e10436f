/* What a file of row losses exports of each: what row_loop.c calls. */
#ifndef VLOSS_KERNELS_ROW_LOSS_H
#define VLOSS_KERNELS_ROW_LOSS_H

#include "kernels.h"
#include "row.h"

struct row_loss {
  void (*pass)(const struct row *r, struct row_state *s);
  int whole; /* takes whole rows only */
};

/* The loss gets a row of its own: what has no address outside of it lives in registers. */
#define ROW_LOSS_(name, whole)                                        \
  static void name##_pass(const struct row *r, struct row_state *s) { \
    const struct row row = *r;                                        \
    name(&row, s);                                                    \
  }                                                                   \
  const struct row_loss KERNEL(name) = {name##_pass, whole};
#define ROW_LOSS(name) ROW_LOSS_(name, 0)
#define WHOLE_ROW_LOSS(name) ROW_LOSS_(name, 1)

#endif
