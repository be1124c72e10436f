/* Keras' categorical cross-entropy of probabilities: -sum_c t'_c log v_c, v = p / S clipped to [eps, 1 - eps], S = sum
 * p, t' = t (1 - a) + a / C. Where p / S is not clipped, v S = p: so the gradient, which keeps the term of the
 * normalisation, is (sum of t' over the classes that are not clipped) / S, less t'_c / p_c unless c is clipped. Where S
 * is 0, or its terms cancel to 2^-40 of their sizes or less, there is no answer: NaN. In float and in double, hence
 * longer than other files. */
#ifndef VLOSS_KERNELS_LOSS_KERAS_CATEGORICAL_CROSSENTROPY_H
#define VLOSS_KERNELS_LOSS_KERAS_CATEGORICAL_CROSSENTROPY_H

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/reduce.h"

/* A sum of negative and positive terms that is no more than this of their sizes is nothing but rounding: 0. */
#define CANCELLED 0x1p-40

/* Columns of t'; and of these those where p / S is not clipped, 0 elsewhere. */
VFN vd smoothed_targets(const struct row *r, vf given, size_t m) {
  const double smoothing = r->parameters[0];
  const vd t = dfma(dwiden(given), dset1(1 - smoothing), dset1(smoothing / (double)r->columns));
  return m < 16 ? dwithout(t, m, SIZE_MAX) : t;
}
VFN vd unclipped_targets(vd t, vd u) {
  const vd low = dset1((double)KERAS_EPS), high = dset1((double)KERAS_ONE_MINUS_EPS), zero = dset1(0.0);
  return dsel(dgt(low, u), zero, dsel(dgt(u, high), zero, t));
}

/* Whether all of these t' are 0, as most are where targets name one class: they add nothing. */
VFN int no_targets(const struct row *r, vf t) {
  return r->parameters[0] == 0 && !vany(vmor(vgt(vabs(t), vset1(0.0f)), vnan(t)));
}

/* value[0] is S, then 1 / S; value[1] the gradient's term of the normalisation. */
enum {
  CROSSENTROPY_TOTAL,
  CROSSENTROPY_SIZE,
  CROSSENTROPY_TERMS, /* in double */
  CROSSENTROPY_GRADIENT,
  CROSSENTROPY_FLOAT_TERMS,
  CROSSENTROPY_FLOAT_GRADIENT
};
VFN void crossentropy_normalise(const struct row *r, struct row_state *s, double size) {
  const double sum = s->value[0], magnitude = sum < 0 ? -sum : sum;
  s->value[0] = 1 / sum;
  s->pass = r->parameters[0] == 0 && sum >= 0x1p-20 && sum <= 0x1p20 ? CROSSENTROPY_FLOAT_TERMS : CROSSENTROPY_TERMS;
  if (magnitude <= size * CANCELLED) nan_row(r, s);
}
VFN int crossentropy_total(const struct row *r, struct row_state *s) {
  vd total = resumed(r, s, 0, 0), other = resumed(r, s, 2, 0); /* two, as each waits for what was added before */
  vf least = r->from ? dnarrow(s->lanes[1]) : vset1(0.0f);
  size_t c = r->from;
  for (; c + 32 <= r->to; c += 32) {
    const vf p = vload(r->p + c), q = vload(r->p + c + 16);
    if (r->from_memory) ask_ahead(r->p + c), ask_ahead(r->p + c + 16), ask_ahead(r->t + c), ask_ahead(r->t + c + 16);
    total = dadd(total, dwiden(p)), other = dadd(other, dwiden(q));
    least = vmin(q, vmin(p, least));
  }
  for (size_t m; (m = columns_from(r, c)) > 0; c += 16) {
    const vf p = get(r->p, c, m, 0.0f);
    total = dadd(total, dwiden(p));
    least = vmin(p, least);
  }
  if (r->to < r->columns) {
    s->lanes[0] = total, s->lanes[1] = dwiden(least), s->lanes[2] = other;
    return 0;
  }
  s->value[0] = dsum(dadd(total, other));
  s->pass = CROSSENTROPY_SIZE;
  if (!vany(vgt(vset1(0.0f), least))) crossentropy_normalise(r, s, s->value[0]);
  return 1;
}
/* The sum of |p|, of rows with negative ones. */
static __attribute__((noinline)) int crossentropy_size(struct row r, struct row_state *s) {
  vd size = resumed(&r, s, 0, 0);
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16) {
    size = dadd(size, dwiden(vabs(get(r.p, c, m, 0.0f))));
  }
  s->lanes[0] = size;
  if (r.to < r.columns) return 0;
  crossentropy_normalise(&r, s, dsum(size));
  return 1;
}
/* `sparse`: vectors without targets are left out. The same sum, as they add nothing. */
VFN int crossentropy_terms_of(const struct row *r, struct row_state *s, const int sparse) {
  const double inverse = s->value[0];
  vd loss = resumed(r, s, 0, 0), share = resumed(r, s, 1, 0);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vf given = get(r->t, c, m, 0.0f);
    if (sparse && no_targets(r, given)) continue;
    const vd u = dmul(dwiden(get(r->p, c, m, 0.0f)), dset1(inverse));
    const vd v = dmin(dset1((double)KERAS_ONE_MINUS_EPS), dmax(dset1((double)KERAS_EPS), u));
    const vd t = smoothed_targets(r, given, m);
    const vf high = dnarrow(v);
    loss = dnfma(t, dwiden(vlog_sum(high, low_part(v, high))), loss);
    if (r->grad) share = dadd(share, unclipped_targets(t, u));
  }
  if (r->to < r->columns) {
    s->lanes[0] = loss, s->lanes[1] = share;
    return 0;
  }
  s->loss = dsum(loss);
  s->value[1] = dsum(share) * inverse;
  s->pass = r->grad ? CROSSENTROPY_GRADIENT : ROW_DONE;
  if (s->loss != s->loss) nan_row(r, s);
  return 1;
}

