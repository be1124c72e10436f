/* The sum of exp over the classes of a row, without one class of choice: for one row along the vector lanes (row_*),
 * and for 16 rows side by side (tile_*). Both add the same terms in the same order, so a row has the same bits in
 * either.
 *
 * The order: the terms of 64 classes are combined as (e[j] + e[j+16]) + (e[j+32] + e[j+48]) and added to double lane j;
 * the tree of dsum adds the 16 lanes up. For rows of more than SHORT_ROW classes the combining is in float; where one
 * class outweighs the others, that would cost two ulp of it, so its block is then combined again in double
 * (refine_sums). Short rows, where that happens often, and sums below a known maximum are in double throughout.
 *
 * The scale: a sum stands for sum * 2^N. N puts the largest term of the first 64 classes at 2^40, and is raised when a
 * block of 64 exceeds that by 2^40. Terms below 2^-125.4 2^N, which is 2^-165 of the largest, count as much: beside the
 * largest that is nothing, and no term is a denormal number. Sums that leave the largest out count them as 0.
 */
#ifndef VLOSS_KERNELS_SUMS_H
#define VLOSS_KERNELS_SUMS_H

#include "words/vmath.h"

#define BLOCK 64
/* Up to this many classes, rows are summed 16 at a time. */
#define SHORT_ROW 256
#define NO_CLASS SIZE_MAX
/* For arrays of 16 that are loaded as vectors: none then straddles two cache lines. */
#define ALIGNED _Alignas(64)

/* Beyond this the two-constant reduction of exp loses bits: such rows use x - max, which is exact where it matters. */
#define HUGE_LOGIT 0x1p16f
/* What N starts from when every class so far is masked: below -HUGE_LOGIT by more than the margin of raising it. */
#define LOWEST_LOGIT -90000.0f
/* Where the largest term stands, and how far N lets a later one go beyond: 256 terms of 2^80 stay far from the float
 * maximum, and terms that gradients of up to 2^38 times the softmax can make normal numbers are normal numbers. */
#define TOP_EXPONENT 40
#define RAISE_MARGIN 40
#define LARGEST_UPSTREAM 0x1p38

/* ---- The exponent reference, lane by lane ---------------------------------------------------------------------- */

struct reference {
  vf n, round, low, limit;
};
VFN struct reference reference_at(vf n) {
  struct reference ref;
  ref.n = n;
  ref.round = vsub(vset1(VLOSS_ROUND), n);
  ref.low = vmul(vsub(n, vset1(125.4f)), vset1(VLOSS_LN2_HI));
  ref.limit = vmul(vadd(n, vset1(TOP_EXPONENT + RAISE_MARGIN)), vset1(VLOSS_LN2_HI));
  return ref;
}
VFN struct reference reference_for(vf max) {
  vf t = vfma(vmax(vset1(LOWEST_LOGIT), max), vset1(VLOSS_LOG2E), vset1(0x1.8p23f));
  return reference_at(vsub(t, vset1(0x1.8p23f + TOP_EXPONENT)));
}

/* 2^n for whole n <= 0; +0 below the normal range. */
VFN vf power_of_two(vf n) { return vfloat(vishl(vbits(vadd(vmax(vset1(-127.0f), n), vset1(VLOSS_ROUND))), 23)); }
/* What a sum in double is multiplied by when N is raised: from 2^-800 down 0, as a denormal one would be nothing, too.
 */
VFN vd dpower_of_two(vd n) {
  return dshl52(dadd(dsel(dgt(dset1(-800.0), n), dset1(-1023.0), n), dset1(VLOSS_D_ROUND)));
}

/* exp(x) / 2^N of `count` vectors (1 or 4): mantissa * 2^(n - N) with n = round(x log2e), the power of two by a shift
 * of the sum with ref->round. x is clamped to ref->low, and must not exceed N + 127; NaN passes. Steps of
 * INTERLEAVE vectors alternate, so that the chains of dependent operations overlap even where the CPU looks ahead less
 * than a term: as many as the ISA has registers for. */
