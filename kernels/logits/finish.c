/* From the sums of 16 rows to their losses and gradient factors. */
#include "finish.h"

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
void finish_loss(vd *loss, const struct row_sums *sums, const vd *left_out, size_t n) {
  *loss = n == 1 ? lone(finish_parts(sums, *left_out, 1).loss) : finish_parts(sums, *left_out, 1).loss;
}
static void finish_lone(struct finished *out, const struct row_sums *sums, vd left_out) {
  const struct finished f = finish_parts(sums, left_out, 0);
  *out = (struct finished){.loss = lone(f.loss),
                           .lse = lone(f.lse),
                           .lse_unshifted = lone(f.lse_unshifted),
                           .p = lone(f.p),
                           .rest = lone(f.rest),
                           .inverse = lone(f.inverse)};
}
void finish(struct finished *out, const struct row_sums *sums, const vd *left_out, size_t n) {
  if (n == 1)
    finish_lone(out, sums, *left_out);
  else
    *out = finish_parts(sums, *left_out, 0);
}

/* 2^n for whole n from -1022 to 1023. */
VFN vd dpower(vd n) { return dshl52(dadd(n, dset1(VLOSS_D_ROUND))); }

void row_factors_of(struct row_factors *out, const struct finished *row, const vd *upstream_of, int general) {
  const vd upstream = *upstream_of;
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
