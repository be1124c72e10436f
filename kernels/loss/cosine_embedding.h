/* Cosine embedding of the vectors a = p and b = other: c = sum a b / sqrt(A B), A = sum a^2 + 1e-12, B = sum b^2 +
 * 1e-12. Target 1: 1 - c; -1: max(0, c - margin), at the kink with its gradient; other targets: 0. dc/da = (b / sqrt(B)
 * - c a / sqrt(A)) / sqrt(A), and the other way round. */
#ifdef VLOSS_KERNELS_LOSS_H
#include "../reduce.h"

VFN void cosine_embedding_constants(const double *parameters, struct constants *k) { k->k[0] = (float)parameters[0]; }

VFN void cosine_embedding_write(const struct row *r, size_t c, size_t m, struct cosine_slope slope_a,
                                struct cosine_slope slope_b, int finite) {
  if (r->from_memory) ask_ahead(r->other + c);
  const vf a = get(r, r->p, c, m, 0.0f), b = get(r, r->other, c, m, 0.0f);
  if (r->grad) put_scaled(r, r->grad, c, m, cosine_gradient(a, b, slope_a, finite));
  if (r->grad_other) put_scaled(r, r->grad_other, c, m, cosine_gradient(b, a, slope_b, finite));
}

VFN double cosine_of(struct products s) { return s.ab / sqrt((s.aa + 1e-12) * (s.bb + 1e-12)); }

VFN double cosine_embedding(const struct row *r) {
  const double margin = (double)r->k.k[0];
  struct products s = products_of(r, r->p, r->other);
  double cosine = cosine_of(s);
  /* At the kink, sums in float could be on the wrong side. */
  if (r->target == -1 && cosine < margin + 0x1p-20 && cosine > margin - 0x1p-20) {
    s = products_in_double(*r, r->p, r->other);
    cosine = cosine_of(s);
  }
  if (cosine != cosine || r->target != r->target) return nan_row(r);
  const int sign = r->target == 1 ? -1 : r->target == -1 && cosine >= margin;
  if (sign == 0) {
    fill_gradients(r, 0.0f);
    return 0;
  }
  if (r->grad || r->grad_other) {
    const double factor = sign * (double)r->factor;
    const struct cosine_slope slope_a = cosine_slope(s.ab, s.aa + 1e-12, s.bb + 1e-12, 1, factor),
                              slope_b = cosine_slope(s.ab, s.bb + 1e-12, s.aa + 1e-12, 1, factor);
    const int finite = factor - factor == 0;
    for (size_t c = 0; c + 16 <= r->n; c += 16) cosine_embedding_write(r, c, 16, slope_a, slope_b, finite);
    if (r->n % 16) cosine_embedding_write(r, r->n / 16 * 16, r->n % 16, slope_a, slope_b, finite);
  }
  return sign < 0 ? 1 - cosine : cosine - margin;
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA void cosine_embedding_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *a = r->p, *b = r->other, margin = (real)(float)r->parameters[0];
  real aa = (real)1e-12, bb = (real)1e-12, ab = 0, scale = 0;
  for (size_t c = 0; c < r->n; c++) {
    aa += a[c] * a[c];
    bb += b[c] * b[c];
    ab += a[c] * b[c];
    scale += fabs(a[c] * b[c]);
  }
  const real na = sqrt(aa), nb = sqrt(bb), cosine = ab / na / nb, size = scale / na / nb;
  const real nan = cosine == cosine ? r->target : cosine, bad = nan == nan ? 0 : nan;
  const real similar = r->target == 1 ? 1 : 0, apart = r->target == -1 && cosine >= margin ? 1 : 0;
  const real sign = apart - similar;
  *loss = (struct formula_value){similar * (1 - cosine) + apart * (cosine - margin) + bad,
                                 similar * (1 + size) + (r->target == -1 ? size + fabs(margin) : 0)};
  if (r->grad)
    for (size_t c = 0; c < r->n; c++) r->grad[c] = sign * (b[c] / nb - a[c] * (cosine / na)) / na + bad;
  if (r->grad_other)
    for (size_t c = 0; c < r->n; c++) r->grad_other[c] = sign * (a[c] / na - b[c] * (cosine / nb)) / nb + bad;
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) r->grad_scale[c] = fabs(sign) * (fabs(b[c]) / nb + fabs(a[c]) * (size / na)) / na;
  if (r->grad_other_scale)
    for (size_t c = 0; c < r->n; c++)
      r->grad_other_scale[c] = fabs(sign) * (fabs(a[c]) / na + fabs(b[c]) * (size / nb)) / nb;
}
#endif
