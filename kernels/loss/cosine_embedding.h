/* Cosine embedding of the vectors a = p and b = other: c = sum a b / sqrt(A B), A = sum a^2 + 1e-12, B = sum b^2 +
 * 1e-12. Target 1: 1 - c; -1: max(0, c - margin), at the kink with its gradient; other targets: 0. dc/da = (b / sqrt(B)
 * - c a / sqrt(A)) / sqrt(A), and the other way round. */
#ifndef VLOSS_KERNELS_LOSS_COSINE_EMBEDDING_H
#define VLOSS_KERNELS_LOSS_COSINE_EMBEDDING_H

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/cosines_beside.h"

/* Below this, 1 - c is found from the difference of the vectors: sums in float have lost its digits. */
#define NEARLY_PARALLEL 0x1p-10

VFN double cosine_of(const struct row_state *s) {
  return s->value[2] * (1 / sqrt((s->value[0] + 1e-12) * (s->value[1] + 1e-12)));
}
/* The end of a row with this cosine; 1 - c is `parted`. */
VFN void cosine_embedding_decide(const struct row *r, struct row_state *s, double cosine, double parted) {
  const int sign = r->target == 1 ? -1 : r->target == -1 && cosine >= r->parameters[0];
  s->loss = sign < 0 ? parted : cosine - r->parameters[0];
  s->pass = r->grad || r->grad_other ? COSINE_GRADIENT : ROW_DONE;
  if (cosine != cosine || r->target != r->target)
    nan_row(r, s);
  else if (sign == 0)
    filled_row(r, s, 0, 0);
  else if (r->factor == 0)
    filled_row(r, s, s->loss, 0);
  else if (s->pass == COSINE_GRADIENT) {
    const double aa = s->value[0] + 1e-12, bb = s->value[1] + 1e-12, across = 1 / sqrt(aa * bb);
    s->slope[0] = cosine_slope(cosine, across, aa, 1, sign * r->factor);
    s->slope[1] = cosine_slope(cosine, across, bb, 1, sign * r->factor);
  }
}

/* 2 (1 - c) = sum (a / sqrt(A) - b / sqrt(B))^2 + 1e-12 / A + 1e-12 / B. */
static __attribute__((noinline)) int parted_sum(struct row r, struct row_state *s) {
  const double aa = s->value[0] + 1e-12, bb = s->value[1] + 1e-12, inverse_a = 1 / sqrt(aa), inverse_b = 1 / sqrt(bb);
  vd sum = resumed(&r, s, 0, 0);
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16) {
    const vd a = dmul(dwiden(get(r.p, c, m, 0.0f)), dset1(inverse_a));
    const vd b = dmul(dwiden(get(r.other, c, m, 0.0f)), dset1(inverse_b)), d = dsub(a, b);
    sum = dfma(d, d, sum);
  }
  s->lanes[0] = sum;
  if (r.to < r.columns) return 0;
  cosine_embedding_decide(&r, s, cosine_of(s), (dsum(sum) + 1e-12 / aa + 1e-12 / bb) / 2);
  return 1;
}

VFN void cosine_embedding_write(const struct row *r, size_t c, size_t m, struct cosine_slope slope_a,
                                struct cosine_slope slope_b, const int calm) {
  if (r->from_memory) ask_ahead(r->other + c);
  const vf a = get(r->p, c, m, 0.0f), b = get(r->other, c, m, 0.0f);
  if (r->grad) put_scaled(r->grad, c, m, calm ? calm_cosine_gradient(a, b, slope_a) : cosine_gradient(a, b, slope_a));
  if (r->grad_other)
    put_scaled(r->grad_other, c, m, calm ? calm_cosine_gradient(b, a, slope_b) : cosine_gradient(b, a, slope_b));
}
static RARE void cosine_embedding_write_calmly(struct row r, struct cosine_slope slope_a, struct cosine_slope slope_b) {
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16)
    cosine_embedding_write(&r, c, m, slope_a, slope_b, 1);
}
static RARE void cosine_embedding_write_in_double(struct row r, struct cosine_slope slope_a,
                                                  struct cosine_slope slope_b, double sign) {
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16) {
    const vf a = get(r.p, c, m, 0.0f), b = get(r.other, c, m, 0.0f);
    if (r.grad) put(&r, r.grad, c, m, cosine_gradient_in_double(a, b, sign * slope_a.across, sign * slope_a.along));
    if (r.grad_other)
      put(&r, r.grad_other, c, m, cosine_gradient_in_double(b, a, sign * slope_b.across, sign * slope_b.along));
  }
}

