/* What may be done to logits before they count: y = cap tanh(scale x / cap), or scale x without a cap. */
#ifndef VLOSS_KERNELS_LOGIT_CHANGE_H
#define VLOSS_KERNELS_LOGIT_CHANGE_H

#include "words/vmath.h"

struct logit_change {
  float scale;
  double cap; /* 0: none */
};
static const struct logit_change no_change = {1, 0};

VFN int changes_nothing(const struct logit_change *change) { return change->scale == 1 && change->cap == 0; }

/* e^-2|z|, of which tanh and its derivative are made; 0 where no factor makes a float of it. NaN passes. */
VFN vd tanh_exp(vd z) {
  const vd least = dset1(-700.0), power = dmul(dset1(-2.0), dabs(z));
  return dsel(dgt(least, power), dset1(0.0), dexp(dmax(least, power)));
}
/* y of 16 logits; within one ulp of the exact value. */
VFN vf logits_of(const struct logit_change *change, vf x) {
  if (change->cap == 0) return vmul(x, vset1(change->scale));
  const vd one = dset1(1.0), zero = dset1(0.0), cap = dset1(change->cap);
  const vd z = dmul(dwiden(x), dset1((double)change->scale / change->cap)), e = tanh_exp(z);
  const vd size = ddiv(dsub(one, e), dadd(one, e)), far = dsel(dgt(zero, z), dsub(zero, size), size);
  /* Near 0, where the difference would leave no digits, the series. */
  const vd near = dmul(z, dnfma(dmul(z, z), dset1(1 / 3.), one));
  const vd u = dsel(dgt(dset1(0x1p-10), dabs(z)), near, far);
  return dnarrow(dsel(dnan(z), z, dmul(cap, u)));
}
/* Of a cap, dy/dx with a factor in place of the scale. */
VFN vd cap_slopes(const struct logit_change *change, vf x, double factor) {
  const vd one = dset1(1.0), e = tanh_exp(dmul(dwiden(x), dset1((double)change->scale / change->cap)));
  const vd sum = dadd(one, e);
  return ddiv(dmul(dmul(dset1(4.0), e), dset1(factor)), dmul(sum, sum));
}
/* dy/dx. */
VFN vd logit_slopes(const struct logit_change *change, vf x) {
  const double scale = (double)change->scale;
  return change->cap == 0 ? dset1(scale) : cap_slopes(change, x, scale);
}

#endif
