/* What losses are made of beyond vmath.h: exp and logarithms of parts of the line, which are cheaper than those of all
 * of it, products of what may be denormal, and powers in double. */
#ifndef VLOSS_KERNELS_VMATH_SPECIAL_H
#define VLOSS_KERNELS_VMATH_SPECIAL_H

#include "vmath.h"

/* ---- Domains that need no special cases ---------------------------- */

/* Added to a product that may be tiny, inside the fma: so that it is no denormal, which would be slow. It is below half
 * an ulp of whatever the product goes to. */
#define VLOSS_GUARD 0x1p-126f

/* e^-y = mantissa * scale for y >= 0, infinity and denormal results included; NaN passes. The mantissa is vexp_poly
 * times 2^-23, the scale 2^(n + 23): so both are normal, and an fma with them rounds once, also to a denormal. From
 * n = -150 on (y = 103.63) the scale is 0. */
#define VLOSS_EXP_TINY 0x1p-23f
VFN struct vexp_halves vexp_minus_of(vf t, vf r) { /* the bits of t are those of n + 23, r is y + n ln 2 */
  /* -r: the powers of r with odd exponents change their signs. */
  vf q = vset1(VLOSS_EXP_6 * VLOSS_EXP_TINY);
  q = vfma(q, r, vset1(-VLOSS_EXP_5 * VLOSS_EXP_TINY));
  q = vfma(q, r, vset1(VLOSS_EXP_4 * VLOSS_EXP_TINY));
  q = vfma(q, r, vset1(-VLOSS_EXP_3 * VLOSS_EXP_TINY));
  q = vfma(q, r, vset1(VLOSS_EXP_2 * VLOSS_EXP_TINY));
  q = vfma(vfma(q, r, vset1(-VLOSS_EXP_TINY)), r, vset1(VLOSS_EXP_TINY));
  return (struct vexp_halves){q, vfloat(vishl(vbits(t), 23))};
}
VFN struct vexp_halves vexp_minus_in_halves(vf y) {
  const vf round = vset1(VLOSS_ROUND + 23), x = vmin(vset1(104.0f), y);
  const vf t = vnfma(x, vset1(VLOSS_LOG2E), round), n = vsub(t, round);
  return vexp_minus_of(t, vfma(n, vset1(VLOSS_LN2_LO), vfma(n, vset1(VLOSS_LN2_HI), x)));
}
/* e^-(y + lost), lost below 2^-17. */
VFN struct vexp_halves vexp_minus_sum_in_halves(vf y, vf lost) {
  const vf round = vset1(VLOSS_ROUND + 23), x = vmin(vset1(104.0f), y);
  const vf t = vnfma(x, vset1(VLOSS_LOG2E), round), n = vsub(t, round);
  return vexp_minus_of(t, vadd(vfma(n, vset1(VLOSS_LN2_HI), x), vfma(n, vset1(VLOSS_LN2_LO), lost)));
}
VFN vf vexp_minus(vf y) {
  const struct vexp_halves e = vexp_minus_in_halves(y);
  return vmul(e.mantissa, e.scale);
}
/* The same where anything below 2^-100 is as good as 0; above 2^-126, for what is a little less than it. */
VFN vf vexp_minus_normal(vf y) {
  const struct vexp_halves e = vexp_minus_in_halves(y);
  return vfma(e.mantissa, e.scale, vset1(4 * VLOSS_GUARD));
}

/* (log(1 + e) - e) / e^2 for 0 <= e <= 1; NaN passes. The minimax fit for relative error of the log, coefficients
 * rounded to f32 one after the other: 0.56 * 2^-24. By pairs, then by Horner's rule in e^2: many of these polynomials
 * wait for one another, so that a short chain is worth as much as few operations. */
VFN vf vlog1p_unit_quotient(vf e) {
  const vf e2 = vfma(e, e, vset1(VLOSS_GUARD));
  const vf a = vfma(vset1(0x1.5535dep-2f), e, vset1(-0x1.ffff14p-2f));
  const vf b = vfma(vset1(0x1.884554p-3f), e, vset1(-0x1.fd1368p-3f));
  const vf c = vfma(vset1(0x1.44707ap-4f), e, vset1(-0x1.19af8ep-3f));
  const vf d = vfma(vset1(0x1.5fa0dap-8f), e, vset1(-0x1.eca398p-6f));
  return vfma(vfma(vfma(d, e2, c), e2, b), e2, a);
}
VFN vf vlog1p_unit(vf e) { return vfma(vfma(e, vlog1p_unit_quotient(e), vset1(-VLOSS_GUARD)), e, e); }

