/* Two rows of doubles compared: the formulas of kernels/logits/divergence.h, in passes of their own. Where q is near p
 * everything hangs on log(p / q), of which the part that all classes share, log S of one row less that of the other, is
 * found twice: from the sums, and then from what p and q differ by. */
#include "kernels.h"
#include "memory/blocks.h"
#include "memory/labels.h"
#include "rows.h"

typedef struct vloss_divergence_job divergence_job;

#define LEAST (-700.0) /* terms below e^LEAST of the largest are 0 */

/* ---- Words ------------------------------------------------------------------------------------------------------- */

/* e^u - 1 - u by its series to u^23, for |u| < 2: what is left out is below 2^-55 of it. Beyond, p, m and p u do not
 * cancel much. */
VFN dm is_near(vd u) { return dgt(dset1(2.0), dabs(u)); }
VFN vd near_phi(vd u) {
  /* 2! .. 23!, the first half and the second: one need not wait for the other, which is small beside it. */
  static const double factorials[] = {2,
                                      6,
                                      24,
                                      120,
                                      720,
                                      5040,
                                      40320,
                                      362880,
                                      3628800,
                                      39916800,
                                      479001600,
                                      6227020800,
                                      87178291200,
                                      1307674368000,
                                      20922789888000,
                                      355687428096000,
                                      6402373705728000,
                                      121645100408832000,
                                      2432902008176640000.0,
                                      51090942171709440000.0,
                                      1124000727777607680000.0,
                                      25852016738884976640000.0};
  const vd square = dmul(u, u), fourth = dmul(square, square), eleventh = dmul(dmul(fourth, fourth), dmul(square, u));
  vd s = dset1(1 / factorials[10]), more = dset1(1 / factorials[21]);
  UNROLL for (int i = 9; i >= 0; i--) {
    s = dfma(s, u, dset1(1 / factorials[i]));
    more = dfma(more, u, dset1(1 / factorials[i + 11]));
  }
  return dmul(dmul(dfma(more, eleventh, s), u), u);
}
/* p phi(u), u = log(m / p). */
VFN vd relative_term(vd p, vd m, vd u) {
  const vd zero = dset1(0.0), far = dnfma(p, u, dsub(m, p));
  return dsel(deq(p, zero), m, dsel(is_near(u), dmul(p, near_phi(u)), far));
}
VFN vd exp_minus_1(vd u) { return sleef_expm1(dmin(dset1(-LEAST), u)); }
/* y - max is not positive. Where it is infinite its low part does not count. */
VFN vd distance_exp(struct parts d) {
  const vd least = dset1(LEAST);
  return dsel(dgt(least, d.high), dset1(0.0), exp_near(dmax(least, d.high), d.low));
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

enum { KEPT = 1024 };
struct wide_logits {
  struct wide_row x;
  double scale;
  size_t classes, top; /* the first maximum */
  double max;
  double *kept; /* e^(y - max) of rows of at most KEPT classes, or null */
  double sum;
  struct parts inverse; /* 1 / S */
};
struct wide_pair {
  vloss_divergence_kind kind;
  double beta;
  struct wide_logits teacher, student;
  struct parts log_ratio; /* log S of the teacher less that of the student */
};

static __attribute__((noinline)) vd some_logits(const struct wide_logits *r, size_t c, size_t n) {
  double y[16];
  dstore(y, dmul(classes_at(r->x, c, n, 0.0), dset1(r->scale)));
  return n < 16 ? dtail(y, n, -WIDE_INF) : dload(y);
}
VFN vd logits_at(const struct wide_logits *r, size_t c, size_t n) {
  if (__builtin_expect(n == 16 && r->x.step == 1, 1)) return dmul(dload(r->x.p + c), dset1(r->scale));
  return some_logits(r, c, n);
}
VFN struct parts distances_at(const struct wide_logits *r, size_t c, size_t n) {
  return finite_sum_of(logits_at(r, c, n), dset1(-r->max));
}

/* The maximum and the sum; whether there is an answer. */
static __attribute__((noinline)) int sum_row(struct wide_logits *r) {
  vd max = dset1(-WIDE_INF), nan = dset1(0.0);
  for (size_t c = 0; c < r->classes; c += 16) {
    const vd y = logits_at(r, c, at_once(r->classes, c));
    max = dsel(dgt(y, max), y, max);
    nan = dsel(dnan(y), y, nan);
  }
  r->max = largest_lane(max);
  if (dany(dnan(nan)) || r->max - r->max != 0) return 0;
  struct lanes sum = no_lanes();
  int found = 0;
  for (size_t c = 0; c < r->classes; c += 16) {
    const vd y = logits_at(r, c, at_once(r->classes, c));
    if (!found && dany(deq(y, dset1(r->max)))) {
      double some[16];
      dstore(some, y);
      for (size_t i = 16; i-- > 0;)
        if (some[i] == r->max) r->top = c + i;
      found = 1;
    }
    const vd e = distance_exp(finite_sum_of(y, dset1(-r->max)));
    if (r->kept) dstore(r->kept + c, e);
    sum = lanes_plus(sum, e);
  }
  const struct total total = lanes_total(&sum);
  r->sum = total.high;
  r->inverse = parts_quotient(whole(dset1(1.0)), (struct parts){dset1(total.high), dset1(total.low)});
  return 1;
}

VFN vd probability(const struct wide_logits *r, size_t c, struct parts distance) {
  const vd e = r->kept ? dload(r->kept + c) : distance_exp(distance);
  return dfma(e, r->inverse.high, dmul(e, r->inverse.low));
}

/* Of classes: p, q and log(p / q), which is 0 where neither is there. */
struct class_pair {
  vd p, q, d;
};
VFN struct class_pair class_pair_at(const struct wide_pair *w, size_t c) {
  const size_t n = at_once(w->student.classes, c);
  const struct parts of_z = distances_at(&w->teacher, c, n), of_x = distances_at(&w->student, c, n);
  struct class_pair pair = {probability(&w->teacher, c, of_z), probability(&w->student, c, of_x), dset1(0.0)};
  const dm none = dmand(deq(pair.p, dset1(0.0)), deq(pair.q, dset1(0.0)));
  const struct parts d = finite_sum_of(of_z.high, dneg(of_x.high));
  const struct parts less = finite_sum_of(d.high, dneg(w->log_ratio.high));
  const vd low = dsub(dadd(dsub(of_z.low, of_x.low), dadd(d.low, less.low)), w->log_ratio.low);
  pair.d = dsel(none, dset1(0.0), dsel(dfinite(less.high), dadd(less.high, low), less.high));
  return pair;
}
/* p - q, from d where |d| is below `near`: a difference of p and q leaves the fewer digits, the nearer they are. */
VFN vd p_minus_q(const struct class_pair *c, double near) {
  return dsel(dgt(dset1(near), dabs(c->d)), dmul(c->q, dadd(c->d, near_phi(c->d))), dsub(c->p, c->q));
}

/* A sum over the classes. */
typedef vd class_term(const struct wide_pair *w, const struct class_pair *c);
static RARE double exact_sum_over_classes(const struct wide_pair *w, class_term *term) {
  struct vloss_exact_sum exact;
  struct lanes sum = no_lanes();
  vloss_exact_clear(&exact);
  for (size_t c = 0; c < w->student.classes; c += 16) {
    const struct class_pair pair = class_pair_at(w, c);
    double some[16];
    dstore(some, term(w, &pair));
    add_numbers(&sum, &exact, some, 16);
  }
  return exact_total(&exact, &sum).high;
}
VFN double inlined_sum_over_classes(const struct wide_pair *w, class_term *const term) {
  struct lanes sum = no_lanes();
  for (size_t c = 0; c < w->student.classes; c += 16) {
    const struct class_pair pair = class_pair_at(w, c);
    sum = lanes_plus(sum, term(w, &pair));
  }
  const struct total total = lanes_total(&sum);
  if (is_number(total.high)) return total.high;
  return exact_sum_over_classes(w, term);
}

static __attribute__((noinline)) double sum_over_classes(const struct wide_pair *w, class_term *term) {
  return inlined_sum_over_classes(w, term);
}

/* What p and q differ by in sum should be nothing. Where they are mostly near each other, it is what log_ratio is off.
 * Of rows whose exponentials are kept, what is near is asked first. */
static __attribute__((noinline)) void find_log_ratio(struct wide_pair *w) {
  const vd of_sums = log_of_parts(parts_quotient(whole(dset1(w->teacher.sum)), whole(dset1(w->student.sum))));
  struct lanes distant = no_lanes(), difference = no_lanes();
  w->log_ratio = whole(of_sums);
  double far = 0;
  for (int pass = w->teacher.kept ? 0 : 1; pass < 2 && far <= 0.25; pass++) {
    for (size_t c = 0; c < w->student.classes; c += 16) {
      const struct class_pair pair = class_pair_at(w, c);
      const dm near = dgt(dset1(1.0), dabs(pair.d));
      if (pass == 0 || !w->teacher.kept) distant = lanes_plus(distant, dsel(near, dset1(0.0), dmax(pair.p, pair.q)));
      if (pass == 1) difference = lanes_plus(difference, p_minus_q(&pair, 1));
    }
    far = lanes_total(&distant).high;
  }
  if (far > 0.25) return;
  const vd off = sleef_log1p(ddiv(dset1(lanes_total(&difference).high), dset1(1 - far)));
  w->log_ratio = sum_of(of_sums, off);
}

/* ---- Kinds ------------------------------------------------------------------------------------------------------- */

/* log(share e^d + 1 - share). */
VFN vd log_of_mixture(vd d, double share) { return sleef_log1p(dmul(dset1(share), exp_minus_1(d))); }

VFN vd forward_value(const struct wide_pair *w, const struct class_pair *c) {
  (void)w;
  return relative_term(c->p, c->q, dneg(c->d));
}
static vd reverse_value(const struct wide_pair *w, const struct class_pair *c) {
  (void)w;
  return relative_term(c->q, c->p, c->d);
}
static vd other_value(const struct wide_pair *w, const struct class_pair *c) {
  if (w->kind != VLOSS_JSD) return dmul(dset1(0.5), dabs(p_minus_q(c, 1)));
  const vd p_share = dset1(w->beta), q_share = dset1(1 - w->beta);
  const vd m = dfma(p_share, c->p, dmul(q_share, c->q));
  return dfma(p_share, relative_term(c->p, m, log_of_mixture(dneg(c->d), 1 - w->beta)),
              dmul(q_share, relative_term(c->q, m, log_of_mixture(c->d, w->beta))));
}
static double value_of(const struct wide_pair *w) {
  if (w->kind == VLOSS_FORWARD_KL) return inlined_sum_over_classes(w, forward_value);
  return sum_over_classes(w, w->kind == VLOSS_REVERSE_KL ? reverse_value : other_value);
}
/* h, of which the gradient is q (h - sum q h); where q is 0, 0. */
static __attribute__((noinline)) vd h_of(const struct wide_pair *w, const struct class_pair *c) {
  const vd zero = dset1(0.0), half = dset1(0.5), difference = p_minus_q(c, 1);
  vd h;
  if (w->kind == VLOSS_REVERSE_KL)
    h = dneg(c->d);
  else if (w->kind == VLOSS_JSD)
    h = dmul(dset1(w->beta - 1), log_of_mixture(c->d, w->beta));
  else
    h = dsel(dgt(difference, zero), dneg(half), dsel(dgt(zero, difference), half, zero));
  return dsel(deq(c->q, zero), zero, h);
}
static vd weighted_h(const struct wide_pair *w, const struct class_pair *c) { return dmul(c->q, h_of(w, c)); }

/* ---- Results ----------------------------------------------------------------------------------------------------- */

static void fill_gradient(const divergence_job *job, size_t row, double value) {
  const struct wide_row out = wide_row_of(&job->shape, job->grad, job->grad_stride, row);
  for (size_t c = 0; c < job->shape.classes; c++) out.p[c * out.step] = value;
}
static void put_gradient(const divergence_job *job, size_t row, const struct wide_pair *w) {
  const double *const u = job->upstream;
  const struct parts scale = {dset1(job->grad_scale), dset1(job->grad_scale_low)};
  const vd upstream = dset1(u ? u[job->upstream_per_row ? row : 0] : 1);
  const struct parts factor = parts_product(parts_product(whole(upstream), scale), whole(dset1(w->student.scale)));
  const int forward = w->kind == VLOSS_FORWARD_KL;
  const double mean = forward ? 0 : sum_over_classes(w, weighted_h), size = first_of(factor.high);
  if (size - size != 0 || mean - mean != 0) {
    fill_gradient(job, row, WIDE_NAN);
    return;
  }
  const struct wide_row out = wide_row_of(&job->shape, job->grad, job->grad_stride, row);
  for (size_t c = 0; c < job->shape.classes; c += 16) {
    const struct class_pair pair = class_pair_at(w, c);
    const vd zero = dset1(0.0), of_q = dmul(pair.q, dsub(h_of(w, &pair), dset1(mean)));
    const vd g = forward ? dneg(p_minus_q(&pair, 0x1p-4)) : dsel(deq(pair.q, zero), zero, of_q);
    put_classes(out, c, at_once(job->shape.classes, c), dfma(g, factor.high, dmul(g, factor.low)));
  }
}

static double compare(const divergence_job *job, size_t row) {
  struct wide_pair w = {.kind = job->kind, .beta = job->beta};
  const size_t classes = job->shape.classes;
  w.teacher = (struct wide_logits){.scale = job->scale, .classes = classes};
  double teacher[KEPT], student[KEPT];
  if (classes <= KEPT) w.teacher.kept = teacher;
  w.student = w.teacher;
  if (classes <= KEPT) w.student.kept = student;
  w.teacher.x = wide_row_of(&job->shape, job->teacher.p, job->teacher.stride, row);
  w.student.x = wide_row_of(&job->shape, job->student.p, job->student.stride, row);
  const int defined = sum_row(&w.teacher) & sum_row(&w.student);
  if (job->same_top) job->same_top[row] = defined && w.teacher.top == w.student.top;
  if (!defined) {
    if (job->grad) fill_gradient(job, row, WIDE_NAN);
    return WIDE_NAN;
  }
  find_log_ratio(&w);
  const double value = value_of(&w);
  if (job->grad) put_gradient(job, row, &w);
  return value;
}

void KERNEL(f64_divergence)(const divergence_job *job, struct vloss_range range, struct vloss_partial *partial) {
  double *const loss = job->loss;
  for (size_t row = range.first; row < range.last; row++) {
    const int ignored =
        job->labels.p && job->labels.ignoring && vloss_label_at(&job->labels, row) == job->labels.ignore_index;
    if (ignored && job->same_top) job->same_top[row] = 0;
    if (ignored && job->grad) fill_gradient(job, row, 0);
    const double value = ignored ? 0 : compare(job, row);
    if (loss) loss[row] = value == value ? value : WIDE_NAN;
    vloss_exact_add(&partial->sum, value);
  }
}