VFN void cosine_embedding_sums(const struct row *r, struct row_state *s) {
  if (s->pass == COSINE_IN_FLOAT && products_in_float(r, s, r->p, r->other)) s->pass = COSINE_SUMMED;
}
VFN void cosine_embedding_summed(const struct row *r, struct row_state *s) {
  const double cosine = cosine_of(s), margin = r->parameters[0];
  /* At the kink, sums in float could be on the wrong side. */
  const int undecided = (r->target == -1 && cosine < margin + 0x1p-20 && cosine > margin - 0x1p-20) ||
                        (r->target == 1 && cosine > 1 - NEARLY_PARALLEL);
  s->pass = COSINE_IN_DOUBLE;
  if (!undecided && !products_again(r, s)) cosine_embedding_decide(r, s, cosine, 1 - cosine);
}

VFN void cosine_embedding(const struct row *r, struct row_state *s) {
  if (s->pass == COSINE_SUMMED) {
    cosine_embedding_summed(r, s);
    if (r->from) return;
  }
  if (s->pass == COSINE_IN_DOUBLE) {
    if (!products_in_double(*r, s, r->p, r->other)) return;
    const double cosine = cosine_of(s);
    s->pass = COSINE_PARTED;
    if (!(r->target == 1 && cosine > 1 - NEARLY_PARALLEL)) cosine_embedding_decide(r, s, cosine, 1 - cosine);
    if (r->from) return;
  }
  if (s->pass == COSINE_PARTED && (!parted_sum(*r, s) || r->from)) return;
  if (s->pass != COSINE_GRADIENT) return;
  const struct cosine_slope slope_a = s->slope[0], slope_b = s->slope[1];
  const int in_float = slope_a.in_float && slope_b.in_float;
  size_t c = in_float ? r->from : r->to;
  if (!in_float)
    cosine_embedding_write_in_double(*r, slope_a, slope_b, r->target == 1 ? -1 : 1);
  else if (expects_denormals(r))
    cosine_embedding_write_calmly(*r, slope_a, slope_b), c = r->to;
  for (; c + 16 <= r->to; c += 16) cosine_embedding_write(r, c, 16, slope_a, slope_b, 0);
  if (c < r->to) cosine_embedding_write(r, c, r->to - c, slope_a, slope_b, 0);
  wrote(r, s);
}

