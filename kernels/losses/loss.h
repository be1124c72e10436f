/* What the kernels of the losses (kernels/loss/NAME.h) are written against: one vector of elements for an elementwise
 * loss; row.h has what row losses are written against. The loops around them are elementwise.c and row_loop.c.
 */
#ifndef VLOSS_KERNELS_LOSS_H
#define VLOSS_KERNELS_LOSS_H

#include <float.h>

#include "keras_eps.h"
#include "table.h"
#include "words/vmath_special.h"

/* ---- Elementwise -------------------------------------------------------------------------------------------------
 *
 * A loss is a function struct derivatives NAME(struct element e). What the loop does not need is not computed, as the
 * function is inlined and the rest of its result unused.
 *
 * Where it has parameters, it takes a const struct NAME_constants *k, too: a struct of its own, which begins with a
 * struct call, and which void NAME_constants(const double *parameters, struct NAME_constants *k) makes of the
 * parameters before the loop, given k->call. */

/* What a loss may have to know of the call. */
struct call {
  int weighed;    /* it has an operand `other` */
  float unscaled; /* what the float that gradients are multiplied by lacks of the factor, relative to it */
  int careful;    /* set by NAME_constants: some parameter is no normal float, so that the fast functions, which know
                     floats only, stay away */
  int usual;      /* set by NAME_constants of a loss that HAS_USUAL: so are the parameters, which saves operations */
};

/* A margin in two floats, high + low, since margin - p may be much smaller than what one rounds away. high is no -0:
 * the sign of margin - p counts. */
struct margin {
  float high, low;
  double exact;
};
VFN struct margin margin_of(double margin) {
  const float high = (float)margin + 0.0f;
  return (struct margin){high, (float)(margin - (double)high), margin};
}

struct element {
  vf p, t, other;
  int fast;    /* constant: a loss that comes out infinite or NaN is done again without it, the gradient with it */
  int written; /* constant, with `fast`: the loss is a result itself, so the sign of a 0 matters */
  int usual;   /* constant, with `fast`: call.usual is set */
  int exact;   /* constant: only what results are before they are rounded is looked at; a float may be too small */
  int calm;    /* constant, never with `exact`, and only where denormals are slow: there may be some, which nothing
                  multiplies or is divided by, see vmath_special.h. The bits are the same */
};
/* A result twice: rounded to float, which is what is written where nothing multiplies it; and before that rounding, for
 * factors to multiply first. Rounding `exact` gives `rounded` where both come from the same arithmetic. The losses with
 * an exponential or a logarithm compute `exact` in double: it is nearer to the truth, and a call with factors that are
 * all 1 may give other last bits than one without factors. Which of them a call uses depends on its arguments, not on
 * its elements, but for `rounded` of infinity: so an element's bits do not depend on its neighbours. */
struct result {
  vf rounded;
  vd exact;
};
struct derivatives {
  struct result loss, grad, grad_target, grad_other;
  vf a, b; /* of a PRODUCT */
};
/* What a loss is, whatever the element: said where it is compiled, ELEMENTWISE_LOSS(name, traits). */
enum {
  PRODUCT = 1,         /* the loss is a b >= 0: sums add it before it is rounded; loss.rounded is not given */
  MAY_BE_NEGATIVE = 2, /* if it is not, a -0 costs time, nothing else */
  KNOWS_CALM = 4,      /* there is code for element.calm */
  HAS_USUAL = 8,       /* and for element.usual */
  NEEDS_OTHER = 16,    /* an operand `other` is always given */
  FEW_OPERATIONS = 32  /* so that what a loop needs beside them counts */
};

/* max(0, v): NaN passes. */
VFN vf vpositive(vf v) { return vmax(vset1(0.0f), v); }
/* v with the sign of s; v >= 0, and NaN in v passes. */
VFN vf vsigned(vf v, vf s) { return vfloat(vior(vbits(v), viand(vbits(s), viset1((int32_t)0x80000000u)))); }
VFN vf vneg(vf v) { return vfloat(viadd(vbits(v), viset1((int32_t)0x80000000u))); }
/* The sign of d: -1, +1, 0 at zero; NaN at NaN. */
VFN vf vsign(vf d) {
  const vf size = vabs(d);
  return vsigned(vsel(vgt(size, vset1(0.0f)), vset1(1.0f), size), d);
}

