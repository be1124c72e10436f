/* Two rows of logits compared: what the first pass over both finds, and what is made of it.
 *
 * With a and b the maxima of y and x (of p = softmax(y) and q = softmax(x)), u = (x - b) - (y - a) and
 * phi(u) = e^u - 1 - u >= 0, the sums
 *   P = sum e^(y - a),  Q = sum e^(x - b),  T = sum e^(y - a) phi(u)
 * are all that KL(p || q) = T / P - (r - 1 - log r), r = Q / P, needs: no term is negative, and nothing cancels where
 * q is near p, as u is then near 0 and r near 1. Of parts of a row they are found apart, and moved to common maxima. */
#ifndef VLOSS_KERNELS_DIVERGENCE_H
#define VLOSS_KERNELS_DIVERGENCE_H

#include "logit_rows.h"

#define pair_block VLOSS_ISA_SYMBOL(vloss_pair_block)
#define float_pair_block VLOSS_ISA_SYMBOL(vloss_float_pair_block)
#define pair_try_begin VLOSS_ISA_SYMBOL(vloss_pair_try_begin)
#define pair_try_add VLOSS_ISA_SYMBOL(vloss_pair_try_add)
#define pair_try_end VLOSS_ISA_SYMBOL(vloss_pair_try_end)
#define exact_pair_block VLOSS_ISA_SYMBOL(vloss_exact_pair_block)
#define same_first_maximum VLOSS_ISA_SYMBOL(vloss_same_first_maximum)
#define sum_pair VLOSS_ISA_SYMBOL(vloss_sum_pair)
#define pair_answers_of VLOSS_ISA_SYMBOL(vloss_pair_answers_of)
#define pair_tile_block VLOSS_ISA_SYMBOL(vloss_pair_tile_block)
#define second_begin VLOSS_ISA_SYMBOL(vloss_second_begin)
#define second_add VLOSS_ISA_SYMBOL(vloss_second_add)
#define second_end VLOSS_ISA_SYMBOL(vloss_second_end)
#define float_variation_serves VLOSS_ISA_SYMBOL(vloss_float_variation_serves)
#define float_variation_add VLOSS_ISA_SYMBOL(vloss_float_variation_add)
#define float_variation_factor VLOSS_ISA_SYMBOL(vloss_float_variation_factor)
#define short_pair_answers VLOSS_ISA_SYMBOL(vloss_short_pair_answers)
#define short_pair_sums VLOSS_ISA_SYMBOL(vloss_short_pair_sums)
#define short_gradient VLOSS_ISA_SYMBOL(vloss_short_gradient)
#define merge_pairs VLOSS_ISA_SYMBOL(vloss_merge_pairs)
#define exact_gradient VLOSS_ISA_SYMBOL(vloss_exact_gradient)
#define float_pair_gradient VLOSS_ISA_SYMBOL(vloss_float_pair_gradient)
#define divergence_gradient VLOSS_ISA_SYMBOL(vloss_divergence_gradient)

/* The sums of blocks of a row. P is NaN for what has NaN or +inf in either row. */
struct pair_sums {
  ALIGNED double p[16], q[16], t[16];
  ALIGNED float max_p[16], max_q[16]; /* a and b: maxima, or somewhat below them; -FLT_MAX for nothing but -inf */
  float lost[16]; /* the greatest y of a class that q does not have, which T leaves out; -inf: of none */
  struct {
    float offset; /* log(P / Q), by the logits as they are; NaN: not known yet */
    double kl;    /* KL(p || q), of the block by itself */
    double share; /* of the greatest class in p or q */
    int masked;   /* not for the fast ways through a block */
  } before;       /* of the block before this */
};

/* e^y in units of 2^n, e^x in units of 2^(n of q); these times `align` are units of 2^n e^-offset. */
struct scales {
  struct reference p, q;
  vf offset, align;
};
struct float_sums {
  vd p, t, more;        /* of e^y, e^y phi(u), e^y (e^u - 1) */
  vf highest, farthest; /* the greatest x; the least x - y */
};
/* A block on one of the ways of floats (float_pairs.c), which may come in pieces. */
struct pair_try {
  float a, offset;  /* the maximum of p; about log(P / Q) */
  int taken, tries; /* the way, and how many were tried before */
  struct float_sums sums;
};
enum tried { AGAIN, SERVED, GIVEN_UP };

