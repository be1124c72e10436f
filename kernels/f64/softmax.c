/* Softmax, log-softmax, log-sum-exp and the backward forms of doubles. */
#include "kernels.h"
#include "log.h"
#include "rows.h"

static struct wide_row row_of(const struct vloss_softmax_job *job, const void *p, size_t stride, size_t row) {
  return wide_row_of(&job->shape, p, stride, row);
}

/* The first class from c on, a multiple of 16, at `most`, or the first NaN. */
static struct log_sum first_at(struct wide_row x, size_t classes, size_t c, double most) {
  for (; c < classes; c += 16) {
    double lanes[16];
    const vd v = classes_at(x, c, at_once(classes, c), -WIDE_INF);
    if (!dany(dmor(deq(v, dset1(most)), dnan(v)))) continue;
    dstore(lanes, v);
    for (size_t i = 0;; i++)
      if (lanes[i] == most || lanes[i] != lanes[i]) return (struct log_sum){.max = lanes[i], .best = c + i};
  }
  return (struct log_sum){.max = -WIDE_INF}; /* there are no classes */
}
/* The first class at the maximum, or the first NaN; and that logit. */
static struct log_sum greatest(struct wide_row x, size_t classes) {
  const size_t loadable = loadable_classes(x, classes);
  vd max = dset1(-WIDE_INF), nan = dset1(0.0);
  size_t c = 0;
  for (; c < loadable; c += 16) {
    const vd v = dload(x.p + c);
    max = dmax(max, v);
    nan = dsel(dnan(v), v, nan);
  }
  for (; c < classes; c += 16) {
    const vd v = classes_at(x, c, at_once(classes, c), -WIDE_INF);
    max = dmax(max, v);
    nan = dsel(dnan(v), v, nan);
  }
  const double most = dany(dnan(nan)) ? WIDE_NAN : largest_lane(max);
  for (c = 0; c < loadable; c += 16) {
    const vd v = dload(x.p + c);
    if (dany(dmor(deq(v, dset1(most)), dnan(v)))) break;
  }
  return first_at(x, classes, c, most);
}

/* Two quotients by a number in two parts that is about 1. */
static void divide_both(double *to, struct total a, struct total b, struct parts divisor) {
  double high[16] = {a.high, b.high}, low[16] = {a.low, b.low};
  dstore(high, rounded_parts(parts_quotient((struct parts){dload(high), dload(low)}, divisor)));
  to[0] = high[0], to[1] = high[1];
}
/* The terms of a row whose maximum is near, and their sum but for those of two classes. */
struct row_terms {
  struct row_scale scale;
  struct wide_row x;
  size_t classes, best, but;
  double of_but;
  double *kept;
};
/* Classes c .. c + 15 as far as there are, whatever they are. */
static __attribute__((noinline)) struct lanes add_terms(struct row_terms *r, struct lanes lanes, size_t c) {
  const size_t n = at_once(r->classes, c);
  double terms[16];
  dstore(terms, row_terms(&r->scale, classes_at(r->x, c, n, r->scale.max)));
  if (r->kept) memcpy(r->kept + c, terms, n * sizeof *terms);
  for (size_t i = n; i < 16; i++) terms[i] = 0;
  if (r->best - c < 16) terms[r->best - c] = 0;
  if (r->but - c < 16) r->of_but = terms[r->but - c], terms[r->but - c] = 0;
  return lanes_plus(lanes, dload(terms));
}
VFN struct lanes sum_of_terms(struct row_terms *r, const int keeps) {
  const struct row_scale scale = r->scale; /* no store can change these */
  const double *const x = r->x.p;
  double *const kept = r->kept;
  const size_t loadable = loadable_classes(r->x, r->classes), best = r->best, but = r->but;
  struct lanes lanes = no_lanes();
  for (size_t c = 0; c < r->classes; c += 16) {
    for (; c < loadable && best - c >= 16 && but - c >= 16; c += 16) {
      const vd v = dload(x + c);
      if (__builtin_expect(dany(dgt(dset1(scale.least), v)), 0)) break;
      const vd e = exp_scaled(v, dset1(scale.round));
      if (keeps) dstore(kept + c, e);
      lanes = lanes_plus(lanes, e);
    }
    if (c < r->classes) lanes = add_terms(r, lanes, c);
  }
  return lanes;
}
static void near_log_sum(struct log_sum *s, const struct row_scale *scale, struct wide_row x, size_t classes,
                         size_t but, double *kept) {
  struct row_terms r = {*scale, x, classes, s->best, but, 0, kept};
  const struct lanes lanes = kept ? sum_of_terms(&r, 1) : sum_of_terms(&r, 0);
  const struct total rest = lanes_total(&lanes);
  struct total all = total_of(rest.high, r.of_but);
  double both[2];
  all.low += rest.low;
  divide_both(both, rest, all, scale->of_max);
  s->rest_but = both[0], s->rest = both[1];
}
/* Of any other. */
static RARE void far_log_sum(struct log_sum *s, struct wide_row x, size_t classes, size_t but) {
  struct lanes lanes = no_lanes();
  const vd minus_max = dset1(-s->max);
  double of_but = 0;
  for (size_t c = 0; c < classes; c += 16) {
    double terms[16];
    dstore(terms, exp_of_parts(finite_sum_of(classes_at(x, c, at_once(classes, c), -WIDE_INF), minus_max)));
    if (s->best - c < 16) terms[s->best - c] = 0;
    if (but - c < 16) of_but = terms[but - c], terms[but - c] = 0;
    lanes = lanes_plus(lanes, dload(terms));
  }
  const struct total rest = lanes_total(&lanes);
  const struct total all = total_of(rest.high, of_but);
  s->rest_but = rest.high;
  s->rest = all.high + (all.low + rest.low);
}
struct log_sum wide_log_sum(struct wide_row x, size_t classes, size_t but, double *kept) {
  struct log_sum s = greatest(x, classes);
  s.undefined = !(s.max - s.max == 0);
  if (s.undefined) return s;
  const struct row_scale scale = row_scale_of(s.max);
  if (__builtin_expect(scale.near, 1))
    near_log_sum(&s, &scale, x, classes, but, kept);
  else
    far_log_sum(&s, x, classes, but);
  return s;
}

