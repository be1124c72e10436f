/* Multi-class margin: (1/C) sum_{c != y} w_y max(0, z_c)^norm, z_c = margin - p_y + p_c, y the label, norm 1 or 2.
 * Gradient (norm / C) w_y z_c^(norm - 1) where z_c > 0, and less their sum at the label. In double, z_c is exact or
 * nearly so, and kinks are where they should be. Norm 1 is computed in float, and rows that lie side by side as their
 * memory comes, hence longer than other files. */
#ifndef VLOSS_KERNELS_LOSS_MULTI_MARGIN_H
#define VLOSS_KERNELS_LOSS_MULTI_MARGIN_H

/* The parameters. */
enum { MULTI_MARGIN_NORM, MULTI_MARGIN_MARGIN };

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/beside.h"
#include "../losses/reduce.h"

/* The passes: sums in float or double, the gradient, and sums in double where those in float were infinite. */
enum { MULTI_MARGIN_SUMS, MULTI_MARGIN_GRADIENT, MULTI_MARGIN_AGAIN };

/* margin - p_y, and for any p_c what z_c is: where it is small, it is exact. */
VFN struct difference multi_margin_start(const struct row *r) {
  return exact_difference(r->parameters[MULTI_MARGIN_MARGIN], (double)r->own);
}
VFN vd multi_margin_z(struct difference start, vf p, const int exact) {
  const vd z = dadd(dset1(start.high), dwiden(p));
  return exact ? z : dadd(z, dset1(start.low));
}
VFN double multi_margin_weight(const struct row *r) { return r->weights ? (double)r->weights[r->label] : 1; }

/* The end of the sums: of the losses of the columns, and of their gradients, without factors, which value[0] keeps. */
VFN void multi_margin_summed(const struct row *r, struct row_state *s, double sum, double slopes) {
  const double total = r->own == r->own ? sum : (double)NOT_A_NUMBER, w = multi_margin_weight(r);
  s->loss = w == 0 && total == total ? 0 : total * (w / (double)r->columns);
  s->value[0] = slopes;
  s->pass = r->grad ? MULTI_MARGIN_GRADIENT : ROW_DONE;
  if (s->loss != s->loss)
    nan_row(r, s);
  else if (w == 0)
    filled_row(r, s, 0, 0);
}
/* In double. `exact`: the start's low part is 0. */
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
  multi_margin_summed(r, s, dsum(sum), dsum(active));
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

/* ---- Norm 1 in float --------------------------------------------------------------------------------------------- */

/* margin - p_y in two floats, exactly, as it mostly is. high + p_c is exact where it is small, and low is nothing where
 * it is not: so the sign of z is right, and z is rounded twice. */
struct multi_margin_floats {
  float high, low;
  int exact;
};
VFN struct multi_margin_floats multi_margin_floats(struct difference start) {
  const int in_range = start.high < 0x1p127 && start.high > -0x1p127;
  const float high = in_range ? (float)start.high : 0;
  const double rest = start.high - (double)high;
  const float low = in_range ? (float)(rest + start.low) : 0;
  const int one_part = rest == 0 || start.low == 0;
  return (struct multi_margin_floats){high, low, in_range && one_part && (double)low == rest + start.low};
}
VFN vf multi_margin_float_z(vf high, vf low, vf p) { return vadd(vadd(high, p), low); }
/* max(0, z) of vectors without the label. */
VFN vf multi_margin_positive(struct multi_margin_floats start, vf p) {
  return vpositive(multi_margin_float_z(vset1(start.high), vset1(start.low), p));
}

/* The sums, four vectors in float before they go to double; a sum in float that is infinite need not be so in double.
 * The counts of as many columns are exact in float. */
