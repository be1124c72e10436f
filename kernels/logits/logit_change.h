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
/* y of a logit with a cap, and dy/dx with a factor of 1 in place of the scale: 1 - u^2 for u = |tanh z| near 0, w (2 -
 * w) for w = 1 - u elsewhere, within 4 ulp; NaN beyond the reach of its exp, where only a huge factor shows it. */
struct capped {
  vf y, slope;
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
/* In floats and what these have lost: k = scale / cap, and the cap. Found before a loop, as compilers leave the
 * division in it. */
struct cap_factors {
  float scale, k, k_low, cap, cap_low;
};
VFN struct cap_factors cap_factors_of(const struct logit_change *change) {
  const double exact = (double)change->scale / change->cap, k = exact < 0x1p126 ? exact : 0x1p126, cap = change->cap;
  return (struct cap_factors){change->scale, (float)k, (float)(k - (double)(float)k), (float)cap,
                              (float)(cap - (double)(float)cap)};
}
/* y is within 2 ulp of the exact value: near 0 it is scale x and a little, far out cap less a little. NaN passes.
 * unscaled, a constant: the scale is 1; the same bits with less work. */
VFN struct capped capped_by(const struct cap_factors *f, vf x, const int unscaled) {
  const vf scale = vset1(f->scale), k = vset1(f->k), k_low = vset1(f->k_low);
  const vf zero = vset1(0.0f), scaled = unscaled ? x : vmul(x, scale), size_of_x = vabs(x), size = vmul(size_of_x, k);
  /* What is added to tiny numbers is nothing, and would be denormal; likewise what rounding z has lost, below. */
  const vf some = vsel(vgt(vabs(scaled), vset1(0x1p-60f)), x, zero), some_scaled = unscaled ? some : vmul(some, scale);
  const vf lossy = vsel(vmand(vge(size, vset1(0x1p-10f)), vgt(vset1(40.0f), size)), size_of_x, zero);
  const vf minus_lost = vnfma(lossy, k_low, vnfma(lossy, k, vmul(lossy, k))); /* of the size */
  const vf bounded = vmin(vset1(1.0f), vmax(vset1(0x1p-20f), size));
  const vf square = vnfma(vadd(bounded, bounded), minus_lost, vmul(bounded, bounded));
  const vf less = vmul(square, tanh_quotient(square));
  const vf scale_lost = unscaled ? zero : vfma(some, scale, vsub(zero, some_scaled));
  const vf one = vset1(1.0f), u = vsub(bounded, vnfma(bounded, less, minus_lost));
  struct capped c = {vadd(scaled, vfma(some_scaled, less, scale_lost)), vnfma(u, u, one)};
  if (vany(vge(size, vset1(SLOPE_FAR)))) {
    const vf cap = vset1(f->cap), cap_low = vset1(f->cap_low);
    const vf w = cap_shortfall(size, vsub(zero, minus_lost)), far = vadd(cap, vnfma(cap, w, cap_low));
    c.slope = vsel(vge(size, vset1(SLOPE_FAR)), vmul(w, vsub(vset1(2.0f), w)), c.slope);
    c.slope = vsel(vge(vset1(SLOPE_TINY), size), c.slope, vset1(NOT_A_NUMBER));
    c.y = vsel(vge(size, vset1(CAP_FAR)), vsel(vgt(zero, x), vsub(zero, far), far), c.y);
  }
  return c;
}
/* y of 16 logits. */
VFN vf logits_of(const struct logit_change *change, vf x) {
  if (change->cap == 0) return vmul(x, vset1(change->scale));
  const struct cap_factors factors = cap_factors_of(change);
  return capped_by(&factors, x, 0).y;
}
/* Of a cap, dy/dx with a factor in place of the scale. */
VFN vd cap_slopes(const struct logit_change *change, vf x, double factor) {
  const vd one = dset1(1.0), e = tanh_exp(dmul(dwiden(x), dset1((double)change->scale / change->cap)));
  const vd sum = dadd(one, e);
  return ddiv(dmul(dmul(dset1(4.0), e), dset1(factor)), dmul(sum, sum));
}
/* The same with a factor of 1; in double where `narrow`, the slope in float, is no number. */
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
