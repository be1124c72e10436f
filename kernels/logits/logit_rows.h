/* Rows of logits as the functions that only read them see them: y = cap tanh(scale x / cap), of any type and layout, a
 * block of CLASS_BLOCK floats at a time. Floats side by side that need no change are read where they lie. */
#ifndef VLOSS_KERNELS_LOGIT_ROWS_H
#define VLOSS_KERNELS_LOGIT_ROWS_H

#include "half_rows.h"

#define logit_row_block VLOSS_ISA_SYMBOL(vloss_logit_row_block)
#define logit_row_raw VLOSS_ISA_SYMBOL(vloss_logit_row_raw)
#define logit_row_put VLOSS_ISA_SYMBOL(vloss_logit_row_put)
#define logit_row_class VLOSS_ISA_SYMBOL(vloss_logit_row_class)

struct logit_row {
  struct half_row at; /* of any type */
  float scale;
  double cap;   /* 0: none */
  float *block; /* CLASS_BLOCK + ASKED_FOR floats, for what does not lie as it is needed */
};
VFN struct logit_row logit_row_of(const void *x, vloss_type type, const struct vloss_shape *shape, size_t stride,
                                  size_t row) {
  const struct half_tensor t = half_tensor_of(x, type, shape, stride);
  return (struct logit_row){.at = half_row_of(&t, row), .scale = 1};
}

/* e^-2|z|, of which tanh and its derivative are made; 0 where no factor makes a float of it. NaN passes. */
VFN vd tanh_exp(vd z) {
  const vd least = dset1(-700.0), power = dmul(dset1(-2.0), dabs(z));
  return dsel(dgt(least, power), dset1(0.0), dexp(dmax(least, power)));
}
/* y of 16 logits; within one ulp of the exact value. */
VFN vf logits_of(const struct logit_row *r, vf x) {
  if (r->cap == 0) return vmul(x, vset1(r->scale));
  const vd one = dset1(1.0), zero = dset1(0.0), cap = dset1(r->cap);
  const vd z = dmul(dwiden(x), dset1((double)r->scale / r->cap)), e = tanh_exp(z);
  const vd size = ddiv(dsub(one, e), dadd(one, e)), far = dsel(dgt(zero, z), dsub(zero, size), size);
  /* Near 0, where the difference would leave no digits, the series. */
  const vd near = dmul(z, dnfma(dmul(z, z), dset1(1 / 3.), one));
  const vd u = dsel(dgt(dset1(0x1p-10), dabs(z)), near, far);
  return dnarrow(dsel(dnan(z), z, dmul(cap, u)));
}
/* dy/dx. */
VFN vd logit_slopes(const struct logit_row *r, vf x) {
  const vd scale = dset1((double)r->scale);
  if (r->cap == 0) return scale;
  const vd one = dset1(1.0), e = tanh_exp(dmul(dwiden(x), dset1((double)r->scale / r->cap))), sum = dadd(one, e);
  return ddiv(dmul(dmul(dset1(4.0), e), scale), dmul(sum, sum));
}

/* The block of y that begins with class c, and how many classes it has. */
const float *logit_row_block(const struct logit_row *r, size_t c, size_t *n);
/* The same of x. */
const float *logit_row_raw(const struct logit_row *r, size_t c, size_t *n);
/* y of one class, with the same bits. */
float logit_row_class(const struct logit_row *r, size_t c);
/* Writes n floats from class c on; at is the row of an output. */
void logit_row_put(const struct half_row *at, size_t c, size_t n, const float *from);

#endif
