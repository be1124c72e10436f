/* The backward forms of softmax and log-softmax: what every layout of rows shares (softmax_backward.c). First the sum
 * of the upstream h a row, weighted by y for softmax, then a term a class: y (h - sum), or h - exp(y) sum. */
#ifndef VLOSS_KERNELS_BACKWARD_TERMS_H
#define VLOSS_KERNELS_BACKWARD_TERMS_H

#include "softmax.h"

/* ---- Sums ---------------------------------------------------------------------------------------------------------
 *
 * Of 64 classes, c, c + 16, c + 32 and c + 48 are added in float, by pairs, and go into double lane c % 16 together:
 * three roundings at most, for which one less is made of h - sum, as the sum keeps what it has beyond a float. Each
 * pair begins with SUM_BASE, beside which products and sums that would be denormals are nothing. It is nothing itself
 * beside a sum from LEAST_SUM on: rows whose sum is less, or is no number, are added again in double throughout.
 * Classes behind the last count as y = 1 and h = 0. */
#define SUM_BASE 0x1p-96f
#define LEAST_SUM 0x1p-39f

/* Up to four vectors of classes 16 apart. */
struct quad {
  const float *y, *h;
  size_t y_step, h_step;
};
VFN struct quad quad_at(const float *y, size_t y_step, const float *h, size_t h_step) {
  return (struct quad){y, h, y_step, h_step};
}
VFN vf add_float(vf sum, vf y, vf h, const enum softmax_kind kind) {
  return kind == SOFTMAX ? vfma(y, h, sum) : vadd(sum, h);
}
VFN vd add_double(vd sum, vf y, vf h, const enum softmax_kind kind) {
  return kind == SOFTMAX ? dfma(dwiden(h), dwiden(y), sum) : dadd(sum, dwiden(h));
}
/* y h + sum of an addition that has no denormal factor: that is scaled up by way of doubles, to which no float is a
 * denormal, and the other down. Where that cannot be, their product is nothing beside any sum. */
VFN vf calm_fma(vf y, vf h, vf sum) {
  const vf least = vset1(0x1p-126f), zero = vset1(0.0f);
  const vm small_y = vgt(least, vabs(y)), small_h = vgt(least, vabs(h)), small = vmor(small_y, small_h);
  if (!vany(small)) return vfma(y, h, sum);
  const vf less = vsel(small_y, y, vsel(small_h, h, zero)), other = vsel(small_y, h, y);
  const vf scaled = dnarrow(dmul(dwiden(less), dset1(0x1p64)));
  const vf down = vmul(vsel(vgt(vset1(0x1p-62f), vabs(other)), zero, other), vset1(0x1p-64f));
  return vfma(vsel(small, scaled, y), vsel(small, down, h), sum);
}
/* What is known of vectors all of whose products are below 2^-121, half of what SUM_BASE can lose: beside it they are
 * nothing. */
struct nothing {
  vi less, more;
};
VFN struct nothing nothing_yet(void) { return (struct nothing){viset1(0), viset1(0)}; }
VFN struct nothing and_these(struct nothing s, vf y, vf h) {
  const vi size = viset1(0x7fffffff), y_size = viand(vbits(y), size), h_size = viand(vbits(h), size);
  return (struct nothing){vimax(vimin(y_size, h_size), s.less), vimax(vimax(y_size, h_size), s.more)};
}
VFN int is_nothing(struct nothing s) {
  return !vany(vmor(vigt(s.less, viset1(0x007fffff)), vigt(s.more, vbits(vset1(32.0f)))));
}
static SMALL vf calm_quad(const float *y, size_t y_step, const float *h, size_t h_step, size_t n) {
  vf pair[2] = {vset1(SUM_BASE), vset1(SUM_BASE)};
  struct nothing nothing = nothing_yet();
  for (size_t j = 0; j < n; j++) nothing = and_these(nothing, vload(y + j * y_step), vload(h + j * h_step));
  if (!is_nothing(nothing))
    for (size_t j = 0; j < n; j++) pair[j / 2] = calm_fma(vload(y + j * y_step), vload(h + j * h_step), pair[j / 2]);
  return vadd(pair[0], pair[1]);
}
/* calm: products of denormals are slow here, and there may be some (calm.h). */
VFN vd add_quad(vd sum, struct quad q, const size_t n, const enum softmax_kind kind, int calm) {
  if (kind == SOFTMAX && DENORMALS_ARE_SLOW && __builtin_expect(calm, 0))
    return dadd(sum, dwiden(calm_quad(q.y, q.y_step, q.h, q.h_step, n)));
  vf first = vset1(SUM_BASE), second = first;
  first = add_float(first, vload(q.y), vload(q.h), kind);
  if (n > 1) first = add_float(first, vload(q.y + q.y_step), vload(q.h + q.h_step), kind);
  if (n > 2) second = add_float(second, vload(q.y + 2 * q.y_step), vload(q.h + 2 * q.h_step), kind);
  if (n > 3) second = add_float(second, vload(q.y + 3 * q.y_step), vload(q.h + 3 * q.h_step), kind);
  return dadd(sum, dwiden(vadd(first, second)));
}

