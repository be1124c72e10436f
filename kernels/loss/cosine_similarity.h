/* Keras' cosine similarity: -c, c = sum_c t_c p_c / sqrt(max(sum t^2, 1e-12) max(sum p^2, 1e-12)). Gradient
 * (c p / |p| - t / |t|) / |p| with these norms, without the first term where the norm of p is the floor's. */
#ifndef VLOSS_KERNELS_LOSS_COSINE_SIMILARITY_H
#define VLOSS_KERNELS_LOSS_COSINE_SIMILARITY_H

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/cosines_beside.h"

VFN void cosine_similarity_decide(const struct row *r, struct row_state *s) {
  const double pp = s->value[0] < 1e-12 ? 1e-12 : s->value[0], tt = s->value[1] < 1e-12 ? 1e-12 : s->value[1];
  const double across = 1 / sqrt(pp * tt), cosine = s->value[2] * across;
  s->loss = -cosine;
  s->pass = r->grad ? COSINE_GRADIENT : ROW_DONE;
  if (cosine != cosine)
    nan_row(r, s);
  else if (r->factor == 0)
    filled_row(r, s, -cosine, 0);
  else if (r->grad)
    s->slope[0] = cosine_slope(cosine, across, pp, s->value[0] < 1e-12 ? 0 : 1, -r->factor);
}

VFN void cosine_similarity_write(const struct row *r, size_t c, size_t m, struct cosine_slope slope, const int calm) {
  if (r->from_memory) ask_ahead(r->t + c);
  const vf p = get(r->p, c, m, 0.0f), t = get(r->t, c, m, 0.0f);
  put_scaled(r->grad, c, m, calm ? calm_cosine_gradient(p, t, slope) : cosine_gradient(p, t, slope));
}
static RARE void cosine_similarity_write_calmly(struct row r, struct cosine_slope slope) {
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16) cosine_similarity_write(&r, c, m, slope, 1);
}
static RARE void cosine_similarity_write_in_double(struct row r, struct cosine_slope slope) {
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16) {
    const vf p = get(r.p, c, m, 0.0f), t = get(r.t, c, m, 0.0f);
    put(&r, r.grad, c, m, cosine_gradient_in_double(p, t, -slope.across, -slope.along));
  }
}

VFN void cosine_similarity_sums(const struct row *r, struct row_state *s) {
  if (s->pass == COSINE_IN_FLOAT && products_in_float(r, s, r->p, r->t)) s->pass = COSINE_SUMMED;
}
VFN void cosine_similarity_summed(const struct row *r, struct row_state *s) {
  s->pass = COSINE_IN_DOUBLE;
  if (!products_again(r, s)) cosine_similarity_decide(r, s);
}

VFN void cosine_similarity(const struct row *r, struct row_state *s) {
  if (s->pass == COSINE_SUMMED) {
    cosine_similarity_summed(r, s);
    if (r->from) return;
  }
  if (s->pass == COSINE_IN_DOUBLE) {
    if (!products_in_double(*r, s, r->p, r->t)) return;
    cosine_similarity_decide(r, s);
    if (r->from) return;
  }
  if (s->pass != COSINE_GRADIENT) return;
  const struct cosine_slope slope = s->slope[0];
  size_t c = slope.in_float ? r->from : r->to;
  if (!slope.in_float)
    cosine_similarity_write_in_double(*r, slope);
  else if (expects_denormals(r))
    cosine_similarity_write_calmly(*r, slope), c = r->to;
  for (; c + 16 <= r->to; c += 16) cosine_similarity_write(r, c, 16, slope, 0);
  if (c < r->to) cosine_similarity_write(r, c, r->to - c, slope, 0);
  wrote(r, s);
}

static void cosine_similarity_beside(const struct beside *b) {
  products_beside(b, b->p, b->t);
  for (size_t i = 0; i < b->rows; i++) cosine_similarity_summed(&b->row[i], &b->state[i]);
  if (cosines_in_float(b, COSINE_GRADIENT, 1)) cosine_gradients_beside(b, b->p, b->t);
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

static double cosine_similarity_wide(const struct wide_loss_row *r) {
  const struct products s = products_of(r->p, r->t, r->columns);
  const int floored = first_of(s.aa.high) < s.a_least;
  const struct parts pp = floored ? one_number(s.a_least) : s.aa;
  const struct parts tt = first_of(s.bb.high) < s.b_least ? one_number(s.b_least) : s.bb;
  const struct parts roots = parts_product(parts_root(pp), parts_root(tt));
  const double cosine = rounded_number(parts_quotient(s.ab, roots));
  if (cosine != cosine || !r->grad.p) return -cosine;
  const struct wide_cosine_slope slope = wide_cosine_slope(s.ab, pp, tt, !floored, -s.a_scale);
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd p = dmul(columns_at(r->p, c, n, 0.0), dset1(s.a_scale));
    const vd t = dmul(columns_at(r->t, c, n, 0.0), dset1(s.b_scale));
    put_gradient_parts(r, r->grad, c, n, wide_cosine_gradient(&slope, s.near, p, t));
  }
  return -cosine;
}
#else
#include "../losses/formula.h"

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

#endif