static __attribute__((noinline)) int crossentropy_terms(struct row r, struct row_state *s) {
  return crossentropy_terms_of(&r, s, 1);
}
static __attribute__((noinline)) void crossentropy_gradient(struct row r, struct row_state *s) {
  const vd inverse = dset1(s->value[0]), shared = dset1(s->value[1]), zero = dset1(0.0);
  for (size_t c = r.from, m; (m = columns_from(&r, c)) > 0; c += 16) {
    const vf given = get(r.t, c, m, 0.0f);
    const vd p = dwiden(get(r.p, c, m, 0.0f)), t = unclipped_targets(smoothed_targets(&r, given, m), dmul(p, inverse));
    put(&r, r.grad, c, m, dsub(shared, dsel(deq(t, zero), zero, ddiv(t, p))));
  }
  wrote(&r, s);
}

/* ---- In float, without smoothing, where S and its terms are far from the ends of the range ------------------------
 */

/* The least number x with x / S >= limit, or p / S >= limit as the double it is elsewhere: of the two that may be it.
 */
VFN float crossentropy_bound(double inverse, double limit) {
  const float near = (float)(limit / inverse);
  uint32_t bits;
  float x;
  memcpy(&bits, &near, sizeof bits);
  bits--;
  memcpy(&x, &bits, sizeof x);
  bits += (uint32_t)((double)x * inverse < limit) + (uint32_t)((double)near * inverse < limit);
  memcpy(&x, &bits, sizeof x);
  return x;
}
/* p / S in two floats, and which p are clipped: those below `first`, and from `beyond` on. Of small p, and 0, half of
 * what is clipped will do. p above `large` are of shares near 1, whose logarithms need the second float. */
