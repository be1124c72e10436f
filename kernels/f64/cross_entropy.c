/* Cross-entropy of doubles. The formulas are those of kernels/logits/cross_entropy.c: with index labels and no
 * smoothing the target is left out of the sum, so that confident rows keep their digits; with q spread over classes the
 * loss is sum_c q_c (m - x_c) + Q log S. Longer than other files, as both kinds of targets and their gradients start
 * from one set of sums, which nothing else knows. */
#include "cross_entropy.h"

#include "log.h"
#include "memory/blocks.h"
#include "memory/labels.h"

static struct total times_factor(struct total factor, double v) {
  const struct parts product = parts_product(total_parts(factor), whole(dset1(v)));
  return (struct total){first_of(product.high), first_of(product.low)};
}
struct wide_target wide_target_of(const job_of_rows *job, size_t row) {
  struct wide_target t = {.label = (size_t)WIDE_NO_CLASS, .weight = 1};
  if (job->row_weights) t.weight = ((const double *)job->row_weights)[row];
  if (job->half.grad || job->half.grad_targets) {
    t.factor = (struct total){job->grad_scale, job->wide.grad_scale_low};
    const size_t at = job->upstream_per_row ? row : 0;
    if (job->wide.upstream) t.factor = times_factor(t.factor, job->wide.upstream[at]);
    if (job->row_weights) t.factor = times_factor(t.factor, t.weight);
  }
  if (!job->labels.p) return t;
  const int64_t label = vloss_row_label(&job->labels, row, &t.ignored);
  if (t.ignored) return t;
  if (label < 0 || (uint64_t)label >= job->total_classes)
    t.bad = 1;
  else
    t.label = (size_t)label;
  return t;
}

static void fill_row(struct wide_row out, size_t classes, double value) {
  const vd all = dset1(value);
  for (size_t c = 0; c < classes; c += 16) put_classes(out, c, at_once(classes, c), all);
}

/* ---- Index labels without smoothing ------------------------------------------------------------------------------ */

void wide_plain_losses(struct known_row *known, size_t n) {
  double rest[16] = {0}, max[16] = {0}, x[16] = {0};
  for (size_t i = 0; i < n; i++) rest[i] = known[i].s.rest, max[i] = known[i].s.max, x[i] = known[i].x;
  const struct parts d = sum_of(dload(max), dneg(dload(x)));
  dstore(rest, dadd(dadd(d.high, wide_log_of(whole(dload(rest))).high), d.low));
  for (size_t i = 0; i < n; i++) known[i].loss = rest[i];
}

/* dL/dy of classes to dL/dx. A scale, which is the same for all classes, is put into the factor instead where the
 * product is a number: *slopes are 1 then. */
static struct parts factor_with_scale(struct wide_change *slopes, struct parts factor) {
  if (slopes->scale == 0 || slopes->cap != 0) return factor;
  const struct parts product = parts_product(factor, whole(dset1(slopes->scale)));
  if (first_of(product.high) - first_of(product.high) != 0) return factor;
  slopes->scale = 0;
  return product;
}
static vd times_slopes(const struct wide_change *change, vd raw, vd v) {
  if (change->scale == 0) return v;
  const struct scaled_exp slopes = slopes_at(change, raw);
  return dmul(dmul(v, slopes.mantissa), slopes.scale);
}

/* Whether the terms of a row are kept where its gradient will be. */
static int keeps_terms(const job_of_rows *job) {
  return job->half.grad && job->half.grad != job->half.x && job->shape.inner == 1 && !is_spread(job) &&
         job->total_classes <= CLASS_BLOCK && job->shape.classes == job->total_classes && !job->states;
}

/* p_c times the factor, of the difference x_c - max; the terms of the row are not needed. */
static vd far_gradient(vd x, vd minus_max, struct parts p) {
  const struct scaled_exp exp = scaled_exp_of_parts(finite_sum_of(x, minus_max));
  const vd zero = dset1(0.0), mantissa = exp.mantissa; /* nothing also of factors beyond the doubles */
  return dsel(deq(mantissa, zero), zero, dmul(dfma(mantissa, p.high, dmul(mantissa, p.low)), exp.scale));
}

/* p_c times the factor; at the label -(1 - p_t), which is the share of the others. What z_loss adds to the factor is
 * `of_z`. */
