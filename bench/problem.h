/* What one row of the bench works on: a matrix of rows x classes, its labels, and where the results go. Shared by the
 * calls into vloss (functions.cc) and the plain loops they are measured against (plain.c). */
#ifndef VLOSS_BENCH_PROBLEM_H
#define VLOSS_BENCH_PROBLEM_H

#include <stddef.h>
#include <stdint.h>

struct problem {
  size_t rows, classes;
  const float *input;    /* logits; for the backward forms the output of the forward function */
  const float *upstream; /* backward forms only */
  const int64_t *labels;
  float *matrix; /* result of the shape of the input: gradient, softmax, ... */
  float *loss;   /* the mean loss, or one result a row */
};

#endif