VFN void terms(vf *e, const vf *x, const int count, const struct reference *ref) {
  const int step = count < INTERLEAVE ? count : INTERLEAVE;
  UNROLL for (int j = 0; j < count; j += step) {
    vf t[INTERLEAVE], r[INTERLEAVE], p[INTERLEAVE];
#define EACH UNROLL for (int i = 0; i < step; i++)
    EACH r[i] = vmax(ref->low, x[j + i]);
    EACH t[i] = vfma(r[i], vset1(VLOSS_LOG2E), ref->round);
    EACH p[i] = vsub(t[i], ref->round);
    EACH r[i] = vnfma(p[i], vset1(VLOSS_LN2_HI), r[i]);
    EACH r[i] = vnfma(p[i], vset1(VLOSS_LN2_LO), r[i]);
    EACH p[i] = vset1(VLOSS_EXP_6);
    EACH p[i] = vfma(p[i], r[i], vset1(VLOSS_EXP_5));
    EACH p[i] = vfma(p[i], r[i], vset1(VLOSS_EXP_4));
    EACH p[i] = vfma(p[i], r[i], vset1(VLOSS_EXP_3));
    EACH p[i] = vfma(p[i], r[i], vset1(VLOSS_EXP_2));
    EACH p[i] = vfma(vmul(p[i], r[i]), r[i], r[i]); /* not r * r, which is denormal for tiny r */
    EACH t[i] = vfloat(vishl(vbits(t[i]), 23));
    EACH e[j + i] = vfma(p[i], t[i], t[i]);
#undef EACH
  }
}
/* The same, and +0 below the least. */
VFN void terms_or_0(vf *e, const vf *x, const int count, const struct reference *ref) {
  vf v[4];
  UNROLL for (int j = 0; j < count; j++) v[j] = x[j];
  terms(e, v, count, ref);
  UNROLL for (int j = 0; j < count; j++) e[j] = vsel(vgt(ref->low, v[j]), vset1(0.0f), e[j]);
}
VFN vf term(vf x, const struct reference *ref) {
  vf e;
  terms(&e, &x, 1, ref);
  return e;
}
VFN vd combine4_exactly(const vf *e) {
  return dadd(dadd(dwiden(e[0]), dwiden(e[1])), dadd(dwiden(e[2]), dwiden(e[3])));
}

/* Rows that need x - max: beyond HUGE_LOGIT either way, +inf included; -inf is no class at all. */
VFN vm is_huge(vf max) {
  vm low = vmand(vgt(vset1(-HUGE_LOGIT), max), vgt(max, vset1(-INF)));
  return vmor(vgt(max, vset1(HUGE_LOGIT)), low);
}

/* What is known of 16 rows after their sums: sum_{c != skip} exp(x_c) = sum * 2^n * e^shift, and the maximum of x_c
 * over c != skip. sum is NaN if such an x_c is NaN, else +inf if one is +inf. */
struct row_sums {
  ALIGNED double sum[16];
  ALIGNED float n[16], shift[16], max[16];
};

/* For the lanes that no row fills. */
VFN void no_sums(struct row_sums *sums) {
  dstore(sums->sum, dset1(1.0));
  vstore(sums->n, vset1(0.0f));
  vstore(sums->shift, vset1(0.0f));
  vstore(sums->max, vset1(0.0f));
}

/* The sums of a lone row, in every lane: stored as they will be loaded, so that the loads need not wait. */
VFN void spread_sums_of(struct row_sums *sums, size_t row) {
  dstore(sums->sum, dset1(sums->sum[row]));
  vstore(sums->n, vset1(sums->n[row]));
  vstore(sums->shift, vset1(sums->shift[row]));
  vstore(sums->max, vset1(sums->max[row]));
}

/* ---- One row, classes along the lanes --------------------------------------------------------------------------- */

/* Classes c..c+15, with -inf for `skip` and for classes from `classes` on. */
VFN vf row_load(const float *x, size_t c, size_t classes, size_t skip) {
  vf v = c + 16 <= classes ? vload(x + c) : c < classes ? vtail(x + c, classes - c, -INF) : vset1(-INF);
  if (skip - c < 16) v = put_label(v, c, skip, -INF);
  return v;
}

struct row_state {
  vf max;
  vd sum;
  struct reference ref;
};