#define MULTI_MARGIN_COUNTED ((size_t)1 << 24)
VFN void multi_margin_float_summed(const struct row *r, struct row_state *s, double sum, double active) {
  multi_margin_summed(r, s, sum, active);
  if (s->loss - s->loss != 0 && s->loss == s->loss) s->pass = MULTI_MARGIN_AGAIN;
}
VFN int multi_margin_float_sums(const struct row *r, struct row_state *s, struct multi_margin_floats start,
                                const int counts) {
  vd sum = resumed(r, s, 0, 0), active = resumed(r, s, 1, 0);
  struct blocks_of_64 blocks;
  blocks_of_64(&blocks, r, -FLT_MAX);
  for (size_t c = r->from; c < r->to;) {
    const size_t left = r->to - c, end = left < MULTI_MARGIN_COUNTED ? r->to : c + MULTI_MARGIN_COUNTED;
    vi count = viset1(0);
    ROLLED for (; c < end; c += 64) {
      const float *const p = block_of_64(&blocks, r, c);
      vf z[4];
      UNROLL for (size_t i = 0; i < 4; i++) z[i] = multi_margin_positive(start, vload(p + 16 * i));
      sum = dadd(sum, dwiden(vadd(vadd(z[0], z[1]), vadd(z[2], z[3]))));
      UNROLL for (size_t i = 0; i < 4; i++) count = counts ? vicount(count, vgt(z[i], vset1(0.0f))) : count;
    }
    if (counts) active = dadd(active, dwiden(vitof(count)));
  }
  if (r->to < r->columns) {
    s->lanes[0] = sum, s->lanes[1] = active;
    return 0;
  }
  multi_margin_float_summed(r, s, dsum(sum), counts ? dsum(active) : 0);
  return 1;
}
VFN void multi_margin_float_gradient(const struct row *r, struct row_state *s, struct multi_margin_floats start) {
  const double slope = multi_margin_slope(r, 0);
  const float at_label = with_factor(r, -slope * s->value[0]);
  const vf active = vset1(with_factor(r, slope)), inactive = vset1(with_factor(r, 0));
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vf z = multi_margin_float_z(vset1(start.high), vset1(start.low), get(r->p, c, m, 0.0f));
    put_scaled(r->grad, c, m, vsel(vgt(z, vset1(0.0f)), active, inactive));
  }
  if (r->label - r->from < r->to - r->from) r->grad[r->label] = at_label;
  wrote(r, s);
}

/* ---- The passes -------------------------------------------------------------------------------------------------- */

VFN void multi_margin_of(const struct row *r, struct row_state *s, const int squared, const int exact) {
  if (s->pass != MULTI_MARGIN_GRADIENT && (!multi_margin_sums(r, s, squared, exact) || r->from)) return;
  if (s->pass == MULTI_MARGIN_GRADIENT) multi_margin_gradient(r, s, squared, exact);
}
static __attribute__((noinline)) void multi_margin_in_double(struct row r, struct row_state *s) {
  const int exact = multi_margin_start(&r).low == 0;
  if (r.parameters[MULTI_MARGIN_NORM] == 2 && exact)
    multi_margin_of(&r, s, 1, 1);
  else if (r.parameters[MULTI_MARGIN_NORM] == 2)
    multi_margin_of(&r, s, 1, 0);
  else
    multi_margin_of(&r, s, 0, 0);
}
VFN void multi_margin(const struct row *r, struct row_state *s) {
  const struct multi_margin_floats start = multi_margin_floats(multi_margin_start(r));
  if (r->parameters[MULTI_MARGIN_NORM] == 1 && start.exact && s->pass != MULTI_MARGIN_AGAIN) {
    if (s->pass == MULTI_MARGIN_SUMS) {
      if (!(r->grad ? multi_margin_float_sums(r, s, start, 1) : multi_margin_float_sums(r, s, start, 0)) || r->from)
        return;
    }
    if (s->pass == MULTI_MARGIN_GRADIENT) multi_margin_float_gradient(r, s, start);
    if (s->pass != MULTI_MARGIN_AGAIN) return;
  }
  multi_margin_in_double(*r, s);
}

/* ---- Rows that lie side by side, of norm 1 in float ---------------------------------------------------------------
 */

/* z of the vector at a phase, from what is a number a row. Lanes beyond the end are far below 0. */
struct multi_margin_beside {
  float high[BESIDE_PATTERN], low[BESIDE_PATTERN];
};
VFN vf multi_margin_z_beside(const struct beside *b, const struct multi_margin_beside *start, size_t at, size_t phase,
                             const int whole) {
  const vf p = whole ? vload(b->p + at) : beside_get_or(b, b->p, at, -FLT_MAX);
  return multi_margin_float_z(vload(start->high + phase), vload(start->low + phase), p);
}
/* Whether all rows that are in this pass can go this way; others have one number for all columns. */
VFN int multi_margin_start_beside(const struct beside *b, struct multi_margin_beside *start, int pass) {
  if (b->row[0].parameters[MULTI_MARGIN_NORM] != 1) return 0;
  for (size_t i = 0; i < b->rows; i++) {
    const int takes_part = b->state[i].pass == pass;
    const struct multi_margin_floats floats = multi_margin_floats(multi_margin_start(&b->row[i]));
    if (takes_part ? !floats.exact : b->state[i].pass != ROW_FILL) return 0;
    start->high[i] = takes_part ? floats.high : 0;
    start->low[i] = takes_part ? floats.low : 0;
  }
  beside_repeat(b, start->high);
  beside_repeat(b, start->low);
  return 1;
}

