/* Negative log-likelihood of a Poisson distribution. log_input: e^p - t p, gradient e^p - t, to the target -p. Else
 * p - t log(p + eps), 1 - t / (p + eps) and -log(p + eps), all NaN where p < 0. full adds Stirling's
 * t log t - t + log(2 pi t) / 2 where t > 1, and log t + 1 / (2 t) to the gradient of the target. */
#ifdef VLOSS_KERNELS_LOSS_H
VFN void poisson_nll_constants(const double *parameters, struct constants *k) {
  k->k[0] = (float)parameters[0];
  k->k[1] = (float)parameters[1];
  k->exact[0] = parameters[2];
  k->careful = parameters[0] == 0 && parameters[2] > 0 && parameters[2] < (double)FLT_MIN;
}

/* log of a sum >= 0 to two ulp also where it is near 0: log of the rounded sum, and what the rounding lost over it.
 * Where eps is beyond the floats' range the sum may be, too; times 2^100 it is normal. */
VFN vf poisson_nll_log(vd sum, int careful) {
  const vf zero = vset1(0.0f), rounded = dnarrow(sum);
  const vf lost = vdiv(low_part(sum, rounded), rounded);
  const vf log = vadd(vln(rounded), vsel(vmand(vgt(rounded, zero), vgt(vset1(INF), rounded)), lost, zero));
  if (!careful) return log;
  const dm small = dmand(dgt(sum, dset1(0.0)), dgt(dset1(0x1p-120), sum));
  return dnarrow(dsel(small, dsub(dlog(dmul(sum, dset1(0x1p100))), dset1(100 * VLOSS_D_LN2_HI)), dwiden(log)));
}

/* In double but for the logs: there e^p and t times a log overflow only where p or t is infinite. */
VFN struct derivatives poisson_nll(struct element e, const struct constants *k) {
  const vf zero = vset1(0.0f);
  const vd t = dwiden(e.t), one = dset1(1.0), half = dset1(0.5);
  vd first, grad;
  vf log;
  if (k->k[0] != 0) {
    const vd p = dwiden(e.p), exp = dexp(dmax(dset1(-700.0), dmin(dset1(700.0), p)));
    first = exp, log = e.p;
    /* A fast loss may be the float that e^700 and e^-700 are. What rounds to 0 raises no underflow here. */
    if (!e.fast) {
      first = dsel(dgt(p, dset1(700.0)), dset1((double)INF), exp);
      first = dsel(dgt(dset1(-104.0), p), dset1(0.0), first);
    }
    grad = dsub(first, t);
  } else {
    first = dwiden(vsel(vgt(zero, e.p), vset1(NOT_A_NUMBER), e.p));
    const vd sum = dadd(first, dset1(k->exact[0]));
    const dm nothing = dmand(deq(t, dset1(0.0)), deq(sum, dset1(0.0)));
    log = poisson_nll_log(sum, !e.fast && k->careful);
    grad = dsub(one, dsel(nothing, t, ddiv(t, sum)));
  }
  vd loss = dnfma(t, dwiden(vfactor(e.t, log)), first);
  vf grad_target = vneg(log);
  if (k->k[1] != 0) {
    const vf log_t = vln(e.t);
    const vd wide = dwiden(log_t), stirling = dadd(dfma(t, wide, dsub(dset1(0.0), t)),
                                                   dmul(half, dadd(wide, dset1(1.8378770664093453)))); /* log(2 pi) */
    loss = dadd(loss, dsel(dgt(t, one), stirling, dset1(0.0)));
    grad_target = vadd(grad_target, vsel(vgt(e.t, vset1(1.0f)), vadd(log_t, vdiv(vset1(0.5f), e.t)), zero));
  }
  return (struct derivatives){.loss = of_double(e, loss),
                              .grad = of_double(e, grad),
                              .grad_target = of_float(vpoisoned(grad_target, e.t)),
                              .negative = 1};
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA struct formula poisson_nll_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const int log_input = parameters[0] != 0, full = parameters[1] != 0;
  const real exp_p = exp(p), log_t = log(t);
  const real sum = (p < 0 ? (real)__builtin_nan("") : p) + (real)parameters[2], log_sum = log(sum);
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