VFN void stash_store(float *stash, vf e, size_t c, size_t classes) {
  if (c + 16 <= classes)
    vstore(stash + c, e);
  else if (c < classes)
    vstore_tail(stash + c, e, classes - c);
}

/* Adds classes c..c+63. With a stash, it keeps the terms for the gradient: stash[c] = exp(x_c) / 2^N. */
VFN void row_block(struct row_state *s, const vf *v, float *stash, size_t c, size_t classes, const int exact) {
  vf max = vmax(vmax(v[0], v[1]), vmax(v[2], v[3]));
  if (__builtin_expect(vany(vgt(max, s->ref.limit)), 0)) {
    struct reference raised = reference_for(vset1(vhmax(max)));
    vf difference = vsub(s->ref.n, raised.n);
    s->sum = dmul(s->sum, dpower_of_two(dwiden(difference)));
    s->ref = raised;
    if (stash) {
      /* In two steps: a single power of two of less than 2^-126 is 0, but times a term of 2^80 it is not. */
      const vf half = vmax(vset1(-127.0f), vmul(difference, vset1(0.5f))), n = vset1(0x1.8p23f);
      const vf whole = vsub(vadd(half, n), n), scale1 = power_of_two(whole),
               scale2 = power_of_two(vsub(difference, whole));
      /* What would be denormal is 0. */
      const vf power = vmin(vset1(127.0f), vsub(vset1(-125.0f), difference));
      const vf least = vfloat(vishl(vbits(vadd(power, vset1(VLOSS_ROUND))), 23));
      for (size_t i = 0; i < c; i += 16) {
        const vf e = vload(stash + i);
        vstore(stash + i, vmul(vmul(vsel(vgt(least, e), vset1(0.0f), e), scale1), scale2));
      }
    }
  }
  s->max = vmax(max, s->max);
  vf e[4];
  terms(e, v, 4, &s->ref);
  s->sum = dadd(s->sum, exact ? combine4_exactly(e) : dwiden(combine4(e)));
  if (stash)
    for (size_t j = 0; j < 4; j++) stash_store(stash, e[j], c + 16 * j, classes);
}

/* The greatest x_c, c != skip; -inf if there is none; some x_c if one is NaN. */
static __attribute__((unused)) float row_max(const float *x, size_t classes, size_t skip) {
  vf max = vset1(-INF);
  for (size_t c = 0; c < classes; c += 16) max = vmax(row_load(x, c, classes, skip), max);
  return vhmax(max);
}

/* The sum with a known maximum: N or the shift are fixed by it. */
static __attribute__((noinline, unused)) double row_sum_below(const float *x, size_t classes, size_t skip, float max,
                                                              float *n, float *shift) {
  int huge = vany(is_huge(vset1(max)));
  if (max == INF) {
    for (size_t c = 0; c < classes; c++)
      if (x[c] != x[c] && c != skip) return (double)NOT_A_NUMBER;
    *n = *shift = 0;
    return (double)INF;
  }
  struct row_state s;
  s.ref = huge ? reference_at(vset1(-TOP_EXPONENT)) : reference_for(vset1(max));
  vf shifts = vset1(huge ? max : 0.0f);
  s.sum = dset1(0.0);
  for (size_t c = 0; c < classes; c += BLOCK) {
    vf v[4];
    for (size_t j = 0; j < 4; j++) v[j] = vsub(row_load(x, c + 16 * j, classes, skip), shifts);
    terms_or_0(v, v, 4, &s.ref);
    s.sum = dadd(s.sum, combine4_exactly(v));
  }
  *n = vfirst(s.ref.n);
  *shift = huge ? max : 0.0f;
  return dsum(s.sum);
}

/* Short rows leave out a class without a branch, which no predictor would foresee, and without comparisons, which are
 * slow: by a minimum with +inf everywhere but for one -inf, SHORT_ROW - skip floats into this array. skip: -1 for none.
 */
#define INF_4 INF, INF, INF, INF
#define INF_16 INF_4, INF_4, INF_4, INF_4
#define INF_64 INF_16, INF_16, INF_16, INF_16
static const float all_but_one[2 * SHORT_ROW + 65] = {INF_64, INF_64, INF_64, INF_64, -INF,
                                                      INF_64, INF_64, INF_64, INF_64, INF_64};
