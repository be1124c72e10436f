/* From the sums of 16 rows to their losses and gradient factors, in double: one row a lane, so the cost of the
 * logarithm and the divisions is shared by 16 rows. */
#ifndef VLOSS_KERNELS_FINISH_H
#define VLOSS_KERNELS_FINISH_H

#include "sums.h"

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

/* left_out is x_y, or -inf where nothing was left out. loss_only: a third of the work, and everything
 * else is 0 here; finish() leaves it undefined. */
VFN struct finished finish_parts(const struct row_sums *sums, vd left_out, const int loss_only) {
  vd sum = dload(sums->sum), n = dwiden(vload(sums->n)), shift = dwiden(vload(sums->shift));
  /* Of nothing but -inf, what the least terms count is no sum. */
  const dm masked = deq(dwiden(vload(sums->max)), dset1(-(double)INF));
  sum = dsel(dmand(masked, dgt(dset1(0x1p-60), sum)), dset1(0.0), sum);
  /* d = log of the left-out term in units of the sum's scale */
  vd d = dsub(left_out, shift);
  d = dnfma(n, dset1(VLOSS_D_LN2_LO), dnfma(n, dset1(VLOSS_D_LN2_HI), d));
  vd minus_d = dsub(dset1(0.0), d);
  /* Beyond e^600 the 1 in 1 + r is nothing and only logarithms fit; beyond e^-600 r is nothing in f32. */
  dm far = dmand(dgt(minus_d, dset1(600.0)), dgt(sum, dset1(0.0)));
  vd inverse_term = dexp(dmax(dset1(-600.0), dmin(dset1(600.0), minus_d)));
  vd r = dmul(sum, inverse_term), u = dadd(dset1(1.0), r);
  struct finished f;
  f.p = ddiv(dset1(1.0), u);
  vd lost = dmul(dsub(r, dsub(u, dset1(1.0))), f.p);
  vd logarithm = dlog(dsel(far, sum, u));

  f.loss = dadd(logarithm, dsel(far, minus_d, lost));

  const vd inf = dset1((double)INF), nan = dset1((double)NOT_A_NUMBER);
  const dm is_nan = dmor(dnan(sum), dnan(left_out));
  const dm infinite = dmor(deq(sum, inf), deq(left_out, inf));
  const dm empty = dmand(deq(sum, dset1(0.0)), deq(left_out, dset1(-(double)INF)));
  const dm undefined = dmor(is_nan, dmor(infinite, empty));
  if (loss_only) {
    f.lse = f.lse_unshifted = f.p = f.rest = f.inverse = dset1(0.0);
  } else {
    const vd n_ln2 = dmul(n, dset1(VLOSS_D_LN2_HI));
    f.lse_unshifted = dadd(logarithm, n_ln2);
    f.lse = dsel(far, dadd(logarithm, dadd(shift, n_ln2)), dadd(left_out, f.loss));
    f.lse = dsel(infinite, inf, f.lse);
    f.lse = dsel(empty, dset1(-(double)INF), f.lse);
    f.lse = dsel(is_nan, nan, f.lse);
    f.rest = dsel(undefined, nan, dmul(r, f.p));
    f.inverse = dsel(undefined, nan, dmul(inverse_term, f.p));
    f.p = dsel(undefined, nan, f.p);
  }
  f.loss = dsel(undefined, nan, f.loss);
  return f;
}
static __attribute__((noinline, unused)) void finish_loss(const struct row_sums *sums, const vd *left_out, vd *loss) {
  *loss = finish_parts(sums, *left_out, 1).loss;
}
static __attribute__((noinline, unused)) void finish_all(const struct row_sums *sums, const vd *left_out,
                                                         struct finished *f) {
  *f = finish_parts(sums, *left_out, 0);
}
VFN struct finished finish(const struct row_sums *sums, vd left_out, int loss_only) {
  struct finished f;
  if (loss_only)
    finish_loss(sums, &left_out, &f.loss);
  else
    finish_all(sums, &left_out, &f);
  return f;
}

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

/* v, but 0 where a float of it would be denormal. */
VFN vd dflush(vd v) { return dsel(dbelow(v, 0x1p-126), dset1(0.0), v); }

/* 2^n for whole n from -1022 to 1023. */
VFN vd dpower(vd n) { return dshl52(dadd(n, dset1(VLOSS_D_ROUND))); }

static __attribute__((noinline, unused)) void row_factors(struct row_factors *out, const struct finished *row,
                                                          vd upstream, int general) {
  const vd one = dset1(1.0), zero = dset1(0.0);
  const vd factor = dmul(upstream, row->inverse);
  /* Below 2^-206 no term makes a gradient of 2^-126. */
  const vd lowest = dset1(-206.0), exponent = dadd(dexponent(factor), one);
  const vd k = dmax(lowest, dmin(dset1(1000.0), exponent));
  vd f = dmul(factor, dpower(dsub(dset1(FACTOR_EXPONENT), k)));
  f = dsel(dgt(lowest, exponent), zero, f);
  const vf high = dnarrow(f);
  vd low = dsub(f, dwiden(high));
  low = dsel(dgt(dset1(0x1p10), dmul(low, low)), zero, low);
  const vf f_low = dnarrow(low);
  vstore(out->f, high);
  vstore(out->f_low, f_low);
  const vf exponents = dnarrow(k), power = vsub(vmin(vset1(0.0f), exponents), vset1(FACTOR_EXPONENT));
  const vm small = vgt(vset1(-80.0f), exponents);
  const dm large = dgt(dmul(upstream, upstream), dset1(LARGEST_UPSTREAM * LARGEST_UPSTREAM));
  const vf wide = dnarrow(dsel(large, one, zero));
  vstore(out->k, exponents);
  vstore(out->wide, general ? vsel(small, vset1(1.0f), wide) : wide);

  const vf half = vsub(vfma(power, vset1(0.5f), vset1(0x1.8p23f)), vset1(0x1.8p23f));
  vstore(out->scale[0], power_of_two(half));
  vstore(out->scale[1], power_of_two(vsub(power, half)));
  vstore(out->flushed, vfloat(vishl(vbits(vsub(vset1(VLOSS_ROUND - 126), power)), 23)));

  /* 2^-126 over the smaller one, rounded up; a small F leaves no term large enough, and its factors are 0. */
  const vf scale = power_of_two(power), factor_low = vmul(f_low, scale);
  const vf smaller = vsel(veq(f_low, vset1(0.0f)), vmul(high, scale), factor_low);
  const vi field = visub(viset1(128), viand(visra(vbits(smaller), 23), viset1(255)));
  const vf least = vfloat(vishl(visel(vigt(field, viset1(1)), field, viset1(1)), 23));
  vstore(out->factor, vmul(high, scale));
  vstore(out->factor_low, factor_low);
  vstore(out->least, vsel(small, vset1(INF), least));
}

#endif
