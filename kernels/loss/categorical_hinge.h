/* Categorical hinge: max(neg - pos + 1, 0), pos = sum_c t_c p_c, neg = max_c (1 - t_c) p_c. Gradient, at the kink, too:
 * -t_c, plus, in the columns that reach neg, (1 - t_c) over their number. Products are taken in double, where they are
 * exact for labels of 0 and 1 and ties are ties. */
#ifndef VLOSS_KERNELS_LOSS_CATEGORICAL_HINGE_H
#define VLOSS_KERNELS_LOSS_CATEGORICAL_HINGE_H

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/beside.h"
#include "../losses/reduce.h"

/* (1 - t) p and t p; with `infinities` 0 where the coefficient is 0, whatever p. */
struct hinge_products {
  vd other, own;
};
VFN struct hinge_products hinge_products(vd p, vd t, const int infinities) {
  const vd wrong = dsub(dset1(1.0), t);
  return infinities ? (struct hinge_products){dmul_or_zero(wrong, p), dmul_or_zero(t, p)}
                    : (struct hinge_products){dmul(wrong, p), dmul(t, p)};
}

/* What the columns of a row add up to. In `most` there is no NaN: then `pos` has it. */
enum { HINGE_POS, HINGE_MOST, HINGE_TIES, HINGE_SUMS };
VFN void hinge_most(vd *sums, vd other, const int ties) {
  const vd zero = dset1(0.0), one = dset1(1.0), most = sums[HINGE_MOST], count = sums[HINGE_TIES];
  if (ties) sums[HINGE_TIES] = dsel(dgt(other, most), one, dadd(count, dsel(deq(other, most), one, zero)));
  sums[HINGE_MOST] = dmax(other, most);
}
VFN void hinge_add(vd *sums, struct hinge_products v, const int ties) {
  sums[HINGE_POS] = dadd(sums[HINGE_POS], v.own);
  hinge_most(sums, v.other, ties);
}
/* value[0] is neg, value[1] the share of each that reaches it. The loss is NaN where there is NaN in the row, or
 * infinity but not `infinities`. */
VFN void hinge_summed(const struct row *r, struct row_state *s, const vd *sums, const int infinities) {
  const double neg = lane_max(sums[HINGE_MOST]), sum = dsum(sums[HINGE_POS]), excess = neg - sum + 1;
  s->value[0] = neg;
  /* A division by 0 would cost its flag. */
  if (r->grad) s->value[1] = 1 / sum_at(sums[HINGE_TIES], sums[HINGE_MOST], neg);
  s->loss = !infinities && sum - sum != 0 ? (double)NOT_A_NUMBER : excess;
}
static const double hinge_first[HINGE_SUMS] = {0, -(double)INF, 0};
VFN int hinge_sums(const struct row *r, struct row_state *s, const int infinities) {
  vd sums[HINGE_SUMS];
  UNROLL for (int which = 0; which < HINGE_SUMS; which++) sums[which] = resumed(r, s, which, hinge_first[which]);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vd p = dwiden(get(r->p, c, m, infinities ? -INF : -FLT_MAX)), t = dwiden(get(r->t, c, m, 0.0f));
    hinge_add(sums, hinge_products(p, t, infinities), r->grad != NULL);
  }
  if (r->to < r->columns) {
    UNROLL for (int which = 0; which < HINGE_SUMS; which++) s->lanes[which] = sums[which];
    return 0;
  }
  hinge_summed(r, s, sums, infinities);
  return 1;
}
VFN vd hinge_slope(vd p, vd t, vd neg, vd share, const int infinities) {
  const dm tied = deq(hinge_products(p, t, infinities).other, neg);
  return dsub(dsel(tied, dmul(dsub(dset1(1.0), t), share), dset1(0.0)), t);
}
VFN void hinge_gradient(const struct row *r, struct row_state *s, const int infinities) {
  const vd neg = dset1(s->value[0]), share = dset1(s->value[1]);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vd p = dwiden(get(r->p, c, m, 0.0f)), t = dwiden(get(r->t, c, m, 0.0f));
    put_number(r, r->grad, c, m, hinge_slope(p, t, neg, share, infinities));
  }
  wrote(r, s);
}
static RARE int hinge_sums_of_infinities(struct row r, struct row_state *s) { return hinge_sums(&r, s, 1); }
static RARE void hinge_gradient_of_infinities(struct row r, struct row_state *s) { hinge_gradient(&r, s, 1); }

