/* Softmax, log-softmax, log-sum-exp and the backward forms of doubles. */
#include "kernels.h"
#include "log.h"
#include "rows.h"

static struct wide_row row_of(const struct vloss_softmax_job *job, const void *p, size_t stride, size_t row) {
  return wide_row_of(&job->shape, p, stride, row);
}

/* The first class at the maximum, or the first NaN; and that logit. */
static struct log_sum greatest(struct wide_row x, size_t classes) {
  vd max = dset1(-WIDE_INF);
  int nan = 0;
  for (size_t c = 0; c < classes && !nan; c += 16) {
    const vd v = classes_at(x, c, at_once(classes, c), -WIDE_INF);
    max = dmax(max, v);
    nan = dany(dnan(v));
  }
  double lanes[16];
  dstore(lanes, max);
  double most = nan ? WIDE_NAN : lanes[0];
  for (int i = 1; i < 16; i++) most = lanes[i] > most ? lanes[i] : most;
  for (size_t c = 0; c < classes; c += 16) {
    const vd v = classes_at(x, c, at_once(classes, c), -WIDE_INF);
    if (!dany(dmor(deq(v, dset1(most)), dnan(v)))) continue;
    dstore(lanes, v);
    for (size_t i = 0;; i++)
      if (lanes[i] == most || lanes[i] != lanes[i]) return (struct log_sum){.max = lanes[i], .best = c + i};
  }
  return (struct log_sum){.max = -WIDE_INF}; /* there are no classes */
}

struct log_sum wide_log_sum(struct wide_row x, size_t classes, size_t but) {
  struct log_sum s = greatest(x, classes);
  s.undefined = !(s.max - s.max == 0);
  if (s.undefined) return s;
  struct lanes lanes = no_lanes();
  const vd minus_max = dset1(-s.max);
  double of_but = 0;
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    vd e = exp_of_parts(finite_sum_of(classes_at(x, c, n, -WIDE_INF), minus_max));
    if (s.best - c < 16 || but - c < 16) {
      double terms[16];
      dstore(terms, e);
      if (s.best - c < 16) terms[s.best - c] = 0;
      if (but - c < 16) of_but = terms[but - c], terms[but - c] = 0;
      e = dload(terms);
    }
    lanes = lanes_plus(lanes, e);
  }
  struct vloss_exact_sum rest;
  vloss_exact_clear(&rest);
  add_lanes(&rest, lanes);
  s.rest_but = vloss_exact_value(&rest);
  vloss_exact_add(&rest, of_but);
  s.rest = vloss_exact_value(&rest);
  return s;
}

/* One of softmax and log-softmax. */
static void write_row(struct wide_row x, struct wide_row out, size_t classes, int log) {
  const struct log_sum s = wide_log_sum(x, classes, (size_t)WIDE_NO_CLASS);
  const vd minus_max = dset1(-s.max), log_s = sleef_log1p(dset1(s.rest));
  const struct parts inverse = parts_quotient(whole(dset1(1.0)), sum_of(dset1(1.0), dset1(s.rest)));
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    const struct parts d = sum_of(classes_at(x, c, n, 0.0), minus_max);
    vd v = dset1(WIDE_NAN);
    if (!s.undefined && log) {
      v = dadd(dsub(d.high, log_s), d.low);
    } else if (!s.undefined) {
      const vd exp = exp_of_parts(d);
      v = dfma(exp, inverse.high, dmul(exp, inverse.low));
    }
    put_classes(out, c, n, v);
  }
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
  struct vloss_exact_sum exact;
  vloss_exact_clear(&exact);
  add_lanes(&exact, lanes);
  const double rest = vloss_exact_value(&exact);
  vloss_exact_add(&exact, -rest);
  return (struct parts){dset1(rest), dset1(vloss_exact_value(&exact))};
}

/* The maximum and log S may leave less than either. Where what log S is off, three ulp at most and one from 1 on, would
 * then be seen, it is found again. */
static double log_sum_exp_of(struct wide_row x, size_t classes) {
  const struct log_sum s = wide_log_sum(x, classes, (size_t)WIDE_NO_CLASS);
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

/* y (h - sum of h y), or h - exp(y) (sum of h). The sum is exact but for products below the denormals. */
static void backward_row(struct wide_row y, struct wide_row h, struct wide_row out, size_t classes, int log) {
  struct vloss_exact_sum exact;
  struct lanes lanes = no_lanes();
  vloss_exact_clear(&exact);
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    double terms[16];
    const vd of_h = classes_at(h, c, n, 0.0);
    if (log) {
      dstore(terms, of_h);
      add_numbers(&lanes, &exact, terms, 16);
    } else {
      const struct parts product = product_of(of_h, classes_at(y, c, n, 0.0));
      dstore(terms, product.high);
      add_numbers(&lanes, &exact, terms, 16);
      lanes.low = dadd(lanes.low, product.low);
    }
  }
  add_lanes(&exact, lanes);
  const vd sum = dset1(vloss_exact_value(&exact));
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    const vd of_y = classes_at(y, c, n, 0.0), of_h = classes_at(h, c, n, 0.0);
    const struct parts d = sum_of(of_h, dneg(sum));
    put_classes(out, c, n, log ? minus_exp_times(of_h, of_y, sum) : product_plus(of_y, d.high, dmul(of_y, d.low)));
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