VFN void short_row_block(vf *v, const float *x, size_t c, size_t classes, int32_t skip) {
  const float *limit = all_but_one + (SHORT_ROW - skip);
  for (size_t j = 0; j < 4; j++, c += 16) {
    v[j] = c + 16 <= classes ? vload(x + c) : c < classes ? vtail(x + c, classes - c, -INF) : vset1(-INF);
    v[j] = vmin(vload(limit + c), v[j]);
  }
}

/* 16 KiB ahead of the block: the hardware's own prefetchers alone reach two thirds of the memory's speed. Behind the
 * last row this names an address that nothing is read from. */
VFN void row_fetch_ahead(const float *x) {
  for (uintptr_t line = 0; line < BLOCK * sizeof *x; line += 64)
    __builtin_prefetch((const void *)((uintptr_t)x + 16384 + line), 0, 3);
}

VFN void row_sum_pass(const float *x, size_t classes, size_t skip, float *stash, struct row_sums *out, size_t row,
                      const int exact) {
  struct row_state s = {.sum = dset1(0.0)};
  if (classes <= 16) {
    vf e = row_load(x, 0, classes, skip);
    s.max = e;
    s.ref = reference_for(vset1(vhmax(e)));
    e = term(e, &s.ref);
    s.sum = dwiden(e);
    if (stash) stash_store(stash, e, 0, classes);
  } else {
    vf v[4];
    for (size_t j = 0; j < 4; j++) v[j] = row_load(x, 16 * j, classes, skip);
    s.max = vmax(vmax(v[0], v[1]), vmax(v[2], v[3]));
    s.ref = reference_for(vset1(vhmax(s.max)));
    row_block(&s, v, stash, 0, classes, exact);
    for (size_t c = BLOCK; c < classes; c += BLOCK) {
      if (c + BLOCK <= classes && skip - c >= BLOCK) {
        for (size_t j = 0; j < 4; j++) v[j] = vload(x + c + 16 * j);
        row_fetch_ahead(x + c);
        row_block(&s, v, stash, c, SIZE_MAX, exact);
      } else {
        for (size_t j = 0; j < 4; j++) v[j] = row_load(x, c + 16 * j, classes, skip);
        row_block(&s, v, stash, c, classes, exact);
      }
    }
  }
  out->n[row] = vfirst(s.ref.n);
  out->sum[row] = dsum(s.sum);
  out->max[row] = vhmax(s.max);
  out->shift[row] = 0;
}

/* Rows beyond the reach of the fast reduction, whatever was summed of them. */
static __attribute__((noinline, unused)) void row_sum_huge(const float *x, size_t classes, size_t skip,
                                                           struct row_sums *out, size_t row) {
  out->max[row] = row_max(x, classes, skip);
  out->sum[row] = row_sum_below(x, classes, skip, out->max[row], &out->n[row], &out->shift[row]);
}

/* The sum in one pass over the row. With a stash (not x itself), the terms are kept in it, unless the row gets a shift.
 */
static __attribute__((noinline, unused)) void row_sum(const float *x, size_t classes, size_t skip, float *stash,
                                                      struct row_sums *out, size_t row) {
  if (classes <= SHORT_ROW)
    row_sum_pass(x, classes, skip, stash, out, row, 1);
  else if (stash)
    row_sum_pass(x, classes, skip, stash, out, row, 0);
  else
    row_sum_pass(x, classes, skip, NULL, out, row, 0);
  if (__builtin_expect(vany(is_huge(vset1(out->max[row]))), 0)) row_sum_huge(x, classes, skip, out, row);
}

/* Rows of up to SHORT_ROW classes: their maxima, which a row alone would have to wait for, are found 16 at once on a
 * transposed matrix. skip: -1 for none; rows with a mark in leave are not read. */
