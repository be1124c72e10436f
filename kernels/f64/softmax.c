/* Softmax, log-softmax, log-sum-exp and the backward forms of doubles. Longer than other files, as the maxima and terms
 * of a row are found beside what is made of them. */
#include "kernels.h"
#include "log.h"
#include "rows.h"

static struct wide_row row_of(const struct vloss_softmax_job *job, const void *p, size_t stride, size_t row) {
  return wide_row_of(&job->shape, p, stride, row);
}

static const double class_numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

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
/* The first class at the maximum, or the first NaN; and that logit. Where the maximum lies is no branch, which would be
 * guessed wrong in most rows: each lane remembers where its own is. */
static struct log_sum greatest(struct wide_row x, size_t classes) {
  const size_t loadable = loadable_classes(x, classes);
  const vd lanes = dload(class_numbers);
  vd max = dset1(-WIDE_INF), nan = dset1(0.0), at = dset1(0.0);
  size_t c = 0;
  for (; c < loadable; c += 16) {
    const vd v = dload(x.p + c);
    const dm more = dgt(v, max);
    max = dsel(more, v, max);
    at = dsel(more, dset1((double)c), at);
    nan = dsel(dnan(v), v, nan);
  }
  for (; c < classes; c += 16) {
    const vd v = classes_at(x, c, at_once(classes, c), -WIDE_INF);
    const dm more = dgt(v, max);
    max = dsel(more, v, max);
    at = dsel(more, dset1((double)c), at);
    nan = dsel(dnan(v), v, nan);
  }
  if (__builtin_expect(dany(dnan(nan)), 0) || !classes) return first_at(x, classes, 0, WIDE_NAN);
  const dm there = deq(max, dset1(largest_lane(max)));
  const size_t best = (size_t)-largest_lane(dsel(there, dneg(dadd(at, lanes)), dset1(-WIDE_INF)));
  return (struct log_sum){.max = class_at(x, best), .best = best};
}

