/* Huber: d^2 / 2 for |d| <= delta, else delta (|d| - delta/2), d = p - t. Gradient d, or delta sg(d). With c =
 * d clamped to [-delta, delta] both cases are c (d - c/2), and nothing overflows that need not. */
#ifdef VLOSS_KERNELS_LOSS_H
VFN void huber_constants(const double *parameters, struct constants *k) { k->k[0] = (float)parameters[0]; }

VFN struct derivatives huber(struct element e, const struct constants *k) {
  const vf d = vsub(e.p, e.t), clamped = vclamp(d, vset1(k->k[0]));
  const vf loss = vmul(clamped, vnfma(vset1(0.5f), clamped, d)), grad = e.fast ? clamped : vpoisoned(clamped, d);
  return (struct derivatives){
      .loss = of_float(e.fast ? loss : vabs(loss)), .grad = of_float(grad), .grad_target = of_float(vneg(grad))};
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