static void plain_gradient(const job_of_rows *job, struct wide_row x, struct wide_row out, const struct log_sum *s,
                           const struct wide_target *t, double of_z) {
  const size_t classes = job->shape.classes, at_label = t->label - job->class_offset;
  struct wide_change slopes = x.change;
  const struct parts scaled = factor_with_scale(&slopes, total_parts(t->factor));
  const struct parts factor = parts_product(scaled, whole(dset1(weight_of(job, t->label))));
  const struct parts inverse = parts_quotient(whole(dset1(1.0)), sum_of(dset1(1.0), dset1(s->rest)));
  const struct parts q = parts_product(inverse, factor),
                     z = parts_product(inverse, parts_product(scaled, whole(dset1(of_z))));
  const struct parts p = of_z == 0 ? q : parts_sum(q, z);
  const struct parts others = t->label == s->best ? whole(dset1(s->rest)) : sum_of(dset1(1.0), dset1(s->rest_but));
  if (first_of(factor.high) - first_of(factor.high) != 0 || of_z - of_z != 0) {
    fill_row(out, classes, WIDE_NAN);
    return;
  }
  struct row_scale scale = row_scale_of(s->max);
  const struct parts of_term = scale.near ? parts_quotient(p, total_parts(scale.of_max)) : p;
  scale.near &= is_number(first_of(of_term.high));
  const int keeps = keeps_terms(job);
  const vd minus_max = dset1(-s->max), zero = dset1(0.0);
  const double of_label = -first_of(rounded_parts(parts_product(others, q)));
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    vd e = zero, v = zero;
    if (scale.near) {
      e = keeps ? raw_classes_at(out, c, n, 1.0) : row_terms(&scale, classes_at(x, c, n, s->max));
      v = dfma(e, of_term.high, dmul(e, of_term.low));
    }
    const dm far = far_terms(e);
    if (__builtin_expect(dany(far), 0)) {
      const vd y = classes_at(x, c, n, s->max);
      const dm something = dmand(far, dgt(dadd(y, minus_max), dset1(-EXP_NOTHING)));
      v = dsel(far, dany(something) ? far_gradient(y, minus_max, p) : zero, v);
    }
    if (__builtin_expect(at_label - c < n, 0)) {
      double given[16], of_z_there[16];
      dstore(given, v);
      dstore(of_z_there, far_gradient(classes_at(x, c, n, s->max), minus_max, z));
      given[at_label - c] = of_label + (of_z == 0 ? -0.0 : of_z_there[at_label - c]);
      v = dload(given);
    }
    put_classes(out, c, n, slopes.scale == 0 ? v : times_slopes(&slopes, raw_classes_at(x, c, n, 0.0), v));
  }
}

/* ---- q spread over classes --------------------------------------------------------------------------------------- */

vd wide_coefficients(const job_of_rows *job, size_t row, size_t label, size_t c, size_t n) {
  const double e = job->smoothing, even = e / (double)job->total_classes;
  const double *const weights = job->wide.weights ? job->wide.weights + job->class_offset : NULL;
  const vd zero = dset1(0.0), w = !weights ? dset1(1.0) : n < 16 ? dtail(weights + c, n, 0.0) : dload(weights + c);
  double q[16];
  vd v = dset1(even);
  if (job->half.targets) {
    v = classes_at(wide_row_of(&job->shape, job->half.targets, job->targets_stride, row), c, n, 0.0);
    if (e > 0) v = dfma(v, dset1(1 - e), dset1(even));
  }
  dstore(q, dsel(dmand(deq(w, zero), deq(v, v)), zero, dmul(w, v)));
  for (size_t i = n; i < 16; i++) q[i] = 0;
  if (label - job->class_offset - c < n) q[label - job->class_offset - c] += times(1 - e, weight_of(job, label));
  return dload(q);
}

