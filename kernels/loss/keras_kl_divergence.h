/* Keras' Kullback-Leibler divergence: sum_c a log(a / b), a and b the target and the prediction clipped to [eps, 1].
 * Gradient -a / b, 0 where p was clipped. The log is of a / b to twice a float's digits: near 1 the last digits of the
 * quotient are the first of its log. Each gradient needs its own column only and is written on the way, but a NaN makes
 * NaN of all. */
#ifndef VLOSS_KERNELS_LOSS_KERAS_KL_DIVERGENCE_H
#define VLOSS_KERNELS_LOSS_KERAS_KL_DIVERGENCE_H

#ifndef VLOSS_FORMULA
#include "../losses/reduce.h"

VFN void keras_kl_divergence(const struct row *r, struct row_state *s) {
  const double factor = r->factor < 0 ? -r->factor : r->factor;
  const int in_float =
      factor >= 0x1p-100 && factor <= 0x1p100; /* then this rounds to 2 ulp; NaN makes NaN of all below */
  vd sum = resumed(r, s, 0, 0);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vf p = get(r->p, c, m, 1.0f), a = clip(get(r->t, c, m, 1.0f), KERAS_EPS, 1.0f);
    const vf b = clip(p, KERAS_EPS, 1.0f), ratio = vdiv(a, b), low = vdiv(vnfma(ratio, b, a), b);
    sum = dfma(dwiden(a), dwiden(vlog_sum(ratio, low)), sum);
    if (!r->grad) continue;
    const vm clipped = clips(p, KERAS_EPS, 1.0f);
    if (in_float)
      put_scaled(r->grad, c, m, vsel(clipped, vset1(0.0f), vmul(ratio, vset1((float)-r->factor))));
    else
      put(r, r->grad, c, m, dwiden(vsel(clipped, vset1(0.0f), vneg(ratio))));
  }
  s->writes = r->grad != NULL;
  if (r->to < r->columns) {
    s->lanes[0] = sum;
    return;
  }
  s->loss = dsum(sum);
  s->pass = ROW_DONE;
  if (s->loss != s->loss) nan_row(r, s);
}
#else
#include "../losses/formula.h"

FORMULA void keras_kl_divergence_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, *t = r->t, low = FORMULA_EPS;
  real l = 0, scale = 0;
  for (size_t c = 0; c < r->n; c++) {
    const real a = t[c] < low ? low : t[c] > 1 ? 1 : t[c], b = p[c] < low ? low : p[c] > 1 ? 1 : p[c];
    const real term = a * log(a / b);
    l += term;
    scale += fabs(term);
  }
  *loss = (struct formula_value){l, scale};
  const real bad = l == l ? 0 : l;
  if (r->grad)
    for (size_t c = 0; c < r->n; c++) {
      const real a = t[c] < low ? low : t[c] > 1 ? 1 : t[c];
      r->grad[c] = (p[c] < low || p[c] > 1 ? 0 : -a / p[c]) + bad;
    }
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) r->grad_scale[c] = 0;
}
#endif

#endif
