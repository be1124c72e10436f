/* Multi-class margin: (1/C) sum_{c != y} w_y max(0, z_c)^norm, z_c = margin - p_y + p_c, y the label, norm 1 or 2.
 * Gradient (norm / C) w_y z_c^(norm - 1) where z_c > 0, and less their sum at the label. In double, z_c is exact or
 * nearly so, and kinks are where they should be. */
#ifdef VLOSS_KERNELS_LOSS_H
#include "../reduce.h"

VFN void multi_margin_constants(const double *parameters, struct constants *k) {
  k->k[0] = (float)parameters[0];
  k->k[1] = (float)parameters[1];
}

VFN double multi_margin_of(const struct row *r, const int squared) {
  const float own = r->p[r->label * r->step], w = r->class_weights ? r->class_weights[r->label] : 1.0f;
  const double start = (double)r->k.k[1] - (double)own, coefficient = (double)w / (double)r->n;
  const vd zero = dset1(0.0), one = dset1(1.0);
  vd sum = zero, active = zero;
  EACH_VECTOR(r, c, m) {
    vd z = dmax(zero, dadd(dset1(start), dwiden(get(r, r->p, c, m, 0.0f))));
    if (m < 16 || r->label - c < 16) z = dwithout(z, m, r->label - c);
    sum = squared ? dfma(z, z, sum) : dadd(sum, z);
    if (r->grad) active = dadd(active, squared ? z : dsel(dgt(z, zero), one, zero));
  }
  const double total = own == own ? dsum(sum) : (double)own, loss = w == 0 && total == total ? 0 : total * coefficient;
  if (loss != loss) return nan_row(r);
  if (w == 0) {
    fill_gradients(r, 0.0f);
  } else if (r->grad) {
    const double slope = squared ? 2 * coefficient : coefficient;
    const float at_label = (float)(-slope * dsum(active));
    EACH_VECTOR(r, c, m) {
      const vd z = dadd(dset1(start), dwiden(get(r, r->p, c, m, 0.0f)));
      vf g = dnarrow(squared ? dmul(dmax(zero, z), dset1(slope)) : dsel(dgt(z, zero), dset1(slope), zero));
      if (r->label - c < 16) g = put_label(g, c, r->label, at_label);
      put(r, r->grad, c, m, g);
    }
  }
  return loss;
}

VFN double multi_margin(const struct row *r) { return r->k.k[0] == 2 ? multi_margin_of(r, 1) : multi_margin_of(r, 0); }
#endif

#ifdef VLOSS_KERNELS_FORMULA_H
/* Adds up classes from .. to - 1: of the loss and of its gradient, without the factors of the row. */
FORMULA void multi_margin_classes(const real *p, size_t from, size_t to, real start, int squared, real *sum,
                                  real *slopes) {
  real s = 0, g = 0;
  for (size_t c = from; c < to; c++) {
    const real z = start + p[c], positive = z < 0 ? 0 : z;
    s += squared ? positive * positive : positive;
    g += squared ? 2 * positive : z > 0 ? 1 : 0;
  }
  *sum += s;
  *slopes += g;
}

FORMULA void multi_margin_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, w = r->class_weights ? r->class_weights[r->label] : 1;
  const size_t y = (size_t)r->label;
  const int squared = r->parameters[0] == 2;
  const real start = (real)(float)r->parameters[1] - p[y], factor = w / (real)r->n;
  real sum = 0, slopes = 0;
  multi_margin_classes(p, 0, y, start, squared, &sum, &slopes);
  multi_margin_classes(p, y + 1, r->n, start, squared, &sum, &slopes);
  sum = p[y] == p[y] ? sum : p[y];
  const real l = w == 0 && sum == sum ? 0 : factor * sum, bad = l == l ? 0 : l;
  *loss = (struct formula_value){l, 0};
  if (!r->grad) return;
  for (size_t c = 0; c < r->n; c++) {
    const real z = start + p[c];
    r->grad[c] = (z > 0 && w != 0 ? factor * (squared ? 2 * z : 1) : 0) + bad;
  }
  r->grad[y] = (w == 0 ? 0 : -factor * slopes) + bad;
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) r->grad_scale[c] = 0;
}
#endif