/* ---- Terms ------------------------------------------------------------------------------------------------------ */

/* How the terms of a row are made. BARE: its sum is a number of ordinary size, so no h is infinite or NaN, and of such
 * y as most are, which a look at four vectors tells, no term is a denormal or NaN. USUAL: products are flushed, and NaN
 * is made the one there is. CAREFUL: products may also be of denormals, or make one on the way. Any of them that may be
 * taken gives the same bits. */
enum care { BARE, USUAL, CAREFUL };
/* What the terms of a row need of its sum. */
struct backward_row {
  vf sum, low; /* `low` is what the sum has beyond a float; 0 where it was added in double */
  vf limit;    /* log-softmax: as far from 0 as a y of a BARE row may be */
  enum care care;
  int calm;
};
/* h - exp(y) sum has no bit below 2^-126 where |y| is at most this, and nothing on the way to it is beyond the floats.
 */
VFN vf backward_limit(vf sum) {
  const vf exponent = vitof(viand(visra(vbits(sum), 23), viset1(255)));
  return vfma(vsub(exponent, vset1(127.0f - 76.0f)), vset1(VLOSS_LN2_HI), vset1(-0.01f));
}
/* Up to which a sum is usual: beyond it, exp(y) sum of log-softmax might be beyond the floats. */
#define MOST_SUM(kind) ((kind) == SOFTMAX ? 0x1.fffffep127f : 0x1p20f)
VFN int is_usual(float sum, const enum softmax_kind kind) {
  return __builtin_fabsf(sum) >= LEAST_SUM && __builtin_fabsf(sum) <= MOST_SUM(kind);
}
VFN int usual_sums(vf sum, const enum softmax_kind kind) {
  const vf size = vabs(sum);
  return vlanes(vmand(vge(size, vset1(LEAST_SUM)), vge(vset1(MOST_SUM(kind)), size))) == 0xffff;
}
/* A row with any sum. */
static SMALL void other_row(struct backward_row *row, enum softmax_kind kind, int calm) {
  const vf size = vabs(row->sum), zero = vset1(0.0f);
  row->limit = backward_limit(row->sum);
  row->calm = calm;
  row->care = usual_sums(row->sum, kind) ? BARE : USUAL;
  /* h - sum is 0 or at least an ulp of the sum; where that is 0, it is h. */
  if (vany(vgt(vsel(vgt(size, zero), vset1(LEAST_SUM), zero), size)) || (calm && kind == LOG_SOFTMAX))
    row->care = CAREFUL;
}
/* What 16 rows need of their totals; `again` adds the rows in double. */
typedef void add_again(const void *rows, enum softmax_kind kind, double *sums);
static SMALL void other_rows(struct backward_row *row, add_again *again, const void *rows, enum softmax_kind kind,
                             int calm) {
  ALIGNED double sums[16];
  const vf size = vabs(row->sum);
  const vm plain = vmand(vge(size, vset1(LEAST_SUM)), vgt(vset1(INF), size));
  if (vlanes(plain) != 0xffff) {
    again(rows, kind, sums);
    row->sum = vsel(plain, row->sum, dnarrow(dflush(dload(sums))));
    row->low = vsel(plain, row->low, vset1(0.0f));
  }
  other_row(row, kind, calm);
}
VFN void row_of_total(struct backward_row *row, vd total, add_again *again, const void *rows,
                      const enum softmax_kind kind, int calm) {
  row->sum = dnarrow(total);
  row->low = dnarrow(dflush(dsub(total, dwiden(row->sum))));
  row->limit = kind == SOFTMAX ? row->sum : backward_limit(row->sum);
  row->care = BARE;
  row->calm = calm;
  if (__builtin_expect(!usual_sums(row->sum, kind) || (calm && kind == LOG_SOFTMAX), 0))
    other_rows(row, again, rows, kind, calm);
}