/* What the sums of a row decide. */
VFN void hinge_decide(const struct row *r, struct row_state *s, int gradient) {
  s->pass = r->grad ? gradient : ROW_DONE;
  if (s->loss != s->loss) nan_row(r, s);
  if (s->loss < 0) filled_row(r, s, 0, 0);
}

enum { HINGE_FINITE, HINGE_INFINITE, HINGE_GRADIENT, HINGE_GRADIENT_INFINITE }; /* the passes */
VFN void hinge_finite(const struct row *r, struct row_state *s) {
  s->pass = HINGE_INFINITE;
  if (s->loss == s->loss) hinge_decide(r, s, HINGE_GRADIENT);
}
VFN void categorical_hinge(const struct row *r, struct row_state *s) {
  if (s->pass == HINGE_FINITE) {
    if (!hinge_sums(r, s, 0)) return;
    hinge_finite(r, s);
    if (r->from) return;
  }
  if (s->pass == HINGE_INFINITE) {
    if (!hinge_sums_of_infinities(*r, s)) return;
    hinge_decide(r, s, HINGE_GRADIENT_INFINITE);
    if (r->from) return;
  }
  if (s->pass == HINGE_GRADIENT) hinge_gradient(r, s, 0);
  if (s->pass == HINGE_GRADIENT_INFINITE) hinge_gradient_of_infinities(*r, s);
}

/* The sums of rows that lie side by side. */
VFN struct hinge_products hinge_beside(const struct beside *b, size_t at) {
  return hinge_products(dwiden(beside_get_or(b, b->p, at, -FLT_MAX)), dwiden(beside_get(b, b->t, at)), 0);
}
VFN void hinge_add_beside(const struct beside *b, size_t at, size_t valid, vd *sums) {
  (void)valid;
  hinge_add(sums, hinge_beside(b, at), 0);
}
VFN void hinge_add_ties_beside(const struct beside *b, size_t at, size_t valid, vd *sums) {
  (void)valid;
  hinge_add(sums, hinge_beside(b, at), 1);
}
/* Lanes without a last column, as a row of its own fills them: where no vector has done so. */
VFN void hinge_fill_beside(const struct beside *b, size_t i, vd *sums) {
  const size_t columns = b->columns % 16, done = 16 * beside_vectors(b, columns);
  double fill[16];
  for (size_t j = 0; j < 16; j++)
    fill[j] = columns && j >= columns && j * b->width + i >= done ? -(double)FLT_MAX : -(double)INF;
  hinge_most(sums, dload(fill), 1);
}
static void categorical_hinge_beside(const struct beside *b) {
  if (b->grad)
    beside_sums(b, HINGE_SUMS, hinge_first, hinge_add_ties_beside);
  else
    beside_sums(b, HINGE_SUMS, hinge_first, hinge_add_beside);
  for (size_t i = 0; i < b->rows; i++) {
    vd sums[HINGE_SUMS];
    for (int which = 0; which < HINGE_SUMS; which++) sums[which] = beside_lanes(b, which, i);
    hinge_fill_beside(b, i, sums);
    hinge_summed(&b->row[i], &b->state[i], sums, 0);
    hinge_finite(&b->row[i], &b->state[i]);
  }
}
/* Their gradients. */
VFN struct beside_gradient hinge_slopes_beside(const struct beside *b, size_t at, const struct beside_numbers *n,
                                               size_t phase) {
  const vd p = dwiden(beside_get(b, b->p, at)), t = dwiden(beside_get(b, b->t, at));
  return (struct beside_gradient){.p = hinge_slope(p, t, dload(n->of[0] + phase), dload(n->of[1] + phase), 0)};
}
static int categorical_hinge_gradients_beside(const struct beside *b) {
  struct beside_numbers n = {0};
  if (!beside_ready(b, HINGE_GRADIENT)) return 0;
  for (size_t i = 0; i < b->rows; i++)
    for (int which = 0; which < 2; which++) n.of[which][i] = b->state[i].value[which];
  beside_gradients(b, &n, hinge_slopes_beside);
  return 1;
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

/* Products are doubles, and so are ties. */
static double categorical_hinge_wide(const struct wide_loss_row *r) {
  const vd one = dset1(1.0);
  struct row_sum sum;
  vd most = dset1(-WIDE_INF);
  begin_sum(&sum);
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd p = classes_at(r->p, c, n, -WIDE_INF), t = classes_at(r->t, c, n, 0.0);
    most = dmax(dmul_or_zero(dsub(one, t), p), most);
    add_to_sum(&sum, dneg(dmul_or_zero(t, p)));
  }
  double lanes[16], neg = -WIDE_INF, ties = 0;
  dstore(lanes, most);
  for (int i = 0; i < 16; i++) neg = lanes[i] > neg ? lanes[i] : neg;
  add_to_sum(&sum, lanes_below(dset1(neg), 1));
  add_to_sum(&sum, lanes_below(one, 1));
  const double excess = rounded_number(end_sum(&sum));
  if (excess < 0) fill_gradients(r, 0);
  if (!(excess >= 0) || !r->grad.p) return excess < 0 ? 0 : excess;
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd other = dmul_or_zero(dsub(one, classes_at(r->t, c, n, 0.0)), classes_at(r->p, c, n, 0.0));
    ties += dsum(lanes_below(dsel(deq(other, dset1(neg)), one, dset1(0.0)), n));
  }
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd t = classes_at(r->t, c, n, 0.0), wrong = dsub(one, t);
    const dm tied = deq(dmul_or_zero(wrong, classes_at(r->p, c, n, 0.0)), dset1(neg));
    put_gradient(r, r->grad, c, n, dsel(tied, dsub(ddiv(wrong, dset1(ties)), t), dneg(t)));
  }
  return excess;
}
#else
#include "../losses/formula.h"

