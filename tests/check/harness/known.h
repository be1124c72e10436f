/* Results known in advance, which the reference and every ISA must give: published values (published.c), and values at
 * kinks, of infinite and NaN input, and of empty input (special.c), at the ends of
 * ranges (edges.c), and of options and factors (factors.c). */
#ifndef VLOSS_TESTS_CHECK_KNOWN_H
#define VLOSS_TESTS_CHECK_KNOWN_H

#include "functions.h"

/* What is null is not given, or not compared. Of cross_entropy and nll the prediction is the logits, of the softmax
 * functions the input. */
struct known {
  const char *name, *function;
  size_t rows, columns;
  const float *prediction, *target, *other, *weights, *row_weights, *upstream;
  const int64_t *labels;
  const double *loss, *grad, *grad_target, *grad_targets, *grad_other, *lse, *output, *z_loss_part, *max, *log_sum;
  double tolerance; /* relative; 0: 2e-6 */
  bool exact;       /* the very float */
  struct option option;
};

#define P(...) \
  .prediction = (const float[]) { __VA_ARGS__ }
#define T(...) .target = (const float[]){__VA_ARGS__}, .option.targets = true
#define OTHER(...) .other = (const float[]){__VA_ARGS__}, .option.other = true
#define W(...) .weights = (const float[]){__VA_ARGS__}, .option.weights = true
#define ROW_WEIGHTS(...) W(__VA_ARGS__), .option.weights_spread = VLOSS_PER_ROW
#define CLASS_WEIGHTS(...) W(__VA_ARGS__), .option.weights_spread = VLOSS_PER_COLUMN
/* Of cross-entropy, which has weights of classes and of rows. */
#define WEIGHTS_OF_ROWS(...) .row_weights = (const float[]){__VA_ARGS__}, .option.row_weights = true
#define Z(...) \
  .z_loss_part = (const double[]) { __VA_ARGS__ }
#define LOG_SUMS(...) \
  .option.log_sums = true, .log_sum = (const double[]) { __VA_ARGS__ }
#define MAXIMA(...) \
  .max = (const double[]) { __VA_ARGS__ }
#define GRAD_TARGETS(...) \
  .option.grad_targets = true, .grad_targets = (const double[]) { __VA_ARGS__ }
#define LABELS(...) \
  .labels = (const int64_t[]) { __VA_ARGS__ }
#define L(...) \
  .loss = (const double[]) { __VA_ARGS__ }
#define G(...) \
  .grad = (const double[]) { __VA_ARGS__ }
#define GT(...) \
  .grad_target = (const double[]) { __VA_ARGS__ }
#define GO(...) \
  .grad_other = (const double[]) { __VA_ARGS__ }
#define LSE(...) \
  .lse = (const double[]) { __VA_ARGS__ }
#define OUTPUT(...) \
  .output = (const double[]) { __VA_ARGS__ }
#define UPSTREAM(...) .upstream = (const float[]){__VA_ARGS__}, .option.upstream = true
#define REDUCTION(which) .option.reduction = VLOSS_##which
#define PARAMETERS(...) \
  .option.parameters = {__VA_ARGS__}, .option.parameter_count = sizeof((const double[]){__VA_ARGS__}) / sizeof(double)

struct known_table {
  const char *what;
  const struct known *rows;
  size_t count;
};
extern const struct known_table published_values, special_values, edge_values, factor_values, logits_values;

#endif
