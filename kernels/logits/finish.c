/* From the sums of 16 rows to their losses and gradient factors. */
#include "finish.h"

/* What is known of the rows: see struct row_sums. */
struct known {
  vd sum, n, shift, max;
};
VFN struct known known_of(const struct row_sums *sums) {
  return (struct known){dload(sums->sum), dwiden(vload(sums->n)), dwiden(vload(sums->shift)), dwiden(vload(sums->max))};
}
VFN struct known known_of_first(const struct row_sums *sums) {
  return (struct known){dset1(sums->sum[0]), dset1((double)sums->n[0]), dset1((double)sums->shift[0]),
                        dset1((double)sums->max[0])};
}

/* What dexp makes of 600. */
#define DEXP_600 0x1.88a122d25b574p+865

/* whole, a constant: nothing was left out, that is left_out is -inf. */
VFN struct finished finish_parts(struct known k, vd left_out, const int whole) {
  const vd n = k.n, shift = k.shift;
  /* Of nothing but -inf, what the least terms count is no sum. */
  const dm masked = deq(k.max, dset1(-(double)INF));
  const vd sum = dsel(dmand(masked, dgt(dset1(0x1p-60), k.sum)), dset1(0.0), k.sum);
  /* d = log of the left-out term in units of the sum's scale */
  vd d = dsub(left_out, shift);
  d = dnfma(n, dset1(VLOSS_D_LN2_LO), dnfma(n, dset1(VLOSS_D_LN2_HI), d));
  const vd minus_d = whole ? dset1((double)INF) : dsub(dset1(0.0), d);
  /* Beyond e^600 the 1 in 1 + r is nothing and only logarithms fit; beyond e^-600 r is nothing in f32. */
  dm far = dmand(dgt(minus_d, dset1(600.0)), dgt(sum, dset1(0.0)));
  vd inverse_term = whole ? dset1(DEXP_600) : dexp(dmax(dset1(-600.0), dmin(dset1(600.0), minus_d)));
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
  const vd n_ln2 = dmul(n, dset1(VLOSS_D_LN2_HI));
  f.lse_unshifted = dadd(logarithm, n_ln2);
  f.lse = dsel(far, dadd(logarithm, dadd(shift, n_ln2)), dadd(left_out, f.loss));
  f.lse = dsel(infinite, inf, f.lse);
  f.lse = dsel(empty, dset1(-(double)INF), f.lse);
  f.lse = dsel(is_nan, nan, f.lse);
  f.rest = dsel(undefined, nan, dmul(r, f.p));
  f.inverse = dsel(undefined, nan, dmul(inverse_term, f.p));
  f.p = dsel(undefined, nan, f.p);
  f.loss = dsel(undefined, nan, f.loss);
  return f;
}
void finish_loss(vd *loss, const struct row_sums *sums, const vd *left_out, size_t n) {
  *loss =
      n == 1 ? lone(finish_parts(known_of(sums), *left_out, 0).loss) : finish_parts(known_of(sums), *left_out, 0).loss;
}
static void finish_lone(struct finished *out, const struct row_sums *sums, vd left_out) {
  const struct finished f = finish_parts(known_of(sums), left_out, 0);
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
    *out = finish_parts(known_of(sums), *left_out, 0);
}
void lone_finish(struct lone_finished *out, const struct row_sums *sums, float left_out) {
  const struct finished f = finish_parts(known_of_first(sums), dset1((double)left_out), 0);
  out->loss = dfirst(f.loss);
  out->rest = dfirst(f.rest);
  out->inverse = dfirst(f.inverse);
}
struct lone_lse lone_lse(const struct row_sums *sums) {
  const struct finished f = finish_parts(known_of_first(sums), dset1(-(double)INF), 1);
  return (struct lone_lse){dfirst(f.lse), dfirst(f.lse_unshifted)};
}
double lone_inverse(const struct row_sums *sums) {
  return dfirst(finish_parts(known_of_first(sums), dset1(-(double)INF), 1).inverse);
}

/* 2^n for whole n from -1022 to 1023. */
VFN vd dpower(vd n) { return dshl52(dadd(n, dset1(VLOSS_D_ROUND))); }

/* alone, a constant: of row 0, and no other. */
VFN void put_factor(float *out, vf v, const int alone) {
  if (alone)
    *out = vfirst(v);
  else
    vstore(out, v);
}
VFN void factors_from(struct row_factors *out, vd inverse, vd upstream, const int general, const int alone) {
  const vd one = dset1(1.0), zero = dset1(0.0);
  const vd factor = dmul(upstream, inverse);
  /* Below 2^-206 no term makes a gradient of 2^-126. */
  const vd lowest = dset1(-206.0), exponent = dadd(dexponent(factor), one);
  const vd k = dmax(lowest, dmin(dset1(1000.0), exponent));
  vd f = dmul(factor, dpower(dsub(dset1(FACTOR_EXPONENT), k)));
  f = dsel(dgt(lowest, exponent), zero, f);
  const vf high = dnarrow(f);
  vd low = dsub(f, dwiden(high));
  low = dsel(dgt(dset1(0x1p10), dmul(low, low)), zero, low);
  const vf f_low = dnarrow(low);
  put_factor(out->f, high, alone);
  put_factor(out->f_low, f_low, alone);
  const vf exponents = dnarrow(k), power = vsub(vmin(vset1(0.0f), exponents), vset1(FACTOR_EXPONENT));
  const vm small = vgt(vset1(-80.0f), exponents);
  const dm large = dgt(dmul(upstream, upstream), dset1(LARGEST_UPSTREAM * LARGEST_UPSTREAM));
  const vf wide = dnarrow(dsel(large, one, zero));
  put_factor(out->k, exponents, alone);
  put_factor(out->wide, general ? vsel(small, vset1(1.0f), wide) : wide, alone);

  const vf half = vsub(vfma(power, vset1(0.5f), vset1(0x1.8p23f)), vset1(0x1.8p23f));
  put_factor(out->scale[0], power_of_two(half), alone);
  put_factor(out->scale[1], power_of_two(vsub(power, half)), alone);
  put_factor(out->flushed, vfloat(vishl(vbits(vsub(vset1(VLOSS_ROUND - 126), power)), 23)), alone);

  /* 2^-126 over the smaller one, rounded up; a small F leaves no term large enough, and its factors are 0. */
  const vf scale = power_of_two(power), factor_low = vmul(f_low, scale);
  const vf smaller = vsel(veq(f_low, vset1(0.0f)), vmul(high, scale), factor_low);
  const vi field = visub(viset1(128), viand(visra(vbits(smaller), 23), viset1(255)));
  const vf least = vfloat(vishl(visel(vigt(field, viset1(1)), field, viset1(1)), 23));
  put_factor(out->factor, vmul(high, scale), alone);
  put_factor(out->factor_low, factor_low, alone);
  put_factor(out->least, vsel(small, vset1(INF), least), alone);
}
void row_factors_of(struct row_factors *out, const struct finished *row, const vd *upstream, int general) {
  factors_from(out, row->inverse, *upstream, general, 0);
}
void lone_factors(struct row_factors *out, double inverse) { factors_from(out, dset1(inverse), dset1(1.0), 0, 1); }
