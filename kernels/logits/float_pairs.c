/* The sums of a block of two rows in floats (divergence.h): all blocks but short and huge ones, and those where only q
 * is masked.
 *
 * u = (x - y) + offset takes the place of (x - b) - (y - a). The offset is log(P / Q), of a block before or of what
 * this block is found to have: so u is near 0 where q is near p. There e^y (e^u - 1) and e^y phi(u) are made of u, and
 * do not cancel; elsewhere of e^x and e^y. Moving the sums to a and b is left to doubles.
 *
 * There are several ways through a block. The careful one serves for all. Where every u of 64 classes is small, e^x is
 * not needed; where the divergence is large beside what the greatest terms lose, nothing is but sums of e^y, e^x and
 * e^y u. Which way it is depends on the block before, and what a block comes to tells whether the way has served. The
 * file is longer than others, as the ways are loops over the same terms, inlined in each. */
#include "divergence.h"
#include "row_steps.h"
#include "row_sums.h"
#include "top_classes.h"

/* No e^y is below 2^LOWEST. */
#define LOWEST -60.0f
/* The same for sums that do not cancel: there, so far from it, even a class that is not in p would count. */
#define PLAIN_FARTHEST -0x1p17f
/* How far log(P / Q) may be off the offset. */
#define OFF 0.7

static struct reference scale_for(float max) {
  struct reference r = reference_for(vset1(max));
  r.low = vmul(vadd(r.n, vset1(LOWEST)), vset1(VLOSS_LN2_HI));
  return r;
}
/* a and b: the maximum of p, and about that of q. */
static struct scales scales_for(float a, float offset) {
  struct scales s = {.p = scale_for(a), .q = scale_for(a - offset), .offset = vset1(offset)};
  const vd power = dmul(dwiden(vsub(s.q.n, s.p.n)), dset1(VLOSS_D_LN2_HI));
  s.align = dnarrow(dexp(dadd(power, dset1((double)offset))));
  return s;
}

/* 64 classes. */
struct float_step {
  vf p, t, more;
};
VFN struct float_step careful_step_of(struct float_sums *sums, const struct scales *scales, const float *p,
                                      const float *q, const int small_offset) {
  vf y[4], x[4];
  UNROLL for (int j = 0; j < 4; j++) y[j] = vload(p + 16 * j), x[j] = vload(q + 16 * j);
  vf e[4], f[4], u[4], v[4], t[4], more[4];
  UNROLL for (int j = 0; j < 4; j++) v[j] = vmax(scales->p.low, y[j]);
  terms_from_low(e, v, 4, &scales->p);
  UNROLL for (int j = 0; j < 4; j++) v[j] = vmax(scales->q.low, x[j]);
  terms_from_low(f, v, 4, &scales->q);
  UNROLL for (int j = 0; j < 4; j++) {
    const vf of_q = vmax(vset1(FLOOR), x[j]), of_p = vmax(vset1(FLOOR), y[j]), d = vsub(of_q, of_p);
    u[j] = vadd(d, scales->offset);
    if (!small_offset) u[j] = vadd(u[j], lost_of(d, of_p, of_q));
    u[j] = vsel(vgt(vset1(NOTHING), vabs(u[j])), vset1(0.0f), u[j]);
    f[j] = vmul(f[j], scales->align);
    sums->highest = vmax(x[j], sums->highest);
    sums->farthest = vmin(d, sums->farthest);
  }
  divergence_terms(t, more, u, e, f);
  return (struct float_step){combine4(e), combine4(t), combine4(more)};
}

/* Out of line: it is large, and other ways seldom need it. */
#define CAREFUL_STEP(name, small_offset)                                                                        \
  static __attribute__((noinline)) struct float_step name(struct float_sums *sums, const struct scales *scales, \
                                                          const float *p, const float *q) {                     \
    return careful_step_of(sums, scales, p, q, small_offset);                                                   \
  }
