/* See formulas.h: the formulas of doubles, whose constants are doubles. */
#define VLOSS_FORMULA_OF_DOUBLES
#include "formulas.h"

#include "formulas_table.h"

struct loss_formula REFERENCE(formula_of_doubles)(vloss_loss_kind kind) {
  return formula_in_table(kind);
}
