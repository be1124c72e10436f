/* Rows of doubles of several blocks of CLASS_BLOCK classes: each block is summed relative to its own maximum, and
 * blocks are merged without an order (wide_bins.h), so that rows that several calls read have the same bits. */
#include "cross_entropy.h"

/* From here on doubles are 1024 apart or more, and of two different ones e^x of the lesser is nothing: e^x counts as 1,
 * and what is below the maximum is dropped. Below, x log2 e fits 63 bits. */
#define LARGE_LOGIT 0x1.4p62
static int is_large(double x) { return !(x > -LARGE_LOGIT && x < LARGE_LOGIT); }

/* e^x = (high + low) 2^n, to 2^-60 of it. */
struct wide_exp {
  double high, low;
  int64_t n;
};
static struct wide_exp wide_exp_of(double x) {
  static const double ln2[] = {VLOSS_D_LN2_HI, VLOSS_D_LN2_LO, 0x1.7b57a079a1934p-111};
  struct parts r = whole(dset1(x));
  int64_t n = 0;
  if (is_large(x)) return (struct wide_exp){1, 0, 0};
  for (int pass = 0; pass < 2; pass++) { /* the first leaves some hundreds, of a large x */
    const int64_t steps = (int64_t)(first_of(r.high) * (1 / VLOSS_D_LN2_HI)) + (pass == 1);
    const vd minus = dset1(-(double)steps);
    n += (int64_t)(double)steps;
    for (int i = 0; i < 3; i++) r = parts_sum(r, product_of(minus, dset1(ln2[i])));
  }
  const struct parts exp = exp_minus_in_parts(dneg(r.high)); /* r is from -2 ln 2 to ln 2 */
  return (struct wide_exp){first_of(exp.high), first_of(dfma(exp.high, r.low, exp.low)), n};
}

/* Adds `times` e^x. */
static void add_exp(struct wide_bins *sum, double times_exp, double x) {
  const struct wide_exp exp = wide_exp_of(x);
  const struct parts product = product_of(dset1(times_exp), dset1(exp.high));
  bins_add(sum, first_of(product.high), exp.n);
  bins_add(sum, first_of(dfma(dset1(times_exp), dset1(exp.low), product.low)), exp.n);
}

void wide_merge(struct some_blocks *into, const struct some_blocks *from) {
  const int other_first = from->max > into->max || (from->max == into->max && from->best < into->best);
  const struct some_blocks lesser = other_first ? *into : *from;
  const struct wide_bins x = into->x;
  const int32_t nan = into->nan < from->nan ? into->nan : from->nan;
  if (other_first) *into = *from;
  const int nothing = lesser.best == STATE_NO_CLASS, large = is_large(into->max) || is_large(lesser.max);
  if (!nothing && (!large || lesser.max == into->max)) {
    bins_merge(&into->rest, &lesser.rest);
    add_exp(&into->rest, 1, lesser.max);
  }
  into->nan = nan;
  into->x = x;
  bins_merge(&into->x, &from->x);
}

/* Classes c .. c + n - 1 of the shard. */
static struct parts block_q(const job_of_rows *job, size_t c, size_t n) {
  struct vloss_exact_sum exact;
  struct lanes lanes = no_lanes();
  vloss_exact_clear(&exact);
  for (size_t i = 0; i < n; i += 16) {
    double q[16];
    dstore(q, wide_coefficients(job, 0, (size_t)WIDE_NO_CLASS, c + i, at_once(n, i)));
    add_numbers(&lanes, &exact, q, 16);
  }
  add_lanes(&exact, lanes);
  const double sum = vloss_exact_value(&exact);
  if (sum - sum != 0) return whole(dset1(sum));
  vloss_exact_add(&exact, -sum);
  return (struct parts){dset1(sum), dset1(vloss_exact_value(&exact))};
}
/* Adds sign a b. The largest doubles are halved as often as their product may need. */
static void add_product(struct wide_bins *sum, struct parts a, double b) {
  const vd small = dset1(b * 0x1p-64);
  const struct parts high = product_of(a.high, small), low = product_of(a.low, small);
  bins_add(sum, first_of(high.high), 64);
  bins_add(sum, first_of(high.low), 64);
  bins_add(sum, first_of(low.high), 64);
  bins_add(sum, first_of(low.low), 64);
}

