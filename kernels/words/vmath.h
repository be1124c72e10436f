/* Small words made of those of the ISA, and exp, log and log1p over them: f32 with a full range for everybody, the bare
 * pieces of exp for the softmax kernels, and the double versions that finish a row. vmath_special.h has what losses
 * need beyond. Nothing here calls libm, so every ISA gives the same bits. */
#ifndef VLOSS_KERNELS_VMATH_H
#define VLOSS_KERNELS_VMATH_H

#include "isa.h"

#define INF __builtin_inff()
#define NOT_A_NUMBER __builtin_nanf("")

/* Every NaN as the one quiet NaN. */
VFN vf canonical(vf v) { return vsel(vnan(v), vset1(NOT_A_NUMBER), v); }

/* coefficient * value, where a coefficient of 0 makes 0 of everything but NaN. */
VFN vd dmul_or_zero(vd coefficient, vd value) {
  return dsel(dnan(value), value, dsel(deq(coefficient, dset1(0.0)), coefficient, dmul(coefficient, value)));
}

VFN vd dabs(vd v) { return dmax(dsub(dset1(0.0), v), v); }

/* What is left of x beside its float. */
VFN vf low_part(vd x, vf high) { return dnarrow(dsub(x, dwiden(high))); }

/* The sum of four vectors, by pairs. */
VFN vf combine4(const vf *e) { return vadd(vadd(e[0], e[1]), vadd(e[2], e[3])); }

