/* Multi-class margin: (1/C) sum_{c != y} w_y max(0, z_c)^norm, z_c = margin - p_y + p_c, y the label, norm 1 or 2.
 * Gradient (norm / C) w_y z_c^(norm - 1) where z_c > 0, and less their sum at the label. In double, z_c is exact or
 * nearly so, and kinks are where they should be. */
#ifndef VLOSS_KERNELS_LOSS_MULTI_MARGIN_H
#define VLOSS_KERNELS_LOSS_MULTI_MARGIN_H

/* The parameters. */
enum { MULTI_MARGIN_NORM, MULTI_MARGIN_MARGIN };

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/beside.h"
#include "../losses/reduce.h"

/* margin - p_y, and for any p_c what z_c is: where it is small, it is exact. */
VFN struct difference multi_margin_start(const struct row *r) {
  return exact_difference(r->parameters[MULTI_MARGIN_MARGIN], (double)r->own);
}
VFN vd multi_margin_z(struct difference start, vf p, const int exact) {
  const vd z = dadd(dset1(start.high), dwiden(p));
  return exact ? z : dadd(z, dset1(start.low));
}
VFN double multi_margin_weight(const struct row *r) { return r->weights ? (double)r->weights[r->label] : 1; }

/* value[0] is the sum of the other gradients, without factors. `exact`: the start's low part is 0. */
VFN int multi_margin_sums(const struct row *r, struct row_state *s, const int squared, const int exact) {
  const struct difference start = multi_margin_start(r);
  const vd zero = dset1(0.0), one = dset1(1.0);
  vd sum = resumed(r, s, 0, 0), active = resumed(r, s, 1, 0);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    vd z = dmax(zero, multi_margin_z(start, get(r->p, c, m, 0.0f), exact));
    if (m < 16 || r->label - c < 16) z = dwithout(z, m, r->label - c);
    sum = squared ? dfma(z, z, sum) : dadd(sum, z);
    if (r->grad) active = dadd(active, squared ? z : dsel(dgt(z, zero), one, zero));
  }
  if (r->to < r->columns) {
    s->lanes[0] = sum, s->lanes[1] = active;
    return 0;
  }
  const double total = r->own == r->own ? dsum(sum) : (double)NOT_A_NUMBER, w = multi_margin_weight(r);
  s->loss = w == 0 && total == total ? 0 : total * (w / (double)r->columns);
  s->value[0] = dsum(active);
  s->pass = r->grad ? 1 : ROW_DONE;
  if (s->loss != s->loss)
    nan_row(r, s);
  else if (w == 0)
    filled_row(r, s, 0, 0);
  return 1;
}

VFN double multi_margin_slope(const struct row *r, int squared) {
  return (squared ? 2 : 1) * multi_margin_weight(r) / (double)r->columns;
}
VFN void multi_margin_gradient(const struct row *r, struct row_state *s, const int squared, const int exact) {
  const struct difference start = multi_margin_start(r);
  const double slope = multi_margin_slope(r, squared);
  const float at_label = with_factor(r, -slope * s->value[0]);
  const vf active = vset1(with_factor(r, slope)), inactive = vset1(with_factor(r, 0));
  const vd zero = dset1(0.0), one = dset1(1.0);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vd z = multi_margin_z(start, get(r->p, c, m, 0.0f), exact);
    vf g;
    if (squared)
      g = narrow_with_factor(r, dmul(dmax(zero, z), dset1(slope)));
    else
      g = vsel(vgt(dnarrow(dsel(dgt(z, zero), one, zero)), vset1(0.0f)), active, inactive);
    if (r->label - c < 16) g = put_label(g, c, r->label, at_label);
    put_scaled(r->grad, c, m, g);
  }
  wrote(r, s);
}

VFN void multi_margin_of(const struct row *r, struct row_state *s, const int squared, const int exact) {
  if (s->pass == 0 && (!multi_margin_sums(r, s, squared, exact) || r->from)) return;
  if (s->pass == 1) multi_margin_gradient(r, s, squared, exact);
}
static __attribute__((noinline)) void multi_margin_inexact(struct row r, struct row_state *s) {
  if (r.parameters[MULTI_MARGIN_NORM] == 2)
    multi_margin_of(&r, s, 1, 0);
  else
    multi_margin_of(&r, s, 0, 0);
}
VFN void multi_margin(const struct row *r, struct row_state *s) {
  if (multi_margin_start(r).low != 0)
    multi_margin_inexact(*r, s);
  else if (r->parameters[MULTI_MARGIN_NORM] == 2)
    multi_margin_of(r, s, 1, 1);
  else
    multi_margin_of(r, s, 0, 1);
}