CAREFUL_STEP(careful_step, 1)
CAREFUL_STEP(careful_step_exact, 0)

/* h = u / 2 of 64 classes; 0 unless |h| < 2 in all. A float is less than 2 if bit 30 is not set, NaN is not. */
VFN int halves_of(vf *h, const struct scales *scales, const vf *y, const vf *x, const int exact) {
  const vf half = vset1(0.5f), half_offset = vmul(scales->offset, half);
  UNROLL for (int j = 0; j < 4; j++) {
    const vf d = vsub(x[j], y[j]);
    h[j] = vfma(d, half, half_offset);
    if (exact) h[j] = vfma(lost_of(d, y[j], x[j]), half, h[j]);
  }
  const vi bits = vior(vior(vbits(h[0]), vbits(h[1])), vior(vbits(h[2]), vbits(h[3])));
  return !vany(vigt(viset1(0), vishl(bits, 1)));
}
/* Such classes, by phi(u) = v + (h + v / 2)^2 of v = 2 phi(h). */
VFN struct float_step near_step(const struct scales *scales, const vf *y, const vf *h) {
  vf e[4], v[4], w[4], of_t;
  UNROLL for (int j = 0; j < 4; j++) v[j] = vmax(scales->p.low, y[j]);
  UNROLL for (int j = 0; j < 4; j += INTERLEAVE) {
    vf s[INTERLEAVE], r[INTERLEAVE];
    terms_from_low(e + j, v + j, INTERLEAVE, &scales->p);
#define EACH UNROLL for (int i = 0; i < INTERLEAVE; i++)
    EACH s[i] = float_half_series(h[j + i]);
    EACH s[i] = vmul(vmul(s[i], h[j + i]), h[j + i]);
    EACH r[i] = vfma(s[i], vset1(0.5f), h[j + i]);
    EACH r[i] = vfma(r[i], r[i], s[i]);
    EACH w[j + i] = vmul(e[j + i], h[j + i]);
    EACH of_t = i + j ? vfma(e[j + i], r[i], of_t) : vmul(e[0], r[0]);
#undef EACH
  }
  return (struct float_step){combine4(e), of_t, vfma(combine4(w), vset1(2.0f), of_t)};
}
/* 64 classes whose sums do not cancel. */
VFN struct float_step plain_step(struct float_sums *sums, const struct scales *scales, const vf *y, const vf *x) {
  vf e[4], f[4], v[4];
  UNROLL for (int j = 0; j < 4; j++) v[j] = vmax(scales->q.low, x[j]);
  terms_from_low(f, v, 4, &scales->q);
  UNROLL for (int j = 0; j < 4; j++) v[j] = vmax(scales->p.low, y[j]); /* its distance from x is then finite, too */
  terms_from_low(e, v, 4, &scales->p);
  UNROLL for (int j = 0; j < 4; j++) {
    v[j] = vsub(x[j], v[j]);
    sums->farthest = vmin(v[j], sums->farthest);
  }
  vf w = vmul(e[0], vadd(v[0], scales->offset));
  UNROLL for (int j = 1; j < 4; j++) w = vfma(e[j], vadd(v[j], scales->offset), w);
  UNROLL for (int j = 0; j < 4; j++) sums->highest = vmax(x[j], sums->highest);
  const vf p = combine4(e), more = vsub(vmul(combine4(f), scales->align), p);
  return (struct float_step){p, vsub(more, w), more};
}

