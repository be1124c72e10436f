/* Triplet margin: max(0, D(a, p) - D(a, n) + margin), a the anchor (the prediction), p the positive (the target), n the
 * negative (other); D(u, v) = (sum_c |u_c - v_c + eps|^norm)^(1/norm), the greatest of them if norm is infinite. With
 * swap, D(a, n) is the smaller of that and D(p, n), and of equal ones each gets half of the gradient. dD/du_c = sg(d_c)
 * (|d_c| / D)^(norm - 1) with d = u - v + eps, 0 where D is 0; if norm is infinite, in the columns that reach D,
 * sg(d_c) over their number. In double, which neither overflows nor loses differences near -eps, but for norm 2
 * without swap, in float where that does neither. Three forms of three distances, hence longer than other files. */
#ifndef VLOSS_KERNELS_LOSS_TRIPLET_MARGIN_H
#define VLOSS_KERNELS_LOSS_TRIPLET_MARGIN_H

/* The parameters. */
enum { TRIPLET_MARGIN, TRIPLET_NORM, TRIPLET_EPS, TRIPLET_SWAP };

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/beside.h"
#include "../losses/reduce.h"

/* ---- In double --------------------------------------------------------------------------------------------------- */

/* d of the pairs (a, p), (a, n) and (p, n); 0 in the lanes beyond m. */
struct differences {
  vd d[3];
};
VFN struct differences differences(const struct row *r, size_t c, size_t m) {
  const vd a = dwiden(get(r->p, c, m, 0.0f)), p = dwiden(get(r->t, c, m, 0.0f)), n = dwiden(get(r->other, c, m, 0.0f));
  const vd eps = dset1(r->parameters[TRIPLET_EPS]);
  return (struct differences){{dwithout(dadd(dsub(a, p), eps), m, SIZE_MAX),
                               dwithout(dadd(dsub(a, n), eps), m, SIZE_MAX),
                               dwithout(dadd(dsub(p, n), eps), m, SIZE_MAX)}};
}
VFN int triplet_swaps(const struct row *r) { return r->parameters[TRIPLET_SWAP] == 1; }

/* Of each pair the sum of |d| or d^2; for norms other than 1 and 2 also the greatest |d|, and how many lanes have it.
 */
VFN int triplet_sums(const struct row *r, struct row_state *s, const double norm, double *sums) {
  const int pairs = triplet_swaps(r) ? 3 : 2;
  vd sum[3], most[3];
  UNROLL for (int i = 0; i < 3; i++) sum[i] = resumed(r, s, i, 0), most[i] = resumed(r, s, 3 + i, 0);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const struct differences v = differences(r, c, m);
    UNROLL for (int i = 0; i < 3; i++) {
      if (i == pairs) break;
      sum[i] = norm == 2 ? dfma(v.d[i], v.d[i], sum[i]) : dadd(sum[i], dabs(v.d[i]));
      most[i] = norm == 2 || norm == 1 ? most[i] : dmax(dabs(v.d[i]), most[i]);
    }
  }
  const int end = r->to == r->columns, general = norm != 1 && norm != 2;
  UNROLL for (int i = 0; i < 3; i++) {
    if (!end) s->lanes[i] = sum[i];
    if (general) s->lanes[3 + i] = most[i];
    sums[i] = dsum(sum[i]);
  }
  return end;
}

/* The end of the distances: value[0 .. 2]; value[3 .. 5] are what their slopes are multiplied by, for norms other than
 * 1 and 2. Of D(a, n) and D(p, n) the gradient takes `share` and 1 - share. */
VFN double triplet_share(const struct row *r, const double *d) {
  return !triplet_swaps(r) || d[1] < d[2] ? 1 : d[1] == d[2] ? 0.5 : 0;
}
VFN void triplet_decide(const struct row *r, struct row_state *s) {
  const double *d = s->value, excess = d[0] - (triplet_share(r, d) == 0 ? d[2] : d[1]) + r->parameters[TRIPLET_MARGIN];
  s->loss = excess;
  s->pass = r->grad || r->grad_target || r->grad_other ? 2 : ROW_DONE;
  if (excess != excess) nan_row(r, s);
  if (excess < 0) filled_row(r, s, 0, 0);
}

/* dD/dd. */
VFN double inverse_distance(double distance) { return distance == 0 ? 0 : 1 / distance; }
VFN vd slope(vd d, double distance, double share, const double norm) {
  const vd zero = dset1(0.0), inverse = dset1(inverse_distance(distance));
  if (norm == 2) return dmul(d, inverse);
  vd size = dsel(deq(d, zero), zero, dset1(1.0));
  if (norm == (double)INF)
    size = dsel(deq(dabs(d), dset1(distance)), dmul(size, dset1(share)), zero);
  else if (norm != 1)
    size = dpow(dmul(dabs(d), inverse), norm - 1);
  return dsel(dgt(zero, d), dsub(zero, size), size);
}
VFN void triplet_gradient_at(const struct row *r, const struct row_state *s, size_t c, size_t m, const double norm) {
  const double *d = s->value, share = triplet_share(r, d);
  const struct differences v = differences(r, c, m);
  const vd ap = slope(v.d[0], d[0], d[3], norm);
  vd an = dset1(0.0), pn = an;
  if (share > 0) an = dmul(dset1(share), slope(v.d[1], d[1], d[4], norm));
  if (share < 1) pn = dmul(dset1(1 - share), slope(v.d[2], d[2], d[5], norm));
  if (r->grad) put(r, r->grad, c, m, dsub(ap, an));
  if (r->grad_target) put(r, r->grad_target, c, m, dsub(dsub(dset1(0.0), ap), pn));
  if (r->grad_other) put(r, r->grad_other, c, m, dadd(an, pn));
}
VFN void triplet_gradient(const struct row *r, struct row_state *s, const double norm) {
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) triplet_gradient_at(r, s, c, m, norm);
  wrote(r, s);
}

