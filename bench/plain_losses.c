/* The plain loops of the losses of the registry: the textbook formula of kernels/loss/NAME.h or a faster one of
 * plain_formulas.h, in the type of the elements or, where those have 16 bits, in f32, inside a loop. As in plain.c,
 * what makes them fast is left to the compiler, with -O3 -ffast-math. What a loss takes and its parameters, which the
 * bench leaves as they are by default, are constants here: a good C programmer has a loop for each. */
#include "plain_type.h"
#define VLOSS_FORMULA PLAIN_REAL
#include "losses/formula.h"
#define LOSS_FILES
#include "losses.def"
#undef LOSS_FILES

#include "plain.h"
#include "plain_formulas.h"

/* Elements summed in float, beyond which float would lose digits; so many that it costs nothing. */
#define BLOCK ((size_t)(BUFFER > 1 ? BUFFER : 65536))

typedef struct formula element_formula(real p, real t, real other, const double *parameters);
typedef void row_formula(const struct formula_row *row, struct formula_value *loss);

LOOP void set_parameters(const struct vloss_loss_row *is, double *parameters) {
  for (size_t i = 0; i < is->info.parameter_count; i++) parameters[i] = value_of(is, i);
}

/* The mean of the elements. */
LOOP void elementwise_loop(const struct problem *p, element_formula *formula, const struct vloss_loss_row *is,
                           int gradient) {
  const element *input = p->input, *target = p->target, *others = p->other;
  element *matrix = p->matrix;
  const size_t n = p->rows * p->classes;
  const real share = 1 / (real)n;
  real of_x[BUFFER], of_t[BUFFER], of_other[BUFFER], of_g[BUFFER];
  double total = 0, parameters[VLOSS_MAX_PARAMETERS];
  set_parameters(is, parameters);
  for (size_t start = 0; start < n; start += BLOCK) {
    const size_t count = n - start < BLOCK ? n - start : BLOCK;
    const real *restrict x = read_block(input + start, count, of_x);
    const real *restrict t = read_block(target + start, count, of_t);
    const real *restrict other = takes_other(is->info.operands) ? read_block(others + start, count, of_other) : NULL;
    real *restrict g = place_of_block(matrix + start, of_g);
    real sum = 0;
    for (size_t i = 0; i < count; i++) {
      const struct formula f = formula(x[i], t[i], takes_other(is->info.operands) ? other[i] : 1, parameters);
      sum += f.loss.value;
      if (gradient) g[i] = f.grad.value * share;
    }
    if (gradient) write_block(matrix + start, g, count);
    total += (double)sum;
  }
  *(real *)p->loss = (real)(total / (double)n);
}

/* The loss of each element. */
LOOP void each_loop(const struct problem *p, element_formula *formula, const struct vloss_loss_row *is) {
  const element *input = p->input, *target = p->target, *others = p->other;
  element *matrix = p->matrix;
  const size_t n = p->rows * p->classes;
  real of_x[BUFFER], of_t[BUFFER], of_other[BUFFER], of_loss[BUFFER];
  double parameters[VLOSS_MAX_PARAMETERS];
  set_parameters(is, parameters);
  for (size_t start = 0; start < n; start += BLOCK) {
    const size_t count = n - start < BLOCK ? n - start : BLOCK;
    const real *restrict x = read_block(input + start, count, of_x);
    const real *restrict t = read_block(target + start, count, of_t);
    const real *restrict other = takes_other(is->info.operands) ? read_block(others + start, count, of_other) : NULL;
    real *restrict losses = place_of_block(matrix + start, of_loss);
    for (size_t i = 0; i < count; i++)
      losses[i] = formula(x[i], t[i], takes_other(is->info.operands) ? other[i] : 1, parameters).loss.value;
    write_block(matrix + start, losses, count);
  }
}

/* Of rows of 16 bits. */
static real of_p[ROW_BUFFER], of_t[ROW_BUFFER], of_other[ROW_BUFFER], of_grad[ROW_BUFFER];

/* The sum of the rows: for a mean each gradient would have to be gone over once more, as the formula knows no factor.
 */
LOOP void rows_loop(const struct problem *p, row_formula *formula, const struct vloss_loss_row *is, int gradient) {
  const element *input = p->input, *target = p->target, *other = p->other;
  element *matrix = p->matrix;
  const size_t n = p->classes;
  double total = 0, parameters[VLOSS_MAX_PARAMETERS];
  set_parameters(is, parameters);
  for (size_t r = 0; r < p->rows; r++) {
    const size_t start = r * n;
    struct formula_row row = {.n = n, .p = read_block(input + start, n, of_p), .parameters = parameters};
    if (takes_target(is->info.operands)) row.t = read_block(target + start, n, of_t);
    if (takes_other(is->info.operands)) row.other = read_block(other + start, n, of_other);
    if (is->info.operands & VLOSS_TAKES_TARGET_PER_ROW) row.target = ((const real *)p->row_target)[r];
    if (is->info.operands & VLOSS_TAKES_LABELS) row.label = p->labels[r];
    if (is->info.operands & VLOSS_TAKES_LABEL_LISTS) row.labels = p->labels + start;
    if (gradient) row.grad = place_of_block(matrix + start, of_grad);
    struct formula_value loss;
    formula(&row, &loss);
    if (gradient) write_block(matrix + start, row.grad, n);
    total += (double)loss.value;
  }
  *(real *)p->loss = (real)total;
}

#define LOOPS(name, loop)                                                                      \
  static void name##_loop(const struct problem *p) { loop(p, name##_formula, &name##_is, 0); } \
  static void name##_gradient_loop(const struct problem *p) { loop(p, name##_formula, &name##_is, 1); }
#define LOOPS_ELEMENTWISE(name) \
  LOOPS(name, elementwise_loop) \
  static void name##_each_loop(const struct problem *p) { each_loop(p, name##_formula, &name##_is); }
#define LOOPS_ROWS(name) LOOPS(name, rows_loop)
#define LOOPS_LOGITS(name)

#define LOSS(kind, name, family, ...)                                                   \
  static const struct vloss_loss_row name##_is __attribute__((unused)) = {__VA_ARGS__}; \
  LOOPS_##family(name)
#include "losses.def"
#undef LOSS

#define ENTRY_ELEMENTWISE(name) \
  { name##_loop, name##_gradient_loop, name##_each_loop }
#define ENTRY_ROWS(name) \
  { name##_loop, name##_gradient_loop, NULL }
#define ENTRY_LOGITS(name) \
  { NULL, NULL, NULL }
#define LOSS(kind, name, family, ...) [VLOSS_##kind] = ENTRY_##family(name),
static const struct plain_loss loops[] = {
#include "losses.def"
};
#undef LOSS

extern struct plain_loss PLAIN_LOSS(vloss_loss_kind kind); /* for plain.c */
struct plain_loss PLAIN_LOSS(vloss_loss_kind kind) {
  return loops[kind];
}