static void cosine_embedding_beside(const struct beside *b) {
  products_beside(b, b->p, b->other);
  for (size_t i = 0; i < b->rows; i++) cosine_embedding_summed(&b->row[i], &b->state[i]);
  if (cosines_in_float(b, COSINE_GRADIENT, 2)) cosine_gradients_beside(b, b->p, b->other);
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

/* 1 - c of vectors that are nearly parallel, where it would cancel: with f the constant and e = b - a sum ab / sum a^2,
 * the part of b that is across a, A B - (sum ab)^2 = sum a^2 sum e^2 + f (sum a^2 + sum b^2 + f). */
static struct parts parted_wide(const struct wide_loss_row *r, const struct products *s, struct parts all,
                                struct parts cosine) {
  const struct parts k = parts_quotient(s->ab, s->aa), fa = one_number(s->a_least), fb = one_number(s->b_least);
  struct vloss_exact_sum exact;
  struct row_sum sum;
  begin_sums(&sum, &exact, 1);
  do
    for (size_t c = 0; c < r->columns; c += 16) {
      const size_t n = at_once(r->columns, c);
      const vd a = dmul(columns_at(r->p, c, n, 0.0), dset1(s->a_scale));
      const vd b = dmul(columns_at(r->other, c, n, 0.0), dset1(s->b_scale));
      const struct parts along = product_of(k.high, a), d = sum_of(b, dneg(along.high));
      const struct parts e = sum_of(d.high, dnfma(k.low, a, dsub(d.low, along.low)));
      add_parts_to_sum(&sum, parts_product(e, e));
    }
  while (sums_again(&sum, 1));
  const struct parts of_b = parts_product(fa, parts_sum(s->bb, fb));
  const struct parts across = parts_sum(parts_product(s->aa, sum_parts(&sum)), parts_product(fb, s->aa));
  return parts_quotient(parts_sum(across, of_b), parts_product(all, parts_sum(one_number(1.0), cosine)));
}

static struct parts wide_cosine(const struct products *s) {
  const struct parts aa = parts_sum(s->aa, one_number(s->a_least)), bb = parts_sum(s->bb, one_number(s->b_least));
  return parts_quotient(s->ab, parts_product(parts_root(aa), parts_root(bb)));
}
static double cosine_embedding_wide(const struct wide_loss_row *r) {
  const double margin = r->parameters[0];
  struct products s = products_of(r->p, r->other, r->columns);
  double rounded = rounded_number(wide_cosine(&s));
  /* What products added in double may leave of the difference from 1, or on which side of the kink they are. */
  if (s.near && (rounded > 1 - 0x1p-10 || (rounded > margin - 0x1p-40 && rounded < margin + 0x1p-40))) {
    far_products(&s, r->p, r->other, r->columns);
    rounded = rounded_number(wide_cosine(&s));
  }
  if (rounded != rounded || r->target != r->target) return WIDE_NAN;
  const struct parts aa = parts_sum(s.aa, one_number(s.a_least)), bb = parts_sum(s.bb, one_number(s.b_least));
  const struct parts cosine = wide_cosine(&s), above = parts_sum(cosine, one_number(-margin));
  const int reaches = margin == 0 ? !s.negative : rounded_number(above) >= 0;
  const int sign = r->target == 1 ? -1 : r->target == -1 && reaches;
  struct parts loss = sign > 0 ? above : one_number(0.0);
  if (sign < 0 && rounded > 1 - 0x1p-10)
    loss = parted_wide(r, &s, parts_product(aa, bb), cosine);
  else if (sign < 0)
    loss = parts_sum(one_number(1.0), parts_negated(cosine));
  const struct wide_cosine_slope of_a = wide_cosine_slope(s.ab, aa, bb, 1, sign * s.a_scale);
  const struct wide_cosine_slope of_b = wide_cosine_slope(s.ab, bb, aa, 1, sign * s.b_scale);
  for (size_t c = 0; (r->grad.p || r->grad_other.p) && c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd a = dmul(columns_at(r->p, c, n, 0.0), dset1(s.a_scale));
    const vd b = dmul(columns_at(r->other, c, n, 0.0), dset1(s.b_scale));
    put_gradient_parts(r, r->grad, c, n, wide_cosine_gradient(&of_a, s.near, a, b));
    put_gradient_parts(r, r->grad_other, c, n, wide_cosine_gradient(&of_b, s.near, b, a));
  }
  return rounded_number(loss);
}
#else
#include "../losses/formula.h"

/* 1 - c of nearly parallel vectors, without cancellation: see parted_wide. What is left along a of b less its part
 * along a, because a quotient is rounded, is taken out of the square. */
FORMULA real cosine_embedding_parted(const struct formula_row *r, real aa, real bb, real ab, real cosine) {
  const real *a = r->p, *b = r->other, f = (real)1e-12, k = ab / aa;
  real square = 0, along = 0;
  for (size_t c = 0; c < r->n; c++) {
    const real e = fma(-k, a[c], b[c]);
    square += e * e;
    along += e * a[c];
  }
  square -= along / aa * along;
  return (aa * square + f * (aa + bb + f)) / ((aa + f) * (bb + f) * (1 + cosine));
}

FORMULA void cosine_embedding_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *a = r->p, *b = r->other, margin = (real)r->parameters[0];
  const real f = (real)1e-12;
  real aa = 0, bb = 0, ab = 0, scale = 0;
  for (size_t c = 0; c < r->n; c++) {
    aa += a[c] * a[c];
    bb += b[c] * b[c];
    ab += a[c] * b[c];
    scale += fabs(a[c] * b[c]);
  }
  const real na = sqrt(aa + f), nb = sqrt(bb + f), cosine = ab / na / nb, size = scale / na / nb;
  const real nan = cosine == cosine ? r->target : cosine, bad = nan == nan ? 0 : nan;
  const real similar = r->target == 1 ? 1 : 0, apart = r->target == -1 && cosine >= margin ? 1 : 0;
  const real sign = apart - similar;
  real parted = 1 - cosine, parted_scale = 1 + size;
  if (similar != 0 && parted < (real)0x1p-11) { /* nearly parallel: without cancellation */
    parted = cosine_embedding_parted(r, aa, bb, ab, cosine);
    parted_scale = parted + (real)0x1p-80; /* unit vectors in double are right to 2^-53, squares of theirs to 2^-106 */
  }
  *loss = (struct formula_value){similar * parted + apart * (cosine - margin) + bad,
                                 similar * parted_scale + (r->target == -1 ? size + fabs(margin) : 0)};
  if (r->grad)
    for (size_t c = 0; c < r->n; c++) r->grad[c] = sign * (b[c] / nb - a[c] * (cosine / na)) / na + bad;
  if (r->grad_other)
    for (size_t c = 0; c < r->n; c++) r->grad_other[c] = sign * (a[c] / na - b[c] * (cosine / nb)) / nb + bad;
  /* Of parallel vectors doubles cannot tell c from 1: at that margin their gradient, which cancels, may be there. */
  const real kept = sign == 0 && r->target == -1 && margin - cosine < (real)0x1p-50 ? 1 : fabs(sign);
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) r->grad_scale[c] = kept * (fabs(b[c]) / nb + fabs(a[c]) * (size / na)) / na;
  if (r->grad_other_scale)
    for (size_t c = 0; c < r->n; c++) r->grad_other_scale[c] = kept * (fabs(a[c]) / na + fabs(b[c]) * (size / nb)) / nb;
}
#endif

#endif