/* With a small offset x - y needs no low part: its rounding is little beside u. */
#define SMALL_OFFSET 0x1p-8f
enum way { CAREFUL, CAREFUL_EXACT, NEAR_BY, NEAR_BY_EXACT, PLAIN };
VFN struct float_step whole_step(const enum way way, struct float_sums *sums, const struct scales *scales,
                                 const float *p, const float *q) {
  vf y[4], x[4];
  row_fetch_ahead(p, BLOCK * sizeof *p);
  row_fetch_ahead(q, BLOCK * sizeof *q);
  UNROLL for (int j = 0; j < 4; j++) y[j] = vload(p + 16 * j);
  UNROLL for (int j = 0; j < 4; j++) x[j] = vload(q + 16 * j);
  if (way == PLAIN) return plain_step(sums, scales, y, x);
  if (way == NEAR_BY || way == NEAR_BY_EXACT) {
    vf h[4];
    if (__builtin_expect(halves_of(h, scales, y, x, way == NEAR_BY_EXACT), 1)) return near_step(scales, y, h);
  }
  return (way == CAREFUL || way == NEAR_BY ? careful_step : careful_step_exact)(sums, scales, p, q);
}
VFN void add_steps(struct float_sums *sums, const struct float_step *a, const struct float_step *b) {
  sums->p = dadd(sums->p, dwiden(vadd(a->p, b->p)));
  sums->t = dadd(sums->t, dwiden(vadd(a->t, b->t)));
  sums->more = dadd(sums->more, dwiden(vadd(a->more, b->more)));
}
/* Classes c .. c + 63 of n, some of which there may not be. */
static __attribute__((noinline)) struct float_step part_step(struct float_sums *sums, const struct scales *scales,
                                                             const float *p, const float *q, size_t c, size_t n) {
  ALIGNED float y[BLOCK], x[BLOCK];
  row_step_load(p, c, n, y);
  row_step_load(q, c, n, x);
  return careful_step_exact(sums, scales, y, x);
}
VFN void sum_by(const enum way way, const float *p, const float *q, size_t n, const struct scales *scales,
                struct float_sums *sums) {
  struct float_sums s = *sums;
  size_t c = 0;
  for (; c + 2 * BLOCK <= n; c += 2 * BLOCK) {
    const struct float_step a = whole_step(way, &s, scales, p + c, q + c);
    const struct float_step b = whole_step(way, &s, scales, p + c + BLOCK, q + c + BLOCK);
    add_steps(&s, &a, &b);
  }
  *sums = s;
  if (c == n) return;
  const struct float_step a = part_step(sums, scales, p, q, c, n), b = part_step(sums, scales, p, q, c + BLOCK, n);
  add_steps(sums, &a, &b);
}
#define SUM_BY(name, way)                                                                                           \
  static __attribute__((noinline)) void name(const float *p, const float *q, size_t n, const struct scales *scales, \
                                             struct float_sums *sums) {                                             \
    sum_by(way, p, q, n, scales, sums);                                                                             \
  }
SUM_BY(sum_carefully, CAREFUL)
SUM_BY(sum_carefully_exact, CAREFUL_EXACT)
SUM_BY(sum_near_by, NEAR_BY)
SUM_BY(sum_near_by_exact, NEAR_BY_EXACT)
SUM_BY(sum_plain, PLAIN)

