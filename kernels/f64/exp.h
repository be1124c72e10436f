/* e^x of doubles, inlined: a call of SLEEF's costs more than its arithmetic, as every register is saved around it, and
 * the sums of softmax need one e^x a class. */
#ifndef VLOSS_KERNELS_F64_EXP_H
#define VLOSS_KERNELS_F64_EXP_H

#include "wide.h"

/* Up to here neither e^x nor e^-x is a denormal or infinite. */
#define EXP_NEAR 700.0
/* From here down e^x is 0, with a factor of 2^1000 or so, too. */
#define EXP_NOTHING 1500.0

/* q(r) for |r| <= ln 2 / 2, so that e^r = 1 + r + r^2 q(r): the polynomial that is nearest to it (minimax, by Sollya's
 * fpminimax), 2^-55.7 off at most. */
VFN vd exp_bent(vd r, vd square) {
  static const double q[] = {0x1.0000000000001p-1,  0x1.5555555555558p-3, 0x1.5555555553cd8p-5,  0x1.111111110f8dap-7,
                             0x1.6c16c178abcf5p-10, 0x1.a01a01afb7c6p-13, 0x1.a019b8b60fbf8p-16, 0x1.71ddf78562d62p-19,
                             0x1.2891d4728a229p-22, 0x1.af61c468ed95cp-26};
  vd even = dset1(q[8]), odd = dset1(q[9]);
  UNROLL for (int i = 6; i >= 0; i -= 2) {
    even = dfma(even, square, dset1(q[i]));
    odd = dfma(odd, square, dset1(q[i + 1]));
  }
  return dfma(odd, r, even);
}

/* e^(x + low) for |x| <= EXP_NEAR, to 1.05 ulp; NaN at NaN, anything elsewhere. x + low = n ln 2 + r. */
VFN vd exp_near(vd x, vd low) {
  const vd t = dfma(x, dset1(1 / VLOSS_D_LN2_HI), dset1(VLOSS_D_ROUND)), n = dsub(t, dset1(VLOSS_D_ROUND));
  /* ln 2 in two parts, of which the product of the first with n is exact. */
  const vd above = dnfma(n, dset1(0x1.62e42fefa38p-1), x), below = dnfma(n, dset1(0x1.ef35793c7673p-45), low);
  const vd r = dadd(above, below);
  const vd square = dfma(r, r, dset1(0x1p-1000)); /* of the least r: not a denormal */
  return dmul(dadd(dset1(1.0), dfma(square, exp_bent(r, square), r)), dshl52(t));
}

/* e^x 2^-k for |x| <= EXP_NEAR where that is a normal number, to 1.05 ulp; anything elsewhere. `round` is
 * VLOSS_D_ROUND - k. */
VFN vd exp_scaled(vd x, vd round) {
  const vd t = dfma(x, dset1(1 / VLOSS_D_LN2_HI), round), n = dsub(t, round);
  const vd r = dadd(dnfma(n, dset1(0x1.62e42fefa38p-1), x), dmul(n, dset1(-0x1.ef35793c7673p-45)));
  const vd square = dfma(r, r, dset1(0x1p-1000)); /* of the least r: not a denormal */
  return dmul(dadd(dset1(1.0), dfma(square, exp_bent(r, square), r)), dshl52(t));
}

/* e^x for |x| <= EXP_NEAR in two parts, to 2^-55 of it: nothing is lost of 1 + r, nor of r. */
VFN struct parts exp_parts_near(vd x) {
  const vd t = dfma(x, dset1(1 / VLOSS_D_LN2_HI), dset1(VLOSS_D_ROUND)), n = dsub(t, dset1(VLOSS_D_ROUND));
  const vd above = dnfma(n, dset1(0x1.62e42fefa38p-1), x), below = dmul(n, dset1(-0x1.ef35793c7673p-45));
  const vd r = dadd(above, below), one = dset1(1.0), s = dadd(one, r), scale = dshl52(t);
  const vd square = dfma(r, r, dset1(0x1p-1000)), of_r = dadd(dsub(above, r), below);
  const vd rest = dadd(dsub(r, dsub(s, one)), dfma(square, exp_bent(r, square), of_r)), high = dadd(s, rest);
  return (struct parts){dmul(high, scale), dmul(dsub(rest, dsub(high, s)), scale)};
}
/* The same where `near` says that; far out in one part. */
VFN struct parts exp_parts_in(int near, vd x) {
  if (near) return exp_parts_near(x);
  const struct parts exp = exp_parts_near(dclamped(x, EXP_NEAR));
  const dm far = dgt(dabs(x), dset1(EXP_NEAR));
  if (__builtin_expect(!dany(far), 1)) return exp;
  return (struct parts){dsel(far, sleef_exp(x), exp.high), dsel(far, dset1(0.0), exp.low)};
}

