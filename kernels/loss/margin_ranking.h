/* Margin ranking: max(0, z), z = margin - t (p - q), q the second prediction. Gradient -t where z >= 0, else 0; to q
 * its negative. */
#ifdef VLOSS_KERNELS_LOSS_H
VFN void margin_ranking_constants(const double *parameters, struct constants *k) { k->k[0] = (float)parameters[0]; }

VFN struct derivatives margin_ranking(struct element e, const struct constants *k) {
  /* d + lost is the exact difference (Knuth's two-sum): at the kink the sign of z decides. With infinite d it is NaN.
   */
  const vf d = vsub(e.p, e.other), from_other = vsub(d, e.p);
  const vf lost = vsub(vsub(e.p, vsub(d, from_other)), vadd(e.other, from_other));
  const vf rounded = vnfma(e.t, e.fast ? d : vfactor(e.t, d), vset1(k->k[0])), exact = vnfma(e.t, lost, rounded);
  const vf z = e.fast ? exact : vsel(vnan(exact), rounded, exact), grad = hinge_slope(z, e.t, e.fast);
  return (struct derivatives){
      .loss = of_float(vpositive(z)), .grad = of_float(grad), .grad_other = of_float(vneg(grad))};
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA struct formula margin_ranking_formula(real p, real t, real other, const double *parameters) {
  const real margin = (real)(float)parameters[0], product = formula_times(t, p - other), z = margin - product;
  const real grad = z < 0 ? 0 : z >= 0 ? -t : z;
  return (struct formula){
      .loss = {z < 0 ? 0 : z, z < 0 ? 0 : fabs(margin) + fabs(product)}, .grad = {grad, 0}, .grad_other = {-grad, 0}};
}
#endif
