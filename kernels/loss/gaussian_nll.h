/* Negative log-likelihood of a Gaussian: (log u + d^2 / u) / 2, d = p - t, u = max(v, eps), v the variance; NaN at
 * v < 0. full adds log(2 pi) / 2. Gradient d / u, to the target -d / u, to the variance (1/u - d^2/u^2) / 2, also
 * where v < eps. In double, where no square and no quotient overflows. */
#ifndef VLOSS_KERNELS_LOSS_GAUSSIAN_NLL_H
#define VLOSS_KERNELS_LOSS_GAUSSIAN_NLL_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

/* log of a double > 0, denormals excepted, as one number. */
VFN double gaussian_nll_log(double x) {
  double lanes[16];
  dstore(lanes, dlog(dset1(x < 0x1p-1022 ? 0x1p-1022 : x)));
  return lanes[0];
}

struct gaussian_nll_constants {
  struct call call;
  float eps;
  double exact_eps, log_2_pi; /* the latter 0 if it is not in the loss */
  int in_float;               /* float arithmetic is within 3.6 ulp */
};
/* The log of an eps that is no float would show where it is near 0, and one beyond their range everywhere. In float it
 * is to be nearly one, as 1e-6 is: d / u rounds twice, and its product with d twice more. */
VFN void gaussian_nll_constants(const double *parameters, struct gaussian_nll_constants *k) {
  const double eps = parameters[1];
  k->eps = (float)eps;
  k->exact_eps = eps;
  k->call.careful = (double)k->eps != eps && !(eps >= (double)FLT_MIN && eps < 0.25);
  k->log_2_pi = parameters[0] != 0 ? 1.8378770664093453 : 0.0;
  const double off = (double)k->eps - eps, most = eps * 0x1p-27;
  k->in_float = !k->call.careful && parameters[0] == 0 && off <= most && off >= -most;
}

/* The loss and d / u in float, given log u. A quotient below 2^-100 is nothing in the loss: without it no
 * quotient is a denormal where the loss is none. */
struct gaussian_nll_in_float {
  vf loss, grad;
};
VFN struct gaussian_nll_in_float gaussian_nll_in_float(struct element e, vf variance, vf log) {
  const vf d = vsub(e.p, e.t), large = vmul(vabs(e.calm ? vflush(d) : d), vset1(0x1p100f));
  const vf seen = vsel(vgt(variance, large), vsigned(vset1(0.0f), d), d), quotient = vdiv(seen, variance);
  struct gaussian_nll_in_float f = {vmul(vset1(0.5f), vfma(seen, quotient, log)), quotient};
  if (vany(vgt(vabs(d), vabs(seen)))) f.grad = e.calm ? vdiv_calm(d, variance) : vdiv(d, variance);
  return f;
}

VFN struct derivatives gaussian_nll(struct element e, const struct gaussian_nll_constants *k) {
  const vf zero = vset1(0.0f), valid = vsel(vgt(zero, e.other), vset1(NOT_A_NUMBER), e.other);
  const vd d = dsub(dwiden(e.p), dwiden(e.t)), half = dset1(0.5);
  const vd variance = dmax(dset1(k->exact_eps), dwiden(valid)), inverse = ddiv(dset1(1.0), variance);
  const vf in_float = vmax(vset1(k->eps), valid), log_of_float = vln(in_float);
  vd log = dwiden(log_of_float);
  if (!e.fast && k->call.careful)
    log = dsel(deq(variance, dset1(k->exact_eps)), dset1(gaussian_nll_log(k->exact_eps)), log);
  const vd slope = dmul(d, inverse), loss = dmul(half, dfma(d, slope, dadd(log, dset1(k->log_2_pi))));
  struct result grad = of_double(e, slope);
  struct derivatives v = {.loss = of_double(e, loss),
                          .grad_other = of_double(e, dmul(half, dnfma(slope, slope, inverse)))};
  if (k->in_float && !e.exact) {
    const struct gaussian_nll_in_float f = gaussian_nll_in_float(e, in_float, log_of_float);
    v.loss = number_or(e, f.loss, loss);
    grad = number_or(e, f.grad, slope);
  }
  v.grad = grad, v.grad_target = negated(grad);
  return v;
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN dm gaussian_nll_wide_far(struct wide e, const double *k) {
  (void)k;
  return dgt(dset1(0x1p-100), e.other);
}
VFN struct wide_result gaussian_nll_wide(struct wide e, const double *k) {
  const vd zero = dset1(0.0), one = dset1(1.0), half = dset1(0.5);
  const vd u = dmax(dset1(k[1]), dsel(dgt(zero, e.other), dset1(WIDE_NAN), e.other));
  const struct parts d = sum_in(e.near, e.p, dneg(e.t)), z = parts_quotient_in(e.near, d, (struct parts){u, zero});
  const vd logs = dadd(log_in(e.near, u), dset1(k[0] != 0 ? 1.8378770664093453 : 0.0)); /* log(2 pi) */
  const vd more = dadd(dmul(d.high, z.low), dmul(d.low, z.high));
  const vd square = product_plus_in(e.near, z.high, z.high, dmul(dadd(z.high, z.high), z.low));
  return (struct wide_result){.loss = dmul(half, dadd(product_plus_in(e.near, d.high, z.high, more), logs)),
                              .grad = z.high,
                              .grad_target = dneg(z.high),
                              .grad_other = dmul(half, dsub(ddiv(one, u), square))};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula gaussian_nll_formula(real p, real t, real v, const double *parameters) {
  const real eps = (real)parameters[1], constant = parameters[0] != 0 ? (real)1.83787706640934548356L : 0;
  const real u = v < 0 ? (real)__builtin_nan("") : v < eps ? eps : v, log_u = log(u), d = p - t, z = d / u;
  return (struct formula){.loss = {(log_u + d * z + constant) / 2, (fabs(log_u) + d * z + constant) / 2},
                          .grad = {z, 0},
                          .grad_target = {-z, 0},
                          .grad_other = {(1 / u - z * z) / 2, (1 / u + z * z) / 2}};
}
#endif

#endif