/* y d, where products of a small factor are flushed at 2^63 times their size. */
VFN vf careful_product(vf y, vf d) {
  const vf zero = vset1(0.0f), limit = vset1(0x1p-63f);
  const vm small_y = vgt(limit, vabs(y)), small_d = vgt(limit, vabs(d));
  const vm small = vmor(small_y, small_d), nothing = vmand(small_y, small_d);
  const vf less = vsel(nothing, zero, vsel(small_y, y, vsel(small_d, d, zero))), other = vsel(small_y, d, y);
  const vf v = vmul(vmul(less, vset1(0x1p63f)), other);
  const vf scaled = vmul(vsel(vgt(vset1(0x1p-63f), vabs(v)), zero, v), vset1(0x1p-63f));
  return vsel(small, scaled, vmul(vsel(small, zero, y), d));
}
/* The same by way of doubles, to which no float is a denormal: 0 for what is below 2^-126 with the digits of a float.
 */
VFN vf calm_product(vf y, vf d) {
  const vd v = dmul(dwiden(y), dwiden(d));
  return dnarrow(dsel(dbelow(v, 0x1.ffffffp-127), dset1(0.0), v));
}
/* The same for exp(y) sum; but beside small h it counts. */
VFN struct vexp_halves without_small(struct vexp_halves e, vf h, vf sum) {
  const vf zero = vset1(0.0f), size = vabs(h);
  const vm large = vgt(vabs(sum), vset1(0x1p40f));
  const vf more = vsel(large, vset1(1.0f), vset1(0x1p64f)), least = vsel(large, vset1(0x1p-126f), vset1(0x1p-62f));
  const vm small = vgt(least, vabs(vmul(e.mantissa, vmul(e.scale, vmul(sum, more)))));
  const vm nothing = vmand(small, vmor(veq(h, zero), vgt(size, vset1(0x1p-100f))));
  return (struct vexp_halves){vsel(nothing, zero, e.mantissa), vsel(nothing, zero, e.scale)};
}
VFN vf careful_term(vf y, vf h, const struct backward_row *row, const enum softmax_kind kind, const enum care care) {
  if (kind == SOFTMAX) {
    const vf d = vsub(vsub(h, row->low), row->sum);
    if (care == CAREFUL && DENORMALS_ARE_SLOW && row->calm) return canonical(calm_product(y, d));
    return canonical(care == CAREFUL ? careful_product(y, d) : vflush(vmul(y, d)));
  }
  struct vexp_halves e = vexp_in_halves(care == CAREFUL ? vflush(y) : y);
  if (care == CAREFUL) e = without_small(e, h, row->sum);
  return canonical(vflush(vnfma(e.mantissa, vmul(e.scale, row->sum), h)));
}
/* How far the vectors of a row, or of rows, lie apart. */
struct steps {
  size_t y, h, out;
};
static const struct steps along = {16, 16, 16};
VFN vf least_of(const float *y, size_t step, size_t n) {
  vf least = vset1(INF);
  for (size_t j = 0; j < n; j++) least = vmin(vload(y + j * step), least);
  return least;
}
VFN void careful_loop(const float *y, const float *h, float *out, const struct steps *steps, size_t n,
                      const struct backward_row *of_row, const enum softmax_kind kind, const enum care care) {
  const struct backward_row row = {.sum = of_row->sum, .low = of_row->low, .calm = of_row->calm};
  for (; n > 0; n--, y += steps->y, h += steps->h, out += steps->out)
    vstore(out, careful_term(vload(y), vload(h), &row, kind, care));
}
/* n vectors of a row that is not BARE, or not with these y. */
static SMALL void careful_softmax(const float *y, const float *h, float *out, const struct steps *steps, size_t n,
                                  const struct backward_row *row) {
  if (row->care != CAREFUL && !vany(vgt(vset1(0x1p-62f), least_of(y, steps->y, n))))
    careful_loop(y, h, out, steps, n, row, SOFTMAX, USUAL);
  else
    careful_loop(y, h, out, steps, n, row, SOFTMAX, CAREFUL);
}
static SMALL void careful_log_softmax(const float *y, const float *h, float *out, const struct steps *steps, size_t n,
                                      const struct backward_row *row) {
  /* From here on exp(y) times the sum is no denormal. */
  const vf limit = vsub(vset1(-50 * VLOSS_LN2_HI + 0.02f), row->limit);
  if (row->care != CAREFUL && !vany(vgt(limit, least_of(y, steps->y, n))))
    careful_loop(y, h, out, steps, n, row, LOG_SOFTMAX, USUAL);
  else
    careful_loop(y, h, out, steps, n, row, LOG_SOFTMAX, CAREFUL);
}
VFN void careful_terms(const float *y, const float *h, float *out, const struct steps *steps, size_t n,
                       const struct backward_row *row, const enum softmax_kind kind) {
  (kind == SOFTMAX ? careful_softmax : careful_log_softmax)(y, h, out, steps, n, row);
}
/* How many vectors are looked at together. */
#ifdef VLOSS_ISA_IS_SCALAR
enum { TOGETHER = 1, BY_SIZE = 1 }; /* and what is there for speed alone is left out */
#define ALL
#else
enum { TOGETHER = 4, BY_SIZE = 0 };
#define ALL __attribute__((always_inline)) /* GCC does not see else that all y are set */
#endif
VFN size_t careful_run(size_t left) { return left < CAREFUL_VECTORS ? left : CAREFUL_VECTORS; }
VFN vf bare_term(vf y, vf h, vf sum, vf low, const enum softmax_kind kind) {
  if (kind == SOFTMAX) return vmul(y, vsub(vsub(h, low), sum));
  const vf t = vfma(y, vset1(VLOSS_LOG2E), vset1(VLOSS_ROUND)), n = vsub(t, vset1(VLOSS_ROUND));
  const vf r = vnfma(n, vset1(VLOSS_LN2_LO), vnfma(n, vset1(VLOSS_LN2_HI), y));
  return vnfma(vexp_poly(r), vmul(vfloat(vishl(vbits(t), 23)), sum), h);
}
/* Whether all of y are as most are: for softmax at least 2^-62, or infinity or NaN, of which the sum tells; for
 * log-softmax no further from 0 than the limit. Floats of one sign are ordered as their bits are. */