/* ---- Norms 1 and 2 ----------------------------------------------------------------------------------------------- */

/* The passes: sums and the gradient in double; norm 2 begins in float. */
enum { TRIPLET_FIRST, TRIPLET_IN_DOUBLE, TRIPLET_GRADIENT, TRIPLET_GRADIENT_IN_FLOAT };

VFN void triplet_margin_of(const struct row *r, struct row_state *s, const double norm) {
  if (s->pass < TRIPLET_GRADIENT) {
    if (!triplet_sums(r, s, norm, s->value)) return;
    UNROLL for (int i = 0; i < 3; i++) s->value[i] = norm == 2 ? sqrt(s->value[i]) : s->value[i];
    triplet_decide(r, s);
    if (r->from) return;
  }
  if (s->pass == TRIPLET_GRADIENT) triplet_gradient(r, s, norm);
}
static __attribute__((noinline)) void triplet_margin_in_double(struct row r, struct row_state *s) {
  triplet_margin_of(&r, s, 2);
}

/* ---- Norm 2 in float ---------------------------------------------------------------------------------------------
 *
 * sum (x + eps)^2 = sum x^2 + 2 eps sum x + C eps^2, x = u - v: so eps rounds nothing, and as it is small beside x
 * wherever this way is gone, its sum of x needs few digits. D is within 2.3 * 2^-24 of itself then. Rows that are
 * short of that, or so near to the kink that this could decide, are summed in double. */
#define TRIPLET_MOST_COLUMNS 65536 /* for the sums of x, which stay in float */
#define TRIPLET_LEAST_EPS 0x1p-60  /* below it, and without it, there is too little room above the denormals */
#define TRIPLET_BEYOND_EPS 0x1p20  /* the mean of x^2 over eps^2, at least */
#define TRIPLET_NEAR_KINK 0x1p-20  /* of the distances */
VFN int triplet_in_float(const struct row *r) {
  return r->parameters[TRIPLET_EPS] >= TRIPLET_LEAST_EPS && r->columns <= TRIPLET_MOST_COLUMNS && !triplet_swaps(r);
}

/* Of n columns of a row, a multiple of 64 unless they are its last, the sums of the squares, four vectors in float
 * before they go to double, and of x; which are given at the end. */
struct triplet_sums {
  double squares, x;
};
VFN struct triplet_sums triplet_add(struct row_state *s, int pair, int first, const float *u, const float *v, size_t n,
                                    int last, const int calm) {
  const vf begin = vset1(PRODUCTS_BEGIN);
  vd squares = first ? dset1(0.0) : s->lanes[pair];
  vf sum = first ? vset1(0.0f) : dnarrow(s->lanes[2 + pair]);
  size_t c = 0;
  for (; c + 64 <= n; c += 64) {
    vf pairs[2];
    UNROLL for (size_t i = 0; i < 2; i++) {
      const float *const a = u + c + 32 * i, *const b = v + c + 32 * i;
      const vf x0 = vsub(vload(a), vload(b)), x1 = vsub(vload(a + 16), vload(b + 16));
      const vf f0 = calm ? vflush(x0) : x0, f1 = calm ? vflush(x1) : x1; /* their squares are nothing beside `begin` */
      sum = vadd(sum, vadd(x0, x1));
      pairs[i] = vfma(f1, f1, vfma(f0, f0, begin));
    }
    squares = dadd(squares, dsplit_scaled(vadd(pairs[0], pairs[1])));
  }
  if (!last) {
    s->lanes[pair] = squares, s->lanes[2 + pair] = dwiden(sum);
    return (struct triplet_sums){0, 0};
  }
  if (c < n) {
    vf pair_of = begin, other = begin; /* of every other vector */
    for (; c < n; c += 16) {
      const size_t m = n - c < 16 ? n - c : 16;
      const vf x = vsub(get(u, c, m, 0.0f), get(v, c, m, 0.0f)), f = calm ? vflush(x) : x, more = vfma(f, f, pair_of);
      sum = vadd(sum, x);
      pair_of = other, other = more;
    }
    squares = dadd(squares, dsplit_scaled(vadd(pair_of, other)));
  }
  return (struct triplet_sums){dsum(squares) * (1 / SPLIT_SCALE), dsum(dwiden(sum))};
}
static RARE struct triplet_sums triplet_add_denormals(struct row_state *s, int pair, int first, const float *u,
                                                      const float *v, size_t n, int last) {
  return triplet_add(s, pair, first, u, v, n, last, 1);
}
/* D; or NaN where this way is none. */
VFN double triplet_distance(const struct row *r, struct triplet_sums sums) {
  const double eps = r->parameters[TRIPLET_EPS], count = (double)r->columns;
  if (!(sums.squares >= count * (eps * eps * TRIPLET_BEYOND_EPS) && sums.squares >= LEAST_SUM &&
        sums.squares < 0x1p120))
    return (double)NOT_A_NUMBER;
  return sqrt(sums.squares + eps * (2 * sums.x + count * eps));
}
/* True at the end of the row. */
VFN int triplet_float_sums(const struct row *r, struct row_state *s) {
  const int first = r->from == 0, last = r->to == r->columns;
  const float *const p = r->p + r->from;
  const size_t n = r->to - r->from;
  const float *const others[2] = {r->t + r->from, r->other + r->from};
  struct triplet_sums of[2];
  UNROLL for (int i = 0; i < 2; i++) of[i] = expects_denormals(r)
                                                 ? triplet_add_denormals(s, i, first, p, others[i], n, last)
                                                 : triplet_add(s, i, first, p, others[i], n, last, 0);
  if (!last) return 0;
  s->value[0] = triplet_distance(r, of[0]), s->value[1] = triplet_distance(r, of[1]), s->value[2] = 0;
  return 1;
}