VFN vf reduce_max(vf *rows) {
  vtranspose(rows);
  UNROLL for (int j = 0; j < 8; j++) rows[j] = vmax(rows[j], rows[j + 8]);
  UNROLL for (int j = 0; j < 4; j++) rows[j] = vmax(rows[j], rows[j + 4]);
  return vmax(vmax(rows[0], rows[1]), vmax(rows[2], rows[3]));
}
VFN void short_rows_pass(const float *x, size_t stride, size_t n, size_t classes, const int32_t *skip,
                         const double *leave, float *stash, size_t stash_stride, struct row_sums *out) {
  vf v[4], rows[16], max[16];
  vd sum[16];
  struct {
    ALIGNED float n[16], round[16], low[16], limit[16];
  } first;
  for (size_t i = 0; i < 16; i++) {
    rows[i] = vset1(0.0f);
    if (i >= n || leave[i] != 0) continue;
    short_row_block(v, x + i * stride, 0, classes, skip[i]);
    rows[i] = vmax(vmax(v[0], v[1]), vmax(v[2], v[3]));
  }
  for (size_t i = 0; i < 16; i++) max[i] = rows[i];
  vf top = reduce_max(rows);
  const struct reference ref = reference_for(top);
  vstore(first.n, ref.n);
  vstore(first.round, ref.round);
  vstore(first.low, ref.low);
  vstore(first.limit, ref.limit);

  for (size_t i = 0; i < n; i++) {
    if (leave[i] != 0) continue;
    const float *row = x + i * stride;
    float *kept = stash ? stash + i * stash_stride : NULL;
    struct row_state s = {.max = max[i], .sum = dset1(0.0)};
    s.ref = (struct reference){vset1(first.n[i]), vset1(first.round[i]), vset1(first.low[i]), vset1(first.limit[i])};
    for (size_t c = 0; c < classes; c += BLOCK) {
      short_row_block(v, row, c, classes, skip[i]);
      row_fetch_ahead(row + c);
      row_block(&s, v, kept, c, classes, 1);
    }
    sum[i] = s.sum;
    max[i] = s.max;
    first.n[i] = vfirst(s.ref.n);
  }
  /* Apart from the rows: the next row's terms then need not queue behind this row's last additions. */
  for (size_t i = 0; i < n; i++)
    if (leave[i] == 0) out->sum[i] = dsum(sum[i]);
  if (classes > BLOCK) top = reduce_max(max);
  vstore(out->n, vload(first.n));
  vstore(out->shift, vset1(0.0f));
  vstore(out->max, top);
}

static __attribute__((noinline, unused)) void short_rows_sum(const float *x, size_t stride, size_t n, size_t classes,
                                                             const int32_t *skip, const double *leave, float *stash,
                                                             size_t stash_stride, struct row_sums *out) {
  if (stash)
    short_rows_pass(x, stride, n, classes, skip, leave, stash, stash_stride, out);
  else
    short_rows_pass(x, stride, n, classes, skip, leave, NULL, 0, out);
  if (__builtin_expect(vany(is_huge(vload(out->max))), 0))
    for (size_t i = 0; i < n; i++)
      if (leave[i] == 0 && vany(is_huge(vset1(out->max[i]))))
        row_sum_huge(x + i * stride, classes, (size_t)(ptrdiff_t)skip[i], out, i);
}

/* The first class whose logit is the row's maximum; of the first NaN if `nan`. */
static __attribute__((unused)) size_t row_find(const float *x, size_t step, size_t classes, float max, int nan) {
  size_t c = 0;
  if (step == 1)
    while (c + 16 <= classes && !vany(nan ? vnan(vload(x + c)) : veq(vload(x + c), vset1(max)))) c += 16;
  while (c + 1 < classes && !(nan ? x[c * step] != x[c * step] : x[c * step] == max)) c++;
  return c;
}

/* ---- 16 rows, one a lane ---------------------------------------------------------------------------------------- */

/* Class c of lane i is at p[c * step + i]; n lanes are rows, the others read as 0. */
struct tile {
  const float *p;
  size_t step, n;
};
VFN vf tile_load(const struct tile *t, size_t c) {
  return t->n == 16 ? vload(t->p + c * t->step) : vtail(t->p + c * t->step, t->n, 0.0f);
}
VFN vf tile_load_but(const struct tile *t, size_t c, vi skip) {
  return vsel(vieq(skip, viset1((int32_t)c)), vset1(-INF), tile_load(t, c));
}

