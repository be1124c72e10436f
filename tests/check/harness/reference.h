/* The scalar reference that every ISA is measured against: textbook formulas, one element at a time, plain libm, in
 * long double where that is a hardware type. It works from the argument structs of vloss.h, shapes and strides
 * included, and knows nothing of the kernels.
 */
#ifndef VLOSS_TESTS_CHECK_REFERENCE_H
#define VLOSS_TESTS_CHECK_REFERENCE_H

#include <float.h>

#include "vloss/vloss.h"

/* x87's 80 bits cost little more than double; a software quad (aarch64) would cost a lot and gain nothing at 24 bits.
 */
#if LDBL_MANT_DIG == 64
typedef long double expected_real;
#define REFERENCE_FORMULA long double
#else
typedef double expected_real;
#define REFERENCE_FORMULA double
#endif

/* The reference is compiled twice: the second time (VLOSS_CHECK_QUAD) in 113 bits, for the search of doubles, which
 * finds the inputs that use the 11 bits of a long double up. Its functions then have other names, of which nothing but
 * struct reference shows. */
#ifdef VLOSS_CHECK_QUAD
#define VLOSS_FORMULA __float128
#define REFERENCE(name) quad_##name
#else
#define VLOSS_FORMULA REFERENCE_FORMULA
#define REFERENCE(name) reference_##name
#endif
typedef VLOSS_FORMULA real; /* and the formulas of the losses compute in it */

/* What an output element should be. scale is the sum of the absolute terms behind the value: an error is counted in
 * ulps of the larger of the two, so that it equals |value| wherever nothing cancels. */
struct expectation {
  expected_real value;
  expected_real scale;
};

/* A sum of many numbers. What each addition loses beside it (Neumaier): of 50,000 equal terms a plain long double sum
 * would be six ulp of double off. */
struct careful_sum {
  real high, low;
};
static inline void careful_add(struct careful_sum *s, real v) {
  const real sum = s->high + v, of_v = sum - s->high, lost = (s->high - (sum - of_v)) + (v - of_v);
  s->high = sum;
  if (lost - lost == 0) s->low += lost;
}
static inline real careful_value(const struct careful_sum *s) { return s->high + s->low; }

/* A logit x that counts as y, and dy/dx; softcap and scale as in the structs. */
real REFERENCE(logit)(vloss_type type, double scale, double softcap, real x);
real REFERENCE(slope)(vloss_type type, double scale, double softcap, real x);

/* Each output that is not null gets one entry an element, in logical order: loss and z_loss_part one or rows * inner,
 * grad, grad_targets and output [row][class], the others rows * inner. */
struct cross_entropy_expectations {
  struct expectation *loss, *grad, *lse, *predicted, *z_loss_part, *max, *log_sum, *correct, *grad_targets;
};
void REFERENCE(cross_entropy)(const vloss_cross_entropy_args *args, const struct cross_entropy_expectations *out);
void REFERENCE(nll)(const vloss_cross_entropy_args *args, const struct cross_entropy_expectations *out);

void REFERENCE(softmax)(const vloss_softmax_args *args, struct expectation *output);
void REFERENCE(log_softmax)(const vloss_softmax_args *args, struct expectation *output);
void REFERENCE(log_sum_exp)(const vloss_softmax_args *args, struct expectation *output);
void REFERENCE(softmax_backward)(const vloss_softmax_args *args, struct expectation *output);
void REFERENCE(log_softmax_backward)(const vloss_softmax_args *args, struct expectation *output);

/* Those of rows are rows * inner, of ids as many as there are, of the top likewise. */
struct log_probs_expectations {
  struct expectation *logprob, *rank, *top_id, *top_logprob, *max, *log_sum, *lse, *entropy, *grad;
};
void REFERENCE(log_probs)(const vloss_log_probs_args *args, const struct log_probs_expectations *out);

/* loss as that of cross-entropy, same_top rows * inner. */
struct divergence_expectations {
  struct expectation *loss, *same_top, *grad;
};
void REFERENCE(divergence)(const vloss_divergence_args *args, const struct divergence_expectations *out);

/* Of a loss of the registry. */
struct job;
void REFERENCE(loss)(struct job *job);

/* All of them. */
struct reference {
  void (*cross_entropy)(const vloss_cross_entropy_args *args, const struct cross_entropy_expectations *out);
  void (*nll)(const vloss_cross_entropy_args *args, const struct cross_entropy_expectations *out);
  void (*softmax)(const vloss_softmax_args *args, struct expectation *output);
  void (*log_softmax)(const vloss_softmax_args *args, struct expectation *output);
  void (*log_sum_exp)(const vloss_softmax_args *args, struct expectation *output);
  void (*softmax_backward)(const vloss_softmax_args *args, struct expectation *output);
  void (*log_softmax_backward)(const vloss_softmax_args *args, struct expectation *output);
  void (*log_probs)(const vloss_log_probs_args *args, const struct log_probs_expectations *out);
  void (*divergence)(const vloss_divergence_args *args, const struct divergence_expectations *out);
  void (*loss)(struct job *job);
};
extern const struct reference REFERENCE(functions);
/* That of 113 bits; null where the compiler has no such type, or the C library no functions of it. */
extern const struct reference *const reference_in_quad;
/* What jobs are held against: reference_functions, but while a search wants the other. */
extern const struct reference *reference;

#endif