/* What a pass in float multiplies x by, factor / D, and adds, eps factor / D; they have room above the denormals. */
struct triplet_coefficients {
  double ap, an, eps;
};
VFN struct triplet_coefficients triplet_coefficients(const struct row *r, const struct row_state *s) {
  return (struct triplet_coefficients){r->factor / s->value[0], r->factor / s->value[1], r->parameters[TRIPLET_EPS]};
}
VFN int triplet_coefficient_is_float(double coefficient, double eps) {
  const double size = coefficient < 0 ? -coefficient : coefficient;
  return size < 0x1p60 && size * eps > 0x1p-70;
}
VFN void triplet_decide_in_float(const struct row *r, struct row_state *s) {
  const double excess = s->value[0] - s->value[1] + r->parameters[TRIPLET_MARGIN];
  if (!(fabs(excess) > (s->value[0] + s->value[1]) * TRIPLET_NEAR_KINK)) {
    s->pass = TRIPLET_IN_DOUBLE;
    return;
  }
  triplet_decide(r, s);
  if (s->pass != TRIPLET_GRADIENT) return;
  const struct triplet_coefficients k = triplet_coefficients(r, s);
  if (triplet_coefficient_is_float(k.ap, k.eps) && triplet_coefficient_is_float(k.an, k.eps))
    s->pass = TRIPLET_GRADIENT_IN_FLOAT;
}

/* Whether eps cancels digits of an x: neither 0 nor far from it. */
VFN int triplet_near_eps(vf x, float near) {
  const vf size = vabs(x);
  return vany(vmand(vgt(vset1(near), size), vgt(size, vset1(0.0f))));
}
static RARE void triplet_gradient_near_eps(struct row r, const struct row_state *s, size_t c, size_t m) {
  triplet_gradient_at(&r, s, c, m, 2);
}
struct triplet_slopes {
  vf ap, an, eps_ap, eps_an, eps_both;
  float near;
};
VFN void triplet_float_gradient_at(const struct row *r, const struct row_state *s, const struct triplet_slopes *k,
                                   size_t c, size_t m) {
  const vf a = get(r->p, c, m, 0.0f), ap = vsub(a, get(r->t, c, m, 0.0f)), an = vsub(a, get(r->other, c, m, 0.0f));
  if (__builtin_expect(vany(vgt(vset1(k->near), vmin(vabs(ap), vabs(an)))), 0) &&
      (triplet_near_eps(ap, k->near) || triplet_near_eps(an, k->near))) {
    triplet_gradient_near_eps(*r, s, c, m);
    return;
  }
  if (r->grad) put_scaled(r->grad, c, m, vfma(ap, k->ap, vnfma(an, k->an, k->eps_both)));
  if (r->grad_target) put_scaled(r->grad_target, c, m, vnfma(ap, k->ap, vneg(k->eps_ap)));
  if (r->grad_other) put_scaled(r->grad_other, c, m, vfma(an, k->an, k->eps_an));
}
VFN void triplet_float_gradient(const struct row *r, struct row_state *s) {
  const struct triplet_coefficients of = triplet_coefficients(r, s);
  const struct triplet_slopes k = {.ap = vset1((float)of.ap),
                                   .an = vset1((float)of.an),
                                   .eps_ap = vset1((float)(of.eps * of.ap)),
                                   .eps_an = vset1((float)(of.eps * of.an)),
                                   .eps_both = vset1((float)(of.eps * (of.ap - of.an))),
                                   .near = (float)(8 * of.eps)};
  size_t c = r->from;
  for (; c + 16 <= r->to; c += 16) triplet_float_gradient_at(r, s, &k, c, 16);
  if (c < r->to) triplet_float_gradient_at(r, s, &k, c, r->to - c);
  wrote(r, s);
}
static __attribute__((noinline)) void triplet_gradient_in_float(struct row r, struct row_state *s) {
  triplet_float_gradient(&r, s);
}

VFN void triplet_margin_squares(const struct row *r, struct row_state *s) {
  if (s->pass == TRIPLET_FIRST && triplet_in_float(r)) {
    if (!triplet_float_sums(r, s)) return;
    triplet_decide_in_float(r, s);
    if (r->from) return;
  }
  if (s->pass == TRIPLET_GRADIENT_IN_FLOAT) triplet_gradient_in_float(*r, s);
  if (s->pass >= TRIPLET_FIRST) triplet_margin_in_double(*r, s);
}

