/* Binary cross-entropy of a logit: (1-t') sp(x) + P t' sp(-x), t' = t (1-a) + a/2 with a the label smoothing, P the
 * weight of the positive class. Gradient (1-t') s(x) - P t' s(-x), to the target (1-a) (P sp(-x) - sp(x)).
 *
 * With y = |x|, e = exp(-y), c the coefficient of sp(y) and c' that of sp(-y): c y + (c + c') log1p(e), and the
 * gradient is (c - c' e) / (1 + e) with the sign of x. */
#ifdef VLOSS_KERNELS_LOSS_H
VFN void bce_with_logits_constants(const double *parameters, struct constants *k) {
  k->k[0] = (float)(1 - parameters[0]);
  k->k[1] = (float)(parameters[0] / 2);
}

VFN struct derivatives bce_with_logits(struct element e, const struct constants *k) {
  const vf one = vset1(1.0f), y = vabs(e.p), unsmoothed = vset1(k->k[0]), half = vset1(k->k[1]);
  const vf c_negative = vfma(vsub(one, e.t), unsmoothed, half);
  const vf c_positive = vmul(vfma(e.t, unsmoothed, half), e.other);
  const vm negative = vigt(viset1(0), vbits(e.p));
  const vf c = vsel(negative, c_positive, c_negative), c_other = vsel(negative, c_negative, c_positive);
  const struct vexp_halves halves = vexp_minus_in_halves(y);
  const vf exp = vmul(halves.mantissa, halves.scale), quotient = vlog1p_unit_quotient(exp);
  /* Coefficients take the scale, exp and its log the mantissa: P may be large where they are denormal. */
  const vf log = vfma(vmul(halves.mantissa, exp), quotient, halves.mantissa);
  const vf sum = vmul(vadd(c_negative, c_positive), halves.scale);
  const vf difference = vnfma(vmul(c_other, halves.scale), halves.mantissa, c);
  /* 0 times infinity is 0 here; NaN passes with exp. */
  const vf linear = e.fast ? y : vsel(veq(c, vset1(0.0f)), vset1(0.0f), y);
  /* P sp(-x) - sp(x) without what cancels in it. */
  const vf by_x = vsel(negative, vmul(e.other, vfactor(e.other, y)), vneg(y));
  const vf by_target = vfma(vmul(vsub(e.other, one), halves.scale), log, by_x);
  return (struct derivatives){
      .loss = of_float(vfma(sum, log, vmul(c, linear))),
      .grad = of_float(vdiv(difference, vsigned(vadd(one, exp), e.p))),
      .grad_target = of_float(vpoisoned(vmul(unsmoothed, vfactor(unsmoothed, by_target)), e.t))};
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA struct formula bce_with_logits_formula(real x, real t, real weight, const double *parameters) {
  const real smoothing = (real)parameters[0], unsmoothed = 1 - smoothing, half = smoothing / 2;
  const real positive = weight * (t * unsmoothed + half), negative = (1 - t) * unsmoothed + half;
  const real y = fabs(x), e = exp(-y), l = log1p(e);
  const real s = (x < 0 ? e : 1) / (1 + e), s_minus = (x < 0 ? 1 : e) / (1 + e);
  const real c = x < 0 ? positive : negative, linear = c == 0 ? c : c * y; /* 0 times infinity is 0 */
  const real by_x = x < 0 ? (weight == 0 ? weight : weight * y) : -y, by_l = (weight - 1) * l;
  const real by_target = unsmoothed == 0 && by_l == by_l ? 0 : unsmoothed * (by_x + by_l);
  /* Of targets outside [0, 1]. */
  const real positives = fabs(weight) * (fabs(t) * unsmoothed + half), negatives = fabs(1 - t) * unsmoothed + half;
  const real cs = x < 0 ? positives : negatives;
  return (struct formula){
      .loss = {linear + (negative + positive) * l, (c == 0 ? 0 : cs * y) + (negatives + positives) * l},
      .grad = {negative * s - positive * s_minus, negatives * s + positives * s_minus},
      .grad_target = {t == t ? by_target : t, unsmoothed * (fabs(by_x) + fabs(by_l))}};
}
#endif
