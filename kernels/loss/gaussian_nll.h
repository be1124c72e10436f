/* Negative log-likelihood of a Gaussian: (log k + d^2 / k) / 2, d = p - t, k = max(v, eps), v the variance; NaN at
 * v < 0. full adds log(2 pi) / 2. Gradient d / k, to the target -d / k, to the variance (1/k - d^2/k^2) / 2, also
 * where v < eps. In double, where no square and no quotient overflows. */
#ifdef VLOSS_KERNELS_LOSS_H
VFN void gaussian_nll_constants(const double *parameters, struct constants *k) {
  k->k[0] = parameters[0] != 0 ? 0x1.d67f1cp+0f : 0.0f; /* log(2 pi) */
  k->k[1] = (float)parameters[1];
}

VFN struct derivatives gaussian_nll(struct element e, const struct constants *k) {
  const vf variance = vmax(vset1(k->k[1]), e.other);
  const vf valid = vsel(vgt(vset1(0.0f), e.other), vset1(NOT_A_NUMBER), variance);
  const vd d = dsub(dwiden(e.p), dwiden(e.t)), inverse = ddiv(dset1(1.0), dwiden(valid)), half = dset1(0.5);
  const vd grad = dmul(d, inverse), logs = dadd(dwiden(vln(valid)), dset1((double)k->k[0]));
  return (struct derivatives){.loss = of_double(dmul(half, dfma(d, grad, logs))),
                              .grad = of_double(grad),
                              .grad_target = negated(of_double(grad)),
                              .grad_other = of_double(dmul(half, dnfma(grad, grad, inverse))),
                              .negative = 1};
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA struct formula gaussian_nll_formula(real p, real t, real v, const double *parameters) {
  const real eps = (real)(float)parameters[1], constant = parameters[0] != 0 ? (real)1.83787706640934548356L : 0;
  const real k = v < 0 ? (real)__builtin_nan("") : v < eps ? eps : v, log_k = log(k), d = p - t, z = d / k;
  return (struct formula){.loss = {(log_k + d * z + constant) / 2, (fabs(log_k) + d * z + constant) / 2},
                          .grad = {z, 0},
                          .grad_target = {-z, 0},
                          .grad_other = {(1 / k - z * z) / 2, (1 / k + z * z) / 2}};
}
#endif