/* The gradients of rows that lie side by side, of norm 1. */
VFN struct beside_gradient multi_margin_slopes_beside(const struct beside *b, size_t at, const struct beside_numbers *n,
                                                      size_t phase) {
  const vd zero = dset1(0.0), z = dadd(dload(n->of[0] + phase), dwiden(beside_get(b, b->p, at)));
  return (struct beside_gradient){.p = dsel(dgt(z, zero), dload(n->of[1] + phase), zero)};
}
static int multi_margin_gradients_beside(const struct beside *b) {
  struct beside_numbers n = {0};
  float at_label[16];
  int writes = 0;
  if (b->row[0].parameters[MULTI_MARGIN_NORM] != 1 || !beside_ready(b, 1)) return 0;
  for (size_t i = 0; i < b->rows; i++) {
    if (b->state[i].pass == ROW_FILL) continue; /* it may have no label */
    const struct difference start = multi_margin_start(&b->row[i]);
    if (start.low != 0) return 0;
    n.of[0][i] = start.high;
    n.of[1][i] = multi_margin_slope(&b->row[i], 0);
    at_label[i] = with_factor(&b->row[i], -n.of[1][i] * b->state[i].value[0]);
    writes |= 1 << i;
  }
  beside_gradients(b, &n, multi_margin_slopes_beside);
  for (size_t i = 0; i < b->rows; i++)
    if (writes >> i & 1) b->grad[b->row[i].label * b->column_stride + i] = at_label[i];
  return 1;
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

/* z of columns c .. c + n - 1; 0 at the label and beyond. */
VFN vd multi_margin_z_wide(const struct wide_loss_row *r, struct parts start, size_t c, size_t n) {
  const struct parts z = sum_of(start.high, classes_at(r->p, c, n, 0.0));
  return with_label(lanes_below(dadd(z.high, dadd(z.low, start.low)), n), c, r->label, 0);
}

static double multi_margin_wide(const struct wide_loss_row *r) {
  const int squared = r->parameters[MULTI_MARGIN_NORM] == 2;
  const double own = r->p.p[r->label * r->p.step];
  const double w = r->weights.p ? r->weights.p[r->label * r->weights.step] : 1;
  const struct parts start = sum_of(dset1(r->parameters[MULTI_MARGIN_MARGIN]), dset1(-own));
  const vd zero = dset1(0.0), one = dset1(1.0);
  vd most = zero;
  for (size_t c = 0; c < r->columns; c += 16)
    most = dmax(multi_margin_z_wide(r, start, c, at_once(r->columns, c)), most);
  double lanes[16];
  dstore(lanes, most);
  /* Squares are of z times a power of two that brings the largest near to 1. */
  const double scale = squared ? scale_to(largest_of((struct wide_row){.p = lanes, .step = 1}, 16), 0) : 1;
  struct row_sum sum, slopes;
  begin_sum(&sum), begin_sum(&slopes);
  for (size_t c = 0; c < r->columns; c += 16) {
    const vd z = dmul(dpositive(multi_margin_z_wide(r, start, c, at_once(r->columns, c))), dset1(scale));
    add_parts_to_sum(&sum, squared ? product_of(z, z) : whole(z));
    add_to_sum(&slopes, squared ? z : dsel(dgt(z, zero), one, zero));
  }
  const double mean = own == own ? end_mean(&sum, r->columns) : WIDE_NAN;
  const double loss = w == 0 && mean == mean ? 0 : mean * w / scale / (squared ? scale : 1);
  if (loss != loss || !r->grad.p) return loss;
  const struct parts slope = parts_quotient(one_number(squared ? 2 * w : w), one_number((double)r->columns));
  const vd at_label = dneg(ddiv(rounded_parts(parts_product(end_sum(&slopes), slope)), dset1(scale)));
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd z = multi_margin_z_wide(r, start, c, n), size = squared ? z : one;
    const vd v = dsel(dgt(z, zero), product_plus(size, slope.high, dmul(size, slope.low)), zero);
    put_gradient(r, r->grad, c, n, w == 0 ? zero : with_label(v, c, r->label, first_of(at_label)));
  }
  return loss;
}
#else
#include "../losses/formula.h"

/* Adds up classes from .. to - 1: of the loss and of its gradient, without the factors of the row. */
FORMULA void multi_margin_classes(const real *p, size_t from, size_t to, real start, real lost, int squared, real *sum,
                                  real *slopes) {
  real s = 0, g = 0;
  for (size_t c = from; c < to; c++) {
    const real z = start + p[c] + lost, positive = z < 0 ? 0 : z;
    s += squared ? positive * positive : positive;
    g += squared ? 2 * positive : z > 0 ? 1 : 0;
  }
  *sum += s;
  *slopes += g;
}

FORMULA void multi_margin_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, w = r->class_weights ? r->class_weights[r->label] : 1;
  const size_t y = (size_t)r->label;
  const int squared = r->parameters[MULTI_MARGIN_NORM] == 2;
  const real margin = (real)r->parameters[MULTI_MARGIN_MARGIN], start = margin - p[y], factor = w / (real)r->n;
  const real lost = formula_lost(margin, p[y], start);
  real sum = 0, slopes = 0;
  multi_margin_classes(p, 0, y, start, lost, squared, &sum, &slopes);
  multi_margin_classes(p, y + 1, r->n, start, lost, squared, &sum, &slopes);
  sum = p[y] == p[y] ? sum : p[y];
  const real l = w == 0 && sum == sum ? 0 : factor * sum, bad = l == l ? 0 : l;
  *loss = (struct formula_value){l, 0};
  if (!r->grad) return;
  for (size_t c = 0; c < r->n; c++) {
    const real z = start + p[c] + lost;
    r->grad[c] = (z > 0 && w != 0 ? factor * (squared ? 2 * z : 1) : 0) + bad;
  }
  r->grad[y] = (w == 0 ? 0 : -factor * slopes) + bad;
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) r->grad_scale[c] = 0;
}
#endif

#endif