/* What they come to, in units of 2^n and e^-offset: r = Q / P. */
struct float_answers {
  double p, t, more;
  double off, psi; /* -log r, which the offset is off; r - 1 - log r */
  double share;    /* of the greatest class in p, or for PLAIN in p or q, about */
  int known;
};
static double share_of(const struct float_sums *sums, const struct scales *scales, const struct float_answers *a) {
  const double of_p = 0x1p40 / a->p, n = (double)vfirst(scales->q.n) * VLOSS_D_LN2_HI;
  const double highest = (double)vhmax(sums->highest) - n;
  ALIGNED double e[16];
  dstore(e, dexp(dset1(highest > -600 ? highest : -600)));
  const double of_q = e[0] * (double)vfirst(scales->align) / (a->p + a->more);
  return of_q > of_p ? of_q : of_p;
}
static void prepare(struct pair_try *t, float offset, enum way way) {
  t->offset = offset;
  t->taken = (int)way;
  t->sums = (struct float_sums){dset1(0.0), dset1(0.0), dset1(0.0), vset1(-INF), vset1(0.0f)};
}
static int within_reach(float offset) { return offset > -2 * HUGE_LOGIT && offset < 2 * HUGE_LOGIT; }
void pair_try_add(const float *p, const float *q, size_t n, struct pair_try *t) {
  static void (*const sum[])(const float *, const float *, size_t, const struct scales *, struct float_sums *) = {
      sum_carefully, sum_carefully_exact, sum_near_by, sum_near_by_exact, sum_plain};
  const struct scales scales = scales_for(t->a, t->offset); /* again: 16 tries would keep much of the stack with them */
  if (within_reach(t->offset)) sum[t->taken](p, q, n, &scales, &t->sums);
}
static struct float_answers answers_of(const struct pair_try *t) {
  const struct float_sums *const sums = &t->sums;
  const struct scales of_try = scales_for(t->a, t->offset), *const scales = &of_try;
  const int plain = t->taken == PLAIN;
  struct float_answers answers = {.known = 0};
  if (!within_reach(t->offset)) return answers;
  answers.p = dsum(sums->p);
  answers.t = dsum(sums->t);
  answers.more = dsum(sums->more);
  const double more = answers.more / answers.p;
  const float highest = vhmax(sums->highest);
  /* Terms beyond 2^127 are garbage. */
  if (vany(vgt(vset1(plain ? PLAIN_FARTHEST : FARTHEST), sums->farthest)) || !(highest < HUGE_LOGIT) ||
      !(highest < (vfirst(scales->q.n) + 126) * VLOSS_LN2_HI) || !(more > -1 + 1e-9 && more < 1e9) ||
      answers.t - answers.t != 0)
    return answers;
  ALIGNED double log[16];
  dstore(log, dlog(dset1(1 + more)));
  answers.off = -log[0];
  answers.psi = more - log[0];
  answers.share = plain ? share_of(sums, scales, &answers) : 0x1p40 / answers.p;
  answers.known = 1;
  return answers;
}

/* ---- The ways ---------------------------------------------------------------------------------------------------- */

/* So much of a divergence that its terms, of which none is greater than the share, lose nothing that counts by being
 * formed as they stand. */
static int is_large(double kl, double share) { return kl * kl >= share; }
/* The rounding of x - y, where there is any, is as large as the offset's: as sum p |e^u - 1| <= sqrt(2 KL), even if all
 * of them erred the same way, it would come to no more than 1.5 * 2^-24 of the divergence. */
static int is_exact(float offset, double kl) { return (double)offset * (double)offset <= 4 * kl; }

/* Smaller offsets leave u that are smaller than any product may be made of, but NOTHING in the careful way. */
#define TINY_OFFSET 0x1p-28f
static enum way way_of(const struct pair_sums *s, float offset) {
  const float size = offset < 0 ? -offset : offset;
  const double kl = s->before.kl;
  if (s->before.masked || size < TINY_OFFSET) return size < SMALL_OFFSET ? CAREFUL : CAREFUL_EXACT;
  if (is_large(kl / 2, s->before.share) && (double)size <= 2 * kl) return PLAIN;
  return is_exact(offset, kl / 2) ? NEAR_BY : NEAR_BY_EXACT;
}
static int has_served(enum way way, const struct pair_sums *s, float offset) {
  const float size = offset < 0 ? -offset : offset;
  if (way == PLAIN) return is_large(s->before.kl, s->before.share) && (double)size <= 4 * s->before.kl;
  return way != NEAR_BY || is_exact(offset, s->before.kl);
}

