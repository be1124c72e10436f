/* The formulas that stand beside the kernels (kernels/loss/NAME.h), compiled with `real` of reference.h. */
#ifndef VLOSS_TESTS_CHECK_FORMULAS_H
#define VLOSS_TESTS_CHECK_FORMULAS_H

#include "reference.h" /* before the formulas: they compute in its `real` */

#include "losses/formula.h"

typedef struct formula element_formula(real p, real t, real other, const double *parameters);
typedef void row_formula(const struct formula_row *row, struct formula_value *loss);

/* The formula of a loss: one of the two; both null for the losses that have functions of their own. */
struct loss_formula {
  element_formula *element;
  row_formula *row;
};
/* For elements of the type of the jobs (job.h). */
struct loss_formula REFERENCE(formula_of)(vloss_loss_kind kind);

/* The table of the formulas of doubles. */
struct loss_formula REFERENCE(formula_of_doubles)(vloss_loss_kind kind);

#endif