/* One of softmax and log-softmax. */
static void write_log_softmax(struct wide_row x, struct wide_row out, size_t classes) {
  const struct log_sum s = wide_log_sum(x, classes, (size_t)WIDE_NO_CLASS, NULL);
  const vd minus_max = dset1(-s.max), log_s = s.undefined ? dset1(WIDE_NAN) : log1p_in(1, dset1(s.rest));
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    const struct parts d = finite_sum_of(classes_at(x, c, n, 0.0), minus_max);
    const vd v = dsub(d.high, log_s);
    put_classes(out, c, n, dsel(dfinite(v), dadd(v, d.low), v));
  }
}
static vd far_softmax(const struct log_sum *s, vd x) {
  const struct parts inverse = parts_quotient(whole(dset1(1.0)), sum_of(dset1(1.0), dset1(s->rest)));
  const vd exp = exp_of_parts(sum_of(x, dset1(-s->max)));
  return dfma(exp, inverse.high, dmul(exp, inverse.low));
}
static void write_softmax(struct wide_row x, struct wide_row out, size_t classes) {
  const int keeps = out.p != x.p && out.step == 1;
  const struct log_sum s = wide_log_sum(x, classes, (size_t)WIDE_NO_CLASS, keeps ? out.p : NULL);
  const struct row_scale scale = row_scale_of(s.max);
  const vd one = dset1(1.0);
  struct parts inverse = whole(one);
  if (scale.near) inverse = parts_quotient(whole(one), parts_product(scale.of_max, sum_of(one, dset1(s.rest))));
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    vd v = dset1(s.undefined ? WIDE_NAN : 0.0), e = v;
    if (scale.near) {
      e = keeps ? raw_classes_at(out, c, n, 1.0) : row_terms(&scale, classes_at(x, c, n, s.max));
      v = dfma(e, inverse.high, dmul(e, inverse.low));
    }
    if (!s.undefined && __builtin_expect(dany(far_terms(e)), 0))
      v = dsel(far_terms(e), far_softmax(&s, classes_at(x, c, n, s.max)), v);
    put_classes(out, c, n, v);
  }
}
static void write_row(struct wide_row x, struct wide_row out, size_t classes, int log) {
  if (log)
    write_log_softmax(x, out, classes);
  else
    write_softmax(x, out, classes);
}
static void write_rows(const struct vloss_softmax_job *job, struct vloss_range range, int log) {
  for (size_t row = range.first; row < range.last; row++)
    write_row(row_of(job, job->half.x, job->x_stride, row), row_of(job, job->half.out, job->out_stride, row),
              job->shape.classes, log);
}
static void softmax(const struct vloss_softmax_job *job, struct vloss_range range) { write_rows(job, range, 0); }
static void log_softmax(const struct vloss_softmax_job *job, struct vloss_range range) { write_rows(job, range, 1); }

/* The rest of a row in two parts, of exponentials in two parts. */
static __attribute__((noinline)) struct parts precise_rest(struct wide_row x, size_t classes, const struct log_sum *s) {
  struct lanes lanes = no_lanes();
  for (size_t c = 0; c < classes; c += 16) {
    const struct parts d = sum_of(classes_at(x, c, at_once(classes, c), -WIDE_INF), dset1(-s->max));
    const struct precise_exp e = precise_exp_of(d);
    double high[16], low[16];
    dstore(high, dmul(e.mantissa.high, e.scale));
    dstore(low, dmul(e.mantissa.low, e.scale));
    if (s->best - c < 16) high[s->best - c] = low[s->best - c] = 0;
    lanes = lanes_plus(lanes_plus(lanes, dload(high)), dload(low));
  }
  const struct total rest = lanes_total(&lanes);
  return (struct parts){dset1(rest.high), dset1(rest.low)};
}

