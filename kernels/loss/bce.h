/* Binary cross-entropy of a probability: -(t max(log p, -100) + (1-t) max(log(1-p), -100)). Gradient (p - t) /
 * max(p (1-p), 1e-12), to the target the difference of the two clamped logs. NaN where p is outside [0, 1].
 *
 * Of p and 1-p one is m <= 1/2, and as a float it is exact. So one log has a whole range, and the other, of 1-m, is a
 * polynomial in m. */
#ifdef VLOSS_KERNELS_LOSS_H
VFN void bce_constants(const double *parameters, struct constants *k) { (void)parameters, (void)k; }

VFN struct derivatives bce(struct element e, const struct constants *k) {
  (void)k;
  const vf one = vset1(1.0f), q = vsub(one, e.p), m = vmin(q, e.p);
  const vm low = vgt(q, e.p); /* m is p */
  const vf log_m = vmax(vset1(-100.0f), vln(m)), minus_log_rest = vlog1m_half(m);
  const vf of_m = vsel(low, e.t, vsub(one, e.t));
  /* An exponent below 0 goes under in the maximum; the NaN of m outside [0, 1/2] does not. */
  const vf floor = vmax(vset1(1e-12f), vsplit(m).exponent);
  const vf difference = vadd(log_m, minus_log_rest);
  return (struct derivatives){.loss = of_float(vnfma(of_m, difference, minus_log_rest)),
                              .grad = of_float(vdiv(vsub(e.p, e.t), vmax(vmul(e.p, q), floor))),
                              .grad_target = of_float(vpoisoned(vsel(low, vneg(difference), difference), e.t))};
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA struct formula bce_formula(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  const real valid = ((p >= 0) & (p <= 1)) ? 0 : (real)__builtin_nan("");
  const real log_p = log(p), log_q = log1p(-p);
  const real a = log_p < -100 ? -100 : log_p, b = log_q < -100 ? -100 : log_q, pq = p * (1 - p);
  return (struct formula){.loss = {valid - (t * a + (1 - t) * b), fabs(t * a) + fabs((1 - t) * b)},
                          .grad = {valid + (p - t) / (pq < (real)1e-12 ? (real)1e-12 : pq), 0},
                          .grad_target = {t == t ? valid + b - a : t, fabs(a) + fabs(b)}};
}
#endif
