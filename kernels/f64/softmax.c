/* Softmax, log-softmax, log-sum-exp and the backward forms of doubles: one row at a time, 16 classes at once, whatever
 * the layout. With m the maximum and `rest` the sum of exp(x - m) of all classes but the first at the maximum, log S is
 * log1p(rest), and loses no digits where one class has nearly everything. */
#include "kernels.h"
#include "sum.h"

/* A row of one of the arrays. */
struct wide_row {
  double *p; /* inputs are not written */
  size_t step;
};
static struct wide_row row_of(const struct vloss_softmax_job *job, const void *p, size_t stride, size_t row) {
  const size_t inner = job->shape.inner;
  const char *const first = (const char *)p + (row / inner * stride + row % inner) * sizeof(double);
  struct wide_row r = {.step = inner};
  memcpy(&r.p, &first, sizeof r.p);
  return r;
}
/* Classes c .. c + n - 1, at most 16; `fill` beyond. */
VFN vd classes_at(struct wide_row r, size_t c, size_t n, double fill) {
  if (r.step == 1) return n < 16 ? dtail(r.p + c, n, fill) : dload(r.p + c);
  double t[16];
  for (size_t i = 0; i < 16; i++) t[i] = i < n ? r.p[(c + i) * r.step] : fill;
  return dload(t);
}
VFN void put_classes(struct wide_row r, size_t c, size_t n, vd v) {
  double t[16];
  dstore(t, dsel(dnan(v), dset1(WIDE_NAN), v));
  for (size_t i = 0; i < n; i++) r.p[(c + i) * r.step] = t[i];
}
static size_t at_once(size_t classes, size_t c) { return classes - c < 16 ? classes - c : 16; }

/* e^(x - m), given the difference in two parts: its rounding would be relative error. */
VFN vd exp_of_parts(struct parts d) {
  const vd exp = sleef_exp(d.high);
  return dfma(exp, d.low, exp);
}

struct log_sum {
  double max, rest;
  size_t best;   /* the first class at the maximum */
  int undefined; /* NaN, +inf, or nothing but -inf; max is NaN, or infinite */
};
static struct log_sum log_sum_of(struct wide_row x, size_t classes) {
  struct log_sum s = {.max = x.p[0]};
  for (size_t c = 1; c < classes && s.max == s.max; c++) {
    const double v = x.p[c * x.step];
    if (v > s.max || v != v) s.max = v, s.best = c;
  }
  s.undefined = !(s.max - s.max == 0);
  if (s.undefined) return s;
  struct lanes lanes = no_lanes();
  const vd minus_max = dset1(-s.max);
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    double terms[16];
    dstore(terms, exp_of_parts(sum_of(classes_at(x, c, n, -WIDE_INF), minus_max)));
    if (s.best - c < 16) terms[s.best - c] = 0;
    lanes = lanes_plus(lanes, dload(terms));
  }
  struct vloss_exact_sum rest;
  vloss_exact_clear(&rest);
  add_lanes(&rest, lanes);
  s.rest = vloss_exact_value(&rest);
  return s;
}

/* One of softmax and log-softmax. */
static void write_row(struct wide_row x, struct wide_row out, size_t classes, int log) {
  const struct log_sum s = log_sum_of(x, classes);
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

static void log_sum_exp(const struct vloss_softmax_job *job, struct vloss_range range) {
  for (size_t row = range.first; row < range.last; row++) {
    const struct log_sum s = log_sum_of(row_of(job, job->half.x, job->x_stride, row), job->shape.classes);
    double lse[16];
    dstore(lse, dadd(dset1(s.max), sleef_log1p(dset1(s.rest))));
    if (s.undefined) lse[0] = s.max == s.max ? s.max : WIDE_NAN;
    ((double *)job->half.out)[row] = lse[0];
  }
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