/* To units of e^a and e^b: as in merge_pairs. */
static void put_sums(const struct float_answers *answers, float a, float offset, struct pair_sums *s, size_t i) {
  const double n = (double)vfirst(scale_for(a).n);
  const float b = (float)((double)a - (double)offset);
  const double moved = ((double)a - (double)b) - (double)offset;
  ALIGNED double unit[16], factor[16];
  dstore(unit, dexp(dset1(n * VLOSS_D_LN2_HI + (n * VLOSS_D_LN2_LO - (double)a))));
  dstore(factor, exp_minus_1(dset1(moved)));
  const double p = answers->p * unit[0], q = p + answers->more * unit[0], t = answers->t * unit[0];
  s->max_p[i] = a;
  s->max_q[i] = b;
  s->p[i] = p;
  s->q[i] = q + factor[0] * q;
  s->t[i] = t + (factor[0] * q - moved * p);
  s->lost[i] = -INF;
}

/* What is known before the first block, from its first classes: the offset of the maxima alone would often be far off.
 */
static void look_ahead(const float *p, const float *q, size_t n, struct pair_sums *s) {
  const size_t some = n < 4 * BLOCK ? n : 4 * BLOCK;
  struct pair_try t = {.a = block_maximum(p, some)};
  const float offset = t.a - block_maximum(q, some);
  prepare(&t, offset, CAREFUL_EXACT);
  pair_try_add(p, q, some, &t);
  const struct float_answers answers = answers_of(&t);
  s->before.offset = answers.known ? (float)((double)offset + answers.off) : offset;
  s->before.kl = answers.known ? answers.t / answers.p - answers.psi : 0;
  s->before.share = answers.share;
}

int pair_try_begin(const float *p, const float *q, size_t n, float a, struct pair_sums *s, struct pair_try *t) {
  if (!(a > -HUGE_LOGIT && a < HUGE_LOGIT)) return 0;
  if (s->before.offset != s->before.offset) look_ahead(p, q, n, s);
  t->a = a;
  t->tries = 0;
  prepare(t, s->before.offset, way_of(s, s->before.offset));
  return 1;
}
/* Whether another way might serve, if this one has not; GIVEN_UP where none does. */
static enum tried tried_of(const struct pair_try *t, struct pair_sums *s, size_t i) {
  const struct float_answers answers = answers_of(t);
  const float offset = t->offset;
  if (!answers.known) {
    if (t->taken == CAREFUL || t->taken == CAREFUL_EXACT) return GIVEN_UP;
    s->before.masked = 1;
    return AGAIN;
  }
  const float better = (float)((double)offset + answers.off);
  s->before.offset = better;
  s->before.kl = answers.t / answers.p - answers.psi;
  s->before.share = answers.share;
  /* Where T is little but what the offset is off, too few of its digits are left, and where P and Q are far apart, of
   * Q, which is P and more. There may be no better float than this; of 2^-40 floats lose nothing that counts. */
  const int near = answers.off > -OFF && answers.off < OFF && answers.psi <= 0.5 * answers.t / answers.p;
  if (!near && better == offset && answers.psi > 0x1p-40) return GIVEN_UP;
  if (!(near || better == offset) || !has_served((enum way)t->taken, s, offset)) return AGAIN;
  put_sums(&answers, t->a, offset, s, i);
  return SERVED;
}
enum tried pair_try_end(struct pair_try *t, struct pair_sums *s, size_t i) {
  enum tried tried = tried_of(t, s, i);
  if (tried == AGAIN && ++t->tries == 6) tried = GIVEN_UP;
  if (tried == AGAIN) prepare(t, s->before.offset, way_of(s, s->before.offset));
  if (tried == GIVEN_UP) s->before.offset = NOT_A_NUMBER;
  return tried;
}
int float_pair_block(const float *p, const float *q, size_t n, float a, struct pair_sums *s, size_t i) {
  struct pair_try t;
  enum tried tried = AGAIN;
  if (!pair_try_begin(p, q, n, a, s, &t)) return 0;
  while (tried == AGAIN) {
    pair_try_add(p, q, n, &t);
    tried = pair_try_end(&t, s, i);
  }
  return tried == SERVED;
}
