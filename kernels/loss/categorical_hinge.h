/* Categorical hinge: max(neg - pos + 1, 0), pos = sum_c t_c p_c, neg = max_c (1 - t_c) p_c. Gradient, at the kink, too:
 * -t_c, plus (1 - t_c) / k in the k columns that reach neg. Products are taken in double, where they are exact for
 * labels of 0 and 1 and ties are ties. */
#ifdef VLOSS_KERNELS_LOSS_H
#include "../reduce.h"

VFN void categorical_hinge_constants(const double *parameters, struct constants *k) { (void)parameters, (void)k; }

/* (1 - t) p and t p; with `infinities` 0 where the coefficient is 0, whatever p. */
struct hinge_products {
  vd other, own;
};
VFN struct hinge_products hinge_products(vd p, vd t, const int infinities) {
  const vd wrong = dsub(dset1(1.0), t);
  return infinities ? (struct hinge_products){dmul_or_zero(wrong, p), dmul_or_zero(t, p)}
                    : (struct hinge_products){dmul(wrong, p), dmul(t, p)};
}

/* NaN where there is NaN in the row, or infinity but not `infinities`: then nothing was written. */
VFN double categorical_hinge_of(const struct row *r, const int infinities) {
  const vd zero = dset1(0.0), one = dset1(1.0);
  vd pos = zero, most = dset1(-(double)INF), ties = zero;
  EACH_VECTOR(r, c, m) {
    const vd p = dwiden(get(r, r->p, c, m, infinities ? -INF : -FLT_MAX)), t = dwiden(get(r, r->t, c, m, 0.0f));
    const struct hinge_products v = hinge_products(p, t, infinities);
    pos = dadd(pos, v.own);
    if (r->grad) ties = dsel(dgt(v.other, most), one, dadd(ties, dsel(deq(v.other, most), one, zero)));
    most = dmax(v.other, most); /* without NaN, which pos has */
  }
  double greatest[16], equal[16], neg = -(double)INF, k = 0;
  dstore(greatest, most);
  dstore(equal, ties);
  for (int i = 0; i < 16; i++) neg = greatest[i] > neg ? greatest[i] : neg;
  for (int i = 0; i < 16; i++) k += greatest[i] == neg ? equal[i] : 0;
  const double sum = dsum(pos), excess = neg - sum + 1;
  if (excess != excess || (!infinities && sum - sum != 0)) return (double)NOT_A_NUMBER;
  if (excess < 0) {
    fill_gradients(r, 0.0f);
    return 0;
  }
  if (r->grad) EACH_VECTOR(r, c, m) {
      const vd p = dwiden(get(r, r->p, c, m, 0.0f)), t = dwiden(get(r, r->t, c, m, 0.0f));
      const dm tied = deq(hinge_products(p, t, infinities).other, dset1(neg));
      put(r, r->grad, c, m, dnarrow(dsub(dsel(tied, dmul(dsub(one, t), dset1(1 / k)), zero), t)));
    }
  return excess;
}

VFN double categorical_hinge(const struct row *r) {
  double loss = categorical_hinge_of(r, 0);
  if (loss != loss) loss = categorical_hinge_of(r, 1);
  return loss == loss ? loss : nan_row(r);
}
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
/* (1 - t) p and t p, 0 where the coefficient is 0. */
FORMULA real categorical_hinge_product(real coefficient, real p) {
  const real product = coefficient * p;
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
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) r->grad_scale[c] = excess < 0 ? 0 : fabs(1 - t[c]) / k + fabs(t[c]);
}
#endif
