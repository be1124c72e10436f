/* The gradient in floats (divergence.h), but for JSD: q - p, or q (-d - R) or q (h - R), of all rows but huge ones and
 * those whose factor is out of the way. Both exponentials as in the sum of one row; -d = u as in float_pairs.c, log(P /
 * Q) in two parts. Where p and q are apart, q - p is a mere difference; where log(P / Q) is small, what u loses is
 * little. */
#include "divergence.h"
#include "row_sums.h"

/* What the last products may be made with: terms lie between 2^-126 and 2^80. */
#define LEAST_FACTOR 0x1p-100
#define LARGEST_FACTOR 0x1p38
/* Distances below it count as 0: so much less than an ulp is what they are multiplied by. Products with terms are
 * normal numbers then. */
#define NO_DISTANCE 0x1p-33f
/* Larger upstreams and distances make of terms that are left out more than nothing. */
#define LARGEST_DISTANCE 0x1p20f

/* From this divergence on, q - p of long rows has digits enough as it stands. There, the greatest terms are 2^(40 +
 * APART_EXPONENT), and those below 2^APART_LOWEST count as that, which is nothing beside 2^-126 even after factors of
 * up to 2^20; and no product with the other's unit is a denormal number. */
#define APART (1 / 64.)
#define APART_FACTOR 0x1p20
#define APART_UNITS 0x1p24f
#define APART_LEAST_FACTOR 0x1p-120

enum way { NEARLY_EQUAL, NEARLY_EQUAL_EXACT, FAR_APART };
struct float_factors {
  enum way way;
  struct reference p, q;
  vf align;              /* from units of e^x to those of e^y */
  vf factor, least;      /* of the last product; what makes a normal number of it */
  vf offset, offset_low; /* log(P / Q), by the logits as they are */
  vf mean;
};

/* factor / sum, for terms in units of 2^n in place of e^max. */
static double factor_of(const struct compared_row *row, const struct reference *ref, double factor) {
  const double n = (double)vfirst(ref->n);
  ALIGNED double unit[16];
  dstore(unit, dexp(dset1(n * VLOSS_D_LN2_HI + (n * VLOSS_D_LN2_LO - row->max))));
  return factor * row->inverse * unit[0];
}
static struct reference reference_apart(float max) {
  struct reference ref = reference_at(vsub(reference_for(vset1(max)).n, vset1(APART_EXPONENT)));
  ref.low = vmul(vadd(ref.n, vset1(APART_LOWEST)), vset1(VLOSS_LN2_HI));
  return ref;
}
/* The least float whose product with a factor is a normal number. */
static float least_term(float factor) {
  float least = (float)(0x1p-126 / (double)factor);
  uint32_t bits;
  if ((double)least * (double)factor >= 0x1p-126) return least;
  memcpy(&bits, &least, sizeof bits); /* rounded down: the next one */
  bits++;
  memcpy(&least, &bits, sizeof bits);
  return least;
}
/* The units, and the last factor; 0 if they do not serve. */
static int units_of(const struct compared *c, double factor, struct float_factors *f) {
  const int forward = c->kind == VLOSS_FORWARD_KL, apart = f->way == FAR_APART;
  const float a = (float)c->teacher.max, b = (float)c->student.max;
  f->p = apart ? reference_apart(a) : reference_for(vset1(a));
  f->q = apart ? reference_apart(b) : reference_for(vset1(b));
  const double of_p = factor_of(&c->teacher, &f->p, factor), of_q = factor_of(&c->student, &f->q, factor);
  const double last = forward ? of_p : of_q, size = last < 0 ? -last : last, align = of_q / of_p;
  f->align = vset1((float)align);
  f->factor = vset1((float)last);
  f->least = vset1(least_term((float)size));
  if (apart && !(align > 1 / (double)APART_UNITS && align < (double)APART_UNITS)) return 0;
  return size > (apart ? APART_LEAST_FACTOR : LEAST_FACTOR) && size < LARGEST_FACTOR;
}
static int float_factors_of(const struct compared *c, double factor, double mean, struct float_factors *f) {
  const int forward = c->kind == VLOSS_FORWARD_KL;
  const float a = (float)c->teacher.max, b = (float)c->student.max;
  if (!(a > -HUGE_LOGIT && a < HUGE_LOGIT && b > -HUGE_LOGIT && b < HUGE_LOGIT)) return 0;
  const double most = forward ? LARGEST_UPSTREAM : LARGEST_UPSTREAM / (double)LARGEST_DISTANCE;
  if (!(factor >= -most && factor <= most)) return 0;
  const vd offset = dset1((c->teacher.max - c->student.max) + c->log_ratio);
  f->offset = dnarrow(offset);
  f->offset_low = low_part(offset, f->offset);
  f->mean = vset1((float)mean);
  f->way = FAR_APART;
  if (forward && c->classes > SHORT_ROW && c->value >= APART && factor >= -APART_FACTOR && factor <= APART_FACTOR &&
      units_of(c, factor, f))
    return 1;
  f->way = (double)vfirst(vabs(f->offset)) <= (forward ? 1 : 2 * c->value) ? NEARLY_EQUAL : NEARLY_EQUAL_EXACT;
  return units_of(c, factor, f);
}