/* The terms of a row whose maximum is near, and their sum but for those of two classes. */
enum { SUMMED_AT_ONCE = 256 };
#define NO_CLASS ((size_t)WIDE_NO_CLASS)
struct row_terms {
  struct row_scale scale;
  struct wide_row x;
  size_t classes, best, but;
  double of_but;
  double *kept;
};
/* Classes c .. end - 1, whatever they are; 0 beyond the last. */
static __attribute__((noinline)) void any_terms(const struct row_terms *r, double *terms, size_t c, size_t end) {
  for (; c < end; c += 16, terms += 16) {
    const size_t n = at_once(r->classes, c);
    dstore(terms, row_terms(&r->scale, classes_at(r->x, c, n, -WIDE_INF)));
    if (r->kept) memcpy(r->kept + c, terms, n * sizeof *terms);
  }
}
/* The terms are found before any is added: so no branch asks where the two classes are. */
VFN struct lanes sum_of_terms(struct row_terms *r, const int keeps) {
  const size_t loadable = loadable_classes(r->x, r->classes);
  const vd least = dset1(r->scale.least), round = dset1(r->scale.round);
  struct lanes lanes = no_lanes();
  double terms[SUMMED_AT_ONCE];
  for (size_t c = 0, n; c < r->classes; c += n) {
    n = r->classes - c < SUMMED_AT_ONCE ? r->classes - c : SUMMED_AT_ONCE;
    const size_t whole_vectors = loadable - c < n ? loadable - c : n, fast = c < loadable ? whole_vectors : 0;
    const double *const x = r->x.p + c;
    double *const kept = r->kept;
    dm far = dgt(least, dset1(WIDE_INF));
    for (size_t i = 0; i < fast; i += 16) {
      const vd v = dload(x + i), e = exp_scaled(v, round);
      far = dmor(far, dgt(least, v));
      dstore(terms + i, e);
      if (keeps) dstore(kept + c + i, e);
    }
    const size_t done = __builtin_expect(dany(far), 0) ? 0 : fast;
    if (done < n) any_terms(r, terms + done, c + done, c + n);
    if (r->best - c < n) terms[r->best - c] = 0;
    if (r->but - c < n) r->of_but = terms[r->but - c], terms[r->but - c] = 0;
    for (size_t i = 0; i < n; i += 16) lanes = lanes_plus(lanes, dload(terms + i));
  }
  return lanes;
}
/* Of any other. */
#define far_log_sum RARE_SYMBOL(vloss_wide_far_log_sum)
void far_log_sum(struct log_sum *s, struct wide_row x, size_t classes, size_t but);
#ifndef VLOSS_RARE_ISA
RARE void far_log_sum(struct log_sum *s, struct wide_row x, size_t classes, size_t but) {
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
#endif
void wide_log_sums(const struct wide_row *x, size_t rows, size_t classes, const size_t *but, double *const *kept,
                   struct log_sum *sums) {
  double max[16] = {0}, high[16][16], low[16][16], of_but[16] = {0}, of_max_high[16], of_max_low[16] = {0};
  struct row_scale scales[16];
  for (size_t i = 0; i < rows; i++) {
    sums[i] = greatest(x[i], classes);
    max[i] = sums[i].max;
    sums[i].undefined = !(max[i] - max[i] == 0);
  }
  wide_row_scales(max, rows, scales);
  dstore(of_max_high, dset1(1.0));
  if (rows < 16) memset(high, 0, sizeof high), memset(low, 0, sizeof low);
  for (size_t i = 0; i < rows; i++) {
    struct row_terms r = {scales[i], x[i], classes, sums[i].best, but ? but[i] : NO_CLASS, 0, kept ? kept[i] : NULL};
    struct lanes lanes = no_lanes();
    if (__builtin_expect(r.scale.near, 1)) {
      lanes = r.kept ? sum_of_terms(&r, 1) : sum_of_terms(&r, 0);
      of_but[i] = r.of_but, of_max_high[i] = r.scale.of_max.high, of_max_low[i] = r.scale.of_max.low;
    }
    double of_high[16], of_low[16];
    dstore(of_high, lanes.high);
    dstore(of_low, lanes.low);
    for (int k = 0; k < 16; k++) high[k][i] = of_high[k], low[k][i] = of_low[k];
  }
  const struct parts of_max = {dload(of_max_high), dload(of_max_low)}, rests = lanes_totals(high, low);
  struct parts alls = finite_sum_of(rests.high, dload(of_but));
  alls.low = dadd(alls.low, rests.low);
  double rest[16], rest_but[16];
  dstore(rest, rounded_parts(parts_quotient(alls, of_max)));
  dstore(rest_but, rounded_parts(parts_quotient(rests, of_max)));
  for (size_t i = 0; i < rows; i++)
    if (scales[i].near)
      sums[i].rest = rest[i], sums[i].rest_but = rest_but[i];
    else if (!sums[i].undefined)
      far_log_sum(&sums[i], x[i], classes, but ? but[i] : NO_CLASS);
}

/* log S of rows, relative to their maxima; NaN where a row has none. */
static void log_sums_of(const struct log_sum *s, size_t rows, double *log_s) {
  double rest[16] = {0};
  for (size_t i = 0; i < rows; i++) rest[i] = s[i].undefined ? 0 : s[i].rest;
  dstore(log_s, wide_log_of(whole(dload(rest))).high);
  for (size_t i = 0; i < rows; i++)
    if (s[i].undefined) log_s[i] = WIDE_NAN;
}
static void write_log_softmax(struct wide_row x, struct wide_row out, size_t classes, const struct log_sum *s,
                              double log_sum) {
  const vd minus_max = dset1(-s->max), log_s = dset1(log_sum);
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
/* Where the terms of a row are kept, if they are. */
static double *place_of_terms(struct wide_row x, struct wide_row out) {
  return out.p != x.p && out.step == 1 ? out.p : NULL;
}
static void write_softmax(struct wide_row x, struct wide_row out, size_t classes, const struct log_sum *s,
                          const struct row_scale *scale, struct parts inverse) {
  const int keeps = place_of_terms(x, out) != NULL;
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    vd v = dset1(s->undefined ? WIDE_NAN : 0.0), e = v;
    if (scale->near) {
      e = keeps ? raw_classes_at(out, c, n, 1.0) : row_terms(scale, classes_at(x, c, n, s->max));
      v = dfma(e, inverse.high, dmul(e, inverse.low));
    }
    if (!s->undefined && __builtin_expect(dany(far_terms(e)), 0))
      v = dsel(far_terms(e), far_softmax(s, classes_at(x, c, n, s->max)), v);
    put_classes(out, c, n, v);
  }
}
/* At most 16 rows, of which all are read before any is written. */
static void write_softmaxes(const struct wide_row *x, const struct wide_row *out, size_t rows, size_t classes) {
  double *kept[16], max[16] = {0}, rest[16] = {0}, high[16] = {0}, low[16] = {0};
  struct log_sum s[16];
  struct row_scale scales[16];
  for (size_t i = 0; i < rows; i++) kept[i] = place_of_terms(x[i], out[i]);
  wide_log_sums(x, rows, classes, NULL, kept, s);
  for (size_t i = 0; i < rows; i++) max[i] = s[i].max;
  wide_row_scales(max, rows, scales);
  for (size_t i = 0; i < rows; i++) rest[i] = s[i].rest, high[i] = scales[i].of_max.high, low[i] = scales[i].of_max.low;
  const struct parts of_max = {dload(high), dload(low)}, all = sum_of(dset1(1.0), dload(rest));
  const struct parts inverse = parts_quotient(whole(dset1(1.0)), parts_product(of_max, all));
  dstore(high, inverse.high);
  dstore(low, inverse.low);
  for (size_t i = 0; i < rows; i++)
    write_softmax(x[i], out[i], classes, &s[i], &scales[i], total_parts((struct total){high[i], low[i]}));
}
static void write_log_softmaxes(const struct wide_row *x, const struct wide_row *out, size_t rows, size_t classes) {
  struct log_sum s[16];
  double log_s[16];
  wide_log_sums(x, rows, classes, NULL, NULL, s);
  log_sums_of(s, rows, log_s);
  for (size_t i = 0; i < rows; i++) write_log_softmax(x[i], out[i], classes, &s[i], log_s[i]);
}
static void write_rows(const struct vloss_softmax_job *job, struct vloss_range range, int log) {
  const size_t classes = job->shape.classes;
  for (size_t row = range.first, n; row < range.last; row += n) {
    struct wide_row x[16], out[16];
    n = range.last - row < rows_at_once(classes) ? range.last - row : rows_at_once(classes);
    for (size_t i = 0; i < n; i++) {
      x[i] = row_of(job, job->half.x, job->x_stride, row + i);
      out[i] = row_of(job, job->half.out, job->out_stride, row + i);
    }
    if (log)
      write_log_softmaxes(x, out, n, classes);
    else
      write_softmaxes(x, out, n, classes);
  }
}
static void softmax(const struct vloss_softmax_job *job, struct vloss_range range) { write_rows(job, range, 0); }
static void log_softmax(const struct vloss_softmax_job *job, struct vloss_range range) { write_rows(job, range, 1); }

/* The rest of a row in two parts, of exponentials in two parts. */
#define precise_rest RARE_SYMBOL(vloss_wide_precise_rest)
struct total precise_rest(struct wide_row x, size_t classes, const struct log_sum *s);
#ifndef VLOSS_RARE_ISA
RARE struct total precise_rest(struct wide_row x, size_t classes, const struct log_sum *s) {
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
  return lanes_total(&lanes);
}
#endif

/* The maximum and log S may leave less than either. Where what log S is off, three ulp at most and one from 1 on, would
 * then be seen, it is found again. */
static double log_sum_exp_of(struct wide_row x, size_t classes, const struct log_sum *s, struct total log_s) {
  if (s->undefined) return s->max == s->max ? s->max : WIDE_NAN;
  const double lse = s->max + log_s.high;
  if (__builtin_expect(log_s.high < 1 && lse < 4 * log_s.high && lse > -4 * log_s.high, 0)) {
    const struct parts log = wide_log_of(total_parts(precise_rest(x, classes, s)));
    log_s = (struct total){first_of(log.high), first_of(log.low)};
  }
  const struct total sum = total_of(s->max, log_s.high);
  return sum.high + (sum.low + log_s.low);
}
static void log_sum_exp(const struct vloss_softmax_job *job, struct vloss_range range) {
  const size_t classes = job->shape.classes;
  for (size_t row = range.first, n; row < range.last; row += n) {
    struct wide_row x[16];
    struct log_sum s[16];
    double rest[16] = {0}, high[16], low[16];
    n = range.last - row < rows_at_once(classes) ? range.last - row : rows_at_once(classes);
    for (size_t i = 0; i < n; i++) x[i] = row_of(job, job->half.x, job->x_stride, row + i);
    wide_log_sums(x, n, classes, NULL, NULL, s);
    for (size_t i = 0; i < n; i++) rest[i] = s[i].undefined ? 0 : s[i].rest;
    const struct parts log = wide_log_of(whole(dload(rest)));
    dstore(high, log.high);
    dstore(low, log.low);
    for (size_t i = 0; i < n; i++)
      ((double *)job->half.out)[row + i] = log_sum_exp_of(x[i], classes, &s[i], (struct total){high[i], low[i]});
  }
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