VFN ALL int ordinary(const vf *y, const size_t count, vi limit, const enum softmax_kind kind) {
  const vi size = viset1(kind == SOFTMAX ? -1 : 0x7fffffff);
  vi worst = viand(vbits(y[0]), size);
  UNROLL for (size_t j = 1; j < count; j++) {
    const vi bits = viand(vbits(y[j]), size);
    worst = kind == SOFTMAX ? vimin(bits, worst) : vimax(bits, worst);
  }
  return !vany(kind == SOFTMAX ? vigt(viset1(0x20800000), worst) : vigt(worst, limit));
}
/* What a row is where terms are BARE. */
struct bare {
  vf sum, low;
  vi limit;
};
/* n vectors, 1 or TOGETHER, if their y are ordinary. */
VFN ALL int bare_terms(const float *y, const float *h, float *out, struct steps steps, const size_t n, struct bare row,
                       const enum softmax_kind kind, const int past_cache) {
  vf v[TOGETHER];
  UNROLL for (size_t j = 0; j < n; j++) v[j] = vload(y + j * steps.y);
  if (__builtin_expect(!ordinary(v, n, row.limit, kind), 0)) return 0;
  UNROLL for (size_t j = 0; j < n; j++) {
    const vf term = bare_term(v[j], vload(h + j * steps.h), row.sum, row.low, kind);
    store_n(out + j * steps.out, term, 16, past_cache);
  }
  return 1;
}
/* n vectors, `each` at a time. */
VFN ALL void write_terms(const float *y, const float *h, float *out, const struct steps *of_all, size_t n,
                         const size_t each, const struct backward_row *row, const enum softmax_kind kind) {
  /* Not read from memory each time: the compiler does not know that the output is elsewhere. */
  const struct bare bare = {row->sum, row->low, vbits(row->limit)};
  const struct steps steps = {of_all->y, of_all->h, of_all->out};
  if (row->care != BARE) {
    careful_terms(y, h, out, of_all, n, row, kind);
    return;
  }
  for (size_t i = 0, m; i < n; i += m) {
    m = each;
    if (!bare_terms(y, h, out, steps, each, bare, kind, 0)) {
      m = careful_run(n - i);
      careful_terms(y, h, out, of_all, m, row, kind);
    }
    y += m * steps.y, h += m * steps.h, out += m * steps.out;
  }
}
/* A multiple of four vectors; the exponentials of so many are long. */
static __attribute__((noinline)) void log_terms_beside(const float *y, const float *h, float *out,
                                                       const struct steps *steps, size_t n,
                                                       const struct backward_row *row) {
  write_terms(y, h, out, steps, n, TOGETHER, row, LOG_SOFTMAX);
}
VFN void terms_beside(const float *y, const float *h, float *out, const struct steps *steps, size_t n,
                      const struct backward_row *row, const enum softmax_kind kind) {
  if (kind == SOFTMAX)
    write_terms(y, h, out, steps, n, TOGETHER, row, SOFTMAX);
  else
    log_terms_beside(y, h, out, steps, n, row);
}

#endif
