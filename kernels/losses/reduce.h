/* What several row losses have in common: sums of products, and the gradient of a cosine. A row's sums do not depend on
 * how it is stored: the lanes of a vector are always columns c .. c + 15, and go into 16 double lanes. */
#ifndef VLOSS_KERNELS_REDUCE_H
#define VLOSS_KERNELS_REDUCE_H

#include <math.h>
#include <string.h>

#include "row.h"

/* v with 0 in the lanes from m on, and in lane number `skip` if there is one. */
VFN vd dwithout(vd v, size_t m, size_t skip) {
  double lanes[16];
  if (m == 16 && skip >= 16) return v;
  dstore(lanes, v);
  for (size_t i = 0; i < 16; i++)
    if (i >= m || i == skip) lanes[i] = 0;
  return dload(lanes);
}

VFN vf clip(vf v, float low, float high) { return vmin(vset1(high), vmax(vset1(low), v)); }
VFN vm clips(vf v, float low, float high) { return vmor(vgt(vset1(low), v), vgt(v, vset1(high))); }

/* The greatest lane of numbers, and the sum of the counts in the lanes that reach it. */
VFN double lane_max(vd v) {
  double lanes[16];
  dstore(lanes, v);
  UNROLL for (int h = 8; h > 0; h /= 2) UNROLL for (int i = 0; i < h; i++) lanes[i] =
      lanes[i] > lanes[i + h] ? lanes[i] : lanes[i + h];
  return lanes[0];
}
VFN double sum_at(vd counts, vd v, double greatest) { return dsum(dsel(deq(v, dset1(greatest)), counts, dset1(0.0))); }

/* log x of a normal positive x. */
VFN double log_of(double x) {
  double lanes[16];
  dstore(lanes, dlog(dset1(x)));
  return lanes[0];
}

/* a - b = high + low, exactly; low is 0 beside an infinity. */
struct difference {
  double high, low;
};
VFN struct difference exact_difference(double a, double b) {
  const double high = a - b, of_b = a - high, of_a = high + of_b;
  return (struct difference){high, high - high == 0 ? (a - of_a) - (b - of_b) : 0};
}

/* ---- The three sums of products of two vectors: of a with itself, of b with itself, of a with b ------------------ */

/* True at the end of the row; then value[0 .. 2] have the sums. */
static __attribute__((noinline, unused)) int products_in_double(struct row r, struct row_state *s, const float *a,
                                                                const float *b) {
  vd aa = resumed(&r, s, 0, 0), bb = resumed(&r, s, 1, 0), ab = resumed(&r, s, 2, 0);
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16) {
    const vd x = dwiden(get(a, c, m, 0.0f)), y = dwiden(get(b, c, m, 0.0f));
    aa = dfma(x, x, aa);
    bb = dfma(y, y, bb);
    ab = dfma(x, y, ab);
  }
  s->lanes[0] = aa, s->lanes[1] = bb, s->lanes[2] = ab;
  s->value[0] = dsum(aa), s->value[1] = dsum(bb), s->value[2] = dsum(ab);
  return r.to == r.columns;
}

/* Two arrays are read at once, so they are asked for ahead: behind the end of a row, too, where the next one is
 * read. If gradients are written in between, one of the two is asked for then. */
VFN void ask_ahead(const float *p) { __builtin_prefetch((const void *)((uintptr_t)p + ASK_AHEAD_BYTES), 0, 3); }

/* Products of columns c .. c + 31, two by two. Each pair begins with a number that is nothing beside what sums must
 * have to be taken, and that keeps the products of small columns from being denormal. */
#define PAIR_BEGIN 0x1p-110f
#define LEAST_SUM 0x1p-60
struct product_pairs {
  vf aa, bb, ab;
};
VFN struct product_pairs pairs_of(vf x0, vf x1, vf y0, vf y1) {
  const vf begin = vset1(PAIR_BEGIN);
  return (struct product_pairs){vfma(x1, x1, vfma(x0, x0, begin)), vfma(y1, y1, vfma(y0, y0, begin)),
                                vfma(x1, y1, vfma(x0, y0, begin))};
}
/* The same where denormals are slow and there may be some: their squares are nothing beside PAIR_BEGIN, and of a
 * product one is moved up by 2^24, into the normal numbers, and the other down by as much. */