#define LARGE_SHARE 0x1p-4
struct crossentropy_scale {
  vf high, low, least, first, beyond, large;
};
VFN struct crossentropy_scale crossentropy_scale(double inverse) {
  const float high = (float)inverse, first = crossentropy_bound(inverse, (double)KERAS_EPS);
  const double beyond = (double)KERAS_ONE_MINUS_EPS + 0x1p-53; /* the double behind it */
  return (struct crossentropy_scale){.high = vset1(high),
                                     .low = vset1((float)(inverse - (double)high)),
                                     .least = vset1(first / 2),
                                     .first = vset1(first),
                                     .beyond = vset1(crossentropy_bound(inverse, beyond)),
                                     .large = vset1((float)(LARGE_SHARE / inverse))};
}
VFN vm crossentropy_clipped(struct crossentropy_scale by, vf p) { return vmor(vgt(by.first, p), vge(p, by.beyond)); }
/* -log of it. What is below the end of the range by what `low` says may as well be there. */
VFN vf crossentropy_log(struct crossentropy_scale by, vf given, const int large) {
  if (!large) return vln_normal(vmul(vmax(by.first, given), by.high));
  const vf p = vmax(by.least, given), high = vmul(p, by.high), low = vsub(vmul(p, by.low), vnfma(p, by.high, high));
  const vm above = vge(p, by.beyond);
  const vf v = vsel(above, vset1(KERAS_ONE_MINUS_EPS), vmax(vset1(KERAS_EPS), high));
  return vlog_sum(v, vsel(above, vset1(0.0f), low));
}
/* Targets below this add nothing to the loss, which is no smaller than LEAST_CROSSENTROPY; and where there is one below
 * SMALL_TARGET, gradients are in double. */
#define NO_TARGET 0x1p-100f
#define SMALL_TARGET 0x1p-60f
#define LEAST_CROSSENTROPY 0x1p-60

/* The sums of four vectors of columns: of -t log v, of the t of which nothing is clipped (in double, as the gradient is
 * a small difference), and the greatest of small t. */
