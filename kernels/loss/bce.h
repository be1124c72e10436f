/* Binary cross-entropy of a probability: -(t max(log p, -100) + (1-t) max(log(1-p), -100)). Gradient (p - t) /
 * max(p (1-p), 1e-12), to the target the difference of the two clamped logs. NaN where p is outside [0, 1].
 *
 * Of p and 1-p one is m <= 1/2, and as a float it is exact. So one log has a whole range, and the other, of 1-m, is a
 * polynomial in m. */
#ifndef VLOSS_KERNELS_LOSS_BCE_H
#define VLOSS_KERNELS_LOSS_BCE_H

#ifndef VLOSS_FORMULA
#include "../losses/loss.h"

struct bce_exact {
  vd loss, grad, grad_target;
};
VFN struct bce_exact bce_exact(struct element e) {
  const vd one = dset1(1.0), p = dwiden(e.p), t = dwiden(e.t), q = dsub(one, p), pq = dmul(p, q);
  const vf m = vmin(vsub(vset1(1.0f), e.p), e.p);
  const dm low = dgt(q, p);
  const vd log_m = dmax(dset1(-100.0), dlog_of(m)), minus_log_rest = dlog1m_half(m),
           difference = dadd(log_m, minus_log_rest);
  const vd of_m = dsel(low, t, dsub(one, t)), by_target = dsel(low, dsub(dset1(0.0), difference), difference);
  const vd grad = ddiv(dsub(p, t), dmax(dset1(1e-12), pq));
  return (struct bce_exact){dnfma(of_m, difference, minus_log_rest),
                            dsel(dnan(minus_log_rest), minus_log_rest, dsel(dnan(log_m), log_m, grad)),
                            dsel(dnan(t), t, by_target)};
}

/* rest - of_m difference. A denormal rest is all, or its size does not matter: below the last bit of a product of
 * floats, any number rounds alike. A denormal of_m is nothing beside most rests; beside a denormal one doubles hold all
 * of the result. */
VFN vf bce_calm_loss(vf given, vf difference, vf rest, vm denormal) {
  const vf zero = vset1(0.0f), rest_size = vabs(rest);
  const vm both = vmand(vdenormal(given), vgt(vset1(0x1p-126f), rest_size));
  const vf of_m = vsel(vmor(both, vgt(rest_size, vset1(0x1p-90f))), vflush_denormal(given), given);
  const vm alone = vmand(denormal, veq(of_m, zero)), beside = vmand(denormal, vgt(vabs(of_m), vset1(0x1p-60f)));
  const vf instead = vsel(alone, zero, vsel(beside, vset1(VLOSS_GUARD), rest));
  const vf in_doubles = dnarrow(dnfma(dwiden(given), dwiden(difference), dwiden(rest)));
  return vsel(both, in_doubles, vsel(alone, rest, vnfma(of_m, difference, instead)));
}

VFN struct derivatives bce(struct element e) {
  const vf one = vset1(1.0f), q = vsub(one, e.p), m = vmin(q, e.p);
  const vm low = vgt(q, e.p); /* m is p */
  const vf flushed = e.calm ? vflush_denormal(m) : m, log_m = vmax(vset1(-100.0f), vln(m));
  vf minus_log_rest = vlog1m_half(flushed);
  if (e.calm) minus_log_rest = vsel(vgt(m, flushed), m, minus_log_rest);
  const vf of_m = vsel(low, e.t, vsub(one, e.t));
  /* 1e-12, as the exponent of an m in [0, 1/2] is below 0; of any other m it is NaN, which passes. */
  const vf floor = vmax(vset1(1e-12f), vsplit(m).exponent);
  const vf difference = vadd(log_m, minus_log_rest);
  const vf loss = e.calm ? bce_calm_loss(of_m, difference, minus_log_rest, vgt(m, flushed))
                         : vnfma(of_m, difference, minus_log_rest);
  const vf least = vmax(vnfma(flushed, flushed, flushed), floor), distance = vsub(e.p, e.t);
  const struct bce_exact exact = bce_exact(e);
  return (struct derivatives){
      .loss = {loss, exact.loss},
      .grad = {e.calm ? vdiv_calm(distance, least) : vdiv(distance, least), exact.grad},
      .grad_target = {vpoisoned(vsel(low, vneg(difference), difference), e.t), exact.grad_target}};
}

#ifdef VLOSS_WIDE /* of doubles: kernels/f64/wide.h */
VFN dm bce_wide_far(struct wide e, const double *k) {
  (void)k;
  return dmor(dgt(dset1(0x1p-1000), e.p), dgt(e.p, dset1(1 - 0x1p-53)));
}
VFN struct wide_result bce_wide(struct wide e, const double *k) {
  (void)k;
  const vd p = e.p, t = e.t, zero = dset1(0.0), floor = dset1(-100.0), nan = dset1(WIDE_NAN);
  const dm invalid = dmor(dgt(zero, p), dgt(p, dset1(1.0)));
  const vd log = dmax(floor, log_in(e.near, p)), log_rest = dmax(floor, log1p_in(e.near, dneg(p)));
  const vd grad = ddiv(dsub(p, t), dmax(dset1(1e-12), dnfma(p, p, p)));
  return (struct wide_result){.loss = dneg(dfma(t, log, dnfma(t, log_rest, log_rest))),
                              .grad = dsel(invalid, nan, grad),
                              .grad_target = dsel(invalid, nan, dsub(log_rest, log))};
}
#endif
#else
#include "../losses/formula.h"

FORMULA struct formula bce_formula(real p, real t, real other, const double *parameters) {
  (void)other, (void)parameters;
  const real valid = ((p >= 0) & (p <= 1)) ? 0 : (real)__builtin_nan("");
  const real log_p = log(p), log_q = log1p(-p);
  const real a = log_p < -100 ? -100 : log_p, b = log_q < -100 ? -100 : log_q, pq = p * (1 - p);
  return (struct formula){.loss = {valid - (t * a + (1 - t) * b), fabs(t * a) + fabs((1 - t) * b)},
                          .grad = {valid + (p - t) / (pq < (real)1e-12 ? (real)1e-12 : pq), 0},
                          .grad_target = {t == t ? valid + b - a : t, fabs(a) + fabs(b)}};
}
#endif

#endif
