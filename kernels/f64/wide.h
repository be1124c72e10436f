/* What the losses of doubles are written against (NAME_wide in kernels/loss/NAME.h): a vector of elements, and sums,
 * products and exponentials in two parts, for what a double alone would make wrong by more than the loss may be. The
 * loop around them is elementwise.c. */
#ifndef VLOSS_KERNELS_F64_WIDE_H
#define VLOSS_KERNELS_F64_WIDE_H

#include "words/sleef.h"

#define WIDE_NAN ((double)NOT_A_NUMBER)
#define WIDE_INF ((double)INF)
#define WIDE_MAX 0x1.fffffffffffffp1023

/* Keras' fuzz factor, and 1 - eps as double arithmetic has it. */
#define WIDE_KERAS_EPS 1e-7
#define WIDE_KERAS_ONE_MINUS_EPS (1.0 - 1e-7)

/* 16 elements; `other` is 1 where it is not given. No loss has to care for NaN in an operand: the loop makes NaN of all
 * results then. `near`, a constant, says that operands and parameters are numbers below 2^100, and that no element is
 * what the loss calls far (NAME_wide_far), so that nothing is infinite or NaN on the way. What looks for that is left
 * out then, in the functions whose names end with _in; the bits are the same. `weighted`: a weight is going to round
 * the loss once more. */
struct wide {
  vd p, t, other;
  int near, weighted;
};
struct wide_result {
  vd loss, grad, grad_target, grad_other;
};

VFN vd dneg(vd v) { return dsub(dset1(0.0), v); }
/* Far for losses that form e^p, too: else |p| <= 181, so that its cube and that of e^-p are normal numbers. */
VFN dm wide_far_exponent(struct wide e, const double *k) {
  (void)k;
  return dgt(dmul(e.p, e.p), dset1(0x1p15));
}
VFN dm dfinite(vd v) { return deq(dsub(v, v), dset1(0.0)); }
VFN dm dis_infinite(vd v) { return deq(dabs(v), dset1(WIDE_INF)); }
/* max(0, v): NaN passes. */
VFN vd dpositive(vd v) { return dmax(dset1(0.0), v); }
/* -1, 0, 1; NaN at NaN. */
VFN vd dsign(vd d) {
  const vd zero = dset1(0.0);
  return dsel(dgt(d, zero), dset1(1.0), dsel(dgt(zero, d), dset1(-1.0), d));
}
VFN vd dclamped(vd v, double limit) { return dmax(dset1(-limit), dmin(dset1(limit), v)); }
/* -slope where z >= 0, else 0; NaN passes. */
VFN vd dslope_in(int near, vd z, vd slope) {
  return dsel(dgt(dset1(0.0), z), dset1(0.0), near ? dneg(slope) : dsel(dnan(z), z, dneg(slope)));
}

