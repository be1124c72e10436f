/* What the row losses have in common: walking over the columns of a row, sums of products, rows with one gradient
 * everywhere. A row's sums do not depend on how it is stored: the lanes of a vector are always columns c .. c + 15, and
 * go into 16 double lanes. */
#ifndef VLOSS_KERNELS_REDUCE_H
#define VLOSS_KERNELS_REDUCE_H

#include <math.h>
#include <string.h>

#include "loss.h"

/* Runs the body for c = 0, 16, 32 ..., with m the number of columns from c on: 16, or fewer in the last vector. */
#define EACH_VECTOR(r, c, m) for (size_t c = 0, m; (m = columns_from(r, c)) > 0; c += 16)
VFN size_t columns_from(const struct row *r, size_t c) { return c >= r->n ? 0 : r->n - c < 16 ? r->n - c : 16; }

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
VFN vd dabs(vd v) { return dmax(dsub(dset1(0.0), v), v); }

/* log x of a normal positive x. */
VFN double log_of(double x) {
  double lanes[16];
  dstore(lanes, dlog(dset1(x)));
  return lanes[0];
}

/* What is out of line takes the row by value: where its address is not taken, it lives in registers. */
static __attribute__((noinline, unused)) void fill_gradients_of(struct row r, float value) {
  float *const wanted[3] = {r.grad, r.grad_target, r.grad_other};
  for (int j = 0; j < 3; j++)
    if (wanted[j]) EACH_VECTOR(&r, c, m) put(&r, wanted[j], c, m, vset1(value));
}
VFN void fill_gradients(const struct row *r, float value) {
  if (r->grad || r->grad_target || r->grad_other) fill_gradients_of(*r, value);
}
/* The loss of a row that makes everything NaN. */
VFN double nan_row(const struct row *r) {
  fill_gradients(r, NOT_A_NUMBER);
  return (double)NOT_A_NUMBER;
}

/* ---- The three sums of products of two vectors: of a with itself, of b with itself, of a with b ------------------ */

struct products {
  double aa, bb, ab;
};
static __attribute__((noinline, unused)) struct products products_in_double(struct row r, const float *a,
                                                                            const float *b) {
  vd aa = dset1(0.0), bb = aa, ab = aa;
  EACH_VECTOR(&r, c, m) {
    const vd x = dwiden(get(&r, a, c, m, 0.0f)), y = dwiden(get(&r, b, c, m, 0.0f));
    aa = dfma(x, x, aa);
    bb = dfma(y, y, bb);
    ab = dfma(x, y, ab);
  }
  return (struct products){dsum(aa), dsum(bb), dsum(ab)};
}

/* Two arrays are read at once, so they are asked for 4 KiB ahead: behind the end of a row, too, where the next one is
 * read. If gradients are written in between, one of the two is asked for then. */
VFN void ask_ahead(const float *p) { __builtin_prefetch((const void *)((uintptr_t)p + 4096), 0, 3); }

/* Products of columns c .. c + 31, two by two. */
struct product_pairs {
  vf aa, bb, ab;
};
VFN struct product_pairs product_pairs(const struct row *r, const float *a, const float *b, size_t c) {
  if (r->from_memory) {
    ask_ahead(a + c), ask_ahead(a + c + 16);
    if (!r->grad) ask_ahead(b + c), ask_ahead(b + c + 16);
  }
  const vf x0 = get(r, a, c, 16, 0.0f), x1 = get(r, a, c + 16, 16, 0.0f);
  const vf y0 = get(r, b, c, 16, 0.0f), y1 = get(r, b, c + 16, 16, 0.0f);
  return (struct product_pairs){vfma(x1, x1, vmul(x0, x0)), vfma(y1, y1, vmul(y0, y0)), vfma(x1, y1, vmul(x0, y0))};
}

/* Runs of four vectors in float: at the speed of memory. By pairs, because adding equal sums is exact: in a row of one
 * value, where every run is rounded the same way, two roundings count and not four. Where a product overflows, or where
 * the sum of a with b is so small that rounding of denormal products could show, all is added again in double. */
VFN struct products products_of(const struct row *r, const float *a, const float *b) {
  vd aa = dset1(0.0), bb = aa, ab = aa;
  size_t c = 0;
  for (; c + 64 <= r->n; c += 64) {
    const struct product_pairs low = product_pairs(r, a, b, c), high = product_pairs(r, a, b, c + 32);
    aa = dadd(aa, dsplit_positive(vadd(low.aa, high.aa)));
    bb = dadd(bb, dsplit_positive(vadd(low.bb, high.bb)));
    ab = dadd(ab, dwiden(vadd(low.ab, high.ab)));
  }
  if (c + 32 <= r->n) {
    const struct product_pairs p = product_pairs(r, a, b, c);
    aa = dadd(aa, dsplit_positive(p.aa));
    bb = dadd(bb, dsplit_positive(p.bb));
    ab = dadd(ab, dwiden(p.ab));
    c += 32;
  }
  aa = dmul(aa, dset1(0x1p896)); /* dsplit_positive */
  bb = dmul(bb, dset1(0x1p896));
  for (size_t m; (m = columns_from(r, c)) > 0; c += 16) {
    const vd x = dwiden(get(r, a, c, m, 0.0f)), y = dwiden(get(r, b, c, m, 0.0f));
    aa = dfma(x, x, aa);
    bb = dfma(y, y, bb);
    ab = dfma(x, y, ab);
  }
  const struct products p = {dsum(aa), dsum(bb), dsum(ab)};
  const double size = p.ab < 0 ? -p.ab : p.ab;
  if (p.aa < 0x1p128 && p.bb < 0x1p128 && size >= 0x1p-100 && size < (double)INF) return p;
  return products_in_double(*r, a, b);
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

/* The gradient of the cosine ab / sqrt(aa bb) of a and b, at a: (b / |b| - cosine a / |a|) / |a|, as (across b - along
 * a) last. The last factor is the row's times a power of two, so that it rounds nothing more; a power such that neither
 * a small a or b before it nor the other factors become denormal. `radial` is 0 to leave the second term out, else 1.
 * The difference is finite, and the row's factor needs no zero rule. 1 / sqrt(x) is sqrt(x) (1 / x) so that the slow
 * operations run side by side: all of the row's second pass waits for them. */
struct cosine_slope {
  vf across, along, last;
};
VFN struct cosine_slope cosine_slope(double ab, double aa, double bb, double radial, double factor) {
  const int half = aa > 1 ? exponent_of(aa) / 2 : 0;
  const double inverse_a = sqrt(aa) * (1 / aa), inverse_b = sqrt(bb) * (1 / bb), scaled_a = inverse_a * two_to(half);
  return (struct cosine_slope){vset1((float)(scaled_a * inverse_b)),
                               vset1((float)((scaled_a * radial) * (inverse_a * ab) * (inverse_a * inverse_b))),
                               vset1((float)(factor * two_to(-half)))};
}
/* Without a finite factor what it makes of 0 is NaN. */
VFN vf cosine_gradient(vf a, vf b, struct cosine_slope s, int finite) {
  const vf gradient = vmul(vnfma(a, s.along, vmul(b, s.across)), s.last);
  return finite ? gradient : canonical(gradient);
}

#endif