/* tanh x to 1.2 ulp; NaN at NaN. Of |x| it is t / (t + 2), t = e^(2 |x|) - 1 in two parts; from 20 on 1. */
VFN vd inlined_tanh(vd x) {
  const vd size = dabs(x), one = dset1(1.0), half = dmax(dset1(0x1p-30), dmin(dset1(20.0), size)), y = dadd(half, half);
  const vd steps = dfma(y, dset1(1 / VLOSS_D_LN2_HI), dset1(VLOSS_D_ROUND)), n = dsub(steps, dset1(VLOSS_D_ROUND));
  const vd above = dnfma(n, dset1(0x1.62e42fefa38p-1), y), below = dmul(n, dset1(-0x1.ef35793c7673p-45));
  const vd r = dadd(above, below), square = dmul(r, r), scale = dshl52(steps);
  const vd bent = dfma(square, exp_bent(r, square), dadd(dsub(above, r), below));
  const vd p = dadd(r, bent), p_low = dadd(dsub(r, p), bent); /* e^r - 1 */
  const vd before = dsub(scale, one), more = dmul(scale, p), t = dadd(before, more);
  const vd t_low = dfma(scale, p_low, dadd(dsub(before, t), more));
  const struct parts sum = finite_sum_of(t, dset1(2.0));
  const vd v = quotient_in(1, (struct parts){t, t_low}, (struct parts){sum.high, dadd(sum.low, t_low)});
  return dsel(dgt(dset1(0x1p-28), size), x, dsel(dgt(dset1(0.0), x), dneg(v), v));
}

#ifdef VLOSS_ISA_IS_SCALAR /* vectors are loops: too large for a copy in every file */
#define tanh_of VLOSS_ISA_SYMBOL(vloss_tanh_of)
vd tanh_of(vd x);
#else
#define tanh_of inlined_tanh
#endif

/* Lanes in which e^x is neither near nor nothing: rare, and then done apart. A lane's number does not depend on its
 * neighbours. */
VFN dm far_lanes(vd x) {
  return dmor(dgt(x, dset1(EXP_NEAR)), dmand(dgt(dset1(-EXP_NEAR), x), dgt(x, dset1(-EXP_NOTHING))));
}
VFN vd exp_or_nothing(struct parts d) {
  const vd exp = exp_near(dmax(dset1(-EXP_NEAR), d.high), d.low);
  return dsel(dgt(dset1(-EXP_NEAR), d.high), dset1(0.0), exp);
}

/* e^(x - m), given the difference in two parts: its rounding would be relative error. Where it is infinite the low part
 * does not count (finite_sum_of). */
VFN vd exp_of_parts(struct parts d) {
  const dm far = far_lanes(d.high);
  const vd near = exp_or_nothing(d);
  if (__builtin_expect(!dany(far), 1)) return near;
  const vd exp = sleef_exp(d.high);
  return dsel(far, dsel(dfinite(exp), dfma(exp, d.low, exp), exp), near);
}

/* The same where `near` says that |d.high| <= EXP_NEAR. */
VFN vd exp_in(int near, struct parts d) { return near ? exp_near(d.high, d.low) : exp_of_parts(d); }

/* e^x = mantissa scale: what is beyond the doubles, or a denormal, may be a number again when something multiplies it
 * before the scale does. 1000 ln 2 in two parts. */
struct scaled_exp {
  vd mantissa, scale;
};
VFN struct scaled_exp scaled_exp_of_parts(struct parts d) {
  const dm far = far_lanes(d.high), low = dgt(dset1(0.0), d.high);
  const vd near = exp_or_nothing(d), one = dset1(1.0);
  if (__builtin_expect(!dany(far), 1)) return (struct scaled_exp){near, one};
  const struct parts moved = sum_of(d.high, dsel(low, dset1(0x1.5a92d6d005c94p9), dset1(-0x1.5a92d6d005c94p9)));
  const vd rest = dsel(low, dset1(-0x1.971e6bd14ec61p-45), dset1(0x1.971e6bd14ec61p-45));
  const vd exp = sleef_exp(moved.high);
  const vd mantissa = dsel(dfinite(exp), dfma(exp, dadd(d.low, dadd(moved.low, rest)), exp), exp);
  return (struct scaled_exp){dsel(far, mantissa, near), dsel(far, dsel(low, dset1(0x1p-1000), dset1(0x1p1000)), one)};
}
VFN struct scaled_exp scaled_exp_in(int near, struct parts d) {
  if (near) return (struct scaled_exp){exp_near(d.high, d.low), dset1(1.0)};
  return scaled_exp_of_parts(d);
}
VFN struct scaled_exp scaled_exp_of(vd x) { return scaled_exp_of_parts(whole(x)); }

#endif
