/* What may be done to logits before they count: y = cap tanh(scale x / cap), or scale x without a cap. */
#ifndef VLOSS_KERNELS_LOGIT_CHANGE_H
#define VLOSS_KERNELS_LOGIT_CHANGE_H

#include "words/vmath_special.h"

struct logit_change {
  float scale;
  double cap; /* 0: none */
};
static const struct logit_change no_change = {1, 0};

VFN int changes_nothing(const struct logit_change *change) { return change->scale == 1 && change->cap == 0; }

/* e^-2|z|, of which the derivative of tanh is made; 0 where no factor makes a float of it, and far from where a product
 * with one would be a denormal double. NaN passes. */
VFN vd tanh_exp(vd z) {
  const vd least = dset1(-300.0), power = dmul(dset1(-2.0), dabs(z));
  return dsel(dgt(least, power), dset1(0.0), dexp(dmax(least, power)));
}
/* tanh(z) / z = 1 + z^2 P(z^2) for |z| <= 1: interpolated at Chebyshev's points, 0.03 * 2^-24. */
VFN vf tanh_quotient(vf square) {
  static const float p[] = {-0x1.e42e30p-11f, 0x1.a45278p-9f, -0x1.1d02d6p-7f, 0x1.65a7c4p-6f,
                            -0x1.ba117cp-5f,  0x1.1110f2p-3f, -0x1.555556p-2f};
  vf q = vset1(0x1.2b7582p-13f);
  UNROLL for (size_t i = 0; i < sizeof p / sizeof *p; i++) q = vfma(q, square, vset1(p[i]));
  return q;
}
/* y of a logit with a cap, and of z = scale x / cap what dy/dx is made of: u = |tanh z| near 0, w = 1 - u elsewhere. */
struct capped {
  vf y, z, u, w;
};
/* What w is needed for: y from 0.9 on, which is cap (1 - w), and slopes from 0.5 on. */
#define CAP_FAR 0.9f
#define SLOPE_FAR 0.5f
/* From here on slopes are below 2^-35, where only a huge factor shows them. */
#define SLOPE_TINY 13.0f
/* w = 2 / (1 + e^2|z|), from |z| and what rounding it has lost. */
VFN vf cap_shortfall(vf size, vf size_lost) {
  const struct vexp_halves halves =
      vexp_minus_sum_in_halves(vmin(vset1(87.0f), vadd(size, size)), vadd(size_lost, size_lost));
  const vf e = vmul(halves.mantissa, halves.scale);
  return vdiv(vadd(e, e), vadd(vset1(1.0f), e));
}
/* y is within 2 ulp of the exact value: near 0 it is scale x and a little, far out cap less a little. */
VFN struct capped capped_of(const struct logit_change *change, vf x) {
  const double exact = (double)change->scale / change->cap, ratio = exact < 0x1p126 ? exact : 0x1p126;
  const vf scale = vset1(change->scale), k = vset1((float)ratio), k_low = vset1((float)(ratio - (double)(float)ratio));
  const vf zero = vset1(0.0f), scaled = vmul(x, scale), z = vmul(x, k), size = vabs(z);
  const vm negative = vgt(zero, z);
  /* What is added to tiny numbers is nothing, and would be denormal; likewise what rounding z has lost, below. */
  const vf some = vsel(vgt(vabs(scaled), vset1(0x1p-60f)), x, zero), some_scaled = vmul(some, scale);
  const vf lossy = vsel(vmand(vge(size, vset1(0x1p-10f)), vgt(vset1(40.0f), size)), x, zero);
  const vf lost = vfma(lossy, k_low, vfma(lossy, k, vsub(zero, vmul(lossy, k))));
  const vf size_lost = vsel(negative, vsub(zero, lost), lost);
  const vf bounded = vmin(vset1(1.0f), vmax(vset1(0x1p-20f), size));
  const vf square = vfma(vadd(bounded, bounded), size_lost, vmul(bounded, bounded));
  const vf less = vmul(square, tanh_quotient(square));
  const vf near = vadd(scaled, vfma(some_scaled, less, vfma(some, scale, vsub(zero, some_scaled))));
  struct capped c = {vsel(vnan(x), x, near), z, vadd(vfma(bounded, less, size_lost), bounded), zero};
  if (vany(vge(size, vset1(SLOPE_FAR)))) {
    const vf cap = vset1((float)change->cap), cap_low = vset1((float)(change->cap - (double)(float)change->cap));
    c.w = cap_shortfall(size, size_lost);
    const vf far = vadd(cap, vnfma(cap, c.w, cap_low));
    c.y = vsel(vge(size, vset1(CAP_FAR)), vsel(negative, vsub(zero, far), far), c.y);
  }
  return c;
}
/* y of 16 logits. */
VFN vf logits_of(const struct logit_change *change, vf x) {
  return change->cap == 0 ? vmul(x, vset1(change->scale)) : capped_of(change, x).y;
}
/* Of a cap, dy/dx with a factor in place of the scale. */
VFN vd cap_slopes(const struct logit_change *change, vf x, double factor) {
  const vd one = dset1(1.0), e = tanh_exp(dmul(dwiden(x), dset1((double)change->scale / change->cap)));
  const vd sum = dadd(one, e);
  return ddiv(dmul(dmul(dset1(4.0), e), dset1(factor)), dmul(sum, sum));
}
/* The same with a factor of 1, in float, within 4 ulp; NaN beyond the reach of its exp, where only a huge factor shows
 * it. */
VFN vf narrow_slopes(const struct capped *c) {
  const vf one = vset1(1.0f), size = vabs(c->z), near = vnfma(c->u, c->u, one),
           far = vmul(c->w, vsub(vset1(2.0f), c->w));
  return vsel(vge(vset1(SLOPE_TINY), size), vsel(vge(size, vset1(SLOPE_FAR)), far, near), vset1(NOT_A_NUMBER));
}
/* And in double there. */
VFN vd wide_slopes(const struct logit_change *change, vf x, vf narrow) {
  const vd slopes = dwiden(narrow);
  if (__builtin_expect(!vany(vnan(narrow)), 1)) return slopes;
  return dsel(dnan(slopes), cap_slopes(change, x, 1), slopes);
}
/* dy/dx. */
VFN vd logit_slopes(const struct logit_change *change, vf x) {
  const double scale = (double)change->scale;
  return change->cap == 0 ? dset1(scale) : cap_slopes(change, x, scale);
}

#endif