/* high + low, low below half an ulp of high, and 0 where either is not finite. */
struct parts {
  vd high, low;
};
VFN struct parts parts_in(int near, vd high, vd low) {
  return (struct parts){high, near ? low : dsel(dmand(dfinite(high), dfinite(low)), low, dset1(0.0))};
}
/* a + b, exactly (Knuth); low is NaN where the sum is no number. */
VFN struct parts finite_sum_of(vd a, vd b) {
  const vd sum = dadd(a, b), of_b = dsub(sum, a);
  return (struct parts){sum, dadd(dsub(a, dsub(sum, of_b)), dsub(b, of_b))};
}
VFN struct parts finite_difference_of(vd a, vd b) {
  const vd difference = dsub(a, b), of_b = dsub(a, difference);
  return (struct parts){difference, dsub(dsub(a, dadd(difference, of_b)), dsub(b, of_b))};
}
VFN struct parts sum_in(int near, vd a, vd b) {
  const struct parts sum = finite_sum_of(a, b);
  return parts_in(near, sum.high, sum.low);
}
/* a b, exactly where its low part is no denormal. */
VFN struct parts product_in(int near, vd a, vd b) {
  const vd product = dmul(a, b);
  return parts_in(near, product, dfma(a, b, dneg(product)));
}
VFN struct parts parts_sum_in(int near, struct parts a, struct parts b) {
  const struct parts s = sum_in(near, a.high, b.high);
  const vd low = dadd(s.low, dadd(a.low, b.low)), high = dadd(s.high, low);
  return parts_in(near, high, dsub(low, dsub(high, s.high)));
}
VFN struct parts parts_product_in(int near, struct parts a, struct parts b) {
  const struct parts p = product_in(near, a.high, b.high);
  return parts_in(near, p.high, dadd(p.low, dfma(a.high, b.low, dmul(a.low, b.high))));
}
/* a b, 0 where a is and b is no NaN. */
VFN vd product_or_zero_in(int near, vd a, vd b) { return near ? dmul(a, b) : dmul_or_zero(a, b); }
/* a b + more, where more is small beside the product, and no number where that is none. */
VFN vd product_plus_in(int near, vd a, vd b, vd more) {
  const vd product = dmul(a, b), both = dfma(a, b, more);
  return near ? both : dsel(dfinite(product), both, product);
}
/* a / b. */
VFN struct parts parts_quotient_in(int near, struct parts a, struct parts b) {
  const vd q = ddiv(a.high, b.high);
  return parts_in(near, q, ddiv(dadd(dnfma(q, b.high, a.high), dnfma(q, b.low, a.low)), b.high));
}
/* Parts as a number. */
VFN vd rounded_parts(struct parts a) { return dadd(a.high, a.low); }
/* a / b rounded, by one division: 1 / b must be a normal number. */
VFN vd quotient_in(int near, struct parts a, struct parts b) {
  const vd inverse = ddiv(dset1(1.0), b.high), q = dmul(a.high, inverse);
  const vd rest = dadd(dnfma(q, b.high, a.high), dnfma(q, b.low, a.low));
  return rounded_parts(parts_in(near, q, dmul(rest, inverse)));
}
/* a / b, given 1 / b.high: the high part is the double next to it, so that a / a is 1. */
VFN struct parts corrected_quotient(vd a, struct parts b, vd inverse) {
  const vd guess = dmul(a, inverse), off = dnfma(guess, b.low, dnfma(guess, b.high, a));
  const vd q = dfma(off, inverse, guess), rest = dnfma(q, b.low, dnfma(q, b.high, a));
  return finite_sum_of(q, dmul(rest, inverse));
}
/* The same of all numbers. */
VFN struct parts parts_of(vd high, vd low) { return parts_in(0, high, low); }
VFN struct parts sum_of(vd a, vd b) { return sum_in(0, a, b); }
VFN struct parts product_of(vd a, vd b) { return product_in(0, a, b); }
VFN struct parts parts_sum(struct parts a, struct parts b) { return parts_sum_in(0, a, b); }
VFN struct parts parts_product(struct parts a, struct parts b) { return parts_product_in(0, a, b); }
VFN vd product_plus(vd a, vd b, vd more) { return product_plus_in(0, a, b, more); }
VFN struct parts parts_quotient(struct parts a, struct parts b) { return parts_quotient_in(0, a, b); }

VFN struct parts parts_negated(struct parts a) { return (struct parts){dneg(a.high), dneg(a.low)}; }
/* A number as parts. */
VFN struct parts whole(vd v) { return (struct parts){v, dset1(0.0)}; }
/* t (1 - smoothing) + smoothing / 2. */
VFN struct parts smoothed_in(int near, struct parts t, double smoothing) {
  if (smoothing == 0) return t;
  const struct parts unsmoothed = sum_of(dset1(1.0), dset1(-smoothing));
  return parts_sum_in(near, parts_product_in(near, t, unsmoothed), whole(dset1(smoothing / 2)));
}
VFN struct parts smoothed(struct parts t, double smoothing) { return smoothed_in(0, t, smoothing); }

/* a - b = (high + low) unit; unit is 1, or 2 where a - b may be beyond the doubles. */
struct difference {
  vd high, low, unit, shrink; /* shrink = 1 / unit */
};
VFN struct difference difference_in(int near, vd a, vd b) {
  const vd one = dset1(1.0);
  if (near) {
    const struct parts d = finite_difference_of(a, b);
    return (struct difference){d.high, d.low, one, one};
  }
  const dm large = dgt(dmax(dabs(a), dabs(b)), dset1(0x1p1000));
  const vd shrink = dsel(large, dset1(0.5), one);
  const struct parts d = finite_difference_of(dmul(a, shrink), dmul(b, shrink));
  return (struct difference){d.high, parts_of(d.high, d.low).low, dsel(large, dset1(2.0), one), shrink};
}

