/* From the sums of 16 rows to their losses and gradient factors, in double: one row a lane, so the cost of the
 * logarithm and the divisions is shared by 16 rows. */
#ifndef VLOSS_KERNELS_FINISH_H
#define VLOSS_KERNELS_FINISH_H

#include "exp_terms.h"

#define finish VLOSS_ISA_SYMBOL(vloss_finish)
#define finish_loss VLOSS_ISA_SYMBOL(vloss_finish_loss)
#define lone_finish VLOSS_ISA_SYMBOL(vloss_lone_finish)
#define lone_inverse VLOSS_ISA_SYMBOL(vloss_lone_inverse)
#define lone_lse VLOSS_ISA_SYMBOL(vloss_lone_lse)
#define lone_factors VLOSS_ISA_SYMBOL(vloss_lone_factors)
#define row_factors_of VLOSS_ISA_SYMBOL(vloss_row_factors_of)

/* For the class y that the sum left out: r = sum_{c != y} exp(x_c - x_y). Everything is NaN for a row that has no
 * answer: with NaN, with +inf, or of nothing but -inf. */
struct finished {
  vd loss;          /* log1p(r): lse - x_y without cancellation */
  vd lse;           /* log sum_c exp(x_c), y included; -inf or +inf where that is the limit */
  vd lse_unshifted; /* if nothing was left out, lse - shift with the digits that a huge shift would swallow */
  vd p;             /* 1 / (1 + r): the softmax of y */
  vd rest;          /* r / (1 + r): 1 - p without cancellation */
  vd inverse;       /* 1 / sum_c exp(x_c) in units of the sums' own scale 2^n e^shift */
};

/* Of n rows; left_out is x_y, or -inf where nothing was left out. What a lone row comes to is in all lanes. */
void finish(struct finished *out, const struct row_sums *sums, const vd *left_out, size_t n);
/* The loss alone: a third of the work. */
void finish_loss(vd *loss, const struct row_sums *sums, const vd *left_out, size_t n);

/* The same of row 0 alone, without the other lanes: what a loss and its gradient need; and where nothing was left out,
 * lse, or `inverse`. */
struct lone_finished {
  double loss, rest, inverse;
};
void lone_finish(struct lone_finished *out, const struct row_sums *sums, float left_out);
struct lone_lse {
  double lse, unshifted;
};
struct lone_lse lone_lse(const struct row_sums *sums);
double lone_inverse(const struct row_sums *sums);

/* Where |v| is below a positive limit. */
VFN dm dbelow(vd v, double limit) { return dgt(dset1(limit), dmax(v, dsub(dset1(0.0), v))); }
/* dnarrow of what may be too small even for a denormal float: 0 of either sign, without an underflow. */
VFN vf dnarrow_small(vd v) { return dnarrow(dsel(dbelow(v, 0x1p-150), dmul(v, dset1(0.0)), v)); }

/* What a row's terms e_c = exp(x_c) / 2^N are multiplied by to make its gradient: F = upstream / sum, in two floats
 * (one rounding less: the difference between 4 ulp and 3).
 *
 * F = factor + factor_low serves where every e_c is at least `least`: nothing is then denormal. For smaller terms F is
 * (f + f_low) 2^-46 scale[0] scale[1]: the product with f and f_low is a normal number for every e_c from 2^-126 to
 * 2^81, and is flushed where the result would be below 2^-126, which is where it is below `flushed`. Both ways give the
 * same bits: f_low is left out of both where it is below 2^-40 of f.
 *
 * Rows with an upstream from LARGEST_UPSTREAM on are `wide` (1, else 0): terms below 2^-126 count, so that exp(x_c) is
 * computed again, f 2^-46 2^k being F; and so are general ones, with something to add to the product, where F is small.
 */
struct row_factors {
  ALIGNED float factor[16], factor_low[16], least[16];
  ALIGNED float f[16], f_low[16], scale[2][16], flushed[16];
  ALIGNED float wide[16], k[16];
};
#define FACTOR_EXPONENT 46

/* general: with something to add to the products. */
void row_factors_of(struct row_factors *out, const struct finished *row, const vd *upstream, int general);

/* The same of row 0 alone, with an upstream of 1. */
void lone_factors(struct row_factors *out, double inverse);

/* Lane 0; and that in all lanes. As nothing but lane 0 is used, the compiler leaves the others out of what v is made
 * of: a quarter of the work where a vector has four doubles. */
VFN double dfirst(vd v) {
  double lanes[16];
  dstore(lanes, v);
  return lanes[0];
}
VFN vd lone(vd v) { return dset1(dfirst(v)); }

/* v, but 0 where a float of it would be denormal. */
VFN vd dflush(vd v) { return dsel(dbelow(v, 0x1p-126), dset1(0.0), v); }

#endif
