/* Keras' sparse categorical cross-entropy of probabilities: log S - log v_y, v = p clipped to [eps, 1 - eps], S = sum
 * v, y the label. With R the sum of the other classes it is log(1 + R / v_y), which cancels nothing. Gradient 1 / S, at
 * the label 1 / S - 1 / v_y = -R / (S v_y), and 0 where p was clipped. */
#ifdef VLOSS_KERNELS_LOSS_H
#include "../reduce.h"

/* Columns of v, 0 at the label. */
VFN vf other_classes(const struct row *r, size_t c, size_t m) {
  const vf v = clip(get(r->p, c, m, 0.0f), KERAS_EPS, KERAS_ONE_MINUS_EPS);
  return r->label - c < 16 ? put_label(v, c, r->label, 0.0f) : v;
}

/* value[0] is v_y, value[1] is R. */
VFN int sparse_sum(const struct row *r, struct row_state *s) {
  vd sum = resumed(r, s, 0, 0);
  size_t c = r->from;
  for (; c + 64 <= r->to; c += 64) {
    vf v[4];
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = other_classes(r, c + 16 * j, 16);
    sum = dadd(sum, dwiden(combine4(v)));
  }
  for (size_t m; (m = columns_from(r, c)) > 0; c += 16)
    sum = dadd(sum, dwithout(dwiden(other_classes(r, c, m)), m, SIZE_MAX));
  s->lanes[0] = sum;
  if (r->to < r->n) return 0;
  const double own = (double)vfirst(clip(vset1(r->own), KERAS_EPS, KERAS_ONE_MINUS_EPS)), rest = dsum(sum);
  s->value[0] = own;
  s->value[1] = rest;
  s->pass = r->grad ? 1 : ROW_DONE;
  s->loss = log_of(1 + rest / own);
  if (own + rest != own + rest) nan_row(r, s);
  return 1;
}

VFN void keras_sparse_categorical_crossentropy(const struct row *r, struct row_state *s) {
  if (s->pass == 0 && (!sparse_sum(r, s) || r->from)) return;
  if (s->pass != 1) return;
  const double own = s->value[0], rest = s->value[1], sum = own + rest;
  const float at_label = with_factor(r, -rest / (sum * own));
  const vf elsewhere = vset1(with_factor(r, 1 / sum)), clipped = vset1(with_factor(r, 0));
  EACH_VECTOR(r, c, m) {
    const vf v = r->label - c < 16 ? put_label(elsewhere, c, r->label, at_label) : elsewhere;
    put_scaled(r->grad, c, m, vsel(clips(get(r->p, c, m, 0.0f), KERAS_EPS, KERAS_ONE_MINUS_EPS), clipped, v));
  }
  wrote(r, s);
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
FORMULA void keras_sparse_categorical_crossentropy_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, low = FORMULA_EPS, high = FORMULA_ONE_MINUS_EPS;
  real s = 0;
  for (size_t c = 0; c < r->n; c++) s += p[c] < low ? low : p[c] > high ? high : p[c];
  const real own = p[r->label], v = own < low ? low : own > high ? high : own;
  *loss = (struct formula_value){log(s) - log(v), 0};
  if (r->grad) {
    const real bad = s == s ? 0 : s;
    for (size_t c = 0; c < r->n; c++) r->grad[c] = (p[c] < low || p[c] > high ? 0 : 1 / s) + bad;
    r->grad[r->label] = (own < low || own > high ? 0 : 1 / s - 1 / v) + bad;
  }
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) r->grad_scale[c] = 0;
}
#endif