/* (e[j] + e[j+16]) + (e[j+32] + e[j+48]) of the first `used` terms; terms that do not exist would add +0. */
VFN vd tile_combine(const vf *e, size_t j, size_t used) {
  vf sum = e[j];
  if (j + 16 < used) sum = vadd(sum, e[j + 16]);
  if (j + 48 < used) return dwiden(vadd(sum, vadd(e[j + 32], e[j + 48])));
  return dwiden(j + 32 < used ? vadd(sum, e[j + 32]) : sum);
}
VFN vd tile_combine_exactly(const vf *e, size_t j, size_t used) {
  vd sum = dwiden(e[j]);
  if (j + 16 < used) sum = dadd(sum, dwiden(e[j + 16]));
  if (j + 48 < used) return dadd(sum, dadd(dwiden(e[j + 32]), dwiden(e[j + 48])));
  return j + 32 < used ? dadd(sum, dwiden(e[j + 32])) : sum;
}

/* As row_max. */
static __attribute__((unused)) void tile_max(const struct tile *x, size_t classes, vi skip, float *max) {
  vf m = vset1(-INF);
  for (size_t c = 0; c < classes; c++) m = vmax(tile_load_but(x, c, skip), m);
  vstore(max, m);
}

/* As row_find: the first class at the maximum, the last class if there is none. */
static __attribute__((unused)) vi tile_find(const struct tile *x, size_t classes, vf max) {
  vi found = viset1((int32_t)(classes - 1));
  for (size_t c = classes; c-- > 0;) found = visel(veq(tile_load(x, c), max), viset1((int32_t)c), found);
  return found;
}

VFN vd tile_tree(vd *sum, size_t classes) {
  size_t used = classes < 16 ? classes : 16;
  for (size_t h = 8; h > 0; h /= 2)
    for (size_t j = 0; j < h && j + h < used; j++) sum[j] = dadd(sum[j], sum[j + h]);
  return sum[0];
}

/* Sums in one pass over blocks of 64 classes, or (known_max) with N and the shift fixed by the maxima in out->max.
 * left_out (not with known_max) receives x_skip, or -inf for rows without. */
VFN void tile_sum_pass(const struct tile *x, size_t classes, vi skip, struct row_sums *out, float *left_out,
                       const int known_max) {
  vf e[BLOCK];
  vd sum[16];
  const size_t width = classes < 16 ? classes : 16;
  struct reference ref = reference_at(vset1(0.0f));
  vf top = vset1(-INF), shift = vset1(0.0f), left = vset1(-INF);
  if (known_max) {
    top = vload(out->max);
    vm huge = is_huge(top);
    shift = vsel(huge, top, shift);
    ref = reference_at(vsel(huge, vset1(-TOP_EXPONENT), reference_for(top).n));
  }
  for (size_t c0 = 0; c0 < classes; c0 += BLOCK) {
    size_t used = classes - c0 < BLOCK ? classes - c0 : BLOCK;
    if (!known_max) {
      vf max = vset1(-INF);
      for (size_t j = 0; j < used; j++) {
        vf v = tile_load(x, c0 + j);
        vm skipped = vieq(skip, viset1((int32_t)(c0 + j)));
        left = vsel(skipped, v, left);
        e[j] = vsel(skipped, vset1(-INF), v);
        max = vmax(e[j], max);
      }
      if (c0 == 0) {
        ref = reference_for(max);
      } else if (vany(vgt(max, ref.limit))) {
        struct reference raised = reference_at(vsel(vgt(max, ref.limit), reference_for(max).n, ref.n));
        vf difference = vsub(ref.n, raised.n);
        for (size_t j = 0; j < width; j++) sum[j] = dmul(sum[j], dpower_of_two(dwiden(difference)));
        ref = raised;
      }
      top = vmax(max, top);
    } else {
      for (size_t j = 0; j < used; j++) e[j] = vsub(tile_load_but(x, c0 + j, skip), shift);
    }
    size_t j = 0;
    for (; j + 4 <= used; j += 4) {
      if (known_max)
        terms_or_0(e + j, e + j, 4, &ref);
      else
        terms(e + j, e + j, 4, &ref);
    }
    for (; j < used; j++) {
      if (known_max)
        terms_or_0(e + j, e + j, 1, &ref);
      else
        e[j] = term(e[j], &ref);
    }
    for (j = 0; j < width && j < used; j++) {
      const vd combined =
          known_max || classes <= SHORT_ROW ? tile_combine_exactly(e, j, used) : tile_combine(e, j, used);
      sum[j] = c0 ? dadd(sum[j], combined) : combined;
    }
  }
  dstore(out->sum, tile_tree(sum, classes));
  vstore(out->n, ref.n);
  vstore(out->shift, shift);
  vstore(out->max, top);
  if (!known_max) vstore(left_out, left);
}