/* -d = (x - y) + offset; NaN where both are -inf. */
VFN vf distance_of(const struct float_factors *f, vf x, vf y, const enum way way) {
  const vf d = vsub(x, y), minus_y = vsub(d, x);
  if (way == NEARLY_EQUAL) return vadd(d, f->offset);
  const vf low = vsub(vsub(x, vsub(d, minus_y)), vadd(y, minus_y));
  return vadd(vadd(d, f->offset), vadd(low, f->offset_low));
}
VFN vf without_nothing(vf v) { return vsel(vgt(vset1(NO_DISTANCE), vabs(v)), vset1(0.0f), v); }

/* q - p, near each other from u. */
VFN void forward_terms(vf *w, vf *q, const vf *y, const vf *x, const struct float_factors *f, const enum way way) {
  vf e[4], g[4];
  if (way == FAR_APART) {
    terms(e, y, 4, &f->p);
    terms(g, x, 4, &f->q);
    UNROLL for (int j = 0; j < 4; j++) w[j] = vsub(q[j] = vmul(g[j], f->align), e[j]);
    return;
  }
  terms_or_0(e, y, 4, &f->p);
  terms_or_0(g, x, 4, &f->q);
  UNROLL for (int j = 0; j < 4; j++) {
    const vf distance = distance_of(f, x[j], y[j], way), u = without_nothing(distance);
    const vf near = vmul(e[j], vfma(vmul(float_near_series(u), u), u, u)),
             apart = vsub(q[j] = vmul(g[j], f->align), e[j]);
    w[j] = vsel(vgt(vset1(1.0f), vabs(distance)), near, apart);
  }
}
/* q (-d - R); 0 where some distance is too large for it. */
VFN int reverse_terms(vf *w, const vf *y, const vf *x, const struct float_factors *f, const enum way way) {
  vf g[4], farthest = vset1(0.0f);
  terms_or_0(g, x, 4, &f->q);
  UNROLL for (int j = 0; j < 4; j++) {
    const vf h = without_nothing(vsub(distance_of(f, x[j], y[j], way), f->mean));
    farthest = vmax(vabs(h), farthest);
    w[j] = vsel(veq(g[j], vset1(0.0f)), vset1(0.0f), vmul(g[j], h));
  }
  return !vany(vgt(farthest, vset1(LARGEST_DISTANCE)));
}
/* q (h - R), h = 1/2 where q is greater, -1/2 where it is less. */
VFN void variation_terms(vf *w, const vf *y, const vf *x, const struct float_factors *f) {
  const vf zero = vset1(0.0f), half = vset1(0.5f), floor = vset1(FLOOR), equal = vsub(zero, f->mean);
  const vf greater = vsub(half, f->mean), less = vsub(equal, half);
  vf g[4];
  terms_or_0(g, x, 4, &f->q);
  UNROLL for (int j = 0; j < 4; j++) {
    const vf u = without_nothing(distance_of(f, vmax(floor, x[j]), vmax(floor, y[j]), NEARLY_EQUAL_EXACT));
    w[j] = vmul(g[j], vsel(vgt(u, zero), greater, vsel(vgt(zero, u), less, equal)));
  }
}
VFN void put_terms(float *to, const vf *w, const struct float_factors *f) {
  UNROLL for (int j = 0; j < 4; j++) {
    const vf large = vsel(vgt(f->least, vabs(w[j])), vset1(0.0f), w[j]);
    vstore(to + 16 * j, vfma(large, f->factor, vset1(0.0f))); /* 0, not -0 */
  }
}