/* -log(1 - m) = m + m^2 q(m) for 0 <= m <= 1/2; NaN passes. As vlog1p_unit: 0.06 * 2^-24. */
VFN vf vlog1m_half_quotient(vf m) {
  const vf m2 = vfma(m, m, vset1(VLOSS_GUARD));
  vf even = vset1(0x1.be5264p+0f), odd = vset1(-0x1.3cfc76p+1f);
  even = vfma(even, m2, vset1(0x1.f88f1p+0f));
  odd = vfma(odd, m2, vset1(-0x1.2f3ddap-1f));
  even = vfma(even, m2, vset1(0x1.5c3adp-2f));
  odd = vfma(odd, m2, vset1(0x1.6830ecp-3f));
  even = vfma(even, m2, vset1(0x1.01e9dap-2f));
  odd = vfma(odd, m2, vset1(0x1.5542f6p-2f));
  even = vfma(even, m2, vset1(0x1.00001ep-1f));
  return vfma(odd, m, even);
}
VFN vf vlog1m_half(vf m) { return vfma(vfma(m, vlog1m_half_quotient(m), vset1(VLOSS_GUARD)), m, m); }

/* log of 2^k m for m in [3/4, 3/2), ln2 as large as k is scaled: with one fma for k ln2, as the float ln2 is right to
 * 2^-28 and |log| >= 0.28 where k is not 0. log m = f + f^2 q(f), f = m - 1, as above: 0.6 * 2^-24. k ln2 goes to f,
 * not to the log, so that nothing waits for it. */
VFN vf vlog_of(vf m, vf k, float ln2) {
  const vf f = vsub(m, vset1(1.0f)), f2 = vmul(f, f);
  const vf a = vfma(vset1(0x1.5555e6p-2f), f, vset1(-0x1.000014p-1f));
  const vf b = vfma(vset1(0x1.99216cp-3f), f, vset1(-0x1.ffdd9ep-3f));
  const vf c = vfma(vset1(0x1.32dedep-3f), f, vset1(-0x1.5887fcp-3f));
  const vf d = vfma(vset1(0x1.bb73fcp-5f), f, vset1(-0x1.ee477cp-4f));
  return vfma(f2, vfma(vfma(vfma(d, f2, c), f2, b), f2, a), vfma(k, vset1(ln2), f));
}

/* log x, cheaper than vlog, to 1.6 ulp: of any x, and of normal positive x and NaN. Both give the same bits where both
 * may be used, and AVX-512, whose vsplit is four instructions, has no use for the second. */
VFN vf vln(vf x) {
  const struct vparts parts = vsplit(x);
  return vlog_of(parts.mantissa, parts.exponent, VLOSS_LN2_HI);
}
VFN vf vln_normal(vf x) {
#ifdef VLOSS_ISA_IS_AVX512
  return vln(x);
#else
  const vi k = viand(visub(vbits(x), viset1(0x3f400000)), viset1((int32_t)0xff800000u));
  const vf log = vlog_of(vfloat(visub(vbits(x), k)), vitof(k), VLOSS_LN2_HI * 0x1p-23f);
  return vfma(x, vset1(0.0f), log); /* integer arithmetic drops NaN */
#endif
}

/* log(p + eps) to two ulp also where it is near 0: log of the rounded sum, and what the rounding lost over the sum. */
VFN vf vln_sum(vf p, vf eps) {
  const vf zero = vset1(0.0f), sum = vadd(p, eps), part = vsub(sum, p);
  const vf lost = vdiv(vadd(vsub(p, vsub(sum, part)), vsub(eps, part)), sum);
  return vadd(vln(sum), vsel(vmand(vgt(sum, zero), vgt(vset1(INF), sum)), lost, zero));
}

/* What c may multiply instead of v: a finite number where c is 0, as 0 times infinity is 0 here; NaN passes. */
VFN vf vfactor(vf c, vf v) { return vsel(veq(c, vset1(0.0f)), vmin(vset1(__FLT_MAX__), vabs(v)), v); }
/* v, but NaN where x is. */
VFN vf vpoisoned(vf v, vf x) { return vsel(vnan(x), x, v); }