struct spread {
  double loss, q;
};
static struct spread spread_loss(const job_of_rows *job, size_t row, struct wide_row x, const struct log_sum *s,
                                 size_t label) {
  struct vloss_exact_sum of_terms, of_q;
  struct lanes terms = no_lanes(), q_lanes = no_lanes();
  vloss_exact_clear(&of_terms);
  vloss_exact_clear(&of_q);
  for (size_t c = 0, n; c < job->shape.classes; c += n) {
    n = at_once(job->shape.classes, c);
    const vd q = wide_coefficients(job, row, label, c, n), zero = dset1(0.0);
    const struct parts d = sum_of(dset1(s->max), dneg(classes_at(x, c, n, s->max)));
    const struct parts product = product_of(q, d.high);
    const dm none = deq(q, zero);
    double some[16];
    dstore(some, dsel(none, zero, product.high));
    add_numbers(&terms, &of_terms, some, 16);
    const vd low = dfma(q, d.low, product.low);
    terms.low = dadd(terms.low, dsel(dmor(none, dnan(dsub(low, low))), zero, low));
    dstore(some, q);
    add_numbers(&q_lanes, &of_q, some, 16);
  }
  add_lanes(&of_terms, terms);
  add_lanes(&of_q, q_lanes);
  const double q = vloss_exact_value(&of_q);
  const struct parts of_log = parts_product(whole(dset1(q)), wide_log_of(whole(dset1(s->rest))));
  vloss_exact_add(&of_terms, q == 0 ? 0 : first_of(of_log.high));
  vloss_exact_add(&of_terms, q == 0 ? 0 : first_of(of_log.low));
  return (struct spread){vloss_exact_value(&of_terms), q};
}

/* The gradient of the targets of classes c .. c + n - 1: (e - 1) w_c lp_c times the factor, of y - max. */
static vd targets_gradient(const job_of_rows *job, const struct wide_target *t, struct parts d, vd log_sum, size_t c,
                           size_t n) {
  const struct parts share = parts_product(total_parts(t->factor), sum_of(dset1(job->smoothing), dset1(-1.0)));
  const double *const weights = job->wide.weights;
  const vd w = !weights ? dset1(1.0) : n < 16 ? dtail(weights + c, n, 0.0) : dload(weights + c), zero = dset1(0.0);
  const vd lp = dadd(dsub(d.high, log_sum), d.low), coefficient = dmul(rounded_parts(share), w);
  return dsel(dmand(deq(coefficient, zero), deq(lp, lp)), zero, dmul(coefficient, lp));
}

/* Q p_c - q_c, times the factor; of_z is added to Q. And the gradient of the targets, which may lie over them. */
static void spread_gradient(const job_of_rows *job, size_t row, struct wide_row x, const struct known_row *known,
                            const struct wide_target *t, double of_z) {
  const struct wide_row out = wide_row_of(&job->shape, job->half.grad, job->grad_stride, row);
  const struct wide_row out_t = wide_row_of(&job->shape, job->half.grad_targets, job->grad_targets_stride, row);
  const size_t classes = job->shape.classes;
  const struct log_sum *const s = &known->s;
  struct wide_change slopes = x.change;
  const struct parts factor = factor_with_scale(&slopes, total_parts(t->factor));
  const double high = first_of(factor.high), q_sum = known->q + of_z;
  if (high - high != 0) {
    if (job->half.grad) fill_row(out, classes, WIDE_NAN);
    if (job->half.grad_targets) fill_row(out_t, classes, WIDE_NAN);
    return;
  }
  const struct parts inverse = parts_quotient(whole(dset1(1.0)), sum_of(dset1(1.0), dset1(s->rest)));
  const vd minus_max = dset1(-s->max), wide_q = dset1(q_sum), log_sum = sleef_log1p(dset1(s->rest));
  const struct parts q_share = parts_product(parts_product(inverse, whole(wide_q)), factor);
  const int fits = first_of(q_share.high) - first_of(q_share.high) == 0;
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    const vd q = wide_coefficients(job, row, t->label, c, n), raw = raw_classes_at(x, c, n, 0.0);
    const struct parts d = sum_of(classes_at(x, c, n, 0.0), minus_max);
    const struct precise_exp exp = precise_exp_of(d);
    const vd e = exp.mantissa.high, e_low = exp.mantissa.low;
    vd v;
    if (fits) { /* each part is multiplied by all of its factors before it is rounded */
      const vd of_p = dmul(dfma(e, q_share.high, dfma(e, q_share.low, dmul(e_low, q_share.high))), exp.scale);
      const struct parts of_q = parts_product(whole(q), factor);
      v = dsub(dsub(of_p, of_q.high), of_q.low);
    } else {
      const vd p = dmul(dfma(e, inverse.high, dfma(e, inverse.low, dmul(e_low, inverse.high))), exp.scale);
      v = dmul(dsub(dmul(p, wide_q), q), factor.high);
    }
    if (job->half.grad) put_classes(out, c, n, times_slopes(&slopes, raw, v));
    if (job->half.grad_targets) put_classes(out_t, c, n, targets_gradient(job, t, d, log_sum, c, n));
  }
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

