/* Categorical hinge: max(neg - pos + 1, 0), pos = sum_c t_c p_c, neg = max_c (1 - t_c) p_c. Gradient, at the kink, too:
 * -t_c, plus (1 - t_c) / k in the k columns that reach neg. Products are taken in double, where they are exact for
 * labels of 0 and 1 and ties are ties. */
#ifdef VLOSS_KERNELS_LOSS_H
#include "../reduce.h"

/* (1 - t) p and t p; with `infinities` 0 where the coefficient is 0, whatever p. */
struct hinge_products {
  vd other, own;
};
VFN struct hinge_products hinge_products(vd p, vd t, const int infinities) {
  const vd wrong = dsub(dset1(1.0), t);
  return infinities ? (struct hinge_products){dmul_or_zero(wrong, p), dmul_or_zero(t, p)}
                    : (struct hinge_products){dmul(wrong, p), dmul(t, p)};
}

/* Sums of a row. value[0] is neg, value[1] the share of each that reaches it. The loss is NaN where there is NaN in the
 * row, or infinity but not `infinities`. */
VFN int hinge_sums(const struct row *r, struct row_state *s, const int infinities) {
  const vd zero = dset1(0.0), one = dset1(1.0);
  vd pos = resumed(r, s, 0, 0), most = resumed(r, s, 1, -(double)INF), ties = resumed(r, s, 2, 0);
  EACH_VECTOR(r, c, m) {
    const vd p = dwiden(get(r->p, c, m, infinities ? -INF : -FLT_MAX)), t = dwiden(get(r->t, c, m, 0.0f));
    const struct hinge_products v = hinge_products(p, t, infinities);
    pos = dadd(pos, v.own);
    if (r->grad) ties = dsel(dgt(v.other, most), one, dadd(ties, dsel(deq(v.other, most), one, zero)));
    most = dmax(v.other, most); /* without NaN, which pos has */
  }
  if (r->to < r->n) {
    s->lanes[0] = pos, s->lanes[1] = most, s->lanes[2] = ties;
    return 0;
  }
  const double neg = lane_max(most), sum = dsum(pos), excess = neg - sum + 1;
  s->value[0] = neg;
  if (r->grad) s->value[1] = 1 / sum_at(ties, most, neg); /* a division by 0 would cost its flag */
  s->loss = !infinities && sum - sum != 0 ? (double)NOT_A_NUMBER : excess;
  return 1;
}
VFN void hinge_gradient(const struct row *r, struct row_state *s, const int infinities) {
  const vd neg = dset1(s->value[0]), share = dset1(s->value[1]), zero = dset1(0.0);
  EACH_VECTOR(r, c, m) {
    const vd p = dwiden(get(r->p, c, m, 0.0f)), t = dwiden(get(r->t, c, m, 0.0f));
    const dm tied = deq(hinge_products(p, t, infinities).other, neg);
    put_number(r, r->grad, c, m, dsub(dsel(tied, dmul(dsub(dset1(1.0), t), share), zero), t));
  }
  wrote(r, s);
}
static __attribute__((noinline)) int hinge_sums_of_infinities(struct row r, struct row_state *s) {
  return hinge_sums(&r, s, 1);
}
static __attribute__((noinline)) void hinge_gradient_of_infinities(struct row r, struct row_state *s) {
  hinge_gradient(&r, s, 1);
}

/* What the sums of a row decide. */
VFN void hinge_decide(const struct row *r, struct row_state *s, int gradient) {
  s->pass = r->grad ? gradient : ROW_DONE;
  if (s->loss != s->loss) nan_row(r, s);
  if (s->loss < 0) filled_row(r, s, 0, 0);
}

VFN void categorical_hinge(const struct row *r, struct row_state *s) {
  enum { SUMS, SUMS_OF_INFINITIES, GRADIENT, GRADIENT_OF_INFINITIES };
  if (s->pass == SUMS) {
    if (!hinge_sums(r, s, 0)) return;
    s->pass = SUMS_OF_INFINITIES;
    if (s->loss == s->loss) hinge_decide(r, s, GRADIENT);
    if (r->from) return;
  }
  if (s->pass == SUMS_OF_INFINITIES) {
    if (!hinge_sums_of_infinities(*r, s)) return;
    hinge_decide(r, s, GRADIENT_OF_INFINITIES);
    if (r->from) return;
  }
  if (s->pass == GRADIENT) hinge_gradient(r, s, 0);
  if (s->pass == GRADIENT_OF_INFINITIES) hinge_gradient_of_infinities(*r, s);
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
/* (1 - t) p and t p, 0 where the coefficient is 0. In double, where ties are what the contract takes for them. */
FORMULA real categorical_hinge_double(real x) { return sizeof x > sizeof(double) ? (real)(double)x : x; }
FORMULA real categorical_hinge_product(real coefficient, real p) {
  const real product = categorical_hinge_double(categorical_hinge_double(coefficient) * p);
  return product != product && coefficient == 0 && p == p ? 0 : product;
}

FORMULA void categorical_hinge_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, *t = r->t;
  real pos = 0, pos_scale = 0, neg = categorical_hinge_product(1 - t[0], p[0]), k = 0;
  for (size_t c = 0; c < r->n; c++) {
    const real own = categorical_hinge_product(t[c], p[c]), other = categorical_hinge_product(1 - t[c], p[c]);
    pos += own;
    pos_scale += fabs(own);
    neg = other > neg ? other : neg;
  }
  const real excess = neg - pos + 1, bad = excess == excess ? 0 : excess;
  *loss = (struct formula_value){excess < 0 ? 0 : excess, excess < 0 ? 0 : fabs(neg) + pos_scale + 1};
  if (!r->grad) return;
  for (size_t c = 0; c < r->n; c++) k += categorical_hinge_product(1 - t[c], p[c]) == neg ? 1 : 0;
  const real share = 1 / k;
  for (size_t c = 0; c < r->n; c++) {
    const real wrong = 1 - t[c], tie = categorical_hinge_product(wrong, p[c]) == neg ? share : 0;
    r->grad[c] = (excess < 0 ? 0 : wrong * tie - t[c]) + bad;
  }
  /* Where the digits of a double do not tell on which side of the kink the row is, any gradient will do. */
  const real anything = fabs(excess) <= (fabs(neg) + pos_scale + 1) * (real)0x1p-45 ? (real)INFINITY : 0;
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++)
      r->grad_scale[c] = (excess < 0 ? 0 : fabs(1 - t[c]) / k + fabs(t[c])) + (excess != 0 ? anything : 0);
}
#endif