/* (1 - t) p and t p, 0 where the coefficient is 0. In double, where ties are what the contract takes for them. */
FORMULA real categorical_hinge_double(real x) { return sizeof x > sizeof(double) ? (real)(double)x : x; }
FORMULA real categorical_hinge_product(real coefficient, real p) {
  const real product = categorical_hinge_double(categorical_hinge_double(coefficient) * p);
  return product != product && coefficient == 0 && p == p ? 0 : product;
}

FORMULA void categorical_hinge_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, *t = r->t;
  real pos = 0, pos_scale = 0, neg = categorical_hinge_product(1 - t[0], p[0]), ties = 0;
  for (size_t c = 0; c < r->n; c++) {
    const real own = categorical_hinge_product(t[c], p[c]), other = categorical_hinge_product(1 - t[c], p[c]);
    pos += own;
    pos_scale += fabs(own);
    neg = other > neg ? other : neg;
  }
  const real excess = neg - pos + 1, bad = excess == excess ? 0 : excess;
  *loss = (struct formula_value){excess < 0 ? 0 : excess, excess < 0 ? 0 : fabs(neg) + pos_scale + 1};
  if (!r->grad) return;
  for (size_t c = 0; c < r->n; c++) ties += categorical_hinge_product(1 - t[c], p[c]) == neg ? 1 : 0;
  const real share = 1 / ties;
  for (size_t c = 0; c < r->n; c++) {
    const real wrong = 1 - t[c], tie = categorical_hinge_product(wrong, p[c]) == neg ? share : 0;
    r->grad[c] = (excess < 0 ? 0 : wrong * tie - t[c]) + bad;
  }
  /* Where the digits of a double do not tell on which side of the kink the row is, any gradient will do. */
  const real anything = fabs(excess) <= (fabs(neg) + pos_scale + 1) * (real)0x1p-45 ? (real)INFINITY : 0;
  if (!r->grad_scale) return;
  real sum = 0, lost = 0; /* what is lost of it also tells a row from one at the kink */
  for (size_t c = 0; c < r->n; c++) {
    const real own = categorical_hinge_product(t[c], p[c]), before = sum;
    sum += own;
    lost += fabs(formula_lost(before, -own, sum));
  }
  for (size_t c = 0; c < r->n; c++)
    r->grad_scale[c] = (excess < 0 ? 0 : fabs(1 - t[c]) / ties + fabs(t[c])) + (excess != 0 || lost > 0 ? anything : 0);
}
#endif

#endif