static void put_prediction(const job_of_rows *job, size_t row, int64_t c) {
  if (job->predicted_narrow)
    ((int32_t *)job->predicted)[row] = (int32_t)c;
  else
    ((int64_t *)job->predicted)[row] = c;
}

void wide_known_rows(const job_of_rows *job, size_t row, size_t n, const struct wide_target *t,
                     const struct wide_bins *q, struct known_row *known) {
  const size_t classes = job->shape.classes;
  const int spread = is_spread(job), long_rows = classes > CLASS_BLOCK && !job->half.targets, keeps = keeps_terms(job);
  struct wide_row x[16];
  size_t but[16], place[16], live = 0;
  double *kept[16];
  struct log_sum sums[16];
  for (size_t i = 0; i < n; i++) {
    known[i] = (struct known_row){.x = 0};
    if (t[i].ignored) continue;
    x[live] = wide_logits_of(job, row + i);
    if (t[i].label < classes) known[i].x = class_at(x[live], t[i].label);
    if (long_rows) {
      const struct some_blocks blocks = wide_blocks(job, row + i);
      known[i] = wide_known_of(job, &blocks, q, &t[i], known[i].x);
      continue;
    }
    kept[live] = keeps ? wide_row_of(&job->shape, job->half.grad, job->grad_stride, row + i).p : NULL;
    but[live] = spread ? (size_t)WIDE_NO_CLASS : t[i].label;
    place[live++] = i;
  }
  if (live) wide_log_sums(x, live, classes, but, kept, sums);
  for (size_t k = 0; k < live; k++) {
    struct known_row *const r = &known[place[k]];
    r->s = sums[k];
    if (!spread || r->s.undefined || t[place[k]].bad) continue;
    const struct spread of_row = spread_loss(job, row + place[k], x[k], &r->s, t[place[k]].label);
    r->loss = of_row.loss, r->q = of_row.q;
  }
  if (!spread) wide_plain_losses(known, n);
}

/* Of a row that is defined: its square has the error twice. */
static struct parts lse_in_parts(const struct log_sum *s) {
  return parts_sum(whole(dset1(s->max)), wide_log_of(whole(dset1(s->rest))));
}

struct wide_loss wide_loss_of(const job_of_rows *job, const struct known_row *known, const struct wide_target *t) {
  if (t->ignored) return (struct wide_loss){0, 0};
  if (known->s.undefined || t->bad) return (struct wide_loss){WIDE_NAN, job->z_loss > 0 ? WIDE_NAN : 0};
  const double loss = is_spread(job) ? known->loss : times(weight_of(job, t->label), known->loss);
  struct wide_loss result = {times(t->weight, loss), 0};
  if (job->z_loss > 0) {
    const struct parts lse = lse_in_parts(&known->s);
    const struct parts z = parts_product(parts_product(lse, lse), whole(dset1(job->z_loss)));
    result.z = times(t->weight, first_of(rounded_parts(z)));
  }
  return result;
}
double wide_lse_of(const struct known_row *known) {
  const struct log_sum *s = &known->s;
  if (s->undefined) return s->max == s->max ? s->max : WIDE_NAN;
  return first_of(rounded_parts(lse_in_parts(s)));
}
void wide_put_row(const job_of_rows *job, size_t row, const struct known_row *known, const struct wide_target *t) {
  const struct log_sum *const s = &known->s;
  const int live = !t->ignored;
  if (job->wide.lse) job->wide.lse[row] = live ? wide_lse_of(known) : 0;
  if (job->max) ((double *)job->max)[row] = !live ? 0 : s->undefined ? WIDE_NAN : s->max + 0.0;
  if (job->log_sum)
    ((double *)job->log_sum)[row] = !live ? 0 : s->undefined ? WIDE_NAN : first_of(sleef_log1p(dset1(s->rest)));
  if (job->predicted) put_prediction(job, row, live ? (int64_t)s->best : -1);
  if (job->correct) job->correct[row] = live && s->best == t->label;
}
void wide_gradient(const job_of_rows *job, size_t row, const struct known_row *known, const struct wide_target *t) {
  const struct wide_row x = wide_logits_of(job, row);
  const struct wide_row out = wide_row_of(&job->shape, job->half.grad, job->grad_stride, row);
  const int undefined = known->s.undefined || t->bad;
  const double of_z = job->z_loss > 0 && !t->ignored && !undefined ? 2 * job->z_in_grad * wide_lse_of(known) : 0;
  if (t->ignored || undefined || of_z - of_z != 0) {
    const struct wide_row out_t = wide_row_of(&job->shape, job->half.grad_targets, job->grad_targets_stride, row);
    if (job->half.grad) fill_row(out, job->shape.classes, t->ignored ? 0 : WIDE_NAN);
    if (job->half.grad_targets) fill_row(out_t, job->shape.classes, WIDE_NAN);
  } else if (is_spread(job)) {
    spread_gradient(job, row, x, known, t, of_z);
  } else {
    plain_gradient(job, x, out, &known->s, t, of_z);
  }
}

