/* See reference.h: the softmax functions; cross-entropy is in reference_cross_entropy.c, log-probabilities in
 * reference_log_probs.c, and the losses are in losses.c, by their formulas. */
#include "reference_rows.h"

/* y: rounded as the contract says, but with a softcap exact. */
real REFERENCE(logit)(vloss_type type, double scale_or_0, double softcap, real x) {
  const double scale = scale_or_0 == 0 ? 1 : scale_or_0;
  const real exact = type == VLOSS_F64 ? (real)scale : (real)(float)scale;
  if (softcap != 0) return (real)softcap * tanh(exact * x / (real)softcap);
  if (type == VLOSS_F64) return (real)((double)x * scale);
  return (real)((float)x * (float)scale);
}
real REFERENCE(slope)(vloss_type type, double scale_or_0, double softcap, real x) {
  const real scale = scale_or_0 == 0 ? 1 : type == VLOSS_F64 ? (real)scale_or_0 : (real)(float)scale_or_0;
  if (softcap == 0) return scale;
  const real e = cosh(scale * x / (real)softcap);
  return scale / e / e;
}

static size_t rows_of(const vloss_softmax_args *a) { return a->rows * (a->inner ? a->inner : 1); }

/* The values of the softmax functions are dense and in order. */
static struct row values_of(const vloss_softmax_args *a, const void *values, size_t r) {
  if (a->type != VLOSS_F64) return row_of(values, 0, a->classes, 1, r);
  return (struct row){(const double *)values + r * a->classes, a->classes, 1, true, NULL};
}
static struct row input_row(const vloss_softmax_args *a, size_t r) { return values_of(a, a->input, r); }

static struct row upstream_row(const vloss_softmax_args *a, size_t r) { return values_of(a, a->upstream, r); }

void REFERENCE(softmax)(const vloss_softmax_args *a, struct expectation *output) {
  for (size_t r = 0; r < rows_of(a); r++) {
    struct row x = input_row(a, r);
    struct log_sum s = log_sum_of(x);
    for (size_t c = 0; c < a->classes; c++) *output++ = exactly(s.undefined ? (real)NAN : softmax_of(s, at(x, c)));
  }
}

void REFERENCE(log_softmax)(const vloss_softmax_args *a, struct expectation *output) {
  for (size_t r = 0; r < rows_of(a); r++) {
    struct row x = input_row(a, r);
    struct log_sum s = log_sum_of(x);
    for (size_t c = 0; c < a->classes; c++, output++) {
      *output = exactly(s.undefined ? (real)NAN : at(x, c) - s.max - s.log);
      /* Of doubles what is denormal on the way loses digits. */
      if (a->type == VLOSS_F64) output->scale = fmax(output->scale, (expected_real)0x1p-1010);
    }
  }
}

void REFERENCE(log_sum_exp)(const vloss_softmax_args *a, struct expectation *output) {
  for (size_t r = 0; r < rows_of(a); r++) {
    const struct log_sum s = log_sum_of(input_row(a, r));
    output[r] = lse_of(s);
    if (a->type == VLOSS_F64 && s.max < 0) output[r].scale = fmax(fabs(output[r].value), s.log);
  }
}

void REFERENCE(softmax_backward)(const vloss_softmax_args *a, struct expectation *output) {
  for (size_t r = 0; r < rows_of(a); r++) {
    struct row y = input_row(a, r), h = upstream_row(a, r);
    struct expectation dot = {0, 0};
    struct careful_sum products = {0, 0};
    for (size_t c = 0; c < a->classes; c++) {
      careful_add(&products, at(y, c) * at(h, c));
      dot.scale += fabs(at(y, c) * at(h, c));
    }
    dot.value = careful_value(&products);
    /* What h - sum h y has below 2^-126 may count as 0: a y beyond 1 shows it. */
    if (a->type != VLOSS_F64) dot.scale += (real)0x1p-104;
    for (size_t c = 0; c < a->classes; c++)
      *output++ =
          (struct expectation){at(y, c) * (at(h, c) - dot.value), fabs(at(y, c)) * (fabs(at(h, c)) + dot.scale)};
  }
}

void REFERENCE(log_softmax_backward)(const vloss_softmax_args *a, struct expectation *output) {
  for (size_t r = 0; r < rows_of(a); r++) {
    struct row y = input_row(a, r), h = upstream_row(a, r);
    struct expectation sum = {0, 0};
    struct careful_sum upstreams = {0, 0};
    for (size_t c = 0; c < a->classes; c++) {
      careful_add(&upstreams, at(h, c));
      sum.scale += fabs(at(h, c));
    }
    sum.value = careful_value(&upstreams);
    for (size_t c = 0; c < a->classes; c++) {
      real p = exp(at(y, c));
      *output++ = (struct expectation){at(h, c) - p * sum.value, fabs(at(h, c)) + p * sum.scale};
    }
  }
}

const struct reference REFERENCE(functions) = {
    REFERENCE(cross_entropy),
    REFERENCE(nll),
    REFERENCE(softmax),
    REFERENCE(log_softmax),
    REFERENCE(log_sum_exp),
    REFERENCE(softmax_backward),
    REFERENCE(log_softmax_backward),
    REFERENCE(log_probs),
    REFERENCE(divergence),
    REFERENCE(loss),
};
#ifndef VLOSS_CHECK_QUAD
#ifdef VLOSS_CHECK_HAS_QUAD
extern const struct reference quad_functions;
const struct reference *const reference_in_quad = &quad_functions;
#else
const struct reference *const reference_in_quad = NULL;
#endif
const struct reference *reference = &reference_functions;
#endif