/* Adds q_c x_c: as q_c times what x_c is below the maximum, and the maximum times the sum of q_c. */
static void block_x(const job_of_rows *job, struct wide_row x, size_t c, size_t n, double max, struct wide_bins *sum) {
  struct vloss_exact_sum exact;
  struct lanes lanes = no_lanes();
  const double from = max - max == 0 ? max : 0;
  vloss_exact_clear(&exact);
  for (size_t i = 0; i < n; i += 16) {
    const size_t some = at_once(n, i);
    const vd q = wide_coefficients(job, 0, (size_t)WIDE_NO_CLASS, c + i, some), zero = dset1(0.0);
    const struct parts d = sum_of(classes_at(x, c + i, some, from), dset1(-from)), product = product_of(q, d.high);
    const dm none = deq(q, zero);
    double terms[16];
    dstore(terms, dsel(none, zero, product.high));
    add_numbers(&lanes, &exact, terms, 16);
    const vd low = dfma(q, d.low, product.low);
    lanes.low = dadd(lanes.low, dsel(dmor(none, dnan(dsub(low, low))), zero, low));
  }
  add_lanes(&exact, lanes);
  const double below = vloss_exact_value(&exact);
  bins_add(sum, below, 0);
  if (below - below == 0) {
    vloss_exact_add(&exact, -below);
    bins_add(sum, vloss_exact_value(&exact), 0);
  }
  if (from != 0) add_product(sum, block_q(job, c, n), from);
}

struct some_blocks wide_blocks(const job_of_rows *job, size_t row) {
  const struct wide_row x = wide_logits_of(job, row);
  const double infinity = WIDE_INF;
  struct some_blocks all = {
      .max = -infinity, .best = STATE_NO_CLASS, .nan = STATE_NO_CLASS, .rest = no_bins(3), .x = no_bins(WIDE_BINS)};
  for (size_t c = 0, n; c < job->shape.classes; c += n) {
    n = job->shape.classes - c < CLASS_BLOCK ? job->shape.classes - c : CLASS_BLOCK;
    struct wide_row block = x;
    block.p += c * x.step;
    struct log_sum s;
    wide_log_sums(&block, 1, n, NULL, NULL, &s);
    const int32_t best = (int32_t)(job->class_offset + c + s.best);
    struct some_blocks one = {
        .max = s.max, .best = best, .nan = STATE_NO_CLASS, .rest = no_bins(3), .x = no_bins(WIDE_BINS)};
    if (s.max != s.max) {
      if (best < all.nan) all.nan = best;
      continue;
    }
    if (!s.undefined && s.rest != 0) add_exp(&one.rest, s.rest, s.max);
    if (is_spread(job)) block_x(job, x, c, n, s.max, &one.x);
    wide_merge(&all, &one);
  }
  return all;
}

struct wide_bins wide_q_of(const job_of_rows *job) {
  struct wide_bins q = no_bins(WIDE_BINS);
  job_of_rows whole_row = *job;
  whole_row.class_offset = 0;
  for (size_t c = 0, n; is_spread(job) && c < job->total_classes; c += n) {
    n = job->total_classes - c < CLASS_BLOCK ? job->total_classes - c : CLASS_BLOCK;
    const struct parts block = block_q(&whole_row, c, n);
    bins_add(&q, first_of(block.high), 0);
    bins_add(&q, first_of(block.low), 0);
  }
  return q;
}