/* The sums of lanes, and how many columns of theirs are active. */
struct multi_margin_lanes {
  struct multi_margin_beside start;
  struct beside_labels labels;
  int32_t active[16 * 16];
};
VFN vf multi_margin_positive_beside(const struct beside *b, const struct multi_margin_lanes *l, size_t vector,
                                    size_t phase, size_t c, size_t at, const int whole) {
  const vf z = vpositive(multi_margin_z_beside(b, &l->start, at, phase, whole));
  return beside_without_label(&l->labels, vector, c, z);
}
VFN void multi_margin_add_beside(const struct beside *b, struct multi_margin_lanes *l, size_t vector, vf sum,
                                 vi active) {
  double *const sums = b->scratch + 16 * vector;
  dstore(sums, dadd(dload(sums), dwiden(sum)));
  vistore(l->active + 16 * vector, viadd(viload(l->active + 16 * vector), active));
}
/* Four vectors from column c on, as far as there are columns. */
VFN void multi_margin_fours_beside(const struct beside *b, struct multi_margin_lanes *l, size_t vector, size_t phase,
                                   size_t c, size_t at, const int whole) {
  const size_t step = 16 * b->column_stride, end = b->columns * b->column_stride;
  vi active = viset1(0);
  vf z[4];
  UNROLL for (size_t i = 0; i < 4; i++) {
    z[i] = vset1(0.0f);
    if (!whole && at + i * step >= end) continue;
    z[i] = multi_margin_positive_beside(b, l, vector, phase, c + 16 * i, at + i * step, whole);
    active = vicount(active, vgt(z[i], vset1(0.0f)));
  }
  multi_margin_add_beside(b, l, vector, vadd(vadd(z[0], z[1]), vadd(z[2], z[3])), active);
}
static __attribute__((noinline)) void multi_margin_sums_beside(const struct beside *beside,
                                                               struct multi_margin_lanes *l) {
  const struct beside b = *beside;
  const size_t turn = beside_turn(&b);
  for (size_t c = 0; c < b.columns; c += 64) {
    const int whole = c + 64 <= b.columns && beside_whole(&b, c, 64);
    const size_t vectors = beside_vectors(&b, beside_columns(&b, c));
    for (size_t vector = 0, phase = 0, at = c * b.column_stride; vector < vectors; vector++, at += b.vector_stride) {
      if (whole)
        multi_margin_fours_beside(&b, l, vector, phase, c, at, 1);
      else
        multi_margin_fours_beside(&b, l, vector, phase, c, at, 0);
      phase = beside_phase(&b, phase, turn);
    }
  }
}
static void multi_margin_beside(const struct beside *b) {
  struct multi_margin_lanes l = {.active = {0}};
  if (b->columns > INT32_MAX || !multi_margin_start_beside(b, &l.start, MULTI_MARGIN_SUMS)) return;
  beside_label(b, &l.labels);
  memset(b->scratch, 0, BESIDE_LANES * sizeof *b->scratch);
  multi_margin_sums_beside(b, &l);
  for (size_t i = 0; i < b->rows; i++) {
    double active = 0;
    for (size_t j = 0; j < 16; j++) active += l.active[j * b->width + i];
    if (b->state[i].pass == MULTI_MARGIN_SUMS)
      multi_margin_float_summed(&b->row[i], &b->state[i], dsum(beside_lanes(b, 0, i)), active);
  }
}

