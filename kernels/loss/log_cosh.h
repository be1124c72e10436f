/* Log-cosh: log cosh d, d = p - t. Gradient tanh d. Near 0 polynomials, which do not cancel; from |d| = 3/4 on, with
 * e = e^-2|d|, |d| + log1p(e) - log 2 and (1 - e) / (1 + e). */
#ifdef VLOSS_KERNELS_LOSS_H
VFN void log_cosh_constants(const double *parameters, struct constants *k) { (void)parameters, (void)k; }

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

VFN struct derivatives log_cosh(struct element e, const struct constants *k) {
  (void)k;
  const vf one = vset1(1.0f), d = vsub(e.p, e.t), a = vabs(d), z = vmul(a, a), exp = vexp_minus(vadd(a, a));
  const vm small = vgt(vset1(0.75f), a);
  const vf small_loss = vfma(vmul(z, z), log_cosh_quotient(z), vmul(vset1(0.5f), z));
  const vf large_loss = vadd(vsub(a, vset1(VLOSS_LN2_HI)), vsub(vlog1p_unit(exp), vset1(VLOSS_LN2_LO)));
  const vf small_tanh = vfma(vmul(a, z), log_cosh_tanh_quotient(z), a);
  const vf large_tanh = vdiv(vsub(one, exp), vadd(one, exp));
  const vf grad = vsigned(vsel(small, small_tanh, large_tanh), d);
  return (struct derivatives){.loss = of_float(vsel(small, small_loss, large_loss)),
                              .grad = of_float(grad),
                              .grad_target = of_float(vneg(grad))};
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA struct formula log_cosh_formula(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  const real d = p - t, a = fabs(d), sinh_half = sinh(a < 1 ? d / 2 : 0), log_2 = (real)0.693147180559945309417L;
  const real loss = a < 1 ? log1p(2 * sinh_half * sinh_half) : a + log1p(exp(-2 * a)) - log_2, grad = tanh(d);
  return (struct formula){.loss = {loss, 0}, .grad = {grad, 0}, .grad_target = {-grad, 0}};
}
#endif