struct crossentropy_lanes {
  vd loss, share;
  vf small;
};
VFN void crossentropy_add_shares(struct crossentropy_lanes *l, const float *p, const float *t,
                                 struct crossentropy_scale scale, const int gradient, const int large) {
  const vf zero = vset1(0.0f);
  vf loss = zero;
  ROLLED for (size_t pair = 0; pair < 64; pair += 32) {
    vf losses = zero;
    UNROLL for (size_t i = pair; i < pair + 32; i += 16) {
      const vf share = vload(p + i), target = vload(t + i), size = vabs(target);
      losses = vnfma(vsel(vgt(vset1(NO_TARGET), size), zero, target), crossentropy_log(scale, share, large), losses);
      if (!gradient) continue;
      l->share = dadd(l->share, dwiden(vsel(crossentropy_clipped(scale, share), zero, target)));
      l->small = vsel(vgt(vset1(SMALL_TARGET), size), vmax(size, l->small), l->small);
    }
    loss = vadd(losses, loss);
  }
  l->loss = dadd(l->loss, dwiden(loss));
}
VFN void crossentropy_add(struct crossentropy_lanes *l, const float *p, const float *t, struct crossentropy_scale scale,
                          const int gradient) {
  const vf most = vmax(vmax(vload(p), vload(p + 16)), vmax(vload(p + 32), vload(p + 48)));
  if (vany(vgt(most, scale.large)))
    crossentropy_add_shares(l, p, t, scale, gradient, 1);
  else
    crossentropy_add_shares(l, p, t, scale, gradient, 0);
}
VFN int crossentropy_empty(const float *t) {
  const vi bits = vior(vior(vbits(vload(t)), vbits(vload(t + 16))), vior(vbits(vload(t + 32)), vbits(vload(t + 48))));
  return !vany(vigt(viand(bits, viset1(0x7fffffff)), viset1(0)));
}
VFN int crossentropy_float_terms_of(const struct row *r, struct row_state *s, const int gradient, const int sparse) {
  const struct crossentropy_scale scale = crossentropy_scale(s->value[0]);
  struct crossentropy_lanes l = {resumed(r, s, 0, 0), resumed(r, s, 1, 0), dnarrow(resumed(r, s, 2, 0))};
  const size_t last = r->to / 64 * 64;
  float p_end[64], t_end[64];
  if (last < r->to) {
    copy_of_64(p_end, r->p + last, r->to - last, 0.0f, 64);
    copy_of_64(t_end, r->t + last, r->to - last, 0.0f, 64);
  }
  ROLLED for (size_t c = r->from; c < r->to; c += 64) {
    const float *const p = c == last ? p_end : r->p + c, *const t = c == last ? t_end : r->t + c;
    if (!sparse || !crossentropy_empty(t)) crossentropy_add(&l, p, t, scale, gradient);
  }
  if (r->to < r->columns) {
    s->lanes[0] = l.loss, s->lanes[1] = l.share, s->lanes[2] = dwiden(l.small);
    return 0;
  }
  const double factor = r->factor < 0 ? -r->factor : r->factor;
  s->loss = dsum(l.loss);
  s->value[1] = dsum(l.share) * s->value[0];
  const double size = s->loss < 0 ? -s->loss : s->loss, shared = s->value[1] < 0 ? -s->value[1] : s->value[1];
  const int in_float = factor >= 0x1p-40 && factor <= 0x1p60 && shared < 0x1p60 && !vany(vgt(l.small, vset1(0.0f)));
  s->pass = !r->grad ? ROW_DONE : in_float ? CROSSENTROPY_FLOAT_GRADIENT : CROSSENTROPY_GRADIENT;
  if (!(size >= LEAST_CROSSENTROPY && size < (double)INF)) s->pass = CROSSENTROPY_TERMS;
  return 1;
}
VFN int crossentropy_float_terms(const struct row *r, struct row_state *s) {
  const size_t m = columns_from(r, r->from);
  const int sparse = m && no_targets(r, get(r->t, r->from, m, 0.0f));
  return r->grad ? crossentropy_float_terms_of(r, s, 1, sparse) : crossentropy_float_terms_of(r, s, 0, sparse);
}
/* shared - t / p, which cancel where p is what it should be: so both have a low part, of t / p what t - q p tells. */
struct shared_parts {
  vf high, low;
};
VFN vf crossentropy_own(struct shared_parts shared, vf t, vf p) {
  const vf inverse = vdiv(vset1(1.0f), p), q = vmul(t, inverse), rest = vmul(vnfma(q, p, t), inverse);
  const vf low = vsel(vgt(vset1(INF), vabs(q)), vsub(shared.low, rest), vset1(0.0f));
  return vadd(vsub(shared.high, q), low);
}
VFN void crossentropy_float_gradient(const struct row *r, struct row_state *s) {
  const struct crossentropy_scale scale = crossentropy_scale(s->value[0]);
  const float high = (float)s->value[1];
  const struct shared_parts parts = {vset1(high), vset1((float)(s->value[1] - (double)high))};
  const vf shared = vset1((float)(s->value[1] * r->factor)), factor = vset1((float)r->factor);
  for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16) {
    const vf given = get(r->t, c, m, 0.0f);
    vf gradient = shared;
    if (!no_targets(r, given)) {
      const vf p = get(r->p, c, m, 0.0f), own = crossentropy_own(parts, given, vmax(scale.least, p));
      gradient = vsel(crossentropy_clipped(scale, p), shared, vmul(own, factor));
    }
    put_scaled(r->grad, c, m, gradient);
  }
  wrote(r, s);
}

