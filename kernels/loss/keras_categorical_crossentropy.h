/* Keras' categorical cross-entropy of probabilities: -sum_c t'_c log v_c, v = p / S clipped to [eps, 1 - eps], S = sum
 * p, t' = t (1 - a) + a / C. Where p / S is not clipped, v S = p: so the gradient, which keeps the term of the
 * normalisation, is (sum of t' over the classes that are not clipped) / S, less t'_c / p_c unless c is clipped. Where S
 * is 0, or its terms cancel to 2^-40 of their sizes or less, there is no answer: NaN. */
#ifndef VLOSS_KERNELS_LOSS_KERAS_CATEGORICAL_CROSSENTROPY_H
#define VLOSS_KERNELS_LOSS_KERAS_CATEGORICAL_CROSSENTROPY_H

#ifndef VLOSS_FORMULA
#include "../losses/reduce.h"

/* A sum of negative and positive terms that is no more than this of their sizes is nothing but rounding: 0. */
#define CANCELLED 0x1p-40

/* Columns of t', all of them and without those where p / S is clipped. */
struct smoothed_targets {
  vd all, unclipped;
};
VFN struct smoothed_targets smoothed_targets(const struct row *r, size_t c, size_t m, vd u) {
  const double smoothing = r->parameters[0];
  const vd low = dset1((double)KERAS_EPS), high = dset1((double)KERAS_ONE_MINUS_EPS), zero = dset1(0.0);
  const vd t = dfma(dwiden(get(r->t, c, m, 0.0f)), dset1(1 - smoothing), dset1(smoothing / (double)r->columns));
  const vd all = dwithout(t, m, SIZE_MAX);
  return (struct smoothed_targets){all, dsel(dgt(low, u), zero, dsel(dgt(u, high), zero, all))};
}

/* value[0] is S, then 1 / S; value[1] the gradient's term of the normalisation. */
enum { CROSSENTROPY_TOTAL, CROSSENTROPY_SIZE, CROSSENTROPY_TERMS, CROSSENTROPY_GRADIENT };
VFN void crossentropy_normalise(const struct row *r, struct row_state *s, double size) {
  const double sum = s->value[0], magnitude = sum < 0 ? -sum : sum;
  s->value[0] = 1 / sum;
  s->pass = CROSSENTROPY_TERMS;
  if (magnitude <= size * CANCELLED) nan_row(r, s);
}
VFN int crossentropy_total(const struct row *r, struct row_state *s) {
  vd total = resumed(r, s, 0, 0);
  vf least = r->from ? dnarrow(s->lanes[1]) : vset1(0.0f);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vf p = get(r->p, c, m, 0.0f);
    total = dadd(total, dwiden(p));
    least = vmin(p, least);
  }
  if (r->to < r->columns) {
    s->lanes[0] = total, s->lanes[1] = dwiden(least);
    return 0;
  }
  s->value[0] = dsum(total);
  s->pass = CROSSENTROPY_SIZE;
  if (!vany(vgt(vset1(0.0f), least))) crossentropy_normalise(r, s, s->value[0]);
  return 1;
}
/* The sum of |p|, of rows with negative ones. */
static __attribute__((noinline)) int crossentropy_size(struct row r, struct row_state *s) {
  vd size = resumed(&r, s, 0, 0);
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16) {
    size = dadd(size, dwiden(vabs(get(r.p, c, m, 0.0f))));
  }
  s->lanes[0] = size;
  if (r.to < r.columns) return 0;
  crossentropy_normalise(&r, s, dsum(size));
  return 1;
}
VFN int crossentropy_terms(const struct row *r, struct row_state *s) {
  const double inverse = s->value[0];
  vd loss = resumed(r, s, 0, 0), share = resumed(r, s, 1, 0);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vd u = dmul(dwiden(get(r->p, c, m, 0.0f)), dset1(inverse));
    const vd v = dmin(dset1((double)KERAS_ONE_MINUS_EPS), dmax(dset1((double)KERAS_EPS), u));
    const struct smoothed_targets t = smoothed_targets(r, c, m, u);
    const vf high = dnarrow(v);
    loss = dnfma(t.all, dwiden(vlog_sum(high, low_part(v, high))), loss);
    if (r->grad) share = dadd(share, t.unclipped);
  }
  if (r->to < r->columns) {
    s->lanes[0] = loss, s->lanes[1] = share;
    return 0;
  }
  s->loss = dsum(loss);
  s->value[1] = dsum(share) * inverse;
  s->pass = r->grad ? CROSSENTROPY_GRADIENT : ROW_DONE;
  if (s->loss != s->loss) nan_row(r, s);
  return 1;
}

VFN void keras_categorical_crossentropy(const struct row *r, struct row_state *s) {
  if (s->pass == CROSSENTROPY_TOTAL && (!crossentropy_total(r, s) || r->from)) return;
  if (s->pass == CROSSENTROPY_SIZE && (!crossentropy_size(*r, s) || r->from)) return;
  if (s->pass == CROSSENTROPY_TERMS && (!crossentropy_terms(r, s) || r->from)) return;
  if (s->pass != CROSSENTROPY_GRADIENT) return;
  const vd inverse = dset1(s->value[0]), shared = dset1(s->value[1]), zero = dset1(0.0);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vd p = dwiden(get(r->p, c, m, 0.0f)), t = smoothed_targets(r, c, m, dmul(p, inverse)).unclipped;
    put_number(r, r->grad, c, m, dsub(shared, dsel(deq(t, zero), zero, ddiv(t, p))));
  }
  wrote(r, s);
}
#else
#include "../losses/formula.h"

FORMULA void keras_categorical_crossentropy_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, *t = r->t, a = (real)r->parameters[0], keep = 1 - a, share = a / (real)r->n;
  real s = 0, size = 0, l = 0, scale = 0, hu = 0, hu_scale = 0;
  for (size_t c = 0; c < r->n; c++) s += p[c], size += fabs(p[c]);
  s = fabs(s) <= size * (real)0x1p-40 ? (real)NAN : s;
  for (size_t c = 0; c < r->n; c++) {
    const real u = p[c] / s, smooth = t[c] * keep + share;
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
      const real u = p[c] / s, smooth = t[c] * keep + share;
      const real h = u < FORMULA_EPS || u > FORMULA_ONE_MINUS_EPS ? 0 : -smooth / u;
      r->grad[c] = (h - hu) / s + bad;
    }
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) {
      const real u = p[c] / s, smooth = t[c] * keep + share;
      const real h = u < FORMULA_EPS || u > FORMULA_ONE_MINUS_EPS ? 0 : -smooth / u;
      r->grad_scale[c] = (fabs(h) + hu_scale) / fabs(s);
    }
}
#endif

#endif
