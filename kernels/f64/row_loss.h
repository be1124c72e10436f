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
  struct parts factor; /* what every gradient is multiplied by */
  int factor_is_0;
  struct wide_row grad, grad_target, grad_other; /* null: not wanted */
};

/* Columns c .. c + n - 1, at most 16; `fill` beyond. */
VFN vd columns_at(struct wide_row r, size_t c, size_t n, double fill) { return raw_classes_at(r, c, n, fill); }
/* Gradients c .. c + n - 1 of an array that may not be wanted. */
VFN void put_gradient_parts(const struct wide_loss_row *r, struct wide_row out, size_t c, size_t n, struct parts v) {
  if (!out.p) return;
  const vd high = r->factor.high, product = dmul(v.high, high);
  const vd both = dfma(v.high, high, dfma(v.low, high, dmul(v.high, r->factor.low)));
  const vd scaled = dsel(dfinite(product), both, product);
  put_classes(out, c, n, __builtin_expect(r->factor_is_0, 0) ? times_parts(v.high, r->factor) : scaled);
}
VFN void put_gradient(const struct wide_loss_row *r, struct wide_row out, size_t c, size_t n, vd v) {
  put_gradient_parts(r, out, c, n, whole(v));
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
  vd largest = dset1(0.0);
  for (size_t c = 0; c < columns; c += 16) {
    const vd v = dabs(columns_at(x, c, at_once(columns, c), 0.0));
    largest = dsel(dgt(v, largest), v, largest);
  }
  return largest_lane(largest);
}

#define NO_COLUMN SIZE_MAX /* for raw_classes_64 */

/* ---- Sums over the columns ---------------------------------------------------------------------------------------
 *
 * A pass over the columns adds 16 after 16, and nothing is lost of what is added beyond the last bits of `low`. Where
 * it gives no number, as something is infinite or NaN, or a part of the sum was beyond the doubles, the pass is made
 * again, carefully:
 *
 *   begin_sums(sums, exact, 2);
 *   do
 *     for (size_t c = 0; c < columns; c += 16) ... add_to_sum(&sums[0], v) ...
 *   while (sums_again(sums, 2));
 *
 * So the pass may write nothing that it reads. */

struct row_sum {
  struct lanes lanes;
  struct vloss_exact_sum *exact; /* what the lanes cannot hold, of the careful pass */
  int careful;
  struct total total; /* after the pass */
};
VFN void begin_sums(struct row_sum *s, struct vloss_exact_sum *exact, int count) {
  UNROLL for (int i = 0; i < count; i++) s[i] = (struct row_sum){no_lanes(), exact + i, 0, {0, 0}};
}
static RARE struct lanes add_carefully(struct lanes lanes, struct vloss_exact_sum *exact, vd v) {
  double some[16];
  dstore(some, v);
  add_numbers(&lanes, exact, some, 16);
  return lanes;
}
VFN void add_to_sum(struct row_sum *s, vd v) {
  s->lanes = __builtin_expect(s->careful, 0) ? add_carefully(s->lanes, s->exact, v) : lanes_plus(s->lanes, v);
}
/* low is small beside high: of many of them the sum is no more than an ulp of that of the high ones. */
VFN void add_parts_to_sum(struct row_sum *s, struct parts v) {
  add_to_sum(s, v.high);
  if (__builtin_expect(s->careful, 0))
    s->lanes = add_carefully(s->lanes, s->exact, v.low);
  else
    s->lanes.low = dadd(s->lanes.low, v.low);
}
/* Four vectors of which none is negative, by pairs in double: of two roundings none is more than an ulp of the sum. */
VFN struct lanes lanes_plus_sizes(struct lanes l, const vd *v) {
  return lanes_plus(l, dadd(dadd(v[0], v[1]), dadd(v[2], v[3])));
}
VFN int sums_again(struct row_sum *s, int count) {
  int numbers = 1;
  for (int i = 0; i < count; i++) {
    s[i].total = s[i].careful ? exact_total(s[i].exact, &s[i].lanes) : lanes_total(&s[i].lanes);
    numbers &= is_number(s[i].total.high);
  }
  if (__builtin_expect(numbers || s[0].careful, 1)) return 0;
  for (int i = 0; i < count; i++) {
    s[i].lanes = no_lanes();
    s[i].careful = 1;
    vloss_exact_clear(s[i].exact);
  }
  return 1;
}
VFN struct parts sum_parts(const struct row_sum *s) { return total_parts(s->total); }
static RARE double careful_mean(struct vloss_exact_sum *exact, double high, size_t count) {
  if (is_number(high)) vloss_exact_add(exact, high); /* exact_total has taken it out */
  return vloss_exact_quotient(exact, (double)count);
}
/* Over `count`, rounded once. */
VFN double sum_mean(const struct row_sum *s, size_t count) {
  if (__builtin_expect(s->careful, 0)) return careful_mean(s->exact, s->total.high, count);
  const double high = s->total.high, divisor = (double)count, q = high / divisor;
  return q + (first_of(dnfma(dset1(q), dset1(divisor), dset1(high))) + s->total.low) / divisor;
}

/* ---- Cosines ----------------------------------------------------------------------------------------------------- */

/* Of vectors a and b times a_scale and b_scale: sums of products, and what the constant under the roots of the losses,
 * 1e-12, is beside them. The sign of ab is not lost. */
