/* What a file of row losses defines of each: what row_loop.c calls. */
#ifndef VLOSS_KERNELS_ROW_LOSS_H
#define VLOSS_KERNELS_ROW_LOSS_H

#include "beside.h"
#include "kernels.h"

struct row_loss {
  void (*pass)(const struct row *r, struct row_state *s);
  void (*beside)(const struct beside *b);          /* the first passes of rows that lie side by side; or null */
  int (*gradients_beside)(const struct beside *b); /* their last one, if the rows are ready for it; or null */
  size_t beside_from;                              /* both from so many columns on */
  int whole;                                       /* takes whole rows only */
};

/* The loop of row_loop.c. */
void KERNEL(rows)(const struct vloss_loss_job *job, const struct row_loss *loss, struct vloss_range range,
                  struct vloss_partial *partial);

/* ROW_LOSS(name) exports the loss of loss/NAME.h; SUMS_BESIDE and BESIDE say which functions for rows side by side it
 * has, from so many columns on. It gets a row of its own: what has no address outside of it lives in registers. */
#define ROW_LOSS_(name, beside, gradients, columns, whole)                         \
  static void name##_pass(const struct row *r, struct row_state *s) {              \
    const struct row row = *r;                                                     \
    name(&row, s);                                                                 \
  }                                                                                \
  LOSS_KERNEL(name) {                                                              \
    const struct row_loss loss = {name##_pass, beside, gradients, columns, whole}; \
    KERNEL(rows)(job, &loss, range, partial);                                      \
  }
#define ROW_LOSS(name) ROW_LOSS_(name, NULL, NULL, 0, 0)
#define ROW_LOSS_SUMS_BESIDE(name, columns) ROW_LOSS_(name, name##_beside, NULL, columns, 0)
#define ROW_LOSS_BESIDE(name, columns) ROW_LOSS_(name, name##_beside, name##_gradients_beside, columns, 0)
#define WHOLE_ROW_LOSS(name) ROW_LOSS_(name, NULL, NULL, 0, 1)

#endif