/* What exact_gradient is given. */
struct gradient_row {
  const struct compared *c;
  double factor, mean;
};
/* 64 classes, of which n are there, the others -inf. */
VFN void gradient_of_some(const struct gradient_row *row, const struct float_factors *f, const float *z, const float *x,
                          float *to, size_t n, const vloss_divergence_kind kind, const enum way way) {
  vf y[4], v[4], w[4], q[4];
  UNROLL for (size_t j = 0; j < 4; j++) y[j] = vload(z + 16 * j);
  UNROLL for (size_t j = 0; j < 4; j++) v[j] = vload(x + 16 * j);
  if (kind == VLOSS_TOTAL_VARIATION) {
    variation_terms(w, y, v, f);
  } else if (kind == VLOSS_FORWARD_KL) {
    forward_terms(w, q, y, v, f, way);
  } else if (__builtin_expect(!reverse_terms(w, y, v, f, way), 0)) {
    exact_gradient(row->c, z, x, to, n, row->factor, row->mean);
    return;
  }
  put_terms(to, w, f);
}
/* The last classes, fewer than 64, by way of copies. */
struct last_classes {
  ALIGNED float z[BLOCK], x[BLOCK], to[BLOCK];
};
VFN void gradient_of_block(const struct gradient_row *row, const struct float_factors *f, const float *z,
                           const float *x, float *to, size_t n, const vloss_divergence_kind kind, const enum way way) {
  struct last_classes last;
  for (size_t c = 0; c < n; c += BLOCK) {
    const size_t left = n - c;
    if (left < BLOCK) {
      row_step_load(z, c, n, last.z);
      row_step_load(x, c, n, last.x);
    }
    const int all = left >= BLOCK;
    gradient_of_some(row, f, all ? z + c : last.z, all ? x + c : last.x, all ? to + c : last.to, all ? BLOCK : left,
                     kind, way);
    for (size_t i = 0; !all && i < left; i += 16)
      store_n(to + c + i, vload(last.to + i), left - i < 16 ? left - i : 16, 0);
  }
}
#define GRADIENT_BY(name, kind, way)                                                                        \
  static __attribute__((noinline)) void name(const struct gradient_row *row, const struct float_factors *f, \
                                             const float *z, const float *x, float *to, size_t n) {         \
    gradient_of_block(row, f, z, x, to, n, kind, way);                                                      \
  }
GRADIENT_BY(forward_gradient, VLOSS_FORWARD_KL, NEARLY_EQUAL)
GRADIENT_BY(forward_gradient_exact, VLOSS_FORWARD_KL, NEARLY_EQUAL_EXACT)
GRADIENT_BY(forward_gradient_apart, VLOSS_FORWARD_KL, FAR_APART)
GRADIENT_BY(reverse_gradient, VLOSS_REVERSE_KL, NEARLY_EQUAL)
GRADIENT_BY(reverse_gradient_exact, VLOSS_REVERSE_KL, NEARLY_EQUAL_EXACT)
GRADIENT_BY(variation_gradient, VLOSS_TOTAL_VARIATION, NEARLY_EQUAL_EXACT)
typedef void gradient_by(const struct gradient_row *, const struct float_factors *, const float *, const float *,
                         float *, size_t);