VFN void keras_categorical_crossentropy(const struct row *r, struct row_state *s) {
  if (s->pass == CROSSENTROPY_TOTAL && (!crossentropy_total(r, s) || r->from)) return;
  if (s->pass == CROSSENTROPY_SIZE && (!crossentropy_size(*r, s) || r->from)) return;
  if (s->pass == CROSSENTROPY_FLOAT_TERMS && (!crossentropy_float_terms(r, s) || r->from)) return;
  if (s->pass == CROSSENTROPY_TERMS && (!crossentropy_terms(*r, s) || r->from)) return;
  if (s->pass == CROSSENTROPY_FLOAT_GRADIENT)
    crossentropy_float_gradient(r, s);
  else if (s->pass == CROSSENTROPY_GRADIENT)
    crossentropy_gradient(*r, s);
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

/* t' of columns c .. c + n - 1; 0 beyond. */
VFN struct parts smoothed_columns(const struct wide_loss_row *r, size_t c, size_t n) {
  const double smoothing = r->parameters[0];
  const struct parts t = whole(columns_at(r->t, c, n, 0.0));
  if (smoothing == 0) return t;
  const struct parts share = parts_quotient(one_number(smoothing), one_number((double)r->columns));
  const struct parts smooth = parts_sum(parts_product(t, sum_of(dset1(1.0), dset1(-smoothing))), share);
  return (struct parts){lanes_below(smooth.high, n), lanes_below(smooth.low, n)};
}
/* p / S, and on which side it is clipped. Near 1 the last digits of the quotient are the first of its logarithm. */
struct share_of_row {
  struct parts u;
  dm below, above;
};
VFN struct share_of_row share_of_row(vd p, struct parts total, vd inverse) {
  const vd least = dset1(WIDE_KERAS_EPS), most = dset1(WIDE_KERAS_ONE_MINUS_EPS), zero = dset1(0.0);
  const struct parts u = corrected_quotient(p, total, inverse);
  const dm below = dmor(dgt(least, u.high), dmand(deq(least, u.high), dgt(zero, u.low)));
  const dm above = dmor(dgt(u.high, most), dmand(deq(u.high, most), dgt(u.low, zero)));
  return (struct share_of_row){u, below, above};
}

/* shared - t / p. */
VFN vd near_difference(struct parts shared, struct parts t, vd p) {
  const vd inverse = ddiv(dset1(1.0), p), q = dmul(t.high, inverse), rest = dadd(dnfma(q, p, t.high), t.low);
  return rounded_parts(parts_sum_in(1, shared, (struct parts){dneg(q), dneg(dmul(rest, inverse))}));
}
/* The same times the scale, of what was scaled, too. Where terms are beyond the doubles, what is left of them may be
 * none. */
static RARE vd far_difference(struct parts shared, struct parts t, vd scaled_p, dm clipped, double scale) {
  const vd one = dset1(1.0), p = dsel(clipped, one, dmul(scaled_p, dset1(1 / scale)));
  const struct parts unscaled = parts_times(shared, scale), own = parts_quotient(t, whole(p));
  const struct parts scaled_own = parts_quotient(t, whole(dsel(clipped, one, scaled_p)));
  const vd scaled = dmul(rounded_parts(parts_sum(shared, parts_negated(scaled_own))), dset1(scale));
  const dm finite = dmand(dfinite(own.high), dfinite(unscaled.high));
  return dsel(finite, rounded_parts(parts_sum(unscaled, parts_negated(own))), scaled);
}

/* Of the row times a power of two that brings its largest column near to 1. */
static double keras_categorical_crossentropy_wide(const struct wide_loss_row *r) {
  const double scale = scale_to(largest_of(r->p, r->columns), 0);
  const vd zero = dset1(0.0);
  struct vloss_exact_sum exact[2];
  struct row_sum sums[2];
  vd size = zero;
  begin_sums(sums, exact, 1);
  do
    for (size_t c = 0; c < r->columns; c += 16) {
      const vd p = dmul(columns_at(r->p, c, at_once(r->columns, c), 0.0), dset1(scale));
      add_to_sum(&sums[0], p);
      size = dadd(size, dabs(p));
    }
  while (sums_again(sums, 1));
  const struct parts total = sum_parts(&sums[0]);
  if (!(fabs(sums[0].total.high) > dsum(size) * 0x1p-40)) return WIDE_NAN;
  const vd inverse = ddiv(dset1(1.0), total.high);
  begin_sums(sums, exact, 2);
  do
    for (size_t c = 0; c < r->columns; c += 16) {
      const size_t n = at_once(r->columns, c);
      const struct share_of_row s = share_of_row(dmul(columns_at(r->p, c, n, 0.0), dset1(scale)), total, inverse);
      const struct parts t = smoothed_columns(r, c, n);
      const vd v = wide_clip(s.u.high, WIDE_KERAS_EPS, WIDE_KERAS_ONE_MINUS_EPS);
      const dm clipped = dmor(s.below, s.above);
      const vd log = log_parts_near((struct parts){v, dsel(clipped, zero, s.u.low)});
      add_to_sum(&sums[0], dneg(dfma(t.high, log, dmul(t.low, log))));
      add_parts_to_sum(&sums[1], (struct parts){dsel(clipped, zero, t.high), dsel(clipped, zero, t.low)});
    }
  while (sums_again(sums, 2));
  const double result = sums[0].total.high;
  if (result != result || !r->grad.p) return result;
  const struct parts shared = parts_quotient(sum_parts(&sums[1]), total), unscaled = parts_times(shared, scale);
  const vd of_clipped = dmul(rounded_parts(shared), dset1(scale));
  const int near = scale > 0x1p-100 && scale < 0x1p100 && is_number(result);
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const vd p = columns_at(r->p, c, n, 0.0), scaled_p = dmul(p, dset1(scale));
    const struct share_of_row s = share_of_row(scaled_p, total, inverse);
    const dm clipped = dmor(s.below, s.above);
    const struct parts t = smoothed_columns(r, c, n);
    const vd v = near ? near_difference(unscaled, t, dsel(clipped, dset1(1.0), p))
                      : far_difference(shared, t, scaled_p, clipped, scale);
    put_gradient(r, r->grad, c, n, dsel(clipped, of_clipped, v));
  }
  return result;
}
#else
#include "../losses/formula.h"

