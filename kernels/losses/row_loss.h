/* What a file of row losses defines of each: what row_loop.c calls. */
#ifndef VLOSS_KERNELS_ROW_LOSS_H
#define VLOSS_KERNELS_ROW_LOSS_H

#include "beside.h"
#include "kernels.h"

struct row_loss {
  /* A pass of n rows: of those that are not at their end. Where `own` is null, each is a struct row. */
  void (*pass)(const struct row *first, const struct rows_own *own, struct row_state *states, size_t n);
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
  LOSS_KERNEL(name) {                                                              \
    const struct row_loss loss = {name##_pass, beside, gradients, columns, whole}; \
    KERNEL(rows)(job, &loss, range, partial);                                      \
  }
/* A loss in steps: in each all rows are taken before the next step begins, so that they wait together for what takes
 * long at the ends of their sums. */
typedef void row_step(const struct row *r, struct row_state *s);
VFN void each_row(const struct row *first, const struct rows_own *own, struct row_state *states, size_t n,
                  row_step *const step) {
  const struct row given = *first;
  const struct row_steps steps = own ? own->step : (struct row_steps){0};
  for (size_t i = 0; i < n; i++) {
    struct row row = own ? given : first[i];
    if (own) row_number(&row, steps, &own->of[i], i);
    if (states[i].pass >= 0) step(&row, &states[i]);
  }
}
#define ROW_PASS(name, first_step)                                                                               \
  VFN void name##_step(const struct row *r, struct row_state *s) { name(r, s); }                                 \
  static void name##_pass(const struct row *r, const struct rows_own *own, struct row_state *states, size_t n) { \
    first_step;                                                                                                  \
    each_row(r, own, states, n, name##_step);                                                                    \
  }
#define ROW_IN_ONE_STEP(name) ROW_PASS(name, (void)0)
#define ROW_IN_TWO_STEPS(name) ROW_PASS(name, each_row(r, own, states, n, name##_sums))
/* Where NAME_rows does what most rows are, and tells whether that was all. */
#define ROW_AFTER_ROWS(name) ROW_PASS(name, if (name##_rows(r, own, states, n)) return )
#define ROW_LOSS(name) ROW_LOSS_(name, NULL, NULL, 0, 0)
#define ROW_LOSS_SUMS_BESIDE(name, columns) ROW_LOSS_(name, name##_beside, NULL, columns, 0)
#define ROW_LOSS_BESIDE(name, columns) ROW_LOSS_(name, name##_beside, name##_gradients_beside, columns, 0)
#define WHOLE_ROW_LOSS(name) ROW_LOSS_(name, NULL, NULL, 0, 1)

#endif