VFN vi lane_numbers(void) {
  static const int32_t iota[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return viload(iota);
}

/* Classes c..c+15 with `value` at the label. It goes into its vector: past the cache, a later store to a line that has
 * left would have to fetch it again. */
VFN vf put_label(vf v, size_t c, size_t label, float value) {
  return vsel(vieq(lane_numbers(), viset1((int32_t)(label - c))), vset1(value), v);
}

#define VLOSS_LOG2E 0x1.715476p+0f
/* ln 2 = hi + lo to 2^-49. hi has 24 bits, so x - n*hi is exact wherever n = round(x * log2e). */
#define VLOSS_LN2_HI 0x1.62e43p-1f
#define VLOSS_LN2_LO -0x1.05c61p-29f
/* Adding 1.5 * 2^23 rounds to a whole number n and leaves n in the low bits; with 127 more, those bits shifted left by
 * 23 are the float 2^n, as long as -126 <= n <= 127; n = -127 gives +0. */
#define VLOSS_ROUND (0x1.8p23f + 127)

/* (e^r - 1 - r) / r^2 for |r| <= 0.348: the minimax fit for relative error of e^r, coefficients rounded to f32; it
 * leaves 0.07 * 2^-24. exp(r) follows by Horner's rule; the softmax kernels take r + r^2 q first (sums.h).
 */
#define VLOSS_EXP_2 0x1.fffffcp-2f
#define VLOSS_EXP_3 0x1.55549p-3f
#define VLOSS_EXP_4 0x1.5558fcp-5f
#define VLOSS_EXP_5 0x1.123b9ap-7f
#define VLOSS_EXP_6 0x1.6a215ap-10f
VFN vf vexp_quotient(vf r) {
  vf q = vset1(VLOSS_EXP_6);
  q = vfma(q, r, vset1(VLOSS_EXP_5));
  q = vfma(q, r, vset1(VLOSS_EXP_4));
  q = vfma(q, r, vset1(VLOSS_EXP_3));
  return vfma(q, r, vset1(VLOSS_EXP_2));
}
VFN vf vexp_poly(vf r) { return vfma(vfma(vexp_quotient(r), r, vset1(1.0f)), r, vset1(1.0f)); }

/* exp(x) = mantissa * scale. 2^n is applied in two halves, one of them here: so overflow and denormal results come out
 * by one rounding, and a product with exp(x) need not be rounded to a denormal on the way. Beyond 89 the mantissa is
 * +inf: ln(2^128) is 88.72. At -176 (2^-254, nothing even times the float maximum) it is +0. */
struct vexp_halves {
  vf mantissa, scale;
};
VFN struct vexp_halves vexp_in_halves(vf x) {
  const vf clamped = vmax(vset1(-176.0f), vmin(vset1(89.0f), x));
  vf t = vfma(clamped, vset1(VLOSS_LOG2E), vset1(0x1.8p23f));
  vf n = vsub(t, vset1(0x1.8p23f));
  vf r = vnfma(n, vset1(VLOSS_LN2_HI), clamped);
  r = vnfma(n, vset1(VLOSS_LN2_LO), r);
  vi whole = visub(vbits(t), viset1(0x4b400000));
  vi half = visra(whole, 1);
  vf s1 = vfloat(vishl(viadd(half, viset1(127)), 23));
  vf s2 = vfloat(vishl(viadd(visub(whole, half), viset1(127)), 23));
  vf mantissa = vmul(vexp_poly(r), s1);
  return (struct vexp_halves){vsel(vgt(x, vset1(89.0f)), vset1(__builtin_inff()), mantissa), s2};
}
VFN vf vexp(vf x) {
  const struct vexp_halves e = vexp_in_halves(x);
  return vmul(e.mantissa, e.scale);
}

/* log(1 + f) + k ln2 for f in [sqrt(1/2) - 1, sqrt(2) - 1]. The coefficients are the minimax fit of
 * (log1p(f) - f + f^2/2) / f^3 for relative error of log1p on that interval, rounded to f32: 0.06 * 2^-24. */
VFN vf vlog_polynomial(vf f) {
  vf p = vset1(0x1.14578ap-4f);
  p = vfma(p, f, vset1(-0x1.de4036p-4f));
  p = vfma(p, f, vset1(0x1.e6f2acp-4f));
  p = vfma(p, f, vset1(-0x1.fc219p-4f));
  p = vfma(p, f, vset1(0x1.23373cp-3f));
  p = vfma(p, f, vset1(-0x1.555c4ep-3f));
  p = vfma(p, f, vset1(0x1.99a4b8p-3f));
  p = vfma(p, f, vset1(-0x1.000006p-2f));
  return vfma(p, f, vset1(0x1.555548p-2f));
}
VFN vf vlog_reduced(vf f, vf k) {
  const vf p = vlog_polynomial(f);
  vf f2 = vmul(f, f);
  vf tail = vfma(vmul(f2, f), p, vmul(k, vset1(VLOSS_LN2_LO)));
  tail = vfma(f2, vset1(-0.5f), tail);
  return vfma(k, vset1(VLOSS_LN2_HI), vadd(f, tail));
}

/* The k for which u / 2^k lies in [sqrt(1/2), sqrt(2)), u positive and normal, as an integer vector. */
VFN vi vlog_exponent(vf u) { return visra(visub(vbits(u), viset1(0x3f3504f3)), 23); }

VFN vf vlog(vf x) {
  vm small = vgt(vset1(0x1p-126f), x);
  vf u = vsel(small, vmul(x, vset1(0x1p23f)), x);
  vi k = vlog_exponent(u);
  vf f = vsub(vfloat(visub(vbits(u), vishl(k, 23))), vset1(1.0f));
  vf y = vlog_reduced(f, vitof(visub(k, visel(small, viset1(23), viset1(0)))));
  y = vsel(veq(x, vset1(0.0f)), vset1(-__builtin_inff()), y);
  y = vsel(vgt(vset1(0.0f), x), vset1(__builtin_nanf("")), y);
  y = vsel(veq(x, vset1(__builtin_inff())), x, y);
  return vsel(vnan(x), x, y);
}

/* log(1 + x) by the log of u = 1 + x rounded; what the rounding lost goes back into the reduced argument. */
VFN vf vlog1p(vf x) {
  vf u = vadd(vset1(1.0f), x);
  vf lost = vsel(vgt(x, vset1(1.0f)), vsub(vset1(1.0f), vsub(u, x)), vsub(x, vsub(u, vset1(1.0f))));
  vi k = vlog_exponent(u);
  vf f = vsub(vfloat(visub(vbits(u), vishl(k, 23))), vset1(1.0f));
  /* What 1 adds to large x is nothing, and 2^-k would be no normal number either. */
  const vf scale = vfloat(vishl(visub(viset1(127), k), 23));
  f = vsel(vgt(x, vset1(0x1p64f)), f, vfma(lost, scale, f));
  vf y = vlog_reduced(f, vitof(k));
  y = vsel(veq(x, vset1(-1.0f)), vset1(-__builtin_inff()), y);
  y = vsel(vgt(vset1(-1.0f), x), vset1(__builtin_nanf("")), y);
  y = vsel(veq(x, vset1(__builtin_inff())), x, y);
  y = vsel(veq(x, vset1(0.0f)), x, y);
  return vsel(vnan(x), x, y);
}

/* log(high + low) of a normal positive high below 2^127 and an ulp or two more or less: for logs near 0. NaN passes,
 * from `low`. */
VFN vf vlog_sum(vf high, vf low) {
  vi k = vlog_exponent(high);
  vf f = vsub(vfloat(visub(vbits(high), vishl(k, 23))), vset1(1.0f));
  f = vfma(low, vfloat(vishl(visub(viset1(127), k), 23)), f);
  /* f may be as small as 2^-53, beside a power of two: its cube must not be formed alone. */
  const vf n = vitof(k), f2 = vmul(f, f);
  vf tail = vfma(f2, vmul(f, vlog_polynomial(f)), vmul(n, vset1(VLOSS_LN2_LO)));
  tail = vfma(f2, vset1(-0.5f), tail);
  return vfma(n, vset1(VLOSS_LN2_HI), vadd(f, tail));
}

/* ---- Doubles, to about 2e-10: 0.003 ulp of the f32 that they end in --------------------------------------------- */

#define VLOSS_D_ROUND (0x1.8p52 + 1023) /* as VLOSS_ROUND, for doubles */
#define VLOSS_D_LN2_HI 0x1.62e42fefa39efp-1
#define VLOSS_D_LN2_LO 0x1.abc9e3b39803fp-56

/* exp for -700 <= x <= 700; NaN gives NaN. Taylor to r^8, 0.347^9 / 9! = 2e-10, by pairs: a lone row waits for it. */
VFN vd dexp(vd x) {
  vd t = dfma(x, dset1(1 / VLOSS_D_LN2_HI), dset1(VLOSS_D_ROUND));
  vd n = dsub(t, dset1(VLOSS_D_ROUND));
  vd r = dnfma(n, dset1(VLOSS_D_LN2_LO), dnfma(n, dset1(VLOSS_D_LN2_HI), x));
  vd r2 = dmul(r, r), r4 = dmul(r2, r2);
  vd p01 = dadd(r, dset1(1.0)), p23 = dfma(r, dset1(1 / 6.), dset1(0.5));
  vd p45 = dfma(r, dset1(1 / 120.), dset1(1 / 24.)), p67 = dfma(r, dset1(1 / 5040.), dset1(1 / 720.));
  vd high = dfma(r4, dset1(1 / 40320.), dfma(r2, p67, p45));
  return dmul(dfma(r4, high, dfma(r2, p23, p01)), dshl52(t));
}

/* log for normal positive x. With x = 2^k m, m in [sqrt(1/2), sqrt(2)) and s = (m - 1) / (m + 1):
 * log m = 2 atanh(s) = 2 s (1 + z/3 + z^2/5 + ...), z = s^2 <= 0.0295; the first term left out is z^6/13 = 5e-11. */
VFN vd dlog(vd x) {
  vd k = dexponent(x), m = dmantissa(x);
  dm high = dgt(m, dset1(0x1.6a09e667f3bcdp0));
  m = dsel(high, dmul(m, dset1(0.5)), m);
  k = dsel(high, dadd(k, dset1(1.0)), k);
  vd s = ddiv(dsub(m, dset1(1.0)), dadd(m, dset1(1.0))), z = dmul(s, s);
  vd z2 = dmul(z, z), p01 = dfma(z, dset1(1 / 3.), dset1(1.0)), p23 = dfma(z, dset1(1 / 7.), dset1(1 / 5.));
  vd p45 = dfma(z, dset1(1 / 11.), dset1(1 / 9.)), p = dfma(z2, dfma(z2, p45, p23), p01);
  return dfma(k, dset1(VLOSS_D_LN2_HI), dmul(dadd(s, s), p));
}

#endif
