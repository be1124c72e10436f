/* Negative log-likelihood of a Poisson distribution. log_input: e^p - t p, gradient e^p - t, to the target -p. Else
 * p - t log(p + eps), 1 - t / (p + eps) and -log(p + eps), all NaN where p < 0. full adds Stirling's
 * t log t - t + log(2 pi t) / 2 where t > 1, and log t + 1 / (2 t) to the gradient of the target. */
#ifndef VLOSS_KERNELS_LOSS_POISSON_NLL_H
#define VLOSS_KERNELS_LOSS_POISSON_NLL_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

struct poisson_nll_constants {
  struct call call;
  int log_input, full;
  double eps;
};
VFN void poisson_nll_constants(const double *parameters, struct poisson_nll_constants *k) {
  k->log_input = parameters[0] != 0;
  k->full = parameters[1] != 0;
  k->eps = parameters[2];
  /* p + eps may come so near to 1 that a double rounds the log away; unless eps is at most 1/2 and as far from all
   * multiples of 2^-24, which p is then, as 1e-8 is, or one of them. */
  const double eps = parameters[2], steps = eps * 0x1p24, off = steps - (steps + 0x1.8p52 - 0x1.8p52);
  const int near = off != 0 && off < 0x1p-4 && off > -0x1p-4;
  k->call.careful = parameters[0] == 0 && eps > 0 && eps < 2 && (eps > 0.5 || near);
}

/* log of p + eps >= 0, the sum, to two ulp also where it is near 0: log of the rounded sum, and what the rounding lost
 * over it. Where eps is beyond the floats' range the sum may be,
 * too; times 2^100 it is normal. */
VFN vf poisson_nll_log(vd p, double eps, vd sum, int careful) {
  const vf zero = vset1(0.0f), rounded = dnarrow(sum);
  vf low = low_part(sum, rounded);
  if (careful) {
    const vd taken = dsub(sum, p), lost = dadd(dsub(p, dsub(sum, taken)), dsub(dset1(eps), taken));
    low = vadd(low, narrowed(lost));
  }
  const vf lost = vdiv(low, rounded);
  const vf log = vadd(vln(rounded), vsel(vmand(vgt(rounded, zero), vgt(vset1(INF), rounded)), lost, zero));
  if (!careful) return log;
  const dm small = dmand(dgt(sum, dset1(0.0)), dgt(dset1(0x1p-120), sum));
  return dnarrow(dsel(small, dsub(dlog(dmul(sum, dset1(0x1p100))), dset1(100 * VLOSS_D_LN2_HI)), dwiden(log)));
}

/* e^p - t p and e^p - t in float. Far below 0, where e^p may be a denormal, t p is rounded first and e^p not at all. */
struct poisson_nll_of_log {
  vf loss, grad;
};
VFN struct poisson_nll_of_log poisson_nll_of_log(struct element e) {
  const vf zero = vset1(0.0f), p = e.calm ? vflush_beside(e.p, e.t) : e.p;
  const struct vexp_halves exp = vexp_in_halves(e.calm ? vflush(p) : p);
  const vm low = vgt(vset1(-80.0f), p);
  const vf given = e.calm ? vsel(vgt(p, vset1(-27.0f)), vflush_beside(e.t, p), e.t) : e.t;
  const vf minus_product = vmul(vsel(low, vneg(given), zero), p), t = vsel(low, zero, given);
  if (e.calm)
    return (struct poisson_nll_of_log){vnfma(t, p, vfma_calm(exp.mantissa, exp.scale, minus_product)),
                                       vfma_calm(exp.mantissa, exp.scale, vneg(given))};
  return (struct poisson_nll_of_log){vnfma(t, p, vfma(exp.mantissa, exp.scale, minus_product)),
                                     vfma(exp.mantissa, exp.scale, vneg(e.t))};
}