/* Of the pairs whose distance is not known yet: sums of (|d| / greatest)^norm, or of the columns that are the greatest.
 * D is greatest (sum)^(1/norm): any norm is possible then. */
VFN int triplet_powers(const struct row *r, struct row_state *s, double norm) {
  const int pairs = triplet_swaps(r) ? 3 : 2;
  for (int i = 0; i < pairs; i++) {
    vd powers = resumed(r, s, i, 0);
    const double greatest = s->value[3 + i];
    /* D is the sum */
    if (s->value[i] != s->value[i] || (norm < (double)INF && (greatest == 0 || greatest == (double)INF))) continue;
    for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
      const vd size = dabs(differences(r, c, m).d[i]), zero = dset1(0.0), one = dset1(1.0);
      powers = dadd(powers, norm == (double)INF ? dsel(deq(size, dset1(greatest)), one, zero)
                                                : dpow(ddiv(size, dset1(greatest)), norm));
    }
    s->lanes[i] = powers;
    if (r->to < r->columns) continue;
    double lanes[16];
    dstore(lanes, dpow(dset1(1 / dsum(powers)), 1 / norm));
    s->value[i] = greatest / lanes[0];
    s->value[3 + i] = 1 / dsum(powers);
  }
  return r->to == r->columns;
}
static SMALL void triplet_margin_general(struct row r, struct row_state *s) {
  const double norm = r.parameters[TRIPLET_NORM];
  if (s->pass == 0) {
    if (!triplet_sums(&r, s, norm, s->value)) return;
    for (int i = 0; i < 3; i++) s->value[3 + i] = lane_max(s->lanes[3 + i]);
    s->pass = 1;
    if (r.from) return;
  }
  if (s->pass == 1) {
    if (!triplet_powers(&r, s, norm)) return;
    triplet_decide(&r, s);
    if (r.from) return;
  }
  if (s->pass == 2) triplet_gradient(&r, s, norm);
}

VFN void triplet_margin(const struct row *r, struct row_state *s) {
  if (r->parameters[TRIPLET_NORM] == 2)
    triplet_margin_squares(r, s);
  else if (r->parameters[TRIPLET_NORM] == 1)
    triplet_margin_of(r, s, 1);
  else
    triplet_margin_general(*r, s);
}

/* ---- The same sums of rows that lie side by side ----------------------------------------------------------------- */

