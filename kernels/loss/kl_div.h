/* KL divergence, p being a log-probability: t (log t - p), 0 at t = 0, NaN at t < 0. Gradient -t, to the target
 * log t + 1 - p, -inf at t = 0. With log_target e^t (t - p), -e^t and e^t (t - p + 1), all 0 at t = -inf: in double,
 * where e^t needs no care. */
#ifndef VLOSS_KERNELS_LOSS_KL_DIV_H
#define VLOSS_KERNELS_LOSS_KL_DIV_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

struct kl_div_constants {
  struct call call;
  int log_target;
};
VFN void kl_div_constants(const double *parameters, struct kl_div_constants *k) { k->log_target = parameters[0] != 0; }

VFN struct derivatives kl_div_log_target(struct element e) {
  const vd zero = dset1(0.0), t = dwiden(e.t), p = dwiden(e.p), difference = dsub(t, p);
  /* Beyond these no float tells the difference. */
  const vd exp = dexp(dmax(dset1(-400.0), dmin(dset1(700.0), t)));
  const dm none = dmand(deq(t, dset1(-(double)INF)), deq(p, p));
  return (struct derivatives){
      .loss = careful_double(e, dsel(none, zero, dmul(exp, difference))),
      .grad = careful_double(e, dsel(dnan(p), p, dsub(zero, exp))),
      .grad_target = careful_double(e, dsel(none, zero, dmul(exp, dadd(difference, dset1(1.0)))))};
}

struct kl_div_exact {
  vd loss, by_target;
};
VFN struct kl_div_exact kl_div_exact(vf p, vf t) {
  const vd finite = dwiden(vmin(vset1(FLT_MAX), vabs(p))), wide = dwiden(t), difference = dsub(dlog_of(t), dwiden(p));
  const dm absent = deq(wide, dset1(0.0));
  return (struct kl_div_exact){dmul(wide, dsel(absent, finite, difference)),
                               dsel(absent, dsub(dset1(-(double)INF), finite), dadd(difference, dset1(1.0)))};
}

VFN struct derivatives kl_div(struct element e, const struct kl_div_constants *k) {
  /* At t = 0, where 0 times infinity is 0, any number does that is finite, or NaN if p is. */
  const vf zero = vset1(0.0f), finite = vmin(vset1(FLT_MAX), vabs(e.p));
  const vm absent = veq(e.t, zero);
  /* A fast loss needs a finite log of 0; that of the least denormal is -103.3. */
  const vf log = vln(e.t), difference = vsub(e.fast ? vmax(vset1(-104.0f), log) : log, e.p);
  const struct kl_div_exact exact = kl_div_exact(e.p, e.t);
  const vf factor = e.fast && !e.written ? difference : vsel(absent, finite, difference);
  struct derivatives r = {
      .loss = {e.calm ? vmul_calm(e.t, factor) : vmul(e.t, factor), exact.loss},
      .grad = of_float(e.fast ? vneg(e.t) : vnfma(zero, finite, vneg(e.t))),
      .grad_target = {vsel(absent, vsub(vset1(-INF), finite), vadd(difference, vset1(1.0f))), exact.by_target}};
  if (k->log_target) r = kl_div_log_target(e);
  return r;
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN struct wide_result kl_div_log_target_wide(struct wide e) {
  const vd zero = dset1(0.0), d = dsub(e.t, e.p), above = dadd(d, dset1(1.0));
  const struct scaled_exp exp = scaled_exp_in(e.near, whole(e.t));
  const dm none = deq(e.t, dset1(-WIDE_INF)), infinite = dis_infinite(e.p);
  const vd loss = dsel(infinite, d, dmul(dmul_or_zero(d, exp.mantissa), exp.scale));
  const vd by_target = dsel(infinite, d, dmul(dmul_or_zero(above, exp.mantissa), exp.scale));
  return (struct wide_result){.loss = dsel(none, zero, loss),
                              .grad = dneg(dmul(exp.mantissa, exp.scale)),
                              .grad_target = dsel(none, zero, by_target)};
}
VFN dm kl_div_wide_far(struct wide e, const double *k) {
  if (k[0] != 0) return dgt(dmul(e.t, e.t), dset1(0x1p15));
  return dgt(dset1(0x1p-1000), dsel(deq(e.t, dset1(0.0)), dset1(1.0), e.t));
}
VFN struct wide_result kl_div_wide(struct wide e, const double *k) {
  if (k[0] != 0) return kl_div_log_target_wide(e);
  const vd zero = dset1(0.0), difference = dsub(log_in(e.near, e.t), e.p);
  const dm absent = deq(e.t, zero);
  return (struct wide_result){.loss = dsel(absent, zero, dmul(e.t, difference)),
                              .grad = dneg(e.t),
                              .grad_target = dsel(absent, dset1(-WIDE_INF), dadd(difference, dset1(1.0)))};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula kl_div_log_target_formula(real p, real t) {
  const real exp_t = exp(t), absent = p == p ? 0 : p, difference = t - p;
  const real loss = t == -(real)INFINITY || difference == 0 ? absent
                    : fabs(p) == (real)INFINITY             ? difference
                                                            : exp_t * difference;
  const real by_target = t == -(real)INFINITY ? absent : fabs(p) == (real)INFINITY ? loss : exp_t * (difference + 1);
  return (struct formula){
      .loss = {loss, 0}, .grad = {p == p ? -exp_t : p, 0}, .grad_target = {by_target, exp_t * (fabs(difference) + 1)}};
}
FORMULA struct formula kl_div_formula(real p, real t, real other, const double *parameters) {
  (void)other;
  const real log_t = log(t), absent = p == p ? 0 : p; /* log t is NaN at t < 0 */
  const real loss = t == 0 ? absent : t * (log_t - p);
  const real by_target = t == 0 ? absent - (real)INFINITY : log_t + 1 - p;
  const struct formula result = {.loss = {loss, t > 0 ? t * (fabs(log_t) + fabs(p)) : 0},
                                 .grad = {p == p ? -t : p, 0},
                                 .grad_target = {by_target, t > 0 ? fabs(log_t) + 1 + fabs(p) : 0}};
  return parameters[0] != 0 ? kl_div_log_target_formula(p, t) : result;
}
#endif

#endif
