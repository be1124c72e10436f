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

/* left_out is x_y, or -inf where nothing was left out. loss_only leaves everything else 0: a third of the work. */
VFN struct finished finish_parts(const struct row_sums *sums, vd left_out, const int loss_only) {
  vd sum = dload(sums->sum), n = dwiden(vload(sums->n)), shift = dwiden(vload(sums->shift));
  /* d = log of the left-out term in units of the sum's scale */
  vd d = dsub(left_out, shift);
  d = dnfma(n, dset1(VLOSS_D_LN2_LO), dnfma(n, dset1(VLOSS_D_LN2_HI), d));
  vd minus_d = dsub(dset1(0.0), d);
  /* Beyond e^600 the 1 in 1 + r is nothing and only logarithms fit; beyond e^-700 r is nothing in f32. */
  dm far = dmand(dgt(minus_d, dset1(600.0)), dgt(sum, dset1(0.0)));
  vd inverse_term = dexp(dmax(dset1(-700.0), dmin(dset1(600.0), minus_d)));
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
static __attribute__((noinline)) void finish_loss(const struct row_sums *sums, const vd *left_out, vd *loss) {
  *loss = finish_parts(sums, *left_out, 1).loss;
}
static __attribute__((noinline)) void finish_all(const struct row_sums *sums, const vd *left_out, struct finished *f) {
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

/* What a row's terms exp(x_c) / 2^N are multiplied by to make its gradient: F = upstream / sum, as a float and what it
 * leaves out (one rounding less: the difference between 4 ulp and 3). Where F or the terms could leave the normal range
 * on the way to a result within it, the row is `wide`: F = f * 2^k with 1/2 <= |f| < 1, and k goes into the exponents.
 */
struct row_factors {
  ALIGNED float factor[16], factor_low[16], wide[16]; /* wide: 1 or 0 */
  ALIGNED float f[16], f_low[16], k[16];
};
VFN void row_factors(struct row_factors *out, const struct finished *row, vd upstream) {
  const vd one = dset1(1.0), zero = dset1(0.0);
  vd factor = dmul(upstream, row->inverse), square = dmul(factor, factor);
  dm narrow = dmand(dgt(dset1(LARGEST_UPSTREAM * LARGEST_UPSTREAM), dmul(upstream, upstream)),
                    dmor(dmand(dgt(square, dset1(0x1p-200)), dgt(dset1(0x1p200), square)), deq(factor, zero)));
  const vf high = dnarrow(factor);
  vstore(out->factor, high);
  vstore(out->factor_low, low_part(factor, high));
  vstore(out->wide, dnarrow(dsel(narrow, zero, one)));
  /* Below 2^-250 there is no gradient of 2^-126 left. */
  vd k = dmin(dset1(1000.0), dadd(dexponent(factor), one));
  dm tiny = dgt(dset1(0x1p-500), square);
  k = dsel(tiny, zero, k);
  const vd f = dmul(dsel(tiny, zero, factor), dshl52(dsub(dset1(VLOSS_D_ROUND), k)));
  vstore(out->f, canonical(dnarrow(f)));
  vstore(out->f_low, low_part(f, dnarrow(f)));
  vstore(out->k, dnarrow(k));
}

#endif
