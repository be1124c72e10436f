/* Binary cross-entropy of Keras: -(t' log(v + eps) + (1-t') log(1 - v + eps)), v = p clipped to [eps, 1 - eps],
 * t' = t (1-a) + a/2 with a the label smoothing. Gradient -(t' / (v + eps) - (1-t') / (1 - v + eps)), 0 where p was
 * clipped. The sums with eps are float sums by definition: what they round is part of the loss. */
#ifdef VLOSS_KERNELS_LOSS_H
VFN void keras_bce_constants(const double *parameters, struct constants *k) {
  k->k[0] = (float)(parameters[0] - 1);
  k->k[1] = (float)(parameters[0] / -2);
}

VFN struct derivatives keras_bce(struct element e, const struct constants *k) {
  const vf zero = vset1(0.0f), one = vset1(1.0f), eps = vset1(KERAS_EPS);
  const vf v = vmin(vset1(KERAS_ONE_MINUS_EPS), vmax(eps, e.p));
  const vf a = vadd(v, eps), b = vadd(vsub(one, v), eps);
  /* -t' and t' - 1 */
  const vf of_a = vfma(e.t, vset1(k->k[0]), vset1(k->k[1]));
  const vf of_b = vfma(vsub(one, e.t), vset1(k->k[0]), vset1(k->k[1]));
  const vf loss = vfma(of_a, vln_normal(a), vmul(of_b, vln_normal(b)));
  const vf grad = vdiv(vnfma(of_b, a, vmul(of_a, b)), vmul(a, b));
  return (struct derivatives){.loss = of_float(loss),
                              .grad = of_float(vsel(e.fast ? veq(v, e.p) : vmor(veq(v, e.p), vnan(grad)), grad, zero))};
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA struct formula keras_bce_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const real smoothing = (real)parameters[0];
  const real of_a = t * (1 - smoothing) + smoothing / 2, of_b = (1 - t) * (1 - smoothing) + smoothing / 2;
  const real v = p < FORMULA_EPS ? FORMULA_EPS : p > FORMULA_ONE_MINUS_EPS ? FORMULA_ONE_MINUS_EPS : p;
  const float a = (float)v + 1e-7f, rest = 1 - (float)v, b = rest + 1e-7f;
  const real loss_a = of_a * log((real)a), loss_b = of_b * log((real)b), grad_a = of_a / a, grad_b = of_b / b;
  const real grad = v == p || grad_b - grad_a != grad_b - grad_a ? grad_b - grad_a : 0;
  /* Of targets outside [0, 1]. */
  const real size_a = fabs(t) * (1 - smoothing) + smoothing / 2, size_b = fabs(1 - t) * (1 - smoothing) + smoothing / 2;
  return (struct formula){.loss = {-(loss_a + loss_b), size_a * fabs(log((real)a)) + size_b * fabs(log((real)b))},
                          .grad = {grad, size_a / a + size_b / b}};
}
#endif