/* Out of line: rows with huge logits are rare. A row with +inf has the sum +inf, or NaN if it has NaN, too. */
static __attribute__((noinline, unused)) void tile_sum_below(const struct tile *x, size_t classes, vi skip,
                                                             struct row_sums *out) {
  int32_t skips[16];
  vistore(skips, skip);
  tile_sum_pass(x, classes, skip, out, NULL, 1);
  for (size_t i = 0; i < x->n; i++)
    if (out->max[i] == INF) {
      out->sum[i] = (double)INF;
      out->n[i] = out->shift[i] = 0;
      for (size_t c = 0; c < classes; c++) {
        float v = x->p[c * x->step + i];
        if (v != v && (int32_t)c != skips[i]) out->sum[i] = (double)NOT_A_NUMBER;
      }
    }
}

static __attribute__((noinline, unused)) void tile_sum_wide(const struct tile *x, size_t classes, vi skip,
                                                            struct row_sums *out, float *left_out) {
  tile_sum_pass(x, classes, skip, out, left_out, 0);
}

/* The same for 16 rows of up to 16 classes, r[c] being class c of every row: all in registers where there are 32. The
 * terms are kept in `kept` as a tile. Terms that do not exist are 0: the sum's order is that of any row. */
VFN void sum_of_16(vf *r, size_t classes, vi skip, float *kept, struct row_sums *out, float *left_out) {
  const vf none = vset1(-INF);
  vf left = none, max[4];
  UNROLL for (int j = 0; j < 16; j++) {
    const vm skipped = vieq(skip, viset1(j));
    left = vsel(skipped, r[j], left);
    r[j] = vsel(skipped, none, r[j]);
    if ((size_t)j >= classes) r[j] = none;
  }
  UNROLL for (int j = 0; j < 4; j++) max[j] = vmax(vmax(r[j], r[j + 4]), vmax(r[j + 8], r[j + 12]));
  const vf top = vmax(vmax(max[0], max[1]), vmax(max[2], max[3]));
  const struct reference ref = reference_for(top);
  UNROLL for (int j = 0; j < 16; j += 4) {
    if ((size_t)j < classes)
      terms(r + j, r + j, 4, &ref);
    else
      r[j] = r[j + 1] = r[j + 2] = r[j + 3] = vset1(0.0f);
  }
  UNROLL for (int j = 0; j < 16; j++) vstore(kept + 16 * j, r[j]);
  vd sum[8];
  UNROLL for (int j = 0; j < 8; j++) sum[j] = dwiden(r[j]);
  if (classes > 8) UNROLL for (int j = 0; j < 8; j++) sum[j] = dadd(sum[j], dwiden(r[j + 8]));
  UNROLL for (int j = 0; j < 4; j++) sum[j] = dadd(sum[j], sum[j + 4]);
  dstore(out->sum, dadd(dadd(sum[0], sum[2]), dadd(sum[1], sum[3])));
  vstore(out->n, ref.n);
  vstore(out->shift, vset1(0.0f));
  vstore(out->max, top);
  vstore(left_out, left);
}

/* Rows of a tile without the classes in skip (-1: none), and in left_out their logits; or -inf. */
static __attribute__((unused)) void tile_sum(const struct tile *x, size_t classes, vi skip, struct row_sums *out,
                                             float *left_out) {
  tile_sum_wide(x, classes, skip, out, left_out);
  if (__builtin_expect(vany(is_huge(vload(out->max))), 0)) {
    struct row_sums below;
    tile_max(x, classes, skip, below.max);
    tile_sum_below(x, classes, skip, &below);
    float huge[16];
    vstore(huge, vsel(is_huge(vload(out->max)), vset1(1.0f), vset1(0.0f)));
    for (size_t i = 0; i < 16; i++)
      if (huge[i] != 0) {
        out->sum[i] = below.sum[i];
        out->n[i] = below.n[i];
        out->shift[i] = below.shift[i];
        out->max[i] = below.max[i];
      }
  }
}

