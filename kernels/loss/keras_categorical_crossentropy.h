/* Keras' categorical cross-entropy of probabilities: -sum_c t'_c log v_c, v = p / S clipped to [eps, 1 - eps], S = sum
 * p, t' = t (1 - a) + a / C. Where p / S is not clipped, v S = p: so the gradient, which keeps the term of the
 * normalisation, is (sum of t' over the classes that are not clipped) / S, less t'_c / p_c unless c is clipped. */
#ifdef VLOSS_KERNELS_LOSS_H
#include "../reduce.h"

VFN void keras_categorical_crossentropy_constants(const double *parameters, struct constants *k) {
  k->k[0] = (float)parameters[0];
}

/* Columns of t', all of them and without those where p / S is clipped. */
struct smoothed_targets {
  vd all, unclipped;
};
VFN struct smoothed_targets smoothed_targets(const struct row *r, size_t c, size_t m, vd u) {
  const double smoothing = (double)r->k.k[0];
  const vd low = dset1((double)KERAS_EPS), high = dset1((double)KERAS_ONE_MINUS_EPS), zero = dset1(0.0);
  const vd t = dfma(dwiden(get(r, r->t, c, m, 0.0f)), dset1(1 - smoothing), dset1(smoothing / (double)r->n));
  const vd all = dwithout(t, m, SIZE_MAX);
  return (struct smoothed_targets){all, dsel(dgt(low, u), zero, dsel(dgt(u, high), zero, all))};
}

VFN double keras_categorical_crossentropy(const struct row *r) {
  vd total = dset1(0.0), loss = total, share = total;
  EACH_VECTOR(r, c, m) total = dadd(total, dwiden(get(r, r->p, c, m, 0.0f)));
  const double s = dsum(total), inverse = 1 / s;
  if (s == 0) return nan_row(r);
  EACH_VECTOR(r, c, m) {
    const vd u = dmul(dwiden(get(r, r->p, c, m, 0.0f)), dset1(inverse));
    const vd v = dmin(dset1((double)KERAS_ONE_MINUS_EPS), dmax(dset1((double)KERAS_EPS), u));
    const struct smoothed_targets t = smoothed_targets(r, c, m, u);
    const vf high = dnarrow(v);
    loss = dnfma(t.all, dwiden(vlog_sum(high, low_part(v, high))), loss);
    if (r->grad) share = dadd(share, t.unclipped);
  }
  const double l = dsum(loss);
  if (l != l) return nan_row(r);
  if (r->grad) {
    const vd shared = dset1(dsum(share) * inverse), zero = dset1(0.0);
    EACH_VECTOR(r, c, m) {
      const vd p = dwiden(get(r, r->p, c, m, 0.0f));
      const vd t = smoothed_targets(r, c, m, dmul(p, dset1(inverse))).unclipped;
      put(r, r->grad, c, m, dnarrow(dsub(shared, dsel(deq(t, zero), zero, ddiv(t, p)))));
    }
  }
  return l;
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA void keras_categorical_crossentropy_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, *t = r->t, a = (real)(float)r->parameters[0], keep = 1 - a, spread = a / (real)r->n;
  real s = 0, l = 0, scale = 0, hu = 0, hu_scale = 0;
  for (size_t c = 0; c < r->n; c++) s += p[c];
  s = s == 0 ? (real)NAN : s;
  for (size_t c = 0; c < r->n; c++) {
    const real u = p[c] / s, smooth = t[c] * keep + spread;
    const real v = u < FORMULA_EPS ? FORMULA_EPS : u > FORMULA_ONE_MINUS_EPS ? FORMULA_ONE_MINUS_EPS : u;
    const real term = smooth * log(v), h = u == v ? -smooth / v : 0;
    l -= term;
    scale += fabs(term);
    hu += h * u;
    hu_scale += fabs(h * u);
  }
  *loss = (struct formula_value){l, scale};
  const real bad = l == l ? 0 : l;
  if (r->grad)
    for (size_t c = 0; c < r->n; c++) {
      const real u = p[c] / s, smooth = t[c] * keep + spread;
      const real h = u < FORMULA_EPS || u > FORMULA_ONE_MINUS_EPS ? 0 : -smooth / u;
      r->grad[c] = (h - hu) / s + bad;
    }
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) {
      const real u = p[c] / s, smooth = t[c] * keep + spread;
      const real h = u < FORMULA_EPS || u > FORMULA_ONE_MINUS_EPS ? 0 : -smooth / u;
      r->grad_scale[c] = (fabs(h) + hu_scale) / fabs(s);
    }
}
#endif