/* The maximum and log S may leave less than either. Where what log S is off, three ulp at most and one from 1 on, would
 * then be seen, it is found again. */
static double log_sum_exp_of(struct wide_row x, size_t classes) {
  const struct log_sum s = wide_log_sum(x, classes, (size_t)WIDE_NO_CLASS, NULL);
  if (s.undefined) return s.max == s.max ? s.max : WIDE_NAN;
  const vd one = dset1(1.0), max = dset1(s.max);
  struct parts log = log_in_parts_near(sum_of(one, dset1(s.rest)));
  const double log_s = first_of(log.high), lse = s.max + log_s;
  if (log_s < 1 && lse < 4 * log_s && lse > -4 * log_s)
    log = log_in_parts_near(parts_sum(whole(one), precise_rest(x, classes, &s)));
  const struct parts sum = sum_of(max, log.high);
  return first_of(dadd(sum.high, dadd(sum.low, log.low)));
}
static void log_sum_exp(const struct vloss_softmax_job *job, struct vloss_range range) {
  for (size_t row = range.first; row < range.last; row++)
    ((double *)job->half.out)[row] = log_sum_exp_of(row_of(job, job->half.x, job->x_stride, row), job->shape.classes);
}

/* h - exp(y) sum, also where exp(y) alone is a denormal, or no number. */
VFN vd minus_exp_times(vd h, vd y, vd sum) {
  const struct scaled_exp exp = scaled_exp_of(y);
  const vd far = dmul(dmul(exp.mantissa, sum), exp.scale);
  return dsel(deq(exp.scale, dset1(1.0)), dnfma(exp.mantissa, sum, h), dsub(h, far));
}

/* The sum of h y, or of h: exact where that in lanes is no number. */
static RARE double careful_backward_sum(struct wide_row y, struct wide_row h, size_t classes, int log) {
  struct vloss_exact_sum exact;
  struct lanes lanes = no_lanes();
  vloss_exact_clear(&exact);
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    double terms[16];
    const vd of_h = raw_classes_at(h, c, n, 0.0);
    const struct parts product = log ? whole(of_h) : product_of(of_h, raw_classes_at(y, c, n, 0.0));
    dstore(terms, product.high);
    add_numbers(&lanes, &exact, terms, 16);
    lanes.low = dadd(lanes.low, product.low);
  }
  return exact_total(&exact, &lanes).high;
}
VFN struct lanes backward_plus(struct lanes lanes, vd y, vd h, int log) {
  if (log) return lanes_plus(lanes, h);
  const struct parts product = product_in(1, h, y);
  lanes = lanes_plus(lanes, product.high);
  lanes.low = dadd(lanes.low, product.low);
  return lanes;
}
static double backward_sum(struct wide_row y, struct wide_row h, size_t classes, int log) {
  const size_t loadable = loadable_classes(y, classes);
  struct lanes lanes = no_lanes();
  size_t c = 0;
  if (log)
    for (; c < loadable; c += 16) lanes = backward_plus(lanes, dset1(0.0), dload(h.p + c), 1);
  for (; c < loadable; c += 16) lanes = backward_plus(lanes, dload(y.p + c), dload(h.p + c), 0);
  for (; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    lanes = backward_plus(lanes, raw_classes_at(y, c, n, 0.0), raw_classes_at(h, c, n, 0.0), log);
  }
  const struct total total = lanes_total(&lanes);
  return is_number(total.high) ? total.high : careful_backward_sum(y, h, classes, log);
}
/* y (h - sum of h y), or h - exp(y) (sum of h). The sum is exact but for products below the denormals. */
static void backward_row(struct wide_row y, struct wide_row h, struct wide_row out, size_t classes, int log) {
  const vd sum = dset1(backward_sum(y, h, classes, log));
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    const vd of_y = raw_classes_at(y, c, n, 0.0), of_h = raw_classes_at(h, c, n, 0.0);
    vd v;
    if (log) {
      v = minus_exp_times(of_h, of_y, sum);
    } else {
      const struct parts d = finite_sum_of(of_h, dneg(sum));
      const vd product = dmul(of_y, d.high);
      v = dsel(dfinite(product), dfma(of_y, d.high, dmul(of_y, d.low)), product);
    }
    put_classes(out, c, n, v);
  }
}
static void backward_rows(const struct vloss_softmax_job *job, struct vloss_range range, int log) {
  for (size_t row = range.first; row < range.last; row++)
    backward_row(row_of(job, job->half.x, job->x_stride, row),
                 row_of(job, job->half.upstream, job->upstream_stride, row),
                 row_of(job, job->half.out, job->out_stride, row), job->shape.classes, log);
}
static void softmax_backward(const struct vloss_softmax_job *job, struct vloss_range range) {
  backward_rows(job, range, 0);
}
static void log_softmax_backward(const struct vloss_softmax_job *job, struct vloss_range range) {
  backward_rows(job, range, 1);
}

const struct vloss_f64_softmax KERNEL(f64_softmax) = {softmax, log_softmax, log_sum_exp, softmax_backward,
                                                      log_softmax_backward};