/* Terms below e^LEAST of the largest are 0: products of others with squares are no denormal numbers. */
#define LEAST (-300.0)
/* e^d of the distance d <= 0 from a maximum. NaN passes. */
VFN vd distance_exp(vd d) {
  const vd least = dset1(LEAST);
  return dsel(dgt(least, d), dset1(0.0), dexp(dmax(least, d)));
}

/* From here on e^u - 1 - u is formed as it stands; below, by its series to u^8: 2^-2^7 2 / 9! = 3e-10 of it. */
#define NEAR 0.25
VFN dm is_near(vd u) { return dgt(dset1(NEAR), dabs(u)); }
VFN vd near_phi(vd u) {
  vd s = dset1(1 / 40320.);
  s = dfma(s, u, dset1(1 / 5040.));
  s = dfma(s, u, dset1(1 / 720.));
  s = dfma(s, u, dset1(1 / 120.));
  s = dfma(s, u, dset1(1 / 24.));
  s = dfma(s, u, dset1(1 / 6.));
  s = dfma(s, u, dset1(0.5));
  return dmul(dmul(s, u), u);
}
/* e^u - 1: near 0, and for any u <= 600. */
VFN vd near_exp_minus_1(vd u) { return dadd(u, near_phi(u)); }
VFN vd exp_minus_1(vd u) {
  return dsel(is_near(u), near_exp_minus_1(u), dsub(dexp(dmax(dset1(-600.0), u)), dset1(1.0)));
}

/* (e^u - 1 - u) / u^2 in floats: the minimax fit for |u| <= 1, coefficients rounded; it leaves 0.2 * 2^-24 of it. */
VFN vf float_near_series(vf u) {
  vf s = vset1(0x1.7416eep-19f);
  s = vfma(s, u, vset1(0x1.a9622ap-16f));
  s = vfma(s, u, vset1(0x1.a028cap-13f));
  s = vfma(s, u, vset1(0x1.6bffbp-10f));
  s = vfma(s, u, vset1(0x1.1110ep-7f));
  s = vfma(s, u, vset1(0x1.55557ap-5f));
  s = vfma(s, u, vset1(0x1.555556p-3f));
  return vfma(s, u, vset1(0.5f));
}

/* 2 phi(h) / h^2 in floats: the minimax fit for |h| <= 2, coefficients rounded; it leaves 0.45 * 2^-24 of it. */
VFN vf float_half_series(vf h) {
  vf s = vset1(0x1.53bdp-25f);
  s = vfma(s, h, vset1(0x1.3c8994p-21f));
  s = vfma(s, h, vset1(0x1.7953a4p-18f));
  s = vfma(s, h, vset1(0x1.9f2304p-15f));
  s = vfma(s, h, vset1(0x1.9fbdap-12f));
  s = vfma(s, h, vset1(0x1.6c1af8p-9f));
  s = vfma(s, h, vset1(0x1.1112aap-6f));
  s = vfma(s, h, vset1(0x1.55554cp-4f));
  s = vfma(s, h, vset1(0x1.55554ep-2f));
  return vfma(s, h, vset1(1.0f));
}

/* Of rows far apart, the greatest terms of each are 2^(40 + APART_EXPONENT), and those below 2^APART_LOWEST count as
 * that. */
#define APART_EXPONENT 40.0f
#define APART_LOWEST -100.0f

/* Below this e^u - 1 - u is less than 2^-60, and counts as nothing; so no product is a denormal number. */
#define NOTHING 0x1p-30f
/* What lies below it has no probability, as no maximum here is that low: -inf is moved there, and two of them are then
 * at no distance. A class of p that is as far from q as FARTHEST is masked in q. */
#define FLOOR -0x1p20f
#define FARTHEST -0x1p19f

