/* Hinge embedding: p for t = 1, max(0, margin - p) for t = -1, and for any other t the sum of both, which is
 * max(margin, p). Gradient 1, -[margin - p >= 0], or the sum of both. */
#ifndef VLOSS_KERNELS_LOSS_HINGE_EMBEDDING_H
#define VLOSS_KERNELS_LOSS_HINGE_EMBEDDING_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

struct hinge_embedding_constants {
  struct call call;
  struct margin margin;
};
VFN void hinge_embedding_constants(const double *parameters, struct hinge_embedding_constants *k) {
  k->margin = margin_of(parameters[0]);
  k->call.usual = k->margin.low == 0;
}

VFN struct derivatives hinge_embedding(struct element e, const struct hinge_embedding_constants *k) {
  const vf one = vset1(1.0f), margin = vset1(k->margin.high);
  vf slack = vsub(margin, e.p);
  if (!e.usual && k->margin.low != 0) slack = vadd(slack, vset1(k->margin.low));
  const vm similar = veq(e.t, one), dissimilar = veq(e.t, vset1(-1.0f));
  const vf both = e.fast ? vset1(NOT_A_NUMBER) : vpoisoned(vmax(margin, e.p), e.t);
  const vf loss = vsel(similar, e.p, vsel(dissimilar, vpositive(slack), both));
  const vf beyond = vfloat(viand(visra(vbits(slack), 31), vbits(one))); /* 1 where p > margin, else 0 */
  const vf grad = vsel(similar, one, vsub(beyond, vsel(dissimilar, one, vset1(0.0f))));
  if (e.fast) return (struct derivatives){.loss.rounded = loss, .grad.rounded = grad};
  /* Of finite p only margin - p is beyond the floats. */
  const vd p = dwiden(e.p), wide = dwiden(loss);
  const dm overflow = dmand(dinfinite(wide), dgt(dset1((double)INF), dabs(p)));
  return (struct derivatives){.loss = {loss, dsel(overflow, dsub(dset1(k->margin.exact), p), wide)},
                              .grad = of_float(vpoisoned(grad, loss))};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result hinge_embedding_wide(struct wide e, const double *k) {
  const vd zero = dset1(0.0), one = dset1(1.0), margin = dset1(k[0]), slack = dsub(margin, e.p);
  const dm similar = deq(e.t, one), dissimilar = deq(e.t, dset1(-1.0));
  const vd beyond = dsel(dgt(zero, slack), one, zero);
  return (struct wide_result){.loss = dsel(similar, e.p, dsel(dissimilar, dpositive(slack), dmax(margin, e.p))),
                              .grad = dsel(similar, one, dsub(beyond, dsel(dissimilar, one, zero)))};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula hinge_embedding_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const real margin = (real)parameters[0], slack = margin - p, hinge = slack < 0 ? 0 : slack,
             slope = slack < 0 ? 0 : -1;
  const real loss = t == 1 ? p : t == -1 ? hinge : p <= margin ? margin : p; /* p + hinge */
  const real grad = t == 1 ? 1 : t == -1 ? slope : 1 + slope;
  return (struct formula){.loss = {loss, 0}, .grad = {grad, 0}};
}
#endif

#endif