/* In double but for the logs: there e^p and t times a log overflow only where p or t is infinite. */
VFN struct derivatives poisson_nll(struct element e, const struct poisson_nll_constants *k) {
  const int simple = k->log_input && !k->full && !e.exact;
  struct poisson_nll_of_log in_float = {0};
  if (simple) in_float = poisson_nll_of_log(e);
  if (e.fast && simple)
    return (struct derivatives){
        .loss.rounded = in_float.loss, .grad.rounded = in_float.grad, .grad_target.rounded = vneg(e.p)};
  const vf zero = vset1(0.0f);
  const vd t = dwiden(e.t), one = dset1(1.0), half = dset1(0.5);
  vd first, grad;
  vf log;
  if (k->log_input) {
    const vd p = dwiden(e.p), exp = dexp(dmax(dset1(-700.0), dmin(dset1(700.0), p)));
    first = exp, log = e.p;
    /* A fast loss may be the float that e^700 and e^-700 are. What rounds to 0, or would whatever multiplies it, raises
     * no underflow here. */
    if (!e.fast || e.written) {
      first = dsel(dgt(p, dset1(700.0)), dset1((double)INF), exp);
      first = dsel(dgt(dset1(e.exact ? -400.0 : -104.0), p), dset1(0.0), first);
    }
    grad = dsub(first, t);
  } else {
    first = dwiden(vsel(vgt(zero, e.p), vset1(NOT_A_NUMBER), e.p));
    const vd sum = dadd(first, dset1(k->eps));
    const dm nothing = dmand(deq(t, dset1(0.0)), deq(sum, dset1(0.0)));
    log = poisson_nll_log(first, k->eps, sum, !e.fast && k->call.careful);
    grad = dsub(one, dsel(nothing, t, ddiv(t, sum)));
  }
  vd loss = dnfma(t, dwiden(vfactor(e.t, log)), first);
  struct result grad_target = of_float(vpoisoned(vneg(log), e.t));
  if (k->full) {
    const vf log_t = vln(e.t);
    const vd wide = dwiden(log_t), stirling = dadd(dfma(t, wide, dsub(dset1(0.0), t)),
                                                   dmul(half, dadd(wide, dset1(1.8378770664093453)))); /* log(2 pi) */
    loss = dadd(loss, dsel(dgt(t, one), stirling, dset1(0.0)));
    const vd more = dsel(dgt(t, one), dadd(wide, dwiden(vdiv(vset1(0.5f), e.t))), dset1(0.0));
    grad_target = of_double(e, dadd(grad_target.exact, more));
  }
  if (simple)
    return (struct derivatives){.loss = number_or(e, in_float.loss, loss),
                                .grad = number_or(e, in_float.grad, grad),
                                .grad_target = grad_target};
  return (struct derivatives){.loss = of_double(e, loss), .grad = of_double(e, grad), .grad_target = grad_target};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN dm poisson_nll_wide_far(struct wide e, const double *k) {
  if (k[0] != 0) return wide_far_exponent(e, k);
  return dmor(dgt(dset1(0.0), e.p), dgt(dset1(0x1p-1000), dadd(e.p, dset1(k[2]))));
}
VFN struct wide_result poisson_nll_wide(struct wide e, const double *k) {
  const vd zero = dset1(0.0), one = dset1(1.0), half = dset1(0.5), t = e.t;
  const dm absent = deq(t, zero);
  vd first, log, grad;
  if (k[0] != 0) {
    first = exp_in(e.near, whole(e.p)), log = e.p;
    grad = dsub(first, t);
  } else {
    first = dsel(dgt(zero, e.p), dset1(WIDE_NAN), e.p);
    const struct parts sum = sum_in(e.near, first, dset1(k[2]));
    log = log_parts_in(e.near, sum);
    grad = dsub(one, dsel(dmand(absent, deq(sum.high, zero)), t, ddiv(t, sum.high)));
  }
  vd loss = dsel(dmand(absent, deq(log, log)), first, dnfma(t, log, first)), by_target = dneg(log);
  if (k[1] != 0) {
    const vd log_t = log_in(e.near, dmax(one, t));
    const vd stirling =
        dadd(dfma(t, log_t, dneg(t)), dmul(half, dadd(log_t, dset1(1.8378770664093453)))); /* log(2 pi) */
    loss = dadd(loss, dsel(dgt(t, one), stirling, zero));
    by_target = dadd(by_target, dsel(dgt(t, one), dadd(log_t, ddiv(half, t)), zero));
  }
  return (struct wide_result){.loss = loss, .grad = grad, .grad_target = by_target};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula poisson_nll_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const int log_input = parameters[0] != 0, full = parameters[1] != 0;
  const real exp_p = exp(p), log_t = log(t);
  const real eps = (real)parameters[2], sum = (p < 0 ? (real)__builtin_nan("") : p) + eps;
  const real larger = p > eps ? p : eps, smaller = p > eps ? eps : p;
  const real log_sum = sum > (real)0.5 && sum < 2 ? log1p(larger - 1 + smaller) : log(sum);
  const real log_p = log_input ? p : log_sum, first = log_input ? exp_p : p;
  const real term = t == 0 && fabs(log_p) == (real)INFINITY ? 0 : t * log_p;
  const real quotient = t == 0 && sum == 0 ? 0 : t / sum, log_2_pi = (real)1.83787706640934548356L;
  const real stirling = full && t > 1 ? t * log_t - t + (log_2_pi + log_t) / 2 : 0;
  const real stirling_scale = full && t > 1 ? t * log_t + t + (log_2_pi + log_t) / 2 : 0;
  const real by_target = full && t > 1 ? log_t + 1 / (2 * t) : 0;
  const real grad = log_input ? exp_p - t : 1 - quotient;
  return (struct formula){.loss = {first - term + stirling, fabs(first) + fabs(term) + stirling_scale},
                          .grad = {grad, log_input ? exp_p + fabs(t) : 1 + fabs(quotient)},
                          .grad_target = {t == t ? by_target - log_p : t, fabs(log_p) + by_target}};
}
#endif

#endif