/* Of four vectors, given e^y, e^x and u. */
VFN void divergence_terms(vf *t, vf *more, const vf *u, const vf *of_p, const vf *of_q) {
  UNROLL for (int j = 0; j < 4; j += INTERLEAVE) {
    vf s[INTERLEAVE], w[INTERLEAVE], apart[INTERLEAVE];
#define EACH UNROLL for (int i = 0; i < INTERLEAVE; i++)
    EACH s[i] = float_near_series(u[j + i]);
    EACH w[i] = vmul(of_p[j + i], u[j + i]);
    EACH s[i] = vmul(vmul(s[i], u[j + i]), w[i]);
    EACH apart[i] = vsub(of_q[j + i], of_p[j + i]);
    UNROLL for (int i = 0; i < INTERLEAVE; i++) {
      const vm near = vgt(vset1(1.0f), vabs(u[j + i]));
      t[j + i] = vsel(near, s[i], vsub(apart[i], w[i]));
      more[j + i] = vsel(near, vadd(s[i], w[i]), apart[i]);
    }
#undef EACH
  }
}

/* What x - y has lost. */
VFN vf lost_of(vf d, vf y, vf x) {
  const vf minus_y = vsub(d, x);
  return vsub(vsub(x, vsub(d, minus_y)), vadd(y, minus_y));
}

/* What the two rows of a pair are made of, when both have been read: log p = (z - max) - log_sum, and so for q. */
struct compared_row {
  struct logit_row x;
  double max, inverse; /* 1 / S */
};
struct compared {
  vloss_divergence_kind kind;
  double beta;
  size_t classes; /* of the whole rows, of which `teacher` and `student` may name a part */
  struct compared_row teacher, student;
  double log_ratio; /* log S of the teacher less that of the student */
  double value;     /* of a KL */
};

/* Of one class: p, q and log(p / q), which is 0 where neither is there. */
struct class_pair {
  vd p, q, d;
};
VFN struct class_pair class_pair_of(const struct compared *c, vf z, vf x) {
  const vd of_z = dsub(dwiden(z), dset1(c->teacher.max)), of_x = dsub(dwiden(x), dset1(c->student.max));
  struct class_pair pair;
  pair.p = dmul(distance_exp(of_z), dset1(c->teacher.inverse));
  pair.q = dmul(distance_exp(of_x), dset1(c->student.inverse));
  const dm none = dmand(deq(pair.p, dset1(0.0)), deq(pair.q, dset1(0.0)));
  pair.d = dsel(none, dset1(0.0), dsub(dsub(of_z, of_x), dset1(c->log_ratio)));
  return pair;
}
/* p - q, where they are near each other from d. */
VFN vd p_minus_q(const struct class_pair *c) {
  return dsel(is_near(c->d), dmul(c->q, near_exp_minus_1(c->d)), dsub(c->p, c->q));
}
/* log(share e^d + 1 - share) for |d| <= 600: log(M / q) for the share of p in M. What rounding the sum loses counts
 * near 1 alone. */
VFN vd log_of_mixture(vd d, double share) {
  const vd one = dset1(1.0), s = dmul(dset1(share), exp_minus_1(d)), sum = dadd(one, s);
  return dadd(dlog(sum), dsel(is_near(s), dsub(s, dsub(sum, one)), dset1(0.0)));
}
VFN vd bounded_distance(vd d) { return dmax(dset1(-600.0), dmin(dset1(600.0), d)); }

/* The same in floats, of a block that serves for it; 0 for one that does not. a is the maximum of p. */
int float_pair_block(const float *p, const float *q, size_t n, float a, struct pair_sums *s, size_t i);
/* The same of pieces of a block, all but the last of whole 2 BLOCK classes: the first ones of it, of which a look ahead
 * is made, 0 if no way serves; each piece; and what they have come to, SERVED with the sums as number i. AGAIN: all
 * pieces are wanted once more. */
