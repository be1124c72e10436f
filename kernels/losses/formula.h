/* The losses as plain C, one element or one row at a time: each kernels/loss/NAME.h holds its formula beside its
 * kernel. Compiled twice, from nothing but this header:
 *   - as the reference of vloss-check, with `real` long double (double where that is no hardware type);
 *   - as the plain loop of vloss-bench, with `real` float and -O3 -ffast-math, where bench/plain_formulas.h has no
 * other. The file that includes a formula defines VLOSS_FORMULA as the type to compute in: without it, it gets the
 * kernel. */
#ifndef VLOSS_KERNELS_FORMULA_H
#define VLOSS_KERNELS_FORMULA_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <tgmath.h>

#include "keras_eps.h"

typedef VLOSS_FORMULA real;

#define FORMULA static inline __attribute__((always_inline))

/* A value and the sum of the absolute terms that cancel in it; 0 where none do. An error counts in ulps of the larger.
 */
struct formula_value {
  real value, scale;
};

/* Elementwise: struct formula NAME_formula(real p, real t, real other, const double *parameters). What a call does not
 * use of the result is not computed. */
struct formula {
  struct formula_value loss, grad, grad_target, grad_other;
};

/* Row losses: void NAME_formula(const struct formula_row *r, struct formula_value *loss). Gradients that are not null
 * are written; the *_scale arrays are null in the plain loop. */
struct formula_row {
  size_t n;
  const real *p, *t, *other;
  real target;               /* of the losses with one target a row */
  int64_t label;             /* of the losses with one label a row */
  const int64_t *labels;     /* the row's list, n of them */
  const real *class_weights; /* null: 1 */
  const double *parameters;
  real *grad, *grad_target, *grad_other, *grad_scale, *grad_target_scale, *grad_other_scale;
  real *apart; /* of two distances whose lesser counts, the difference; null in the plain loop */
};

/* Of which type elements are: what a formula rounds to on the way, and the type of its constants. */
#ifdef VLOSS_FORMULA_OF_DOUBLES
typedef double formula_element;
#define FORMULA_ELEMENT_EPS 1e-7
#define FORMULA_ONE_MINUS_EPS ((real)(1 - 1e-7))
#else
typedef float formula_element;
#define FORMULA_ELEMENT_EPS KERAS_EPS
#define FORMULA_ONE_MINUS_EPS ((real)KERAS_ONE_MINUS_EPS)
#endif
#define FORMULA_EPS ((real)FORMULA_ELEMENT_EPS)

/* coefficient * v, but 0 where the coefficient is 0, whatever v; NaN excepted. Under -ffast-math there is no infinity
 * for which that would matter. */
FORMULA real formula_times(real coefficient, real v) {
  return !__FINITE_MATH_ONLY__ && coefficient == 0 && v == v ? 0 : coefficient * v;
}

/* What rounding a - b to `difference` lost. -ffast-math makes 0 of it. */
FORMULA real formula_lost(real a, real b, real difference) {
  const real of_b = a - difference, of_a = difference + of_b, lost = (a - of_a) - (b - of_b);
  return difference - difference == 0 ? lost : 0;
}

#endif