static void cross_entropy_rows(const job_of_rows *job, size_t row, size_t n, const struct wide_bins *q,
                               struct wide_loss *losses) {
  const size_t most = rows_at_once(job->shape.classes);
  for (size_t done = 0, some; done < n; done += some) {
    struct wide_target t[16];
    struct known_row known[16];
    some = n - done < most ? n - done : most;
    for (size_t i = 0; i < some; i++) t[i] = wide_target_of(job, row + done + i);
    wide_known_rows(job, row + done, some, t, q, known);
    for (size_t i = 0; i < some; i++) {
      wide_put_row(job, row + done + i, &known[i], &t[i]);
      if (job->half.grad || job->half.grad_targets) wide_gradient(job, row + done + i, &known[i], &t[i]);
      losses[done + i] = wide_loss_of(job, &known[i], &t[i]);
    }
  }
}

void wide_loss_rows(const job_of_rows *job, struct vloss_range range, struct vloss_partial *partial,
                    rows_function *function, const struct wide_bins *q) {
  const size_t block = vloss_block_rows(job->total_classes);
  for (size_t row = range.first; row < range.last;) {
    const size_t end = range.last - row < block ? range.last : row + block;
    struct lanes lanes = no_lanes(), z_lanes = no_lanes();
    while (row < end) {
      struct wide_loss results[16];
      double losses[16], of_z[16];
      const size_t n = end - row < 16 ? end - row : 16;
      function(job, row, n, q, results);
      for (size_t i = 0; i < n; i++) {
        const struct wide_loss loss = results[i];
        const double both = job->z_loss > 0 ? loss.main + loss.z : loss.main;
        losses[i] = loss.main;
        of_z[i] = loss.z == loss.z ? loss.z : WIDE_NAN;
        if (job->wide.loss) job->wide.loss[row + i] = both == both ? both : WIDE_NAN;
      }
      if (job->z_loss_part) memcpy((double *)job->z_loss_part + row, of_z, n * sizeof *of_z);
      add_numbers(&lanes, &partial->sum, losses, n);
      if (job->z_loss > 0) add_numbers(&z_lanes, &partial->z, of_z, n);
      row += n;
    }
    add_lanes(&partial->sum, lanes);
    if (job->z_loss > 0) add_lanes(&partial->z, z_lanes);
  }
}

static void cross_entropy(const job_of_rows *job, struct vloss_range range, struct vloss_partial *partial) {
  const int blocks = job->total_classes > CLASS_BLOCK && !job->half.targets;
  const struct wide_bins q = blocks ? wide_q_of(job) : no_bins(WIDE_BINS);
  wide_loss_rows(job, range, partial, cross_entropy_rows, &q);
}

const struct vloss_f64_cross_entropy KERNEL(f64_cross_entropy) = {cross_entropy,
                                                                  KERNEL(f64_nll),
                                                                  KERNEL(f64_cross_entropy_partial),
                                                                  KERNEL(f64_cross_entropy_finish),
                                                                  KERNEL(f64_cross_entropy_split_gradient),
                                                                  KERNEL(f64_merge_states)};