int pair_try_begin(const float *p, const float *q, size_t n, float a, struct pair_sums *s, struct pair_try *t);
void pair_try_add(const float *p, const float *q, size_t n, struct pair_try *t);
enum tried pair_try_end(struct pair_try *t, struct pair_sums *s, size_t i);
/* The same in doubles, of any block. */
void exact_pair_block(const float *p, const float *q, size_t n, struct pair_sums *s, size_t i);
/* The block p, q of n classes as number i. */
void pair_block(const float *p, const float *q, size_t n, struct pair_sums *s, size_t i);
/* Makes one of n <= 16 parts of a row, number 0. */
void merge_pairs(struct pair_sums *s, size_t n);
/* The sums of a row, as number 0 of `parts`: of up to 15 blocks at a time, and of what came before. And what they come
 * to. */
struct pair_answers {
  double value, log_ratio; /* KL(p || q), log P - log Q */
  int undefined;
};
void sum_pair(const struct logit_row *p, const struct logit_row *q, struct pair_sums *parts);
struct pair_answers pair_answers_of(const struct pair_sums *s);
/* Whether both rows have the same first maximum. */
int same_first_maximum(const struct logit_row *z, const struct logit_row *x);
/* n <= 16 rows of up to SHORT_ROW classes, as floats (short_pairs.c). */
struct short_pairs {
  const float *p, *q;
  size_t p_stride, q_stride, n, classes;
  float *terms_p, *terms_q; /* short_terms(classes) floats of each row */
};
struct short_answers {
  ALIGNED double value[16];                            /* KL(p || q); NaN: these sums do not tell it */
  ALIGNED double p[16], q[16], inverse[16], ratio[16]; /* P and Q in units of 2^n; 1 / P, P / Q */
  ALIGNED double log_ratio[16];                        /* log(P / Q), by the logits as they are */
  ALIGNED float max_p[16], max_q[16], n_p[16], n_q[16], offset[16], align[16];
};
VFN size_t short_terms(size_t classes) { return (classes + BLOCK - 1) / BLOCK * BLOCK; }
void short_pair_answers(const struct short_pairs *s, struct short_answers *a);
/* Of row k, with a value: what pair_answers_of takes but T. */
void short_pair_sums(const struct short_answers *a, size_t k, struct pair_sums *sums);
/* Its gradient of a forward KL, from the terms; 0 if the factor is out of the way. */
int short_gradient(const struct short_pairs *s, const struct short_answers *a, size_t k, double factor, float *to);
/* n <= PAIR_ROWS rows that lie side by side, by tiles of them (half_rows.h) in CLASS_BLOCK floats each. */
enum { PAIR_ROWS = 16 };
struct pairs_beside {
  const struct half_tensor *p, *q;
  size_t first, n;
  float *of_p, *of_q;
};
/* The block of each that begins with class c, as number i of s[0], s[1], .. */
void pair_tile_block(const struct pairs_beside *rows, size_t c, struct pair_sums *s, size_t i);
/* What JSD and total variation come to, and sum q h: another pass, of a row in pieces. */
struct second_sums {
  double value, mean; /* mean of h under q */
};
struct second_pass {
  int by_floats;
  vd value, mean;
};
void second_begin(const struct compared *c, struct second_pass *s);
void second_add(const struct compared *c, const float *z, const float *x, size_t n, struct second_pass *s);
struct second_sums second_end(const struct compared *c, const struct second_pass *s);
/* The same of total variation by floats, of a row that serves for it: in units of a factor. */
int float_variation_serves(const struct compared *c);
void float_variation_add(const struct compared *c, const float *z, const float *x, size_t n, struct second_pass *s);
double float_variation_factor(const struct compared *c);
/* The gradient of n classes whose logits are z and x, times `factor`. */
void exact_gradient(const struct compared *c, const float *z, const float *x, float *to, size_t n, double factor,
                    double mean);
/* That of a row by floats, if it is not of JSD and serves for it, else 0. */
int float_pair_gradient(const struct compared *c, const struct half_row *out, double factor, double mean);
/* That of a row, into `out` by way of the student's block. */
void divergence_gradient(const struct compared *c, const struct half_row *out, double factor, double mean);

#endif
