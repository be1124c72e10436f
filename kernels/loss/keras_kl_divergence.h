/* Keras' Kullback-Leibler divergence: sum_c a log(a / b), a and b the target and the prediction clipped to [eps, 1].
 * Gradient -a / b, 0 where p was clipped. The log is of a / b to twice a float's digits: near 1 the last digits of the
 * quotient are the first of its log. Each gradient needs its own column only and is written on the way, but a NaN makes
 * NaN of all. */
#ifndef VLOSS_KERNELS_LOSS_KERAS_KL_DIVERGENCE_H
#define VLOSS_KERNELS_LOSS_KERAS_KL_DIVERGENCE_H

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/reduce.h"

/* a log(a / b) of columns c .. c + m - 1 more than `sum`, and their gradients. a times the inverse of b is mended to
 * be the quotient, as a division would round it, and what that lacks is known: nothing where a is b. */
VFN vf keras_kl_divergence_and(vf sum, const struct row *r, size_t c, size_t m, const int in_float) {
  const vf p = get(r->p, c, m, 1.0f), a = clip(get(r->t, c, m, 1.0f), KERAS_EPS, 1.0f);
  const vf b = clip(p, KERAS_EPS, 1.0f), inverse = vdiv(vset1(1.0f), b), about = vmul(a, inverse);
  const vf ratio = vfma(vnfma(about, b, a), inverse, about), low = vmul(vnfma(ratio, b, a), inverse);
  if (r->grad) {
    const vm clipped = clips(p, KERAS_EPS, 1.0f);
    if (in_float)
      put_scaled(r->grad, c, m, vsel(clipped, vset1(0.0f), vmul(ratio, vset1((float)-r->factor))));
    else
      put(r, r->grad, c, m, dwiden(vsel(clipped, vset1(0.0f), vneg(ratio))));
  }
  return vfma(a, vlog_sum(ratio, low), sum);
}
VFN void keras_kl_divergence(const struct row *r, struct row_state *s) {
  const double factor = r->factor < 0 ? -r->factor : r->factor;
  const int in_float =
      factor >= 0x1p-100 && factor <= 0x1p100; /* then this rounds to 2 ulp; NaN makes NaN of all below */
  vd sum = resumed(r, s, 0, 0);
  for (size_t c = r->from; c < r->to;) {
    vf some = vset1(0.0f); /* of 64 columns */
    const size_t end = r->to - c < 64 ? r->to : c + 64;
    ROLLED for (size_t m; c < end; c += m) {
      m = end - c < 16 ? end - c : 16;
      some = keras_kl_divergence_and(some, r, c, m, in_float);
    }
    sum = dadd(sum, dwiden(some));
  }
  s->writes = r->grad != NULL;
  if (r->to < r->columns) {
    s->lanes[0] = sum;
    return;
  }
  s->loss = dsum(sum);
  s->pass = ROW_DONE;
  if (s->loss != s->loss) nan_row(r, s);
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

static double keras_kl_divergence_wide(const struct wide_loss_row *r) {
  struct lanes sum = no_lanes(); /* of numbers that are small, or NaN */
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd p = columns_at(r->p, c, n, 1.0), a = wide_clip(columns_at(r->t, c, n, 1.0), WIDE_KERAS_EPS, 1);
    const vd b = wide_clip(p, WIDE_KERAS_EPS, 1);
    const struct parts ratio = corrected_quotient(a, whole(b), ddiv(dset1(1.0), b));
    const struct parts log = log_in_parts_near(ratio);
    sum = lanes_plus(sum, dsel(dnan(ratio.high), ratio.high, dfma(a, log.high, dmul(a, log.low))));
    put_gradient(r, r->grad, c, n, dsel(wide_clips(p, WIDE_KERAS_EPS, 1), dset1(0.0), dneg(ratio.high)));
  }
  return lanes_total(&sum).high;
}
#else
#include "../losses/formula.h"

/* log(a / b). The quotient of nearly equal numbers has few digits of it. */
FORMULA real keras_kl_divergence_log(real a, real b) {
  return sizeof a > sizeof(double) && a > b / 2 && a < 2 * b ? log1p((a - b) / b) : log(a / b);
}
FORMULA void keras_kl_divergence_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, *t = r->t, low = FORMULA_EPS;
  real l = 0, scale = 0;
  for (size_t c = 0; c < r->n; c++) {
    const real a = t[c] < low ? low : t[c] > 1 ? 1 : t[c], b = p[c] < low ? low : p[c] > 1 ? 1 : p[c];
    const real term = a * keras_kl_divergence_log(a, b);
    l += term;
    scale += fabs(term);
  }
  *loss = (struct formula_value){l, scale};
  const real bad = l == l ? 0 : l;
  if (r->grad)
    for (size_t c = 0; c < r->n; c++) {
      const real a = t[c] < low ? low : t[c] > 1 ? 1 : t[c];
      r->grad[c] = (p[c] < low || p[c] > 1 ? 0 : -a / p[c]) + bad;
    }
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) r->grad_scale[c] = 0;
}
#endif

#endif
