/* Log-cosh: log cosh d, d = p - t. Gradient tanh d. Near 0 polynomials, which do not cancel; from |d| = 3/4 on, with
 * e = e^-2|d|, |d| + log1p(e) - log 2 and (1 - e) / (1 + e). */
#ifndef VLOSS_KERNELS_LOSS_LOG_COSH_H
#define VLOSS_KERNELS_LOSS_LOG_COSH_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

/* For z = d^2 <= 9/16: (log cosh d - z/2) / z^2 and (tanh |d| / |d| - 1) / z. Minimax fits for relative error of the
 * loss and of tanh, coefficients rounded to f32 one after the other: 0.09 and 0.03 * 2^-24. */
VFN vf log_cosh_quotient(vf z) {
  vf q = vset1(-0x1.c6fae2p-12f);
  q = vfma(q, z, vset1(0x1.08d6bep-9f));
  q = vfma(q, z, vset1(-0x1.b73cfep-8f));
  q = vfma(q, z, vset1(0x1.6c0128p-6f));
  return vfma(q, z, vset1(-0x1.55552p-4f));
}
VFN vf log_cosh_tanh_quotient(vf z) {
  vf q = vset1(0x1.c8975p-10f);
  q = vfma(q, z, vset1(-0x1.f662fep-8f));
  q = vfma(q, z, vset1(0x1.5f9082p-6f));
  q = vfma(q, z, vset1(-0x1.b98108p-5f));
  q = vfma(q, z, vset1(0x1.110ddap-3f));
  return vfma(q, z, vset1(-0x1.55554ap-2f));
}

/* From d as a float. */
struct log_cosh_exact {
  vd loss, tanh;
};
VFN struct log_cosh_exact log_cosh_exact(vf a) {
  const vd one = dset1(1.0), wide = dwiden(a), z = dmul(wide, wide), exp = dexp_minus(dadd(wide, wide));
  const vf narrow = vmin(vset1(1.0f), a), z_narrow = vfma(narrow, narrow, vset1(VLOSS_GUARD));
  const dm small = dgt(dset1(0.75), wide);
  const vd small_loss = dmul(z, dfma(z, dwiden(log_cosh_quotient(z_narrow)), dset1(0.5)));
  const vd large_loss = dadd(dsub(wide, dset1(VLOSS_D_LN2_HI)), dlog1p_unit(exp));
  const vd small_tanh = dfma(dmul(wide, z), dwiden(log_cosh_tanh_quotient(z_narrow)), wide);
  const vd large_tanh = ddiv(dsub(one, exp), dadd(one, exp));
  return (struct log_cosh_exact){dsel(small, small_loss, large_loss), dsel(small, small_tanh, large_tanh)};
}

VFN struct derivatives log_cosh_before_rounding(vf d) {
  const struct log_cosh_exact exact = log_cosh_exact(vabs(d));
  const vd minus_tanh = dsub(dset1(0.0), exact.tanh);
  const dm negative = dgt(dset1(0.0), dwiden(d));
  return (struct derivatives){.loss.exact = exact.loss,
                              .grad.exact = dsel(negative, minus_tanh, exact.tanh),
                              .grad_target.exact = dsel(negative, exact.tanh, minus_tanh)};
}

VFN struct derivatives log_cosh(struct element e) {
  const vf zero = vset1(0.0f), one = vset1(1.0f), d = vsub(e.p, e.t), size = vabs(d),
           a = e.calm ? vflush_tiny(size) : size;
  if (e.exact) return log_cosh_before_rounding(d);
  /* Beside 1/2 and 1, the square of anything smaller is nothing. */
  const vf squared = vsel(vgt(vset1(0x1p-60f), a), zero, a), z = vmul(squared, squared);
  const vf exp = vexp_minus_normal(vadd(a, a));
  const vm small = vgt(vset1(0.75f), a);
  /* The loss is a product of these two. */
  const vf half = vfma(squared, vmul(z, log_cosh_quotient(z)), vmul(vset1(0.5f), a));
  const vf large_loss = vadd(vsub(a, vset1(VLOSS_LN2_HI)), vsub(vlog1p_unit(exp), vset1(VLOSS_LN2_LO)));
  vf small_tanh = vfma(a, vfma(z, log_cosh_tanh_quotient(z), vset1(-VLOSS_GUARD)), a);
  if (e.calm) small_tanh = vadd(small_tanh, vsub(size, a)); /* the tanh of what is tiny, or 0 */
  const vf large_tanh = vdiv(vsub(one, exp), vadd(one, exp));
  const vf grad = vsigned(vsel(small, small_tanh, large_tanh), d);
  const vf first = vsel(small, a, large_loss), second = vsel(small, half, one);
  return (struct derivatives){.loss.exact = dmul(dwiden(first), dwiden(second)),
                              .grad = of_float(grad),
                              .grad_target = of_float(vneg(grad)),
                              .a = first,
                              .b = second};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
/* cosh d - 1 = 2 sinh^2(d/2) for |d| <= 1, the sinh by its series and in two parts: it is squared. */
VFN struct parts log_cosh_wide_small(int near, vd a, vd low) {
  const vd h = dmul(dmin(dset1(1.0), a), dset1(0.5)), z = dmul(h, h), two = dset1(2.0);
  static const double factorials[] = {6227020800, 39916800, 362880, 5040, 120, 6};
  vd w = dset1(1 / 1307674368000.0); /* 1/15! */
  UNROLL for (int i = 0; i < 6; i++) w = dfma(w, z, dset1(1 / factorials[i]));
  const vd above = dmul(dmul(w, z), h), sinh = dadd(h, above);
  const vd rest = dadd(dadd(dsub(h, sinh), above), dmul(low, dset1(0.5)));
  const struct parts square = product_in(near, sinh, sinh);
  const vd square_low = dfma(dmul(two, sinh), rest, square.low);
  return (struct parts){dmul(two, square.high), dmul(two, square_low)};
}
VFN struct wide_result log_cosh_wide(struct wide e, const double *k) {
  (void)k;
  const struct difference d = difference_in(e.near, e.p, e.t);
  const vd a = dmul(dabs(d.high), d.unit), zero = dset1(0.0), low = dsel(dgt(zero, d.high), dneg(d.low), d.low);
  const dm is_small = dgt(dset1(1.0), a);
  const struct parts small = log_cosh_wide_small(e.near, a, low);
  const vd exp = exp_near(dmax(dset1(-EXP_NEAR), dmul(dset1(-2.0), a)), zero);
  /* log(cosh d), or what it is more than a - ln 2 */
  const vd log = log1p_unit(dsel(is_small, small.high, exp));
  const vd large = dadd(dsub(a, dset1(VLOSS_D_LN2_HI)), dadd(log, dsub(low, dset1(VLOSS_D_LN2_LO))));
  const vd lost = ddiv(small.low, dadd(dset1(1.0), small.high));
  const vd tanh = tanh_of(dmul(d.high, d.unit));
  return (struct wide_result){.loss = dsel(is_small, dadd(log, lost), large), .grad = tanh, .grad_target = dneg(tanh)};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula log_cosh_formula(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  const real d = p - t, a = fabs(d), sinh_half = sinh(a < 1 ? d / 2 : 0), log_2 = (real)0.693147180559945309417L;
  const real loss = a < 1 ? log1p(2 * sinh_half * sinh_half) : a + log1p(exp(-2 * a)) - log_2, grad = tanh(d);
  return (struct formula){.loss = {loss, 0}, .grad = {grad, 0}, .grad_target = {-grad, 0}};
}
#endif

#endif
