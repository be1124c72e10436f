/* The table of the formulas, from kernels/losses.def; formulas.h came first, and says whose. */
#define LOSS_FILES
#include "losses.def"
#undef LOSS_FILES

#define OF_ELEMENTWISE(name) \
  { name##_formula, 0 }
#define OF_ROWS(name) \
  { 0, name##_formula }
#define OF_LOGITS(name) \
  { 0, 0 }
#define LOSS(kind, name, family, ...) [VLOSS_##kind] = OF_##family(name),
static const struct loss_formula formulas[] = {
#include "losses.def"
};
#undef LOSS

static struct loss_formula formula_in_table(vloss_loss_kind kind) {
  const size_t index = (size_t)kind;
  return index < sizeof formulas / sizeof *formulas ? formulas[index] : (struct loss_formula){0, 0};
}