/* log(high + low), also where that is near 1. */
VFN vd log_of_parts(struct parts x) {
  const dm normal = dmand(dgt(x.high, dset1(0.0)), dgt(dset1(WIDE_INF), x.high));
  return dadd(sleef_log(x.high), dsel(normal, ddiv(x.low, x.high), dset1(0.0)));
}
/* log(1 + high + low), high >= 0. */
VFN vd log1p_of_parts(struct parts x) {
  const vd log = sleef_log1p(x.high);
  return dsel(dfinite(log), dadd(log, ddiv(x.low, dadd(dset1(1.0), x.high))), log);
}

/* e^-y for 0 <= y in two parts, to 2^-58 of it where y <= 700: a power multiplies that. Beyond in one. -y = n ln 2 + r,
 * ln 2 in three parts, of which the products of the first two with n are exact; then 1 + r + r^2 / 2 + ..., of which
 * nothing is lost of the first three. */
VFN struct parts exp_minus_parts_in(int near, vd y) {
  const vd one = dset1(1.0), x = dneg(dmin(dset1(700.0), y));
  const vd t = dfma(x, dset1(1 / VLOSS_D_LN2_HI), dset1(VLOSS_D_ROUND)), n = dsub(t, dset1(VLOSS_D_ROUND));
  const struct parts r = sum_of(dnfma(n, dset1(0x1.62e42fefa38p-1), x), dneg(dmul(n, dset1(0x1.ef35793c76p-45))));
  const vd low = dnfma(n, dset1(0x1.cc01f97b57a08p-87), r.low);
  vd q = dset1(1 / 87178291200.0); /* 1/14! */
  static const double factorials[] = {6227020800, 479001600, 39916800, 3628800, 362880, 40320, 5040, 720, 120, 24, 6};
  UNROLL for (int i = 0; i < 11; i++) q = dfma(q, r.high, dset1(1 / factorials[i]));
  const vd square = dmul(r.high, r.high), of_square = dfma(r.high, r.high, dneg(square)), half = dset1(0.5);
  const vd s = dadd(one, r.high), sum = dfma(square, half, s);
  const vd lost = dadd(dadd(dsub(one, s), r.high), dfma(square, half, dsub(s, sum)));
  const vd small = dadd(lost, dfma(of_square, half, dmul(low, sum))), rest = dfma(dmul(square, r.high), q, small);
  const vd high = dadd(sum, rest), scale = dshl52(t);
  const struct parts exp = {dmul(high, scale), dmul(dsub(rest, dsub(high, sum)), scale)};
  const dm far = dgt(y, dset1(700.0));
  if (near || __builtin_expect(!dany(far), 1)) return exp;
  return (struct parts){dsel(far, sleef_exp(dneg(y)), exp.high), dsel(far, dset1(0.0), exp.low)};
}
VFN struct parts exp_minus_in_parts(vd y) { return exp_minus_parts_in(0, y); }

/* |x|^y for x in two parts; of negative x times `sign`. 0^0 is 1, 0 to another power 0. */
VFN vd power_of_parts(struct parts x, double y, double sign) {
  const vd zero = dset1(0.0), size = dabs(x.high), exponent = dset1(y);
  if (y == 2) return dfma(x.high, x.high, dmul(dadd(x.high, x.high), x.low));
  vd power = sleef_pow(size, exponent);
  power = dfma(power, dmul(exponent, ddiv(x.low, x.high)), power);
  power = dsel(dgt(zero, x.high), dmul(power, dset1(sign)), power);
  return dsel(deq(size, zero), dset1(y == 0), power);
}
/* The same in two parts, as exact as SLEEF's power. */
VFN struct parts power_in_parts(int near, struct parts x, double y, double sign) {
  const vd zero = dset1(0.0), size = dabs(x.high), exponent = dset1(y);
  if (y == 2) {
    const struct parts square = product_in(near, x.high, x.high);
    return parts_in(near, square.high, dfma(dadd(x.high, x.high), x.low, square.low));
  }
  const vd power = sleef_pow(size, exponent), low = dmul(power, dmul(exponent, ddiv(x.low, x.high)));
  const vd factor = dsel(dgt(zero, x.high), dset1(sign), dset1(1.0)), none = dset1(y == 0);
  const dm nothing = deq(size, zero);
  return (struct parts){dsel(nothing, none, dmul(power, factor)),
                        dsel(dmand(dfinite(low), dfinite(power)), dmul(low, factor), zero)};
}

#endif