struct products {
  struct parts aa, bb, ab;
  double a_scale, b_scale, a_least, b_least;
  int negative; /* ab is */
  int near;     /* the scales are 1, and neither square is far from 1 */
};
VFN double cosine_scale(double largest) { return scale_to(largest > 1e-6 ? largest : 1e-6, 200); }
/* Products of 32 columns, of which only the sum of two is rounded. */
VFN struct lanes lanes_plus_products(struct lanes l, const vd *a, const vd *b) {
  const vd p = dmul(a[0], b[0]), q = dmul(a[1], b[1]);
  l.low = dadd(l.low, dadd(dfma(a[0], b[0], dneg(p)), dfma(a[1], b[1], dneg(q))));
  return lanes_plus(l, dadd(p, q));
}
/* As most vectors are: 0 where squares are far from 1, so that products might be denormals, or no numbers. */
static int near_products(struct products *r, struct wide_row a, struct wide_row b, size_t columns) {
  struct lanes aa = no_lanes(), bb = no_lanes(), ab = no_lanes();
  double a_copy[64], b_copy[64];
  for (size_t c = 0; c < columns; c += 64) {
    const double *const of_a = raw_classes_64(a_copy, a, columns, c, NO_COLUMN, 0.0);
    const double *const of_b = raw_classes_64(b_copy, b, columns, c, NO_COLUMN, 0.0);
    UNROLL for (size_t i = 0; i < 64; i += 32) {
      const vd x[2] = {dload(of_a + i), dload(of_a + i + 16)}, y[2] = {dload(of_b + i), dload(of_b + i + 16)};
      aa = lanes_plus_products(aa, x, x);
      bb = lanes_plus_products(bb, y, y);
      ab = lanes_plus_products(ab, x, y);
    }
  }
  const struct total of_a = lanes_total(&aa), of_b = lanes_total(&bb), both = lanes_total(&ab);
  const double least = 0x1p-200, most = 0x1p200;
  if (!(of_a.high > least && of_a.high < most && of_b.high > least && of_b.high < most)) return 0;
  *r = (struct products){total_parts(of_a), total_parts(of_b), total_parts(both), 1, 1, 1e-12, 1e-12, both.high < 0, 1};
  return 1;
}
/* Of all vectors. The scales bring the larger of 1e-6 and the largest column near to 2^200: so squares, and products of
 * two of them, are within the doubles, and what is lost below is nothing beside the constant. */
static RARE void far_products(struct products *r, struct wide_row a, struct wide_row b, size_t columns) {
  const double a_largest = largest_of(a, columns), b_largest = largest_of(b, columns);
  *r = (struct products){.a_scale = cosine_scale(a_largest), .b_scale = cosine_scale(b_largest)};
  const double a_more = scale_to(a_largest * r->a_scale, 200), b_more = scale_to(b_largest * r->b_scale, 200);
  struct vloss_exact_sum exact[3];
  struct row_sum sums[3];
  begin_sums(sums, exact, 3);
  do
    for (size_t c = 0; c < columns; c += 16) {
      const size_t n = at_once(columns, c);
      const vd x = dmul(columns_at(a, c, n, 0.0), dset1(r->a_scale)),
               y = dmul(columns_at(b, c, n, 0.0), dset1(r->b_scale));
      add_parts_to_sum(&sums[0], product_of(x, x));
      add_parts_to_sum(&sums[1], product_of(y, y));
      add_parts_to_sum(&sums[2], product_of(dmul(x, dset1(a_more)), dmul(y, dset1(b_more))));
    }
  while (sums_again(sums, 3));
  r->aa = sum_parts(&sums[0]), r->bb = sum_parts(&sums[1]);
  r->ab = parts_times(parts_times(sum_parts(&sums[2]), 1 / a_more), 1 / b_more);
  r->negative = sums[2].total.high < 0;
  r->a_least = 1e-12 * r->a_scale * r->a_scale;
  r->b_least = 1e-12 * r->b_scale * r->b_scale;
}
static struct products products_of(struct wide_row a, struct wide_row b, size_t columns) {
  struct products r;
  if (!near_products(&r, a, b, columns)) far_products(&r, a, b, columns);
  return r;
}

/* The gradient of ab / sqrt(aa bb) at a: across b - along a, of columns times their scales, and times a's scale with a
 * sign. Without `radial` the second term is left out. As squares are near to 2^400 or above, across and along are not
 * small once they are multiplied by that, and no product is that does not stay so. */
struct wide_cosine_slope {
  struct parts across, along;
  double scale;
  struct parts near_across, near_along; /* of columns as they are, where the products are near */
};
static struct wide_cosine_slope wide_cosine_slope(struct parts ab, struct parts aa, struct parts bb, int radial,
                                                  double signed_scale) {
  const struct parts across = parts_quotient(one_number(0x1p400), parts_product(parts_root(aa), parts_root(bb)));
  const struct parts along = radial ? parts_quotient(parts_product(ab, across), aa) : one_number(0.0);
  const double scale = signed_scale * 0x1p-400;
  return (struct wide_cosine_slope){across, along, signed_scale * 0x1p-200, parts_times(across, scale),
                                    parts_times(along, scale)};
}
VFN struct parts wide_cosine_gradient(const struct wide_cosine_slope *s, int near, vd a, vd b) {
  if (near) {
    const struct parts of_a = product_in(1, a, s->near_along.high), of_b = product_in(1, b, s->near_across.high);
    const struct parts d = finite_sum_of(of_b.high, dneg(of_a.high));
    const vd low_a = dfma(a, s->near_along.low, of_a.low), low_b = dfma(b, s->near_across.low, of_b.low);
    return (struct parts){d.high, dadd(d.low, dsub(low_b, low_a))};
  }
  const struct parts of_b = parts_product(whole(b), s->across), of_a = parts_product(whole(a), s->along);
  return whole(dmul(dmul(rounded_parts(parts_sum(of_b, parts_negated(of_a))), dset1(s->scale)), dset1(0x1p-200)));
}

#endif
