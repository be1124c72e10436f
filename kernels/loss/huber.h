/* Huber: d^2 / 2 for |d| <= delta, else delta (|d| - delta/2), d = p - t. Gradient d, or delta sg(d). As
 * min(|d|, delta) (|d| - min(|d|, delta) / 2) both cases are one formula, and nothing overflows that need not. */
#ifdef VLOSS_KERNELS_LOSS_H
VFN void huber_constants(const double *parameters, struct constants *k) { k->k[0] = (float)parameters[0]; }

VFN struct derivatives huber(struct element e, const struct constants *k) {
  const vf d = vsub(e.p, e.t), a = vabs(d), least = vmin(vset1(k->k[0]), a);
  const vf grad = vsigned(least, d);
  return (struct derivatives){
      .loss = vmul(least, vnfma(vset1(0.5f), least, a)), .grad = grad, .grad_target = vneg(grad)};
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA struct formula huber_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const real d = p - t, a = fabs(d), delta = (real)(float)parameters[0];
  const real loss = a > delta ? delta * (a - delta / 2) : d * d / 2;
  const real grad = d > delta ? delta : d < -delta ? -delta : d;
  return (struct formula){.loss = {loss, 0}, .grad = {grad, 0}, .grad_target = {-grad, 0}};
}
#endif