/* A result that is a float. */
VFN struct result of_float(vf v) { return (struct result){v, dwiden(v)}; }

VFN dm dinfinite(vd v) { return deq(dabs(v), dset1((double)INF)); }
/* v clamped to [-limit, limit]; NaN passes. */
VFN vd dclamp(vd v, double limit) { return dmax(dset1(-limit), dmin(dset1(limit), v)); }
/* v rounded to float. What rounds to 0 is 0 before that: so a result that is 0 raises no underflow. */
VFN vf narrowed(vd v) { return dnarrow(dsel(dgt(dset1(0x1.0000000000001p-150), dabs(v)), dmul(v, dset1(0.0)), v)); }
VFN struct result of_double(struct element e, vd v) {
  struct result r = {.exact = v};
  if (!e.exact) r.rounded = dnarrow(v);
  return r;
}
VFN struct result careful_double(struct element e, vd v) {
  struct result r = {.exact = v};
  if (!e.exact) r.rounded = narrowed(v);
  return r;
}
/* a - b: what it is as a float, d, but where that is infinite. */
VFN vd difference(vf a, vf b, vf d) {
  const vd wide = dwiden(d);
  return dsel(dinfinite(wide), dsub(dwiden(a), dwiden(b)), wide);
}
/* What float arithmetic made of a result whose value is x: x before the rounding, as far as that agrees with it, and
 * where it is infinite or has lost digits to the end of the range. */
VFN struct result kept(vf rounded, vd x) {
  const vd wide = dwiden(rounded), size = dabs(wide);
  const dm infinite = deq(size, dset1((double)INF)), lost = dmor(infinite, dgt(dset1(0x1p-126), size));
  const vf narrow = narrowed(x);
  return (struct result){vsel(veq(vabs(rounded), vset1(INF)), narrow, rounded),
                         dsel(dmor(lost, deq(dwiden(narrow), wide)), x, wide)};
}
/* What a careful evaluation of a product hands on to sums: its factors as floats, as the fast one has them; or the
 * loss, where parameters allow no fast one. */
VFN struct derivatives careful_product(struct element e, struct derivatives d, vf a, vf b, int careful) {
  d.a = careful && !e.exact ? narrowed(d.loss.exact) : a;
  d.b = careful ? vset1(1.0f) : b;
  return d;
}
/* A result in float where that is a number, else from its value x: of arithmetic that may leave the floats on the way.
 */
VFN struct result number_or(struct element e, vf rounded, vd x) {
  struct result r = {.rounded = rounded, .exact = x};
  if (!(e.fast || e.exact)) r.rounded = vsel(vnan(vsub(rounded, rounded)), narrowed(x), rounded);
  return r;
}
VFN struct result negated(struct result r) { return (struct result){vneg(r.rounded), dsub(dset1(0.0), r.exact)}; }

/* What a factor makes of a loss or a gradient before it is rounded, the only time: 0 where it is 0, NaN excepted. Every
 * NaN is the canonical one. */
VFN vd factor_times(vd v, vd factor) {
  const vd zero = dset1(0.0), zero_times = dsel(dnan(v), v, zero);
  return dsel(deq(factor, zero), zero_times, dmul(v, factor));
}
VFN vf times_factor(vd v, vd factor) { return canonical(narrowed(factor_times(v, factor))); }
/* The same for a factor that may be applied after the rounding, as the fast functions do; but for what that made
 * infinite. */
VFN vf times_scale(struct result r, double scale, const int calm) {
  const vf by = vset1((float)scale), product = calm ? vmul_calm(r.rounded, by) : vmul(r.rounded, by);
  if (__builtin_expect(vany(veq(vabs(r.rounded), vset1(INF))), 0))
    return canonical(vsel(veq(vabs(r.rounded), vset1(INF)), narrowed(dmul(r.exact, dset1(scale))), product));
  return canonical(product);
}

#endif