/* u - v of the vector at an element. */
VFN vf triplet_x_beside(const struct beside *b, const float *v, size_t at, const int whole) {
  return whole ? vsub(vload(b->p + at), vload(v + at)) : vsub(beside_get(b, b->p, at), beside_get(b, v, at));
}
/* Adds 64 columns to the lanes of a vector. */
VFN void triplet_add_beside(const struct beside *b, const float *v, size_t at, vd *squares, vf *sum, const int whole) {
  const size_t step = 16 * b->column_stride;
  vf pairs[2];
  UNROLL for (size_t i = 0; i < 2; i++) {
    const vf x0 = triplet_x_beside(b, v, at + 2 * i * step, whole);
    const vf x1 = triplet_x_beside(b, v, at + (2 * i + 1) * step, whole);
    *sum = vadd(*sum, vadd(x0, x1));
    pairs[i] = vfma(x1, x1, vfma(x0, x0, vset1(PRODUCTS_BEGIN)));
  }
  *squares = dadd(*squares, dwiden(vadd(pairs[0], pairs[1])));
}
/* And the last columns, fewer than 64, from c on. Vectors behind the end add nothing. */
VFN void triplet_last_beside(const struct beside *b, const float *v, size_t c, size_t vector, vd *squares, vf *sum) {
  vf one = vset1(PRODUCTS_BEGIN), other = one;
  for (; c < b->columns; c += 16) {
    vf more = one;
    if (vector < beside_vectors(b, beside_columns(b, c))) {
      const vf x = triplet_x_beside(b, v, c * b->column_stride + vector * b->vector_stride, 0);
      more = vfma(x, x, one);
      *sum = vadd(*sum, x);
    }
    one = other, other = more;
  }
  *squares = dadd(*squares, dwiden(vadd(one, other)));
}
/* By vectors where a row's next one is near, else as memory comes. */
static __attribute__((noinline)) void triplet_sums_beside(const struct beside *b, const float *v, double *lanes,
                                                          double *sums) {
  const size_t whole = b->columns / 64 * 64, each = b->dense && whole ? whole : 64;
  for (size_t c = 0; c < b->columns; c += c < whole ? each : 64) {
    const int fast = c < whole && (b->dense || beside_whole(b, c, 64));
    for (size_t vector = 0; vector < b->width; vector++) {
      vd squares = c ? dload(lanes + 16 * vector) : dset1(0.0);
      vf sum = c ? dnarrow(dload(sums + 16 * vector)) : vset1(0.0f);
      for (size_t k = c; k < whole && k < c + each; k += 64) {
        const size_t at = k * b->column_stride + vector * b->vector_stride;
        if (fast)
          triplet_add_beside(b, v, at, &squares, &sum, 1);
        else
          triplet_add_beside(b, v, at, &squares, &sum, 0);
      }
      if (c >= whole) triplet_last_beside(b, v, c, vector, &squares, &sum);
      dstore(lanes + 16 * vector, squares), dstore(sums + 16 * vector, dwiden(sum));
    }
  }
}
/* What triplet_slopes are of each row, as the vectors have it. Where filled is 1, the gradient is `fill`. */
struct triplets_beside {
  float ap[BESIDE_PATTERN], an[BESIDE_PATTERN], eps_ap[BESIDE_PATTERN], eps_an[BESIDE_PATTERN];
  float eps_both[BESIDE_PATTERN], filled[BESIDE_PATTERN], fill[BESIDE_PATTERN];
  float near;
};
static int triplet_slopes_beside(const struct beside *b, struct triplets_beside *k) {
  int open = 0;
  memset(k, 0, sizeof *k);
  for (size_t i = 0; i < b->rows; i++) {
    const struct row_state *const s = &b->state[i];
    if (s->pass == ROW_FILL) {
      k->filled[i] = 1;
      k->fill[i] = with_factor(&b->row[i], s->fill);
      continue;
    }
    if (s->pass != TRIPLET_GRADIENT_IN_FLOAT) return 0;
    const struct triplet_coefficients of = triplet_coefficients(&b->row[i], s);
    k->ap[i] = (float)of.ap, k->an[i] = (float)of.an;
    k->eps_ap[i] = (float)(of.eps * of.ap), k->eps_an[i] = (float)(of.eps * of.an);
    k->eps_both[i] = (float)(of.eps * (of.ap - of.an));
    k->near = (float)(8 * of.eps);
    open = 1;
  }
  float *const patterns[] = {k->ap, k->an, k->eps_ap, k->eps_an, k->eps_both, k->filled, k->fill};
  for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) beside_repeat(b, patterns[i]);
  return open;
}
/* 16 columns of the rows that have one near eps there: as triplet_gradient_near_eps has it. */
struct triplets_near_eps {
  uint32_t rows;
  float grad[16][16], target[16][16], other[16][16];
};
static __attribute__((noinline)) void triplet_find_near_eps(const struct beside *b, size_t c, size_t n, float near,
                                                            struct triplets_near_eps *found) {
  found->rows = 0;
  for (size_t i = 0; i < b->rows; i++) {
    float p[16] = {0}, t[16] = {0}, other[16] = {0};
    for (size_t j = 0; j < n; j++) {
      const size_t at = (c + j) * b->column_stride + i;
      p[j] = b->p[at], t[j] = b->t[at], other[j] = b->other[at];
    }
    const vf a = vload(p);
    if (b->state[i].pass == ROW_FILL) continue;
    if (!triplet_near_eps(vsub(a, vload(t)), near) && !triplet_near_eps(vsub(a, vload(other)), near)) continue;
    struct row r = b->row[i];
    r.p = p, r.t = t, r.other = other;
    r.grad = b->grad ? found->grad[i] : NULL;
    r.grad_target = b->grad_target ? found->target[i] : NULL;
    r.grad_other = b->grad_other ? found->other[i] : NULL;
    triplet_gradient_at(&r, &b->state[i], 0, n, 2);
    found->rows |= 1u << i;
  }
}
static __attribute__((noinline)) void triplet_put_near_eps(const struct beside *b, size_t c, size_t n,
                                                           const struct triplets_near_eps *found) {
  for (size_t i = 0; i < b->rows; i++)
    for (size_t j = 0; (found->rows >> i & 1) && j < n; j++) {
      const size_t at = (c + j) * b->column_stride + i;
      if (b->grad) b->grad[at] = found->grad[i][j];
      if (b->grad_target) b->grad_target[at] = found->target[i][j];
      if (b->grad_other) b->grad_other[at] = found->other[i][j];
    }
}
VFN vf triplet_filled(const struct triplets_beside *k, size_t phase, vf v) {
  return vsel(vgt(vload(k->filled + phase), vset1(0.0f)), vload(k->fill + phase), v);
}
/* The gradients of rows whose gradient pass is one in float, 16 columns of all of them at a time: what is near eps
 * decides for 16 columns of a row, and has to be read before any of it is overwritten. */
