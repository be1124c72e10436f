/* The plain loops of the losses of the registry: the textbook formula of kernels/loss/NAME.h, in f32, inside a loop.
 * As in plain.c, what makes them fast is left to the compiler, with -O3 -march=native -ffast-math. What a loss takes,
 * and its choices, are constants here: a good C programmer has a loop for each. Numbers such as delta are not. */
#define VLOSS_FORMULA float
#include "losses/formula.h"
#define LOSS_FILES
#include "losses.def"
#undef LOSS_FILES

#include "plain.h"

#define LOOP static inline __attribute__((always_inline, unused))

enum {
  BLOCK = 65536
}; /* elements summed in float, beyond which float would lose digits; so many that it costs nothing */

typedef struct formula element_formula(real p, real t, real other, const double *parameters);
typedef void row_formula(const struct formula_row *row, struct formula_value *loss);

LOOP void set_parameters(const struct problem *p, const struct vloss_loss_row *is, double *parameters) {
  for (size_t i = 0; i < is->info.parameter_count; i++)
    parameters[i] = is->info.parameters[i].whole ? value_of(is, i) : p->parameters[i];
}

/* The mean of the elements. */
LOOP void elementwise_loop(const struct problem *p, element_formula *formula, const struct vloss_loss_row *is,
                           int gradient) {
  const size_t n = p->rows * p->classes;
  const float share = 1 / (float)n;
  double total = 0, parameters[VLOSS_MAX_PARAMETERS];
  set_parameters(p, is, parameters);
  for (size_t start = 0; start < n; start += BLOCK) {
    const size_t count = n - start < BLOCK ? n - start : BLOCK;
    const float *restrict x = p->input + start, *restrict t = p->target + start;
    const float *restrict other = takes_other(is->info.operands) ? p->other + start : NULL;
    float *restrict g = p->matrix + start;
    float sum = 0;
    for (size_t i = 0; i < count; i++) {
      const struct formula f = formula(x[i], t[i], takes_other(is->info.operands) ? other[i] : 1, parameters);
      sum += f.loss.value;
      if (gradient) g[i] = f.grad.value * share;
    }
    total += (double)sum;
  }
  *p->loss = (float)(total / (double)n);
}

/* The sum of the rows: for a mean each gradient would have to be gone over once more, as the formula knows no factor.
 */
LOOP void rows_loop(const struct problem *p, row_formula *formula, const struct vloss_loss_row *is, int gradient) {
  double total = 0, parameters[VLOSS_MAX_PARAMETERS];
  set_parameters(p, is, parameters);
  for (size_t r = 0; r < p->rows; r++) {
    const size_t start = r * p->classes;
    struct formula_row row = {.n = p->classes, .p = p->input + start, .parameters = parameters};
    if (takes_target(is->info.operands)) row.t = p->target + start;
    if (takes_other(is->info.operands)) row.other = p->other + start;
    if (is->info.operands & VLOSS_TAKES_TARGET_PER_ROW) row.target = p->row_target[r];
    if (is->info.operands & VLOSS_TAKES_LABELS) row.label = p->labels[r];
    if (is->info.operands & VLOSS_TAKES_LABEL_LISTS) row.labels = p->labels + start;
    if (gradient) row.grad = p->matrix + start;
    struct formula_value loss;
    formula(&row, &loss);
    total += (double)loss.value;
  }
  *p->loss = (float)total;
}

#define LOOPS(name, loop)                                                                      \
  static void name##_loop(const struct problem *p) { loop(p, name##_formula, &name##_is, 0); } \
  static void name##_gradient_loop(const struct problem *p) { loop(p, name##_formula, &name##_is, 1); }
#define LOOPS_ELEMENTWISE(name) LOOPS(name, elementwise_loop)
#define LOOPS_ROWS(name) LOOPS(name, rows_loop)
#define LOOPS_LOGITS(name)

#define LOSS(kind, name, family, ...)                                                   \
  static const struct vloss_loss_row name##_is __attribute__((unused)) = {__VA_ARGS__}; \
  LOOPS_##family(name)
#include "losses.def"
#undef LOSS

#define ENTRY_ELEMENTWISE(name) \
  { name##_loop, name##_gradient_loop }
#define ENTRY_ROWS(name) ENTRY_ELEMENTWISE(name)
#define ENTRY_LOGITS(name) \
  { NULL, NULL }
#define LOSS(kind, name, family, ...) [VLOSS_##kind] = ENTRY_##family(name),
static const struct plain_loss loops[] = {
#include "losses.def"
};
#undef LOSS

struct plain_loss plain_loss_of(vloss_loss_kind kind) {
  return loops[kind];
}
