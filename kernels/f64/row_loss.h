/* What the row losses of doubles are written against: a row of each operand, sums over its columns, and how gradients
 * are written. A loss is double NAME_wide(const struct wide_loss_row *r) in kernels/loss/NAME.h. It returns the loss
 * without the row's weight and writes the gradients that are wanted; where it returns NaN, the loop (row_losses.c)
 * makes NaN of all of them. They may lie over operands: a column is written when nothing reads it any more. */
#ifndef VLOSS_KERNELS_F64_ROW_LOSS_H
#define VLOSS_KERNELS_F64_ROW_LOSS_H

#include <math.h>

#include "elementwise.h"
#include "rows.h"

struct wide_loss_row {
  size_t columns;
  struct wide_row p, t, other, weights; /* weights of the columns; null: 1 */
  double target;                        /* of the losses with one target a row */
  size_t label;                         /* of the losses with one label a row */
  struct vloss_labels labels;           /* of the losses with a list: it begins at first_label */
  size_t first_label;
  const double *parameters;
  struct parts factor;                           /* what every gradient is multiplied by */
  struct wide_row grad, grad_target, grad_other; /* null: not wanted */
};

/* Gradients c .. c + n - 1 of an array that may not be wanted. */
VFN void put_gradient(const struct wide_loss_row *r, struct wide_row out, size_t c, size_t n, vd v) {
  if (out.p) put_classes(out, c, n, times_parts(v, r->factor));
}
static void fill_gradients(const struct wide_loss_row *r, double value) {
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    put_gradient(r, r->grad, c, n, dset1(value));
    put_gradient(r, r->grad_target, c, n, dset1(value));
    put_gradient(r, r->grad_other, c, n, dset1(value));
  }
}

/* The first n lanes, and 0. */
VFN vd lanes_below(vd v, size_t n) {
  double lanes[16];
  if (n == 16) return v;
  dstore(lanes, v);
  return dtail(lanes, n, 0.0);
}
/* Columns c .. c + 15 with `value` at the label. */
VFN vd with_label(vd v, size_t c, size_t label, double value) {
  double lanes[16];
  if (label - c >= 16) return v;
  dstore(lanes, v);
  lanes[label - c] = value;
  return dload(lanes);
}

VFN vd wide_clip(vd v, double low, double high) { return dmin(dset1(high), dmax(dset1(low), v)); } /* NaN passes */
VFN dm wide_clips(vd v, double low, double high) { return dmor(dgt(dset1(low), v), dgt(v, dset1(high))); }

/* ---- What is one number a row: parts with the same in every lane ------------------------------------------------- */

VFN struct parts one_number(double v) { return whole(dset1(v)); }
VFN double rounded_number(struct parts a) { return first_of(rounded_parts(a)); }
/* The high part as near as a double comes. */
VFN struct parts normal_parts(struct parts a) { return sum_of(a.high, a.low); }
VFN struct parts parts_times(struct parts a, double power_of_two) {
  return (struct parts){dmul(a.high, dset1(power_of_two)), dmul(a.low, dset1(power_of_two))};
}
VFN struct parts parts_root(struct parts a) {
  const vd root = dset1(sqrt(first_of(a.high)));
  return parts_of(root, ddiv(dadd(dnfma(root, root, a.high), a.low), dadd(root, root)));
}

/* A power of two, from 2^-1000 to 2^1000, that brings `size` near to 2^exponent; 1 for 0 and what is no number. */
VFN double scale_to(double size, int exponent) {
  uint64_t bits;
  memcpy(&bits, &size, sizeof bits);
  const int n = exponent + 1023 - (int)(bits >> 52);
  if (size == 0 || size - size != 0) return 1;
  bits = (uint64_t)(1023 + (n < -1000 ? -1000 : n > 1000 ? 1000 : n)) << 52;
  memcpy(&size, &bits, sizeof bits);
  return size;
}
/* The largest of |x|; NaN is none. */
static double largest_of(struct wide_row x, size_t columns) {
  double largest = 0;
  for (size_t c = 0; c < columns; c++) {
    const double v = x.p[c * x.step], size = v < 0 ? -v : v;
    if (size > largest) largest = size;
  }
  return largest;
}

/* ---- Sums over the columns: nothing is lost of what is added, 16 columns after 16, beyond the last bits of `low` ---
 */

