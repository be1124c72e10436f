/* Pairs of rows of up to SHORT_ROW classes by floats, 16 at a time, of which the logarithms are found together; which
 * those are does not count. The first pass makes and keeps e^y and e^x, the terms of gradients far apart
 * (float_pair_gradient.c), and the offset log(P / Q). With u = (x - y) + offset the second is KL(p || q) = -sum e^y u /
 * P, which serves where that is large; the third, of other rows, is as the careful way of float_pairs.c. */
#include "divergence.h"
#include "row_sums.h"
#include "top_classes.h"

struct short_sums {
  ALIGNED double a[16], b[16];
};
/* The terms of row k and their sums. */
static SMALL void sum_terms(const struct short_pairs *s, size_t k, const struct short_answers *a,
                            struct short_sums *sums) {
  const float *const of[] = {s->p + k * s->p_stride, s->q + k * s->q_stride};
  const float n[] = {a->n_p[k], a->n_q[k]};
  float *const kept[] = {s->terms_p + k * short_terms(s->classes), s->terms_q + k * short_terms(s->classes)};
  double *const to[] = {sums->a + k, sums->b + k};
  for (int i = 0; i < 2; i++) {
    struct reference ref = reference_at(vset1(n[i]));
    ref.low = vmul(vadd(ref.n, vset1(APART_LOWEST)), vset1(VLOSS_LN2_HI));
    vf sum = vset1(0.0f);
    for (size_t c = 0; c < s->classes; c += BLOCK) {
      vf e[4];
      UNROLL for (size_t j = 0; j < 4; j++) e[j] = vmax(ref.low, row_load(of[i], c + 16 * j, s->classes, NO_CLASS));
      terms_from_low(e, e, 4, &ref);
      UNROLL for (size_t j = 0; j < 4; j++) vstore(kept[i] + c + 16 * j, e[j]);
      sum = vadd(sum, combine4(e));
    }
    *to[i] = dsum(dwiden(sum));
  }
}
/* Masked classes are moved to a distance that counts for nothing beside the least of e^y, and is no number beside any
 * other. So are those that fill the last vector. */
static SMALL double sum_distances(const struct short_pairs *s, size_t k, float offset) {
  const float *const p = s->p + k * s->p_stride, *const q = s->q + k * s->q_stride;
  const float *const e = s->terms_p + k * short_terms(s->classes);
  const vf least = vset1(-__FLT_MAX__), by = vset1(offset);
  vf w = vset1(0x1p-20f), v = w; /* so no product counts as a denormal number */
  for (size_t c = 0; c < s->classes; c += 32) {
    const vf y0 = vmax(least, row_load(p, c, s->classes, NO_CLASS)),
             y1 = vmax(least, row_load(p, c + 16, s->classes, NO_CLASS));
    const vf x0 = row_load(q, c, s->classes, NO_CLASS), x1 = row_load(q, c + 16, s->classes, NO_CLASS);
    w = vfma(vload(e + c), vadd(vsub(vmax(least, x0), y0), by), w);
    v = vfma(vload(e + c + 16), vadd(vsub(vmax(least, x1), y1), by), v);
  }
  return dsum(dwiden(vadd(w, v)));
}
/* T and sum e^y (e^u - 1); no numbers where a class is masked in q alone. */
static SMALL void sum_carefully(const struct short_pairs *s, size_t k, const struct short_answers *a,
                                struct short_sums *sums) {
  const float *const p = s->p + k * s->p_stride, *const q = s->q + k * s->q_stride;
  const float *const e = s->terms_p + k * short_terms(s->classes), *const f = s->terms_q + k * short_terms(s->classes);
  const vf floor = vset1(FLOOR), offset = vset1(a->offset[k]), align = vset1(a->align[k]);
  vf sum_t = vset1(0.0f), sum_more = sum_t, farthest = sum_t;
  for (size_t c = 0; c < s->classes; c += BLOCK) {
    vf of_p[4], of_q[4], u[4], t[4], more[4];
    UNROLL for (size_t j = 0; j < 4; j++) {
      const vf y = vmax(floor, row_load(p, c + 16 * j, s->classes, NO_CLASS));
      const vf x = vmax(floor, row_load(q, c + 16 * j, s->classes, NO_CLASS)), d = vsub(x, y);
      farthest = vmin(d, farthest);
      u[j] = vadd(vadd(d, offset), lost_of(d, y, x));
      u[j] = vsel(vgt(vset1(NOTHING), vabs(u[j])), vset1(0.0f), u[j]);
      of_p[j] = vmax(vset1(0x1p-40f), vload(e + c + 16 * j)); /* less is nothing, but products of it are denormal */
      of_q[j] = vmul(vload(f + c + 16 * j), align);
    }
    divergence_terms(t, more, u, of_p, of_q);
    sum_t = vadd(sum_t, combine4(t));
    sum_more = vadd(sum_more, combine4(more));
  }
  const int far = vany(vgt(vset1(FARTHEST), farthest));
  sums->a[k] = far ? (double)NOT_A_NUMBER : dsum(dwiden(sum_t));
  sums->b[k] = dsum(dwiden(sum_more));
}

/* Whether terms lose nothing that counts by being formed as they stand, and x - y nothing by its rounding: as in
 * float_pairs.c. Below LEAST_KL what all terms of rows of few different logits may be off would count. */