/* Their gradients. */
static int multi_margin_gradients_beside(const struct beside *b) {
  struct multi_margin_beside start;
  float active[BESIDE_PATTERN], inactive[BESIDE_PATTERN];
  if (!multi_margin_start_beside(b, &start, MULTI_MARGIN_GRADIENT)) return 0;
  for (size_t i = 0; i < b->rows; i++) {
    const struct row *r = &b->row[i];
    const int filled = b->state[i].pass == ROW_FILL;
    inactive[i] = with_factor(r, filled ? b->state[i].fill : 0);
    active[i] = filled ? inactive[i] : with_factor(r, multi_margin_slope(r, 0));
  }
  beside_repeat(b, active);
  beside_repeat(b, inactive);
  const size_t turn = beside_turn(b), vectors = beside_vectors(b, b->columns);
  for (size_t vector = 0, at = 0, phase = 0; vector < vectors; vector++, at += b->vector_stride) {
    const vf z = multi_margin_z_beside(b, &start, at, phase, 0);
    beside_put(b, b->grad, at, vsel(vgt(z, vset1(0.0f)), vload(active + phase), vload(inactive + phase)));
    phase = beside_phase(b, phase, turn);
  }
  for (size_t i = 0; i < b->rows; i++) {
    const struct row *r = &b->row[i];
    if (b->state[i].pass == MULTI_MARGIN_GRADIENT)
      b->grad[r->label * b->column_stride + i] = with_factor(r, -multi_margin_slope(r, 0) * b->state[i].value[0]);
    b->state[i].pass = ROW_DONE;
  }
  return 1;
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

/* z of columns c .. c + n - 1; 0 at the label and beyond. Where it is small, start.high + p_c is exact, and where it is
 * not, start.low is nothing: so the sign is right, and z is rounded twice. */
VFN vd multi_margin_z_wide(const struct wide_loss_row *r, struct parts start, size_t c, size_t n) {
  const vd z = dadd(dadd(start.high, columns_at(r->p, c, n, 0.0)), start.low);
  return with_label(lanes_below(z, n), c, r->label, 0);
}

/* The sum of z and how many are active. */
static RARE void multi_margin_sum_carefully(const struct wide_loss_row *r, struct parts start, struct row_sum *sums) {
  const vd zero = dset1(0.0), one = dset1(1.0);
  do
    for (size_t c = 0; c < r->columns; c += 16) {
      const vd z = dpositive(multi_margin_z_wide(r, start, c, at_once(r->columns, c)));
      add_to_sum(&sums[0], z);
      add_to_sum(&sums[1], dsel(dgt(z, zero), one, zero));
    }
  while (sums_again(sums, 2));
}
VFN void multi_margin_sum_wide(const struct wide_loss_row *r, struct parts start, struct row_sum *sums,
                               const int counts) {
  const vd zero = dset1(0.0), one = dset1(1.0);
  struct lanes sum = no_lanes();
  vd active = zero;
  double copy[64];
  for (size_t c = 0; c < r->columns; c += 64) {
    const double *const p = raw_classes_64(copy, r->p, r->columns, c, r->label, -WIDE_MAX);
    vd z[4];
    UNROLL for (size_t i = 0; i < 4; i++) {
      z[i] = dpositive(dadd(dadd(start.high, dload(p + 16 * i)), start.low));
      if (counts) active = dadd(active, dsel(dgt(z[i], zero), one, zero));
    }
    sum = lanes_plus_sizes(sum, z);
  }
  sums[0].total = lanes_total(&sum);
  sums[1].total = (struct total){dsum(active), 0};
  if (!is_number(sums[0].total.high)) multi_margin_sum_carefully(r, start, sums);
}
/* The sum of (z scale)^2, and of z scale. */
static void multi_margin_squares_wide(const struct wide_loss_row *r, struct parts start, double scale,
                                      struct row_sum *sums) {
  do
    for (size_t c = 0; c < r->columns; c += 16) {
      const vd z = dmul(dpositive(multi_margin_z_wide(r, start, c, at_once(r->columns, c))), dset1(scale));
      add_parts_to_sum(&sums[0], product_of(z, z));
      add_to_sum(&sums[1], z);
    }
  while (sums_again(sums, 2));
}

static double multi_margin_wide(const struct wide_loss_row *r) {
  const int squared = r->parameters[MULTI_MARGIN_NORM] == 2;
  const double own = r->p.p[r->label * r->p.step];
  const double w = r->weights.p ? r->weights.p[r->label * r->weights.step] : 1;
  const struct parts start = sum_of(dset1(r->parameters[MULTI_MARGIN_MARGIN]), dset1(-own));
  const vd zero = dset1(0.0), one = dset1(1.0);
  struct vloss_exact_sum exact[2];
  struct row_sum sums[2];
  double scale = 1;
  begin_sums(sums, exact, 2);
  if (squared) { /* of z times a power of two that brings the largest near to 1 */
    vd most = zero;
    for (size_t c = 0; c < r->columns; c += 16)
      most = dmax(multi_margin_z_wide(r, start, c, at_once(r->columns, c)), most);
    scale = scale_to(largest_lane(most), 0);
    multi_margin_squares_wide(r, start, scale, sums);
  } else if (r->grad.p) {
    multi_margin_sum_wide(r, start, sums, 1);
  } else {
    multi_margin_sum_wide(r, start, sums, 0);
  }
  const double mean = own == own ? sum_mean(&sums[0], r->columns) : WIDE_NAN;
  const double loss = w == 0 && mean == mean ? 0 : mean * w / scale / (squared ? scale : 1);
  if (loss != loss || !r->grad.p) return loss;
  const struct parts slope = parts_quotient(one_number(squared ? 2 * w : w), one_number((double)r->columns));
  const vd at_label = dneg(ddiv(rounded_parts(parts_product(sum_parts(&sums[1]), slope)), dset1(scale)));
  const vd active = product_plus(one, slope.high, slope.low);
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd z = multi_margin_z_wide(r, start, c, n);
    const vd size = squared ? product_plus(z, slope.high, dmul(z, slope.low)) : active;
    const vd v = dsel(dgt(z, zero), size, zero);
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