struct two_factors {
  vf a, b;
};
/* Of denormals, and 0: their bits are the digits that 2^-102 leaves free. */
VFN vf moved_up(vf v) {
  const vf above = vsigned(vset1(0x1p-102f), v);
  return vsub(vfloat(vior(vbits(v), vbits(above))), above);
}
VFN vf moved_down(vf v) {
  return vmul(vsel(vgt(vset1(0x1p-102f), vabs(v)), vset1(0.0f), v), vset1(0x1p-24f)); /* nothing, of what is smaller */
}
VFN struct two_factors calm_factors(vf a, vf b) {
  const vm of_a = vdenormal(a), of_b = vdenormal(b);
  /* If both are, one is nothing. */
  return (struct two_factors){vsel(of_a, moved_up(a), vsel(of_b, moved_down(a), a)),
                              vsel(of_a, moved_down(b), vsel(of_b, moved_up(b), b))};
}
VFN struct product_pairs calm_pairs_of(vf x0, vf x1, vf y0, vf y1) {
  const struct two_factors low = calm_factors(x0, y0), high = calm_factors(x1, y1);
  struct product_pairs pairs = pairs_of(vflush(x0), vflush(x1), vflush(y0), vflush(y1));
  pairs.ab = vfma(high.a, high.b, vfma(low.a, low.b, vset1(PAIR_BEGIN)));
  return pairs;
}
VFN struct product_pairs product_pairs(const struct row *r, const float *a, const float *b, size_t c, const int calm) {
  if (r->from_memory) {
    ask_ahead(a + c), ask_ahead(a + c + 16);
    if (!r->grad) ask_ahead(b + c), ask_ahead(b + c + 16);
  }
  if (calm) return calm_pairs_of(vload(a + c), vload(a + c + 16), vload(b + c), vload(b + c + 16));
  return pairs_of(vload(a + c), vload(a + c + 16), vload(b + c), vload(b + c + 16));
}

VFN int products_again(const struct row *r, const struct row_state *s) {
  const double aa = s->value[0], bb = s->value[1], size = s->value[2] < 0 ? -s->value[2] : s->value[2];
  return r->columns >= 32 && !(aa < 0x1p128 && bb < 0x1p128 && size < (double)INF && aa >= LEAST_SUM &&
                               bb >= LEAST_SUM && size >= LEAST_SUM);
}

/* As products_in_double, in runs of four vectors in float: at the speed of memory. By pairs, because adding equal sums
 * is exact: in a row of one value, where every run is rounded the same way, two roundings count and not four. `again`
 * is set where a product overflows or a sum is so small that the begin of its pairs could show: all must be added again
 * in double. */
VFN int float_products(const struct row *r, struct row_state *s, const float *a, const float *b, int *again,
                       const int calm) {
  vd aa = resumed(r, s, 0, 0), bb = resumed(r, s, 1, 0), ab = resumed(r, s, 2, 0);
  size_t c = r->from;
  for (; c + 64 <= r->to; c += 64) {
    const struct product_pairs low = product_pairs(r, a, b, c, calm), high = product_pairs(r, a, b, c + 32, calm);
    aa = dadd(aa, dsplit_scaled(vadd(low.aa, high.aa)));
    bb = dadd(bb, dsplit_scaled(vadd(low.bb, high.bb)));
    ab = dadd(ab, dwiden(vadd(low.ab, high.ab)));
  }
  if (r->to < r->columns) {
    s->lanes[0] = aa, s->lanes[1] = bb, s->lanes[2] = ab;
    return 0;
  }
  if (c + 32 <= r->columns) {
    const struct product_pairs p = product_pairs(r, a, b, c, calm);
    aa = dadd(aa, dsplit_scaled(p.aa));
    bb = dadd(bb, dsplit_scaled(p.bb));
    ab = dadd(ab, dwiden(p.ab));
    c += 32;
  }
  aa = dmul(aa, dset1(1 / SPLIT_SCALE));
  bb = dmul(bb, dset1(1 / SPLIT_SCALE));
  for (size_t m; (m = columns_from(r, c)) > 0; c += 16) {
    const vd x = dwiden(get(a, c, m, 0.0f)), y = dwiden(get(b, c, m, 0.0f));
    aa = dfma(x, x, aa);
    bb = dfma(y, y, bb);
    ab = dfma(x, y, ab);
  }
  s->value[0] = dsum(aa), s->value[1] = dsum(bb), s->value[2] = dsum(ab);
  *again = products_again(r, s);
  return 1;
}