/* ---- Rows in which a few classes outweigh the others ----------------------------------------------------------- */

/* How far below the maximum a term may weigh a fifth of it. */
#define HEAVY 1.6f

/* What adding the block of class c on in double rather than in float changes, at the scale of n, if a term is heavy. */
static __attribute__((noinline, unused)) double heavy_block(const float *x, size_t step, size_t c, size_t classes,
                                                            size_t skip, float max, float n) {
  const struct reference ref = reference_at(vset1(n));
  ALIGNED float copy[BLOCK];
  vf v[4];
  if (step == 1) {
    for (size_t j = 0; j < 4; j++) v[j] = row_load(x, c + 16 * j, classes, skip);
  } else {
    for (size_t i = 0; i < BLOCK; i++) copy[i] = c + i < classes && c + i != skip ? x[(c + i) * step] : -INF;
    for (size_t j = 0; j < 4; j++) v[j] = vload(copy + 16 * j);
  }
  if (!vany(vgt(vmax(vmax(v[0], v[1]), vmax(v[2], v[3])), vset1(max - HEAVY)))) return 0;
  terms(v, v, 4, &ref);
  return dsum(combine4_exactly(v)) - dsum(dwiden(combine4(v)));
}
static __attribute__((unused)) double heavy_blocks(const float *x, size_t classes, size_t skip, float max, float n) {
  const vf heavy = vset1(max - HEAVY);
  double change = 0;
  for (size_t c = 0; c < classes; c += BLOCK) {
    vf v = row_load(x, c, classes, skip);
    for (size_t j = 16; j < BLOCK; j += 16) v = vmax(row_load(x, c + j, classes, skip), v);
    if (vany(vgt(v, heavy))) change += heavy_block(x, 1, c, classes, skip, max, n);
  }
  return change;
}

/* The rows of long sums in which a term may weigh two fifths of the sum or more, a bit each: what refines them is below
 * and in slab.h. Those with a shift were added in double; rows with a mark in leave do not count. */
static __attribute__((unused)) uint32_t rows_to_refine(const struct row_sums *sums, const double *leave, size_t n) {
  /* The greatest term is 2^t, the sum at least 2^exponent: their ratio is at least 0.4 if it is in truth. */
  const vf t = vfma(vload(sums->max), vset1(VLOSS_LOG2E), vsub(vset1(1.33f), vload(sums->n)));
  const vm outweighed = vgt(t, dnarrow(dexponent(dload(sums->sum))));
  if (!vany(outweighed)) return 0;
  ALIGNED float flags[16];
  vstore(flags, vsel(outweighed, vset1(1.0f), vset1(0.0f)));
  uint32_t rows = 0;
  for (size_t i = 0; i < n; i++)
    if (flags[i] != 0 && leave[i] == 0 && sums->shift[i] == 0 && sums->max[i] > -INF && sums->max[i] < INF)
      rows |= 1u << i;
  return rows;
}
static __attribute__((noinline, unused)) void tile_refine(const struct tile *x, size_t classes, const int32_t *skip,
                                                          uint32_t rows, struct row_sums *sums) {
  ALIGNED float limits[16];
  for (size_t i = 0; i < 16; i++) limits[i] = rows >> i & 1 ? sums->max[i] - HEAVY : INF;
  for (size_t c = 0; c < classes; c += BLOCK) {
    vf max = vset1(-INF);
    for (size_t j = c; j < classes && j - c < BLOCK; j++) max = vmax(tile_load_but(x, j, viload(skip)), max);
    if (!vany(vgt(max, vload(limits)))) continue;
    for (size_t i = 0; i < 16; i++)
      if (rows >> i & 1)
        sums->sum[i] +=
            heavy_block(x->p + i, x->step, c, classes, (size_t)(ptrdiff_t)skip[i], sums->max[i], sums->n[i]);
  }
}

#endif
