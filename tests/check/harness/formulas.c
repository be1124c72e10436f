/* See formulas.h: the formulas of floats; and which are those of a job. */
#include "formulas.h"

#include "formulas_table.h"
#include "job.h"

struct loss_formula REFERENCE(formula_of)(vloss_loss_kind kind) {
  return job_type == VLOSS_F64 ? REFERENCE(formula_of_doubles)(kind) : formula_in_table(kind);
}