struct row_sum {
  struct lanes lanes;
  struct vloss_exact_sum exact;
};
VFN void begin_sum(struct row_sum *s) {
  s->lanes = no_lanes();
  vloss_exact_clear(&s->exact);
}
VFN void add_to_sum(struct row_sum *s, vd v) {
  double some[16];
  dstore(some, v);
  add_numbers(&s->lanes, &s->exact, some, 16);
}
VFN void add_parts_to_sum(struct row_sum *s, struct parts v) {
  add_to_sum(s, v.high);
  add_to_sum(s, v.low);
}
/* One of these ends it. */
static struct parts end_sum(struct row_sum *s) {
  add_lanes(&s->exact, s->lanes);
  const double sum = vloss_exact_value(&s->exact);
  if (sum - sum != 0) return one_number(sum);
  vloss_exact_add(&s->exact, -sum);
  return (struct parts){dset1(sum), dset1(vloss_exact_value(&s->exact))};
}
static double end_mean(struct row_sum *s, size_t count) {
  add_lanes(&s->exact, s->lanes);
  return vloss_exact_quotient(&s->exact, (double)count);
}

/* ---- Cosines ----------------------------------------------------------------------------------------------------- */

/* Of vectors a and b times a_scale and b_scale: sums of products, and what the constant under the roots of the losses,
 * 1e-12, is beside them. The scales bring the larger of 1e-6 and the largest column near to 2^200: so squares, and
 * products of two of them, are within the doubles, and what is lost below is nothing beside the constant. The sign of
 * ab is not lost. */
struct products {
  struct parts aa, bb, ab;
  double a_scale, b_scale, a_least, b_least;
  int negative; /* ab is */
};
VFN double cosine_scale(struct wide_row x, size_t columns) {
  const double largest = largest_of(x, columns);
  return scale_to(largest > 1e-6 ? largest : 1e-6, 200);
}
static struct products products_of(struct wide_row a, struct wide_row b, size_t columns) {
  struct products r = {.a_scale = cosine_scale(a, columns), .b_scale = cosine_scale(b, columns)};
  const double a_more = scale_to(largest_of(a, columns) * r.a_scale, 200);
  const double b_more = scale_to(largest_of(b, columns) * r.b_scale, 200);
  struct row_sum aa, bb, ab;
  begin_sum(&aa), begin_sum(&bb), begin_sum(&ab);
  for (size_t c = 0; c < columns; c += 16) {
    const size_t n = at_once(columns, c);
    const vd x = dmul(classes_at(a, c, n, 0.0), dset1(r.a_scale)), y = dmul(classes_at(b, c, n, 0.0), dset1(r.b_scale));
    add_parts_to_sum(&aa, product_of(x, x));
    add_parts_to_sum(&bb, product_of(y, y));
    add_parts_to_sum(&ab, product_of(dmul(x, dset1(a_more)), dmul(y, dset1(b_more))));
  }
  const struct parts more = end_sum(&ab);
  r.aa = end_sum(&aa), r.bb = end_sum(&bb), r.ab = parts_times(parts_times(more, 1 / a_more), 1 / b_more);
  r.negative = first_of(more.high) < 0;
  r.a_least = 1e-12 * r.a_scale * r.a_scale;
  r.b_least = 1e-12 * r.b_scale * r.b_scale;
  return r;
}

/* The gradient of ab / sqrt(aa bb) at a: across b - along a, of columns times their scales, and times a's scale with a
 * sign. Without `radial` the second term is left out. As squares are near to 2^400 or above, across and along are not
 * small once they are multiplied by that, and no product is that does not stay so. */
struct wide_cosine_slope {
  struct parts across, along;
  double scale;
};
static struct wide_cosine_slope wide_cosine_slope(struct parts ab, struct parts aa, struct parts bb, int radial,
                                                  double signed_scale) {
  const struct parts across = parts_quotient(one_number(0x1p400), parts_product(parts_root(aa), parts_root(bb)));
  const struct parts along = radial ? parts_quotient(parts_product(ab, across), aa) : one_number(0.0);
  return (struct wide_cosine_slope){across, along, signed_scale * 0x1p-200};
}
VFN vd wide_cosine_gradient(struct wide_cosine_slope s, vd a, vd b) {
  const struct parts of_b = parts_product(whole(b), s.across), of_a = parts_product(whole(a), s.along);
  return dmul(dmul(rounded_parts(parts_sum(of_b, parts_negated(of_a))), dset1(s.scale)), dset1(0x1p-200));
}

#endif
