/* Smooth L1: d^2 / (2 beta) for |d| < beta, else |d| - beta/2, d = p - t. Gradient d / beta, or sg(d). With
 * q = d / beta clamped to [-1, 1] both cases are q (d - q beta/2), and the gradient is q: nothing overflows that need
 * not, an error of q hardly changes the loss, and L1 is the limit beta = 0. */
#ifdef VLOSS_KERNELS_LOSS_H
/* 1 / beta = k1 k2, k1 a power of two that keeps k2 normal, k2 rounded up if else q would not be 1 at beta. For beta =
 * 0 k1 k2 takes the smallest float beyond 1. */
VFN void smooth_l1_constants(const double *parameters, struct constants *k) {
  const float beta = (float)parameters[0], power = beta > 0x1p100f ? 0x1p-30f : beta < 0x1p-100f ? 0x1p30f : 1.0f;
  const double scaled = (double)beta * (double)power, inverse = beta > 0 ? 1 / scaled : 0x1p127;
  const float nearest = (float)inverse;
  k->k[0] = beta / 2;
  k->k[1] = power;
  k->k[2] = (float)((double)nearest * scaled) < 1 ? (float)(inverse * (1 + 0x1p-24)) : nearest;
}

VFN struct derivatives smooth_l1(struct element e, const struct constants *k) {
  const vf d = vsub(e.p, e.t);
  vf slope = d; /* for beta = 1, which is usual */
  if (k->k[1] != 1 || k->k[2] != 1) slope = vmul(vmul(d, vset1(k->k[1])), vset1(k->k[2]));
  const vf q = vclamp(slope, vset1(1.0f)), loss = vmul(q, vnfma(q, vset1(k->k[0]), d));
  const vf grad = e.fast ? q : vpoisoned(q, d);
  return (struct derivatives){
      .loss = of_float(e.fast ? loss : vabs(loss)), .grad = of_float(grad), .grad_target = of_float(vneg(grad))};
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA struct formula smooth_l1_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const real d = p - t, a = fabs(d), beta = (real)(float)parameters[0];
  const real loss = a < beta ? d * d / (2 * beta) : a - beta / 2;
  const real slope = d / beta, grad = d == 0 ? d : slope > 1 ? 1 : slope < -1 ? -1 : slope;
  return (struct formula){.loss = {loss, 0}, .grad = {grad, 0}, .grad_target = {-grad, 0}};
}
#endif