static __attribute__((noinline)) void triplet_gradients_beside(const struct beside *beside,
                                                               const struct triplets_beside *k) {
  const struct beside b = *beside;
  const size_t turn = beside_turn(&b);
  struct triplets_near_eps found;
  for (size_t c = 0; c < b.columns; c += 16) {
    const size_t n = beside_columns(&b, c), vectors = beside_vectors(&b, n), first = c * b.column_stride;
    vf least = vset1(INF);
    for (size_t vector = 0, at = first; vector < vectors; vector++, at += b.vector_stride) {
      const vf a = beside_get(&b, b.p, at);
      const vf ap = vabs(vsub(a, beside_get(&b, b.t, at))), an = vabs(vsub(a, beside_get(&b, b.other, at)));
      least = vmin(vmin(ap, an), least);
    }
    found.rows = 0;
    if (__builtin_expect(vany(vgt(vset1(k->near), least)), 0)) triplet_find_near_eps(&b, c, n, k->near, &found);
    for (size_t vector = 0, at = first, phase = 0; vector < vectors; vector++, at += b.vector_stride) {
      const vf a = beside_get(&b, b.p, at), x = vsub(a, beside_get(&b, b.t, at));
      const vf y = vsub(a, beside_get(&b, b.other, at)), ap = vload(k->ap + phase), an = vload(k->an + phase);
      if (b.grad)
        beside_put(&b, b.grad, at, triplet_filled(k, phase, vfma(x, ap, vnfma(y, an, vload(k->eps_both + phase)))));
      if (b.grad_target)
        beside_put(&b, b.grad_target, at, triplet_filled(k, phase, vnfma(x, ap, vneg(vload(k->eps_ap + phase)))));
      if (b.grad_other)
        beside_put(&b, b.grad_other, at, triplet_filled(k, phase, vfma(y, an, vload(k->eps_an + phase))));
      phase = beside_phase(&b, phase, turn);
    }
    if (__builtin_expect(found.rows != 0, 0)) triplet_put_near_eps(&b, c, n, &found);
  }
  for (size_t i = 0; i < b.rows; i++) b.state[i].pass = ROW_DONE;
}
static void triplet_margin_beside(const struct beside *b) {
  double *const lanes = b->scratch, *const sums = lanes + 2 * BESIDE_LANES, *const spare = lanes + 4 * BESIDE_LANES;
  const float *const others[2] = {b->t, b->other};
  if (b->row[0].parameters[TRIPLET_NORM] != 2 || !triplet_in_float(&b->row[0])) return;
  for (size_t which = 0; which < 2; which++) {
    double *const squares = lanes + which * BESIDE_LANES, *const x = sums + which * BESIDE_LANES;
    triplet_sums_beside(b, others[which], squares, x);
    beside_split(b, squares, spare);
    beside_sum(b, squares), beside_sum(b, x);
    for (size_t i = 0; i < b->rows; i++)
      b->state[i].value[which] = triplet_distance(&b->row[i], (struct triplet_sums){squares[i], x[i]});
  }
  for (size_t i = 0; i < b->rows; i++) {
    b->state[i].value[2] = 0;
    triplet_decide_in_float(&b->row[i], &b->state[i]);
  }
  struct triplets_beside slopes;
  if (triplet_slopes_beside(b, &slopes)) triplet_gradients_beside(b, &slopes);
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

/* The distance of two rows, times a power of two that brings the largest |d| near to 1. `slope` is what powers of
 * |d| / largest are multiplied by in dD/dd, for norms other than 1 and 2. */
struct wide_distance {
  struct wide_row u, v;
  struct parts size, slope;
  double scale, largest;
  int near;   /* the scale is 1, and neither the distance nor its square is far from 1 */
  vd inverse; /* 1 / size then */
};
VFN vd wide_differences(const struct wide_loss_row *r, const struct wide_distance *d, size_t c, size_t n) {
  const vd u = columns_at(d->u, c, n, 0.0), v = columns_at(d->v, c, n, 0.0);
  return lanes_below(dadd(dsub(u, v), dset1(r->parameters[TRIPLET_EPS])), n);
}
/* (|d| / largest)^power, where nothing is lost that a high power would show. */
VFN vd wide_power(const struct wide_distance *d, vd x, double power) {
  const struct parts ratio = normal_parts(parts_quotient(whole(dabs(x)), one_number(d->largest)));
  return dpositive(power_of_parts(ratio, power, 1));
}
/* s^(1 / norm), s in two parts and its exponent, too. */
static struct parts wide_root(struct parts s, double norm) {
  const struct parts y = parts_quotient(one_number(1.0), one_number(norm));
  const vd power = sleef_pow(s.high, y.high);
  return parts_of(power, dmul(power, dfma(y.low, sleef_log(s.high), dmul(y.high, ddiv(s.low, s.high)))));
}
static RARE struct wide_distance far_distance(const struct wide_loss_row *r, struct wide_distance d) {
  const double norm = r->parameters[TRIPLET_NORM];
  const vd zero = dset1(0.0), one = dset1(1.0);
  vd most = zero, nan = zero;
  for (size_t c = 0; c < r->columns; c += 16) {
    const vd x = wide_differences(r, &d, c, at_once(r->columns, c));
    most = dmax(dabs(x), most);
    nan = dsel(dnan(x), one, nan);
  }
  const double largest = largest_lane(most);
  d.scale = scale_to(largest, 0);
  d.largest = largest * d.scale;
  d.size = one_number(dsum(nan) > 0 ? WIDE_NAN : d.largest);
  if (dsum(nan) > 0 || largest == 0) return d;
  struct vloss_exact_sum exact;
  struct row_sum sum;
  begin_sums(&sum, &exact, 1);
  do
    for (size_t c = 0; c < r->columns; c += 16) {
      const vd x = dmul(wide_differences(r, &d, c, at_once(r->columns, c)), dset1(d.scale)), size = dabs(x);
      add_parts_to_sum(&sum, norm == 1          ? whole(size)
                             : norm == 2        ? product_of(x, x)
                             : norm == WIDE_INF ? whole(dsel(deq(size, dset1(d.largest)), one, zero))
                                                : whole(wide_power(&d, x, norm)));
    }
  while (sums_again(&sum, 1));
  const struct parts s = sum_parts(&sum), inverse = parts_quotient(one_number(1.0), s);
  if (norm == 1 || norm == 2) d.size = norm == 1 ? s : parts_root(s);
  if (norm == WIDE_INF) d.slope = inverse;
  if (norm == 1 || norm == 2 || norm == WIDE_INF || largest == WIDE_INF) return d;
  const struct parts root = wide_root(s, norm);
  d.size = parts_product(root, one_number(d.largest));
  d.slope = parts_product(root, inverse);
  return d;
}

/* Half of the error of a sum of squares is in its root. */
VFN struct lanes lanes_plus_squares(struct lanes l, const vd *x) {
  return lanes_plus(l, dadd(dfma(x[1], x[1], dmul(x[0], x[0])), dfma(x[3], x[3], dmul(x[2], x[2]))));
}
/* The norms 1 and 2 of most rows: 0 where the sum is far from 1, so that squares might be denormals, or no numbers. */
VFN struct lanes wide_norm_sum(const struct wide_loss_row *r, const struct wide_distance *d, const int squared) {
  const double eps = r->parameters[TRIPLET_EPS];
  struct lanes sum = no_lanes();
  double u_copy[64], v_copy[64];
  for (size_t c = 0; c < r->columns; c += 64) {
    const double *const u = raw_classes_64(u_copy, d->u, r->columns, c, NO_COLUMN, -eps);
    const double *const v = raw_classes_64(v_copy, d->v, r->columns, c, NO_COLUMN, 0.0);
    vd x[4];
    UNROLL for (size_t i = 0; i < 4; i++) {
      x[i] = dadd(dsub(dload(u + 16 * i), dload(v + 16 * i)), dset1(eps));
      if (!squared) x[i] = dabs(x[i]);
    }
    sum = squared ? lanes_plus_squares(sum, x) : lanes_plus_sizes(sum, x);
  }
  return sum;
}
static int near_distance(const struct wide_loss_row *r, struct wide_distance *d) {
  const int squared = r->parameters[TRIPLET_NORM] == 2;
  if (!squared && r->parameters[TRIPLET_NORM] != 1) return 0;
  const struct lanes lanes = squared ? wide_norm_sum(r, d, 1) : wide_norm_sum(r, d, 0);
  const struct total sum = lanes_total(&lanes);
  if (!(sum.high > 0x1p-200 && sum.high < 0x1p200)) return 0;
  d->size = squared ? parts_root(total_parts(sum)) : total_parts(sum);
  d->inverse = ddiv(dset1(1.0), d->size.high);
  d->largest = 1; /* near enough to what it is */
  d->near = 1;
  return 1;
}
static struct wide_distance wide_distance(const struct wide_loss_row *r, struct wide_row u, struct wide_row v) {
  struct wide_distance d = {.u = u, .v = v, .scale = 1};
  return near_distance(r, &d) ? d : far_distance(r, d);
}

/* dD/dd times `share`. */
VFN vd wide_slope(const struct wide_loss_row *r, const struct wide_distance *d, double share, size_t c, size_t n) {
  const vd x = dmul(wide_differences(r, d, c, n), dset1(d->scale)), zero = dset1(0.0), sign = dsign(x);
  const double norm = r->parameters[TRIPLET_NORM];
  vd v = sign;
  if (share == 0 || first_of(d->size.high) == 0) return zero;
  if (norm == 2 && d->near)
    v = dmul(x, d->inverse);
  else if (norm == 2)
    v = rounded_parts(parts_quotient(whole(x), d->size));
  else if (norm == WIDE_INF)
    v = dsel(deq(dabs(x), dset1(d->largest)), dmul(sign, d->slope.high), zero);
  else if (norm != 1)
    v = dmul(sign, rounded_parts(parts_product(whole(wide_power(d, x, norm - 1)), d->slope)));
  return dmul(v, dset1(share));
}

static double triplet_margin_wide(const struct wide_loss_row *r) {
  const int swaps = r->parameters[TRIPLET_SWAP] == 1;
  const struct wide_distance ap = wide_distance(r, r->p, r->t), an = wide_distance(r, r->p, r->other);
  const struct wide_distance pn = swaps ? wide_distance(r, r->t, r->other) : an;
  /* Large ones are taken in units of 2^64, for their difference may be a double where they are none. */
  const double huge = 0x1p900, shrink = ap.largest / ap.scale > huge || an.largest / an.scale > huge ? 0x1p-64 : 1;
  const struct parts to_p = parts_times(ap.size, shrink / ap.scale), to_n = parts_times(an.size, shrink / an.scale);
  const struct parts between = parts_times(pn.size, shrink / pn.scale);
  const double n_size = rounded_number(to_n), between_size = rounded_number(between);
  const double share = !swaps || n_size < between_size ? 1 : n_size == between_size ? 0.5 : 0;
  const struct parts over = parts_sum(to_p, parts_negated(share > 0 ? to_n : between));
  const double margin = r->parameters[TRIPLET_MARGIN] * shrink;
  const double excess = rounded_number(parts_sum(over, one_number(margin))) / shrink;
  const int swap_nan = between_size != between_size;
  if (excess != excess || swap_nan) return WIDE_NAN;
  if (excess < 0) fill_gradients(r, 0);
  for (size_t c = 0; excess >= 0 && (r->grad.p || r->grad_target.p || r->grad_other.p) && c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd of_p = wide_slope(r, &ap, 1, c, n), of_n = wide_slope(r, &an, share, c, n);
    const vd of_pn = wide_slope(r, &pn, 1 - share, c, n);
    put_gradient(r, r->grad, c, n, dsub(of_p, of_n));
    put_gradient(r, r->grad_target, c, n, dsub(dneg(of_p), of_pn));
    put_gradient(r, r->grad_other, c, n, dadd(of_n, of_pn));
  }
  return excess < 0 ? 0 : excess;
}
#else
#include "../losses/formula.h"

/* In double, as in the kernel: on which side of 0 it lies near -eps, and whether columns tie for the greatest, is a
 * matter of the last digit. */
FORMULA real triplet_margin_d(real u, real v, real eps) {
  return sizeof u > sizeof(double) ? (real)((double)u - (double)v + (double)eps) : u - v + eps;
}
FORMULA real triplet_margin_distance(const real *u, const real *v, size_t n, real norm, real eps) {
  real sum = 0;
  if (norm == 2)
    for (size_t c = 0; c < n; c++) sum += (triplet_margin_d(u[c], v[c], eps)) * (triplet_margin_d(u[c], v[c], eps));
  else if (norm == 1)
    for (size_t c = 0; c < n; c++) sum += fabs(triplet_margin_d(u[c], v[c], eps));
  else if (norm > DBL_MAX)
    for (size_t c = 0; c < n; c++) {
      const real d = fabs(triplet_margin_d(u[c], v[c], eps));
      sum = d > sum || d != d ? d : sum;
    }
  else
    for (size_t c = 0; c < n; c++) sum += pow(fabs(triplet_margin_d(u[c], v[c], eps)), norm);
  return norm == 2 ? sqrt(sum) : norm == 1 || norm > DBL_MAX ? sum : pow(sum, 1 / norm);
}

/* to[c] += factor dD/dd_c, d = u - v + eps; with `absolute` its absolute value. */
FORMULA void triplet_margin_slopes(real *to, real factor, const real *u, const real *v, size_t n, real distance,
                                   real norm, real eps, int absolute) {
  if (!to || factor == 0 || distance == 0) return;
  if (norm > DBL_MAX) {
    real ties = 0;
    for (size_t c = 0; c < n; c++) ties += fabs(triplet_margin_d(u[c], v[c], eps)) == distance ? 1 : 0;
    for (size_t c = 0; c < n; c++) {
      const real d = triplet_margin_d(u[c], v[c], eps), share = fabs(d) == distance ? factor / ties : 0;
      to[c] += absolute ? fabs(share) : d > 0 ? share : -share;
    }
  } else if (absolute)
    for (size_t c = 0; c < n; c++) {
      const real d = fabs(triplet_margin_d(u[c], v[c], eps));
      to[c] += d == 0 ? 0 : fabs(factor) * pow(d / distance, norm - 1);
    }
  else if (norm == 2)
    for (size_t c = 0; c < n; c++) to[c] += factor * ((triplet_margin_d(u[c], v[c], eps)) / distance);
  else if (norm == 1)
    for (size_t c = 0; c < n; c++) {
      const real d = triplet_margin_d(u[c], v[c], eps);
      to[c] += d > 0 ? factor : d < 0 ? -factor : 0;
    }
  else
    for (size_t c = 0; c < n; c++) {
      const real d = triplet_margin_d(u[c], v[c], eps), size = pow(fabs(d) / distance, norm - 1);
      to[c] += d > 0 ? factor * size : d < 0 ? -factor * size : 0;
    }
}

FORMULA void triplet_margin_formula(const struct formula_row *r, struct formula_value *loss) {
  const real margin = (real)r->parameters[TRIPLET_MARGIN], norm = (real)r->parameters[TRIPLET_NORM];
  const real *a = r->p, *p = r->t, *q = r->other, eps = (real)r->parameters[TRIPLET_EPS];
  const int swap = r->parameters[TRIPLET_SWAP] == 1;
  const size_t n = r->n;
  const real ap = triplet_margin_distance(a, p, n, norm, eps), aq = triplet_margin_distance(a, q, n, norm, eps);
  const real pq = swap ? triplet_margin_distance(p, q, n, norm, eps) : aq, least = aq < pq ? aq : pq;
  const real excess = ap - least + margin, bad = excess == excess ? 0 : excess, on = excess < 0 ? 0 : 1;
  const real share = !swap || aq < pq ? on : aq == pq ? on / 2 : 0, rest = on - share;
  *loss = (struct formula_value){excess < 0 ? 0 : excess, ap + least + margin};
  if (r->apart && swap) *r->apart = fabs(aq - pq);
  for (int absolute = 0; absolute < 2; absolute++) {
    real *const to_a = absolute ? r->grad_scale : r->grad, *const to_p =
                                                               absolute ? r->grad_target_scale : r->grad_target;
    real *const to_q = absolute ? r->grad_other_scale : r->grad_other;
    for (size_t c = 0; to_a && c < n; c++) to_a[c] = bad;
    for (size_t c = 0; to_p && c < n; c++) to_p[c] = bad;
    for (size_t c = 0; to_q && c < n; c++) to_q[c] = bad;
    triplet_margin_slopes(to_a, on, a, p, n, ap, norm, eps, absolute);
    triplet_margin_slopes(to_a, -share, a, q, n, aq, norm, eps, absolute);
    triplet_margin_slopes(to_p, -on, a, p, n, ap, norm, eps, absolute);
    triplet_margin_slopes(to_p, -rest, p, q, n, pq, norm, eps, absolute);
    triplet_margin_slopes(to_q, share, a, q, n, aq, norm, eps, absolute);
    triplet_margin_slopes(to_q, rest, p, q, n, pq, norm, eps, absolute);
  }
}
#endif

#endif
