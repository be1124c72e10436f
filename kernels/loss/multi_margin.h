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
#include "../losses/margin.h"
#include "../losses/reduce.h"

/* The passes: sums in float or double, the gradient, and sums in double where those in float were infinite. */
enum { MULTI_MARGIN_SUMS, MULTI_MARGIN_GRADIENT, MULTI_MARGIN_AGAIN };

/* margin - p_y, and for any p_c what z_c is: where it is small, it is exact. */
VFN struct difference multi_margin_start(const struct row *r) {
  return exact_difference(r->parameters[MULTI_MARGIN_MARGIN], (double)r->own);
}
VFN vd multi_margin_z(struct difference start, vf p) {
  return dadd(dadd(dset1(start.high), dwiden(p)), dset1(start.low));
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
/* In double. */
VFN int multi_margin_sums(const struct row *r, struct row_state *s, const int squared) {
  const struct difference start = multi_margin_start(r);
  const vd zero = dset1(0.0), one = dset1(1.0);
  vd sum = resumed(r, s, 0, 0), active = resumed(r, s, 1, 0);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    vd z = dmax(zero, multi_margin_z(start, get(r->p, c, m, 0.0f)));
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
VFN void multi_margin_gradient(const struct row *r, struct row_state *s, const int squared) {
  const struct difference start = multi_margin_start(r);
  const double slope = multi_margin_slope(r, squared);
  const float at_label = with_factor(r, -slope * s->value[0]);
  const vf active = vset1(with_factor(r, slope)), inactive = vset1(with_factor(r, 0));
  const vd zero = dset1(0.0), one = dset1(1.0);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vd z = multi_margin_z(start, get(r->p, c, m, 0.0f));
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

/* The sums, eight vectors in float before they go to double, four at an odd end; a sum in float that is infinite need
 * not be so in double. The counts of as many columns are exact in float. */
#define MULTI_MARGIN_COUNTED ((size_t)1 << 24)
VFN void multi_margin_float_summed(const struct row *r, struct row_state *s, struct margin_start start, double sum,
                                   double active) {
  const double columns = (double)((r->columns + 63) / 64 * 64);
  multi_margin_summed(r, s, sum - columns * (double)start.least, active);
  if (s->loss - s->loss != 0 && s->loss == s->loss) s->pass = MULTI_MARGIN_AGAIN;
}
/* The sum of max(least, q) of 64 columns, and how many are active. */
VFN vf multi_margin_64(struct margin_start start, const float *p, vi *count, const int counts) {
  vf v[4];
  UNROLL for (size_t i = 0; i < 4; i++) {
    v[i] = margin_at_least(start, vload(p + 16 * i));
    if (counts) *count = vicount(*count, vgt(v[i], vset1(start.least)));
  }
  return margin_sum_of_4(v);
}
VFN int multi_margin_float_sums(const struct row *r, struct row_state *s, struct margin_start start) {
  vd sum = resumed(r, s, 0, 0), active = resumed(r, s, 1, 0);
  struct blocks_of_64 blocks;
  blocks_of_64(&blocks, r, -FLT_MAX);
  for (size_t c = r->from; c < r->to;) {
    const size_t left = r->to - c, end = left < MULTI_MARGIN_COUNTED ? r->to : c + MULTI_MARGIN_COUNTED;
    vi count = viset1(0);
    ROLLED for (; c + 64 < end; c += 128) {
      const vf first = multi_margin_64(start, block_of_64(&blocks, r, c), &count, 1);
      const vf second = multi_margin_64(start, block_of_64(&blocks, r, c + 64), &count, 1);
      sum = dadd(sum, dwiden(vadd(first, second)));
    }
    if (c < end) sum = dadd(sum, dwiden(multi_margin_64(start, block_of_64(&blocks, r, c), &count, 1))), c += 64;
    active = dadd(active, dwiden(vitof(count)));
  }
  if (r->to < r->columns) {
    s->lanes[0] = sum, s->lanes[1] = active;
    return 0;
  }
  multi_margin_float_summed(r, s, start, dsum(sum), dsum(active));
  return 1;
}
VFN vf multi_margin_float_slope(struct margin_start start, vf p, vf active, vf inactive) {
  return vsel(vgt(margin_q(vset1(start.high), p), vset1(start.least)), active, inactive);
}
VFN void multi_margin_float_gradient(const struct row *r, struct row_state *s, struct margin_start start) {
  const double slope = multi_margin_slope(r, 0);
  const float at_label = with_factor(r, -slope * s->value[0]);
  const vf active = vset1(with_factor(r, slope)), inactive = vset1(with_factor(r, 0));
  size_t c = r->from;
  for (; c + 16 <= r->to; c += 16)
    vstore(r->grad + c, multi_margin_float_slope(start, vload(r->p + c), active, inactive));
  if (c < r->to)
    vstore_tail(r->grad + c, multi_margin_float_slope(start, vtail(r->p + c, r->to - c, 0.0f), active, inactive),
                r->to - c);
  if (r->label - r->from < r->to - r->from) r->grad[r->label] = at_label;
  wrote(r, s);
}

/* ---- The passes -------------------------------------------------------------------------------------------------- */

VFN void multi_margin_of(const struct row *r, struct row_state *s, const int squared) {
  if (s->pass != MULTI_MARGIN_GRADIENT && (!multi_margin_sums(r, s, squared) || r->from)) return;
  if (s->pass == MULTI_MARGIN_GRADIENT) multi_margin_gradient(r, s, squared);
}
static __attribute__((noinline)) void multi_margin_in_double(struct row r, struct row_state *s) {
  if (r.parameters[MULTI_MARGIN_NORM] == 2)
    multi_margin_of(&r, s, 1);
  else
    multi_margin_of(&r, s, 0);
}
VFN void multi_margin(const struct row *r, struct row_state *s) {
  const struct margin_start start = margin_start(multi_margin_start(r));
  if (r->parameters[MULTI_MARGIN_NORM] == 1 && start.exact && s->pass != MULTI_MARGIN_AGAIN) {
    if (s->pass == MULTI_MARGIN_SUMS) {
      if (!multi_margin_float_sums(r, s, start) || r->from) return;
    }
    if (s->pass == MULTI_MARGIN_GRADIENT) multi_margin_float_gradient(r, s, start);
    if (s->pass != MULTI_MARGIN_AGAIN) return;
  }
  multi_margin_in_double(*r, s);
}

/* ---- Rows as they lie, of norm 1 in float ------------------------------------------------------------------------ */

/* The same sums of a row of which all columns are at hand. Returns that of the losses. */
VFN double multi_margin_sums_of_row(const float *p, size_t columns, size_t label, struct margin_start start,
                                    double *active, const int counts, int from_memory) {
  _Alignas(64) float around_label[64], at_end[128];
  const size_t whole = columns / 128 * 128, rest = columns - whole;
  const float *const of_label = p + label / 64 * 64, *const end = p + whole;
  vi count = viset1(0);
  vd sum = dset1(0.0);
  if (label < whole) copy_of_64(around_label, of_label, 64, -FLT_MAX, label % 64);
  ROLLED for (; p < end; p += 128) {
    if (from_memory) UNROLL
    for (size_t i = 0; i < 128; i += 16) ask_ahead(p + i);
    const float *const first = p == of_label ? around_label : p, *const second = p + 64;
    const vf some = multi_margin_64(start, first, &count, counts);
    sum = dadd(sum,
               dwiden(vadd(some, multi_margin_64(start, second == of_label ? around_label : second, &count, counts))));
  }
  if (rest) {
    copy_of_some(at_end, p, rest < 64 ? rest : 64, -FLT_MAX, label - whole);
    vf some = multi_margin_64(start, at_end, &count, counts);
    if (rest > 64) {
      copy_of_some(at_end + 64, p + 64, rest - 64, -FLT_MAX, label - whole - 64);
      some = vadd(some, multi_margin_64(start, at_end + 64, &count, counts));
    }
    sum = dadd(sum, dwiden(some));
  }
  *active = counts ? dsum(dwiden(vitof(count))) : 0;
  return dsum(sum);
}
/* A row without class weights, if nothing of it is infinite, NaN or beyond what two floats hold; else nothing. */
VFN void multi_margin_row(const struct row *r, const struct rows_own *own, size_t i, struct row_state *s,
                          const int gradient) {
  const size_t columns = r->columns, label = own->of[i].label;
  const float *const p = moved_on(r->p, i * own->step.p);
  const double margin = r->parameters[MULTI_MARGIN_MARGIN], share = 1 / (double)columns, factor = own->of[i].factor;
  const struct margin_start start = margin_start(exact_difference(margin, (double)own->of[i].prediction));
  double active;
  if (!start.exact || (gradient && (factor == 0 || factor - factor != 0))) return;
  const double sum = multi_margin_sums_of_row(p, columns, label, start, &active, gradient, r->from_memory);
  const double loss = (sum - (double)((columns + 63) / 64 * 64) * (double)start.least) * share;
  if (loss - loss != 0) return;
  s->loss = loss;
  s->pass = ROW_DONE;
  if (!gradient) return;
  float *const g = result_moved_on(r->grad, i * own->step.grad);
  const vf steep = vset1((float)(share * factor)), flat = vset1((float)(0 * factor));
  size_t c = 0;
  for (; c + 16 <= columns; c += 16) vstore(g + c, multi_margin_float_slope(start, vload(p + c), steep, flat));
  if (c < columns)
    vstore_tail(g + c, multi_margin_float_slope(start, vtail(p + c, columns - c, 0.0f), steep, flat), columns - c);
  g[label] = (float)(-share * active * factor);
}
/* Of n rows; whether that is all of them. */
static int multi_margin_rows(const struct row *r, const struct rows_own *own, struct row_state *states, size_t n) {
  size_t left = 0;
  if (!own || r->weights || r->parameters[MULTI_MARGIN_NORM] != 1) return 0;
  for (size_t i = 0; i < n; i++) {
    if (states[i].pass < 0) continue;
    if (r->grad)
      multi_margin_row(r, own, i, &states[i], 1);
    else
      multi_margin_row(r, own, i, &states[i], 0);
    left += states[i].pass >= 0;
  }
  return left == 0;
}

/* ---- Rows that lie side by side, of norm 1 in float ---------------------------------------------------------------
 */

/* q of the vector at a phase, from what is a number a row. Lanes beyond the end are far below 0. */
struct multi_margin_beside {
  float high[BESIDE_PATTERN], least[BESIDE_PATTERN];
};
VFN vf multi_margin_q_beside(const struct beside *b, const struct multi_margin_beside *start, size_t at, size_t phase,
                             const int whole) {
  const vf p = whole ? vload(b->p + at) : beside_get_or(b, b->p, at, -FLT_MAX);
  return margin_q(vload(start->high + phase), p);
}
/* Whether all rows that are in this pass can go this way; others have one number for all columns. */
VFN int multi_margin_start_beside(const struct beside *b, struct multi_margin_beside *start, int pass) {
  if (b->row[0].parameters[MULTI_MARGIN_NORM] != 1) return 0;
  for (size_t i = 0; i < b->rows; i++) {
    const int takes_part = b->state[i].pass == pass;
    const struct margin_start floats = margin_start(multi_margin_start(&b->row[i]));
    if (takes_part ? !floats.exact : b->state[i].pass != ROW_FILL) return 0;
    start->high[i] = takes_part ? floats.high : 0;
    start->least[i] = takes_part ? floats.least : 0;
  }
  beside_repeat(b, start->high);
  beside_repeat(b, start->least);
  return 1;
}

/* The sums of lanes, and how many columns of theirs are active. */
struct multi_margin_lanes {
  struct multi_margin_beside start;
  struct beside_labels labels;
  int32_t active[16 * 16];
};
VFN vf multi_margin_at_least_beside(const struct beside *b, const struct multi_margin_lanes *l, size_t vector,
                                    size_t phase, size_t c, size_t at, const int whole) {
  const vf least = vload(l->start.least + phase), q = multi_margin_q_beside(b, &l->start, at, phase, whole);
  return beside_without_label(&l->labels, vector, c, vmax(least, q), least);
}
VFN void multi_margin_add_beside(const struct beside *b, struct multi_margin_lanes *l, size_t vector, vf sum,
                                 vi active) {
  double *const sums = b->scratch + 16 * vector;
  dstore(sums, dadd(dload(sums), dwiden(sum)));
  vistore(l->active + 16 * vector, viadd(viload(l->active + 16 * vector), active));
}
/* Eight vectors from column c on; and as many as there are columns of, of four or eight. */
VFN void multi_margin_8_beside(const struct beside *b, struct multi_margin_lanes *l, size_t vector, size_t phase,
                               size_t c, size_t at) {
  const size_t step = 16 * b->column_stride;
  const vf least = vload(l->start.least + phase);
  vi active = viset1(0);
  vf v[8];
  UNROLL for (size_t i = 0; i < 8; i++) {
    v[i] = multi_margin_at_least_beside(b, l, vector, phase, c + 16 * i, at + i * step, 1);
    active = vicount(active, vgt(v[i], least));
  }
  multi_margin_add_beside(b, l, vector, vadd(margin_sum_of_4(v), margin_sum_of_4(v + 4)), active);
}
static SMALL void multi_margin_end_beside(const struct beside *b, struct multi_margin_lanes *l, size_t vector,
                                          size_t phase, size_t c, size_t at) {
  const size_t step = 16 * b->column_stride, some = c + 64 < b->columns ? 8 : 4;
  const vf least = vload(l->start.least + phase);
  vi active = viset1(0);
  vf v[8];
  ROLLED for (size_t i = 0; i < 8; i++, c += 16, at += step) {
    const int is = at < b->columns * b->column_stride;
    v[i] = is ? multi_margin_at_least_beside(b, l, vector, phase, c, at, 0) : least;
    active = vicount(active, vgt(v[i], least));
  }
  const vf first = margin_sum_of_4(v);
  multi_margin_add_beside(b, l, vector, some == 8 ? vadd(first, margin_sum_of_4(v + 4)) : first, active);
}
static __attribute__((noinline)) void multi_margin_sums_beside(const struct beside *beside,
                                                               struct multi_margin_lanes *l) {
  const struct beside b = *beside;
  const size_t turn = beside_turn(&b);
  for (size_t c = 0; c < b.columns; c += 128) {
    const int whole = c + 128 <= b.columns && beside_whole(&b, c, 128);
    const size_t vectors = beside_vectors(&b, beside_columns(&b, c));
    for (size_t vector = 0, phase = 0, at = c * b.column_stride; vector < vectors; vector++, at += b.vector_stride) {
      if (whole)
        multi_margin_8_beside(&b, l, vector, phase, c, at);
      else
        multi_margin_end_beside(&b, l, vector, phase, c, at);
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
      multi_margin_float_summed(&b->row[i], &b->state[i], (struct margin_start){l.start.high[i], l.start.least[i], 1},
                                dsum(beside_lanes(b, 0, i)), active);
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
    const vm slopes = vgt(multi_margin_q_beside(b, &start, at, phase, 0), vload(start.least + phase));
    beside_put(b, b->grad, at, vsel(slopes, vload(active + phase), vload(inactive + phase)));
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

/* z of columns c .. c + n - 1; 0 at the label and beyond. */
VFN vd multi_margin_z_wide(const struct wide_loss_row *r, struct parts start, size_t c, size_t n) {
  const struct parts z = sum_of(start.high, columns_at(r->p, c, n, 0.0));
  return with_label(lanes_below(dadd(z.high, dadd(z.low, start.low)), n), c, r->label, 0);
}
/* The same rounded twice: where z is small, start.high + p_c is exact, and where it is not, start.low is nothing. So
 * the sign is right. */
VFN vd multi_margin_rounded_z(struct parts start, vd p) { return dadd(dadd(start.high, p), start.low); }

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
    ask_for_64(r->p, c);
    const double *const p = raw_classes_64(copy, r->p, r->columns, c, r->label, -WIDE_MAX);
    vd z[4];
    UNROLL for (size_t i = 0; i < 4; i++) {
      z[i] = dpositive(multi_margin_rounded_z(start, dload(p + 16 * i)));
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
    vd z, size = active;
    if (squared) {
      z = multi_margin_z_wide(r, start, c, n);
      size = product_plus(z, slope.high, dmul(z, slope.low));
    } else {
      z = multi_margin_rounded_z(start, columns_at(r->p, c, n, 0.0));
    }
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