/* The loss where q is spread: max Q' - sum q'_c x_c, the primes without the label's part; that; and Q log S. */
static void spread_of(const job_of_rows *job, const struct some_blocks *blocks, const struct wide_bins *q,
                      const struct wide_target *t, struct known_row *known) {
  const double of_label = times(1 - job->smoothing, weight_of(job, t->label)), max = known->s.max;
  struct wide_bins products = no_bins(WIDE_BINS);
  struct vloss_exact_sum sum, of_q;
  vloss_exact_clear(&sum);
  vloss_exact_clear(&of_q);
  for (int i = 0; q->top != NO_WIDE_BIN && i < WIDE_BINS; i++) {
    const int64_t place = BIN_BITS * (q->top - i);
    const struct parts halves = {dset1(upper_half(q->digit[i])), dset1(lower_half(q->digit[i]))};
    struct wide_bins some = no_bins(WIDE_BINS);
    add_product(&some, halves, max);
    if (some.top == NO_WIDE_BIN) continue;
    for (int k = 0; k < WIDE_BINS; k++) {
      bins_add(&products, upper_half(some.digit[k]), BIN_BITS * (some.top - k) + place);
      bins_add(&products, lower_half(some.digit[k]), BIN_BITS * (some.top - k) + place);
    }
  }
  struct wide_bins minus_x = blocks->x;
  for (int i = 0; i < WIDE_BINS; i++) minus_x.digit[i] = -minus_x.digit[i];
  minus_x.met = (minus_x.met & BINNED_NAN) | (minus_x.met & BINNED_INF) << 1 | (minus_x.met & BINNED_MINUS_INF) >> 1;
  bins_merge(&products, &minus_x);
  bins_into(&sum, &products, 0, 1);
  bins_into(&of_q, q, 0, 1);
  vloss_exact_add(&of_q, of_label);
  known->q = vloss_exact_value(&of_q);
  const struct parts d = sum_of(dset1(max), dset1(-known->x)), high = product_of(dset1(of_label), d.high);
  vloss_exact_add(&sum, of_label == 0 ? 0 : first_of(high.high));
  vloss_exact_add(&sum, of_label == 0 ? 0 : first_of(dfma(dset1(of_label), d.low, high.low)));
  const struct parts of_log = parts_product(whole(dset1(known->q)), wide_log_of(whole(dset1(known->s.rest))));
  vloss_exact_add(&sum, known->q == 0 ? 0 : first_of(of_log.high));
  vloss_exact_add(&sum, known->q == 0 ? 0 : first_of(of_log.low));
  known->loss = vloss_exact_value(&sum);
}

struct known_row wide_known_of(const job_of_rows *job, const struct some_blocks *blocks, const struct wide_bins *q,
                               const struct wide_target *t, double x) {
  struct known_row known = {.s = {.max = blocks->max, .best = (size_t)blocks->best}, .x = x};
  struct log_sum *const s = &known.s;
  if (blocks->nan != STATE_NO_CLASS) s->max = WIDE_NAN, s->best = (size_t)blocks->nan;
  s->undefined = !(s->max - s->max == 0);
  if (s->undefined) return known;
  const struct wide_exp of_max = wide_exp_of(s->max);
  const struct parts divisor = {dset1(of_max.high), dset1(of_max.low)};
  struct vloss_exact_sum rest;
  vloss_exact_clear(&rest);
  bins_into(&rest, &blocks->rest, of_max.n, 1);
  s->rest = first_of(rounded_parts(parts_quotient(whole(dset1(vloss_exact_value(&rest))), divisor)));
  s->rest_but = s->rest;
  if (t->label != (size_t)WIDE_NO_CLASS && t->label != s->best)
    s->rest_but -= first_of(exp_of_parts(sum_of(dset1(x), dset1(-s->max))));
  if (is_spread(job) && t->label != (size_t)WIDE_NO_CLASS) spread_of(job, blocks, q, t, &known);
  return known;
}