static gradient_by *gradient_for(vloss_divergence_kind kind, enum way way) {
  if (kind == VLOSS_TOTAL_VARIATION) return variation_gradient;
  if (kind == VLOSS_REVERSE_KL) return way == NEARLY_EQUAL ? reverse_gradient : reverse_gradient_exact;
  return way == FAR_APART ? forward_gradient_apart : way == NEARLY_EQUAL ? forward_gradient : forward_gradient_exact;
}

int float_pair_gradient(const struct compared *c, const struct half_row *out, double factor, double mean) {
  struct float_factors f;
  const int direct = out->type == VLOSS_F32 && out->step == 1;
  if (c->kind == VLOSS_JSD || !float_factors_of(c, factor, mean, &f)) return 0;
  gradient_by *const gradient = gradient_for(c->kind, f.way);
  const struct gradient_row row = {c, factor, mean};
  for (size_t at = 0, n; at < out->classes; at += n) {
    const float *const z = logit_row_block(&c->teacher.x, at, &n), *const x = logit_row_block(&c->student.x, at, &n);
    float *const to = direct ? (float *)out->p + at : c->student.x.block;
    gradient(&row, &f, z, x, to, n);
    if (!direct) half_classes_write(out, at, n, to);
  }
  return 1;
}

int short_gradient(const struct short_pairs *s, const struct short_answers *a, size_t k, double factor, float *to) {
  const size_t n = s->classes;
  const float *const e = s->terms_p + k * short_terms(n), *const g = s->terms_q + k * short_terms(n);
  const double last = factor * a->inverse[k], size = last < 0 ? -last : last;
  if (!(size > APART_LEAST_FACTOR && size < LARGEST_FACTOR && factor >= -APART_FACTOR && factor <= APART_FACTOR))
    return 0;
  const vf align = vset1((float)a->ratio[k]), by = vset1((float)last), least = vset1(least_term((float)size));
  for (size_t c = 0; c < n; c += 16) {
    const vf w = vsub(vmul(vload(g + c), align), vload(e + c));
    const vf large = vsel(vgt(least, vabs(w)), vset1(0.0f), w);
    store_n(to + c, vfma(large, by, vset1(0.0f)), n - c < 16 ? n - c : 16, 0); /* 0, not -0 */
  }
  return 1;
}

/* ---- Total variation --------------------------------------------------------------------------------------------- */

VFN vf with_sign(vf q, vf w) {
  const vf zero = vset1(0.0f);
  return vsel(vgt(w, zero), q, vsel(vgt(zero, w), vsub(zero, q), zero));
}
/* Sums of |q - p|, the value; and of q where it is greater less q where it is less, the mean. */
VFN void add_variation(struct second_pass *sums, const struct float_factors *f, const vf *y, const vf *x) {
  vf w[4], q[4];
  forward_terms(w, q, y, x, f, NEARLY_EQUAL_EXACT);
  UNROLL for (int j = 0; j < 4; j++) {
    q[j] = with_sign(q[j], w[j]);
    w[j] = vabs(w[j]);
  }
  sums->value = dadd(sums->value, dwiden(combine4(w)));
  sums->mean = dadd(sums->mean, dwiden(combine4(q)));
}
static __attribute__((noinline)) void variation_of_block(struct second_pass *sums, const struct float_factors *f,
                                                         const float *z, const float *x, size_t n) {
  for (size_t c = 0; c < n; c += BLOCK) {
    vf y[4], v[4];
    UNROLL for (size_t j = 0; j < 4; j++) y[j] = row_load(z, c + 16 * j, n, NO_CLASS);
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = row_load(x, c + 16 * j, n, NO_CLASS);
    add_variation(sums, f, y, v);
  }
}
int float_variation_serves(const struct compared *c) {
  struct float_factors f;
  return float_factors_of(c, 0.5, 0, &f);
}
void float_variation_add(const struct compared *c, const float *z, const float *x, size_t n, struct second_pass *s) {
  struct float_factors f;
  if (float_factors_of(c, 0.5, 0, &f)) variation_of_block(s, &f, z, x, n);
}
double float_variation_factor(const struct compared *c) {
  struct float_factors f;
  return float_factors_of(c, 0.5, 0, &f) ? factor_of(&c->teacher, &f.p, 0.5) : 1;
}
