/* Negative log-likelihood of a Gaussian: (log k + d^2 / k) / 2, d = p - t, k = max(v, eps), v the variance; NaN at
 * v < 0. full adds log(2 pi) / 2. Gradient d / k, to the target -d / k, to the variance (1/k - d^2/k^2) / 2, also
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

/* The log of an eps that is no float would show where it is near 0, and one beyond their range everywhere. */
VFN void gaussian_nll_constants(const double *parameters, struct constants *k) {
  const double eps = parameters[1];
  k->k[0] = (float)eps;
  k->exact[0] = eps;
  k->careful = (double)k->k[0] != eps && !(eps >= (double)FLT_MIN && eps < 0.25);
  k->exact[1] = parameters[0] != 0 ? 1.8378770664093453 : 0.0; /* log(2 pi) */
}

VFN struct derivatives gaussian_nll(struct element e, const struct constants *k) {
  const vf zero = vset1(0.0f), valid = vsel(vgt(zero, e.other), vset1(NOT_A_NUMBER), e.other);
  const vd d = dsub(dwiden(e.p), dwiden(e.t)), half = dset1(0.5);
  const vd variance = dmax(dset1(k->exact[0]), dwiden(valid)), inverse = ddiv(dset1(1.0), variance);
  vd log = dwiden(vln(vmax(vset1(k->k[0]), valid)));
  if (!e.fast && k->careful) log = dsel(deq(variance, dset1(k->exact[0])), dset1(gaussian_nll_log(k->exact[0])), log);
  const vd grad = dmul(d, inverse), logs = dadd(log, dset1(k->exact[1]));
  return (struct derivatives){.loss = of_double(e, dmul(half, dfma(d, grad, logs))),
                              .grad = of_double(e, grad),
                              .grad_target = negated(of_double(e, grad)),
                              .grad_other = of_double(e, dmul(half, dnfma(grad, grad, inverse))),
                              .negative = 1};
}
#else
#include "../losses/formula.h"

FORMULA struct formula gaussian_nll_formula(real p, real t, real v, const double *parameters) {
  const real eps = (real)parameters[1], constant = parameters[0] != 0 ? (real)1.83787706640934548356L : 0;
  const real k = v < 0 ? (real)__builtin_nan("") : v < eps ? eps : v, log_k = log(k), d = p - t, z = d / k;
  return (struct formula){.loss = {(log_k + d * z + constant) / 2, (fabs(log_k) + d * z + constant) / 2},
                          .grad = {z, 0},
                          .grad_target = {-z, 0},
                          .grad_other = {(1 / k - z * z) / 2, (1 / k + z * z) / 2}};
}
#endif

#endif
