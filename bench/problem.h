/* What one row of the bench works on: a matrix of rows x classes, its labels or targets, and where the results go.
 * Shared by the calls into vloss (functions.cc, losses.cc) and the plain loops they are measured against (plain.c,
 * plain_losses.c). */
#ifndef VLOSS_BENCH_PROBLEM_H
#define VLOSS_BENCH_PROBLEM_H

#include <stddef.h>
#include <stdint.h>

#include "loss_row.h"

struct problem {
  size_t rows, classes;
  size_t inner;          /* positions after the class axis, which are among the rows; 1: classes are last */
  vloss_type type;       /* of what is of the shape of the input; what is one a row is double for f64, else float */
  const void *input;     /* logits; the prediction; for the backward forms the output of the forward function */
  const void *upstream;  /* backward forms only */
  const int64_t *labels; /* one a row, or a list of `classes` a row */
  void *matrix;          /* result of the shape of the input: gradient, softmax, ... */
  void *loss;            /* the reduced loss, or one result a row */
  const vloss_executor *executor; /* of vloss alone; null: one thread */

  /* The losses of the registry only; of the operands those that the loss takes. */
  const void *target, *other; /* of the shape of the input */
  const void *row_target;     /* one a row */
  const double *parameters;
};

/* What a loss is given of that, by the operands that the registry says it takes. */
static inline int takes_target(uint32_t operands) {
  return (operands & VLOSS_TAKES_TARGET) && !(operands & VLOSS_TAKES_TARGET_PER_ROW);
}
static inline int takes_other(uint32_t operands) {
  return (operands & VLOSS_TAKES_OTHER) && !(operands & VLOSS_OTHER_OPTIONAL);
}

/* Parameters have their defaults; but the label mode is -1 and 1, as targets are, and not the one that looks at all
 * of them first. */
static inline double value_of(const struct vloss_loss_row *row, size_t parameter) {
  const int is_label_mode = row->first_parameter == PARAMETER_LABEL_MODE && parameter == 0;
  return is_label_mode ? 2 : row->info.parameters[parameter].default_value;
}

#endif