static RARE int products_of_denormals(struct row r, struct row_state *s, const float *a, const float *b, int *again) {
  return float_products(&r, s, a, b, again, 1);
}
VFN int products_in_float(const struct row *r, struct row_state *s, const float *a, const float *b, int *again) {
  if (expects_denormals(r)) return products_of_denormals(*r, s, a, b, again);
  return float_products(r, s, a, b, again, 0);
}

/* 2^n and the exponent of x: of normal numbers. */
VFN double two_to(int n) {
  const uint64_t bits = (uint64_t)(n + 1023) << 52;
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
VFN int exponent_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (int)(bits >> 52 & 0x7ff) - 1023;
}

/* The gradient of the cosine ab / sqrt(aa bb) of a and b, at a: (b / |b| - cosine a / |a|) / |a| = across b - along a,
 * times the row's factor. `radial` is 0 to leave the second term out, else 1. The scaled coefficients have the factor
 * and are for floats: times 2^n, and `last` is 2^-n. These powers of two keep 60 binary digits of room below what the
 * largest columns give, and round nothing: so coefficients and terms are rounded, once each. in_float says that they
 * will do; else something could leave the range of a float. */
/* 1 / sqrt(x) is sqrt(x) (1 / x) so that the slow operations run side by side, and n comes from the exponents of what
 * they begin with: all of the row's last pass waits. */
VFN struct cosine_slope cosine_slope(double ab, double aa, double bb, double radial, double factor) {
  const double inverse_a = sqrt(aa) * (1 / aa), inverse_b = sqrt(bb) * (1 / bb);
  const double across = inverse_a * inverse_b, along = (inverse_a * radial) * (inverse_a * ab) * across;
  const double size = factor < 0 ? -factor : factor, slope = size * inverse_a;
  const struct cosine_slope in_double = {.across = across, .along = along};
  if (!(slope >= 0x1p-60 && slope <= 0x1p60)) return in_double;
  const int n = 60 - exponent_of(size) + exponent_of(aa) / 2;
  const double scaled = factor * two_to(n), a = along * scaled, b = across * scaled;
  const double a_size = a < 0 ? -a : a, b_size = b < 0 ? -b : b;
  if (!(a_size < 0x1p120 && b_size < 0x1p120 && (a_size > 0x1p-100 || a == 0) && b_size > 0x1p-100)) return in_double;
  return (struct cosine_slope){across, along, (float)b, (float)a, (float)two_to(-n), 1};
}
VFN vf cosine_gradient(vf a, vf b, struct cosine_slope s) {
  return vmul(vnfma(a, vset1(s.along_scaled), vmul(b, vset1(s.across_scaled))), vset1(s.last));
}
/* The same of denormals. */
VFN vf calm_cosine_gradient(vf a, vf b, struct cosine_slope s) {
  const vm of_a = vdenormal(a);
  const vf along = vsel(of_a, vset1(s.along_scaled * 0x1p-24f), vset1(s.along_scaled));
  const vf across = vmul_calm(b, vset1(s.across_scaled));
  return vmul_calm(vnfma(vsel(of_a, moved_up(a), a), along, across), vset1(s.last));
}
VFN vd cosine_gradient_in_double(vf a, vf b, double across, double along) {
  return dnfma(dwiden(a), dset1(along), dmul(dwiden(b), dset1(across)));
}

#endif
