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

/* For passes that take 64 columns at a time: copies of the last ones, which are fewer, filled up; and of the 64 around
 * the row's label, with the same there. A branch where the label is would be guessed wrong in every row. */
struct blocks_of_64 {
  size_t of_label, last; /* where they begin; SIZE_MAX: there is none */
  _Alignas(64) float around_label[64], at_end[64];
};
VFN void copy_of_64(float *to, const float *from, size_t n, float fill, size_t label) {
  UNROLL for (size_t i = 0; i < 64; i += 16) {
    const vf v = n >= i + 16 ? vload(from + i) : n > i ? vtail(from + i, n - i, fill) : vset1(fill);
    vstore(to + i, vsel(vieq(viadd(lane_numbers(), viset1((int32_t)i)), viset1((int32_t)label)), vset1(fill), v));
  }
}
static SMALL __attribute__((unused)) void copy_of_some(float *to, const float *from, size_t n, float fill,
                                                       size_t label) {
  copy_of_64(to, from, n, fill, label);
}
VFN void blocks_of_64(struct blocks_of_64 *b, const struct row *r, float fill) {
  const size_t last = r->to / 64 * 64, of_label = r->label / 64 * 64, ends = last < r->to;
  b->last = ends ? last : SIZE_MAX;
  b->of_label = r->label - r->from < last - r->from ? of_label : SIZE_MAX;
  if (b->of_label == of_label) copy_of_64(b->around_label, r->p + of_label, 64, fill, r->label - of_label);
  if (ends) copy_of_some(b->at_end, r->p + last, r->to - last, fill, of_label == last ? r->label - last : 64);
}
VFN const float *block_of_64(const struct blocks_of_64 *b, const struct row *r, size_t c) {
  const float *const p = c == b->of_label ? b->around_label : r->p + c;
  return c == b->last ? b->at_end : p;
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

/* Products that are added up in float. They begin with a number that is nothing beside what sums must have to be taken,
 * and that keeps the products of small columns from being denormal. */
#define PRODUCTS_BEGIN 0x1p-110f
#define LEAST_SUM 0x1p-60
struct products {
  vf aa, bb, ab;
};
VFN struct products first_products(void) {
  return (struct products){vset1(PRODUCTS_BEGIN), vset1(PRODUCTS_BEGIN), vset1(PRODUCTS_BEGIN)};
}
VFN struct products products_and(struct products s, vf a, vf b) {
  return (struct products){vfma(a, a, s.aa), vfma(b, b, s.bb), vfma(a, b, s.ab)};
}
/* The same where denormals are slow and there may be some: their squares are nothing beside PRODUCTS_BEGIN, and of a
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
VFN struct products calm_products_and(struct products s, vf a, vf b) {
  const struct two_factors factors = calm_factors(a, b);
  struct products sums = products_and(s, vflush(a), vflush(b));
  sums.ab = vfma(factors.a, factors.b, s.ab);
  return sums;
}
/* How rows are read: memory is asked ahead for all of them, or but for what gradients ask for. */
enum { READ_CALMLY = 1, ASK_FOR_A = 2, ASK_FOR_B = 4 };
/* Columns c .. c + 16 n - 1. */
VFN struct products some_products(const float *a, const float *b, size_t c, const size_t n, const int how) {
  struct products sums = first_products();
  UNROLL for (size_t i = 0; i < n; i++, c += 16) {
    if (how & ASK_FOR_A) ask_ahead(a + c);
    if (how & ASK_FOR_B) ask_ahead(b + c);
    sums = how & READ_CALMLY ? calm_products_and(sums, vload(a + c), vload(b + c))
                             : products_and(sums, vload(a + c), vload(b + c));
  }
  return sums;
}
VFN struct products sum_of_products(struct products a, struct products b) {
  return (struct products){vadd(a.aa, b.aa), vadd(a.bb, b.bb), vadd(a.ab, b.ab)};
}
/* How many times 64 columns are added up in float, from c on. */
VFN size_t product_fours(size_t c, size_t to) { return (to - c) / 64 < 4 ? (to - c) / 64 : 4; }

/* Whether a product has overflown or a sum is so small that the begin of its pairs could show: all must be added again
 * in double. */
VFN int products_again(const struct row *r, const struct row_state *s) {
  const double aa = s->value[0], bb = s->value[1], size = s->value[2] < 0 ? -s->value[2] : s->value[2];
  return r->columns >= 32 && !(aa < 0x1p128 && bb < 0x1p128 && size < (double)INF && aa >= LEAST_SUM &&
                               bb >= LEAST_SUM && size >= LEAST_SUM);
}

/* As products_in_double, in float up to 256 columns at a time: four vectors each, and then up to four such sums. */
VFN int float_products(const struct row *r, struct row_state *s, const float *a, const float *b, const int how) {
  vd aa = resumed(r, s, 0, 0), bb = resumed(r, s, 1, 0), ab = resumed(r, s, 2, 0);
  size_t c = r->from;
  for (size_t n; (n = product_fours(c, r->to)) > 0;) {
    struct products sums = {vset1(0.0f), vset1(0.0f), vset1(0.0f)};
    ROLLED for (const size_t end = c + 64 * n; c < end; c += 64) sums =
        sum_of_products(sums, some_products(a, b, c, 4, how));
    aa = dadd(aa, dsplit_scaled(sums.aa));
    bb = dadd(bb, dsplit_scaled(sums.bb));
    ab = dadd(ab, dwiden(sums.ab));
  }
  if (r->to < r->columns) {
    s->lanes[0] = aa, s->lanes[1] = bb, s->lanes[2] = ab;
    return 0;
  }
  if (c + 32 <= r->columns) {
    const struct products sums = some_products(a, b, c, 2, how);
    aa = dadd(aa, dsplit_scaled(sums.aa));
    bb = dadd(bb, dsplit_scaled(sums.bb));
    ab = dadd(ab, dwiden(sums.ab));
    c += 32;
  }
  aa = dmul(aa, dset1(1 / SPLIT_SCALE)), bb = dmul(bb, dset1(1 / SPLIT_SCALE));
  for (size_t m; (m = columns_from(r, c)) > 0; c += 16) {
    const vd x = dwiden(get(a, c, m, 0.0f)), y = dwiden(get(b, c, m, 0.0f));
    aa = dfma(x, x, aa);
    bb = dfma(y, y, bb);
    ab = dfma(x, y, ab);
  }
  s->value[0] = dsum(aa), s->value[1] = dsum(bb), s->value[2] = dsum(ab);
  return 1;
}

/* Rows with denormals, and rows in memory. */
static RARE int products_of_denormals(struct row r, struct row_state *s, const float *a, const float *b) {
  return float_products(&r, s, a, b, READ_CALMLY | ASK_FOR_A);
}
static __attribute__((noinline, unused)) int products_from_memory(struct row r, struct row_state *s, const float *a,
                                                                  const float *b) {
  return r.grad ? float_products(&r, s, a, b, ASK_FOR_A) : float_products(&r, s, a, b, ASK_FOR_A | ASK_FOR_B);
}
VFN int products_in_float(const struct row *r, struct row_state *s, const float *a, const float *b) {
  if (expects_denormals(r)) return products_of_denormals(*r, s, a, b);
  if (r->from_memory) return products_from_memory(*r, s, a, b);
  return float_products(r, s, a, b, 0);
}

/* The passes of cosines; the first one has two steps. COSINE_PARTED is one of cosine_embedding's. */
enum { COSINE_IN_FLOAT, COSINE_IN_DOUBLE, COSINE_PARTED, COSINE_GRADIENT, COSINE_SUMMED };

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
VFN struct cosine_slope cosine_slope(double cosine, double across, double aa, double radial, double factor) {
  const double inverse = 1 / aa, along = radial * (cosine * inverse), slope = factor * factor * inverse;
  const struct cosine_slope in_double = {.across = across, .along = along};
  const double size = factor < 0 ? -factor : factor;
  if (!(slope >= 0x1p-120 && slope <= 0x1p120)) return in_double;
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