/* ---- Denormals --------------------------------------------------------------------------------------------------
 *
 * On Intel's CPUs a product, fused or not, or a quotient with a denormal operand or result takes 150 cycles; sums,
 * comparisons and conversions are as fast as ever. These give the same bits without. */

VFN vm vdenormal(vf v) {
  const vf size = vabs(v);
  return vmand(vgt(vset1(0x1p-126f), size), vgt(size, vset1(0.0f)));
}
/* a b and a / b by way of doubles, which hold the product. The quotient is rounded twice, which no quotient of floats
 * feels: none is within 2^-49 of the middle between two floats but for those that are there. */
VFN vf vmul_calm(vf a, vf b) { return dnarrow(dmul(dwiden(a), dwiden(b))); }
VFN vf vdiv_calm(vf a, vf b) { return dnarrow(ddiv(dwiden(a), dwiden(b))); }
/* a b + c, where c is 0 or so large that the result is normal. The sign of a 0 is that of the fma. */
VFN vf vfma_calm(vf a, vf b, vf c) {
  const vm alone = veq(c, vset1(0.0f));
  return vsel(alone, dnarrow(dfma(dwiden(a), dwiden(b), dwiden(c))), vfma(a, b, vsel(alone, vset1(1.0f), c)));
}
/* 0 where |v| < 2^-100, else v: so half of it is normal, too. */
VFN vf vflush_tiny(vf v) { return vsel(vgt(vset1(0x1p-100f), vabs(v)), vset1(0.0f), v); }
/* The same for denormals; a -0 stays one. */
VFN vf vflush_denormal(vf v) { return vsel(veq(v, vset1(0.0f)), v, vflush(v)); }
/* What `factor` may multiply instead of v where the product is added to a number of 2^-40 or more: 0 for denormals. */
VFN vf vflush_beside(vf v, vf factor) { return vsel(vgt(vset1(0x1p60f), vabs(factor)), vflush(v), v); }

/* ---- Doubles: see vmath.h for dexp and dlog --------------------------------------------------------------------- */

/* e^-y for y >= 0; 0 from 230 on, so that its cube is a normal number. NaN passes. */
#define VLOSS_D_FAR 230.0
VFN vd dexp_minus(vd y) {
  const vd exp = dexp(dsub(dset1(0.0), dmin(dset1(VLOSS_D_FAR), y)));
  return dsel(dgt(y, dset1(VLOSS_D_FAR)), dset1(0.0), exp);
}

/* log(1 + e) for 0 <= e <= 1 and -log(1 - m) for 0 <= m <= 1/2, to 2^-24: what is float in them is smaller than the
 * result, and all roundings after it are of doubles. NaN passes. */
VFN vd dlog1p_unit(vd e) {
  const vf narrow = dnarrow(dmax(dset1(0x1p-40), e)); /* no denormal; the quotient hardly changes below */
  return dfma(dmul(e, e), dwiden(vlog1p_unit_quotient(narrow)), e);
}
VFN vd dlog1m_half(vf m) {
  const vd wide = dwiden(m);
  return dfma(dmul(wide, wide), dwiden(vlog1m_half_quotient(m)), wide);
}

/* log of any float: dlog with what it leaves out. */
VFN vd dlog_of(vf x) {
  const vd wide = dwiden(x), infinite = dset1((double)INF), log = dlog(dmax(dset1(0x1p-1000), wide));
  const vd of_zero = dsel(deq(wide, dset1(0.0)), dsub(dset1(0.0), infinite), log);
  const vd valid = dsel(deq(wide, infinite), infinite, of_zero);
  return dsel(dgt(dset1(0.0), wide), dset1((double)NOT_A_NUMBER), dsel(dnan(wide), wide, valid));
}

/* x^y for x >= 0 that is 0 or normal, to 1e-8 where the result is a float; 0^0 is 1, and 0 to a negative power 0. NaN
 * passes. Below e^-400, a normal number even times 2^-400, and beyond e^700 no float tells the difference. */
VFN vd dpow(vd x, double y) {
  const vd log = dmul(dlog(dmax(dset1(0x1p-1022), x)), dset1(y));
  const vd power = dexp(dmax(dset1(-400.0), dmin(dset1(700.0), log)));
  return dsel(dnan(x), x, dsel(deq(x, dset1(0.0)), dset1(y == 0), power));
}

#endif