/* The sum of p without class `but`. Negative p may cancel: the reference has what its additions lost beside it. */
FORMULA real keras_categorical_crossentropy_sum(const struct formula_row *r, size_t but) {
  real sum = 0, lost = 0;
  for (size_t c = 0; c < r->n; c++) {
    const real p = c == but ? 0 : r->p[c], next = sum + p;
    if (sizeof sum > sizeof(double)) lost += formula_lost(sum, -p, next);
    sum = next;
  }
  return sum + lost;
}
/* log(p / s). Of the class that has nearly everything, by what the others have: the quotient has few digits of it. */
FORMULA real keras_categorical_crossentropy_log(const struct formula_row *r, size_t c, real v, real s) {
  if (sizeof v <= sizeof(double) || !(r->p[c] / s == v) || v < (real)0.75) return log(v);
  return -log1p(keras_categorical_crossentropy_sum(r, c) / r->p[c]);
}
FORMULA void keras_categorical_crossentropy_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, *t = r->t, a = (real)r->parameters[0], keep = 1 - a, share = a / (real)r->n;
  real s = keras_categorical_crossentropy_sum(r, r->n), size = 0, l = 0, scale = 0, hu = 0, hu_scale = 0;
  for (size_t c = 0; c < r->n; c++) size += fabs(p[c]);
  s = fabs(s) <= size * (real)0x1p-40 ? (real)NAN : s;
  for (size_t c = 0; c < r->n; c++) {
    const real u = p[c] / s, smooth = t[c] * keep + share;
    const real v = u < FORMULA_EPS ? FORMULA_EPS : u > FORMULA_ONE_MINUS_EPS ? FORMULA_ONE_MINUS_EPS : u;
    const real term = smooth * keras_categorical_crossentropy_log(r, c, v, s), h = u == v ? -smooth / v : 0;
    l -= term;
    scale += fabs(term);
    hu += h * u;
    hu_scale += fabs(h * u);
  }
  *loss = (struct formula_value){l, scale};
  const real bad = l == l ? 0 : l;
  if (r->grad)
    for (size_t c = 0; c < r->n; c++) {
      const real u = p[c] / s, smooth = t[c] * keep + share;
      const real h = u < FORMULA_EPS || u > FORMULA_ONE_MINUS_EPS ? 0 : -smooth / u;
      r->grad[c] = (h - hu) / s + bad;
    }
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) {
      const real u = p[c] / s, smooth = t[c] * keep + share;
      const real h = u < FORMULA_EPS || u > FORMULA_ONE_MINUS_EPS ? 0 : -smooth / u;
      r->grad_scale[c] = (fabs(h) + hu_scale) / fabs(s);
    }
}
#endif

#endif
