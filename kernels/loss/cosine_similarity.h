/* Keras' cosine similarity: -c, c = sum_c t_c p_c / sqrt(max(sum t^2, 1e-12) max(sum p^2, 1e-12)). Gradient
 * (c p / |p| - t / |t|) / |p| with these norms, without the first term where the norm of p is the floor's. */
#ifdef VLOSS_KERNELS_LOSS_H
#include "../reduce.h"

VFN void cosine_similarity_constants(const double *parameters, struct constants *k) { (void)parameters, (void)k; }

VFN void cosine_similarity_write(const struct row *r, size_t c, size_t m, struct cosine_slope slope, int finite) {
  if (r->from_memory) ask_ahead(r->t + c);
  const vf p = get(r, r->p, c, m, 0.0f), t = get(r, r->t, c, m, 0.0f);
  put_scaled(r, r->grad, c, m, cosine_gradient(p, t, slope, finite));
}

VFN double cosine_similarity(const struct row *r) {
  const struct products s = products_of(r, r->p, r->t);
  const double pp = s.aa < 1e-12 ? 1e-12 : s.aa, tt = s.bb < 1e-12 ? 1e-12 : s.bb;
  const double cosine = s.ab / sqrt(pp * tt);
  if (cosine != cosine) return nan_row(r);
  if (r->grad) {
    const struct cosine_slope slope = cosine_slope(s.ab, pp, tt, s.aa < 1e-12 ? 0 : 1, -(double)r->factor);
    const int finite = r->factor - r->factor == 0;
    for (size_t c = 0; c + 16 <= r->n; c += 16) cosine_similarity_write(r, c, 16, slope, finite);
    if (r->n % 16) cosine_similarity_write(r, r->n / 16 * 16, r->n % 16, slope, finite);
  }
  return -cosine;
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA void cosine_similarity_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, *t = r->t;
  real pp = 0, tt = 0, pt = 0, scale = 0;
  for (size_t c = 0; c < r->n; c++) {
    pp += p[c] * p[c];
    tt += t[c] * t[c];
    pt += p[c] * t[c];
    scale += fabs(p[c] * t[c]);
  }
  const real floor = (real)1e-12, np = sqrt(pp < floor ? floor : pp), nt = sqrt(tt < floor ? floor : tt);
  const real cosine = pt / np / nt, along = pp < floor ? 0 * cosine : cosine / np;
  *loss = (struct formula_value){-cosine, scale / np / nt};
  if (r->grad)
    for (size_t c = 0; c < r->n; c++) r->grad[c] = (p[c] * along - t[c] / nt) / np;
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++)
      r->grad_scale[c] = ((pp < floor ? 0 : fabs(p[c] / np) * loss->scale) + fabs(t[c] / nt)) / np;
}
#endif
