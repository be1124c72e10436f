/* The terms of a row's sum of exp, and what is known of 16 rows after their sums.
 *
 * The order: the terms of 64 classes are combined as (e[j] + e[j+16]) + (e[j+32] + e[j+48]) and added to double lane j;
 * the tree of dsum adds the 16 lanes up. A row has the same bits whether its classes lie along the vector lanes
 * (row_sums.c), or 16 rows side by side (tile_sums.c), or a few (slab_sums.c). For rows of more than SHORT_ROW classes
 * the combining is in float; where one class outweighs the others, that would cost two ulp of it, so its block is then
 * combined again in double (heavy_rows.c). Short rows, where that happens often, and sums below a known maximum are in
 * double throughout. Rows of more than CLASS_BLOCK classes are the sums of blocks of so many, each with a scale of its
 * own, added without an order (long_rows.h).
 *
 * The scale: a sum stands for sum * 2^N. N puts the largest term of the first 64 classes at 2^40, and is raised when a
 * block of 64 exceeds that by 2^40. Terms below 2^-125.4 2^N, which is 2^-165 of the largest, count as much: beside the
 * largest that is nothing, and no term is a denormal number. Sums that leave the largest out count them as 0.
 */
#ifndef VLOSS_KERNELS_EXP_TERMS_H
#define VLOSS_KERNELS_EXP_TERMS_H

#include "tuning.h"
#include "words/vmath.h"

#define BLOCK 64
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

struct reference {
  vf n, round, low, limit;
};
VFN struct reference reference_at(vf n) {
  struct reference ref;
  ref.n = n;
  ref.round = vsub(vset1(VLOSS_ROUND), n);
  ref.low = vmul(vsub(n, vset1(125.4f)), vset1(VLOSS_LN2_HI));
  /* Never 0, so that a denormal logit is as far below it as 0 is. */
  ref.limit = vfma(vadd(n, vset1(TOP_EXPONENT + RAISE_MARGIN)), vset1(VLOSS_LN2_HI), vset1(0x1p-126f));
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
 * of the sum with ref->round. x is from ref->low to N + 127; NaN passes. Steps of INTERLEAVE vectors alternate, so that
 * the chains of dependent operations overlap even where the CPU looks ahead less than a term: as many as the ISA has
 * registers for. */
VFN void terms_from_low(vf *e, const vf *x, const int count, const struct reference *ref) {
  const int step = count < INTERLEAVE ? count : INTERLEAVE;
  UNROLL for (int j = 0; j < count; j += step) {
    vf t[INTERLEAVE], r[INTERLEAVE], p[INTERLEAVE];
#define EACH UNROLL for (int i = 0; i < step; i++)
    EACH t[i] = vfma(x[j + i], vset1(VLOSS_LOG2E), ref->round);
    EACH p[i] = vsub(t[i], ref->round);
    EACH r[i] = vnfma(p[i], vset1(VLOSS_LN2_HI), x[j + i]);
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
/* The same of any x that does not exceed N + 127: what is below ref->low counts as that. */
VFN void terms(vf *e, const vf *x, const int count, const struct reference *ref) {
  vf v[4];
  UNROLL for (int j = 0; j < count; j++) v[j] = vmax(ref->low, x[j]);
  terms_from_low(e, v, count, ref);
}
/* The same, and +0 below the least. Inlined also where VFN leaves that to the compiler: GCC does not see else that all
 * `count` of v are set. */
VFN __attribute__((always_inline)) void terms_or_0(vf *e, const vf *x, const int count, const struct reference *ref) {
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

#endif
