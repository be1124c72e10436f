/* Logarithms of doubles, inlined as exp.h's e^x and for the same reason. SLEEF's are for what is left: 0, denormals,
 * infinity and negative numbers. */
#ifndef VLOSS_KERNELS_F64_LOG_H
#define VLOSS_KERNELS_F64_LOG_H

#include "wide.h"

/* log(1 + f + low) + k ln 2 for f in [-1/4, 1/2], low below an ulp of 1 and the result no smaller than f: with
 * s = f / (2 + f) log(1 + f) = 2 atanh(s) = f - f^2 / 2 + s (f^2 / 2 + s^2 q(s^2)), q the polynomial nearest to it
 * (minimax, by Sollya's fpminimax), 2^-60 of s off at most. In two parts, whose sum is within 0.4 ulp. */
VFN struct parts log_reduced_parts(vd f, vd k, vd low) {
  static const double q[] = {0x1.5555555555555p-1, 0x1.9999999999ff8p-2, 0x1.24924923ceefcp-2, 0x1.c71c72ee3d6e5p-3,
                             0x1.745ca89d5c057p-3, 0x1.3b2a4a4c2f114p-3, 0x1.0e843fb6e6e6p-3,  0x1.16d2ef8a76894p-3};
  const vd s = ddiv(f, dadd(dset1(2.0), f)), z = dmul(s, s), z2 = dmul(z, z);
  vd even = dset1(q[6]), odd = dset1(q[7]);
  UNROLL for (int i = 4; i >= 0; i -= 2) {
    even = dfma(even, z2, dset1(q[i]));
    odd = dfma(odd, z2, dset1(q[i + 1]));
  }
  const vd half = dmul(dmul(f, dset1(0.5)), f), bent = dfma(z, dfma(odd, z, even), half);
  const vd inner = dfma(s, bent, dfma(k, dset1(0x1.ef35793c7673p-45), low));
  /* k times the first part of ln 2 is exact, and so is its sum with f, in two parts. */
  const vd whole_part = dmul(k, dset1(0x1.62e42fefa38p-1)), sum = dadd(whole_part, f);
  const vd lost = dsub(f, dsub(sum, whole_part));
  const vd tail = dsub(lost, dsub(half, inner)), high = dadd(sum, tail);
  return (struct parts){high, dsub(tail, dsub(high, sum))};
}
VFN vd log_reduced(vd f, vd k, vd low) { return log_reduced_parts(f, k, low).high; }

/* log(1 + e) for 0 <= e <= 1, to 0.9 ulp; NaN at NaN. */
VFN vd log1p_unit(vd e) {
  const vd zero = dset1(0.0), half = dset1(0.5);
  const dm large = dgt(e, half);
  return log_reduced(dsel(large, dfma(e, half, dset1(-0.5)), e), dsel(large, dset1(1.0), zero), zero);
}
/* The same of e in two parts, in two parts that are within 0.4 ulp: 1 - f + f^2 is near enough to 1 / (1 + f). */
VFN struct parts log1p_unit_parts(struct parts e) {
  const vd zero = dset1(0.0), half = dset1(0.5);
  const dm large = dgt(e.high, half);
  const vd f = dsel(large, dfma(e.high, half, dset1(-0.5)), e.high), low = dsel(large, dmul(e.low, half), e.low);
  return log_reduced_parts(f, dsel(large, dset1(1.0), zero), dnfma(low, dnfma(f, f, f), low));
}

/* x = 2^k (1 + f) with f in [-1/4, 1/2], x normal and positive. */
struct log_argument {
  vd f, k;
};
VFN struct log_argument log_argument_of(vd x) {
  const vd m = dmantissa(x), k = dexponent(x), one = dset1(1.0);
  const dm large = dgt(m, dset1(1.5));
  return (struct log_argument){dsel(large, dfma(m, dset1(0.5), dset1(-1.0)), dsub(m, one)),
                               dsel(large, dadd(k, one), k)};
}
/* log x and log(high + low), of normal positive numbers, to 0.9 ulp. 2^-k low (2^-1022 where k is more: nothing) times
 * 1 - f + f^2 is near enough to its quotient by 1 + f. */
VFN vd log_near(vd x) {
  const struct log_argument a = log_argument_of(x);
  return log_reduced(a.f, a.k, dset1(0.0));
}
VFN struct parts log_in_parts_near(struct parts x) {
  const struct log_argument a = log_argument_of(x.high);
  const vd shifted = dsub(dset1(VLOSS_D_ROUND), dmin(dset1(1022.0), a.k)), low = dmul(x.low, dshl52(shifted));
  return log_reduced_parts(a.f, a.k, dnfma(low, dnfma(a.f, a.f, a.f), low));
}
VFN vd log_parts_near(struct parts x) { return log_in_parts_near(x).high; }

/* Of what is normal and positive. */
VFN dm log_far(vd x) { return dmor(dgt(dset1(0x1p-1022), x), dmor(dgt(x, dset1(WIDE_MAX)), dnan(x))); }
/* Of all numbers, or, near, of normal positive ones: log x; log(high + low), also where that is near 1; log(1 + x) for
 * x >= -1. */
VFN vd log_in(int near, vd x) {
  const vd log = log_near(x);
  if (near) return log;
  const dm far = log_far(x);
  return __builtin_expect(dany(far), 0) ? dsel(far, sleef_log(x), log) : log;
}
VFN vd log_parts_in(int near, struct parts x) {
  const vd log = log_parts_near(x);
  if (near) return log;
  const dm far = log_far(x.high);
  return __builtin_expect(dany(far), 0) ? dsel(far, sleef_log(x.high), log) : log;
}
VFN vd log1p_in(int near, vd x) { return log_parts_in(near, finite_sum_of(dset1(1.0), x)); }

#endif