#define LEAST_KL 0.25
/* Doubles tell smaller ones. */
#define SMALLEST_KL 0x1p-20
VFN dm is_large(vd kl, vd share, vd offset) {
  const vd least = dset1(LEAST_KL), two = dset1(2.0);
  return dmand(dgt(dmul(kl, kl), share), dmand(dgt(kl, least), dgt(dmul(two, kl), dabs(offset))));
}
VFN dm within_reach(vf max) { return dgt(dset1((double)HUGE_LOGIT), dabs(dwiden(max))); }
static void put_n(vf max, float *n) { vstore(n, vsub(reference_for(max).n, vset1(APART_EXPONENT))); }

/* Of the rows without a value by the second pass. */
static SMALL void answer_carefully(const struct short_pairs *s, struct short_answers *a, struct short_sums *sums,
                                   vd known) {
  ALIGNED double wanted[16];
  dstore(wanted, known);
  const vd lost = dsub(dwiden(vload(a->offset)), dload(a->log_ratio));
  vstore(a->align, dnarrow(dmul(dload(a->ratio), dexp(lost))));
  for (size_t k = 0; k < s->n; k++)
    if (a->value[k] != a->value[k] && wanted[k] == wanted[k]) sum_carefully(s, k, a, sums);
  const vd one = dset1(1.0), none = dset1((double)NOT_A_NUMBER), half = dset1(0.5), inverse = dload(a->inverse);
  const vd t = dmul(dload(sums->a), inverse), more = dmul(dload(sums->b), inverse), off = dlog(dadd(one, more));
  const vd psi = dsub(more, off), kl = dsub(t, psi), value = dload(a->value), offset = dwiden(vload(a->offset));
  /* What the offset is off may not be much beside what it is to be told from, nor may its roundings. */
  const dm near = dmand(dgt(half, dabs(more)), dmand(dgt(dmul(half, t), psi), dgt(kl, dset1(SMALLEST_KL))));
  const dm anew = dnan(value);
  dstore(a->value, dsel(anew, dadd(dsel(near, kl, none), dsub(known, known)), value));
  dstore(a->log_ratio, dsel(anew, dsub(offset, off), dload(a->log_ratio)));
}
SMALL void short_pair_answers(const struct short_pairs *s, struct short_answers *a) {
  struct short_sums sums;
  const vd one = dset1(1.0), none = dset1((double)NOT_A_NUMBER);
  vstore(a->max_p, vset1(0.0f));
  vstore(a->max_q, vset1(0.0f));
  for (size_t k = 0; k < s->n; k++) {
    a->max_p[k] = block_maximum(s->p + k * s->p_stride, s->classes);
    a->max_q[k] = block_maximum(s->q + k * s->q_stride, s->classes);
  }
  put_n(vload(a->max_p), a->n_p);
  put_n(vload(a->max_q), a->n_q);
  dstore(sums.a, one);
  dstore(sums.b, one);
  for (size_t k = 0; k < s->n; k++) sum_terms(s, k, a, &sums);
  const vd p = dload(sums.a), q = dload(sums.b), inverse = ddiv(one, p), ratio = ddiv(p, q), total = dadd(p, q);
  const vd moved = dmul(dwiden(vsub(vload(a->n_p), vload(a->n_q))), dset1(VLOSS_D_LN2_HI));
  const vd offset = dadd(moved, dlog(ratio));
  const vf near = dnarrow(offset);
  dstore(a->p, p);
  dstore(a->q, q);
  dstore(a->inverse, inverse);
  dstore(a->ratio, ratio);
  dstore(a->log_ratio, offset);
  vstore(a->offset, near);
  for (size_t k = 0; k < s->n; k++) sums.a[k] = sum_distances(s, k, a->offset[k]);
  const dm usable =
      dmand(deq(dsub(total, total), dset1(0.0)), dmand(within_reach(vload(a->max_p)), within_reach(vload(a->max_q))));
  const vd w = dload(sums.a), greatest = dmul(dset1(0x1p80), inverse);
  const vd kl = dsub(dsub(dwiden(near), offset), dmul(w, inverse));
  const dm large = dmand(deq(dsub(w, w), dset1(0.0)), is_large(kl, dmax(greatest, dmul(greatest, ratio)), offset));
  const vd value = dsel(dmand(usable, large), kl, none);
  dstore(a->value, value);
  if (dany(dnan(value))) answer_carefully(s, a, &sums, dsel(usable, one, none));
}
/* From units of 2^n to those of e^max. */
static SMALL double in_units_of_max(double sum, float n, float max) {
  ALIGNED double unit[16];
  dstore(unit, dexp(dset1((double)n * VLOSS_D_LN2_HI + ((double)n * VLOSS_D_LN2_LO - (double)max))));
  return sum * unit[0];
}
void short_pair_sums(const struct short_answers *a, size_t k, struct pair_sums *sums) {
  sums->max_p[0] = a->max_p[k];
  sums->max_q[0] = a->max_q[k];
  sums->p[0] = in_units_of_max(a->p[k], a->n_p[k], a->max_p[k]);
  sums->q[0] = in_units_of_max(a->q[k], a->n_q[k], a->max_q[k]);
  sums->t[0] = 0;
  sums->lost[0] = -INF;
}
