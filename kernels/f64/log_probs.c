/* Log-probabilities, ranks, top classes and entropy of rows of doubles, and their gradient: the formulas of
 * kernels/logits/log_probs.c, a row at a time in passes of their own. Longer than other files, as all of them start
 * from one set of answers of a row, which nothing else knows. */
#include "logits/log_probs.h"

#include "kernels.h"
#include "log.h"
#include "logits/log_probs_state.h"
#include "rows.h"

typedef struct vloss_log_probs_job log_probs_job;

/* A row of logits as they count. */
struct wide_logits {
  struct wide_row x;
  size_t classes;
};
static struct wide_logits logits_row(const log_probs_job *job, size_t row) {
  struct wide_row x = wide_row_of(&job->shape, job->x, job->x_stride, row);
  if (job->scale != 1 || job->softcap != 0) x.change = (struct wide_change){job->scale, job->softcap};
  return (struct wide_logits){x, job->shape.classes};
}
/* y of classes c .. c + n - 1, at most 16; -inf beyond. */
static vd logits_at(const struct wide_logits *r, size_t c, size_t n) { return classes_at(r->x, c, n, -WIDE_INF); }
static double logit_at(const struct wide_logits *r, size_t c) { return class_at(r->x, c); }

/* ---- A row ------------------------------------------------------------------------------------------------------- */

struct wide_answers {
  double max, log_sum, entropy;
  double distance;      /* the mean of m - y: entropy less log_sum */
  struct parts inverse; /* 1 / S */
  struct parts share;   /* rest / S */
  int undefined;
};

/* The greatest of classes first .. end - 1; *nan is set where one is NaN. */
static double greatest(const struct wide_logits *r, size_t first, size_t end, int *nan) {
  vd max = dset1(-WIDE_INF), met = dset1(0.0);
  for (size_t c = first; c < end; c += 16) {
    const vd y = logits_at(r, c, at_once(end, c));
    max = dsel(dgt(y, max), y, max);
    met = dsel(dnan(y), y, met);
  }
  *nan |= dany(dnan(met));
  return largest_lane(max);
}
/* The first class from `first` on at y, which is there. */
static size_t first_class_at(const struct wide_logits *r, size_t first, size_t end, double y) {
  for (size_t c = first; c < end; c += 16) {
    double some[16];
    const vd v = logits_at(r, c, at_once(end, c));
    if (!dany(deq(v, dset1(y)))) continue;
    dstore(some, v);
    for (size_t i = 0; i < 16; i++)
      if (some[i] == y) return c + i;
  }
  return end;
}

/* What a block of n <= CLASS_BLOCK classes comes to: the maximum, and without the first class there the sums of e^(y -
 * m) and of e^(y - m) (m - y). rest is NaN where the block has NaN or +inf. */
static struct vloss_known_block known_block(const struct wide_logits *r, size_t first, size_t n) {
  struct vloss_known_block b = {-WIDE_INF, 0, 0, 1};
  const size_t end = first + n;
  int nan = 0;
  b.max = greatest(r, first, end, &nan) + 0.0; /* of -0 and 0 the same */
  if (nan || b.max == WIDE_INF) b.rest = WIDE_NAN;
  if (b.max == -WIDE_INF || b.rest != b.rest) return b;
  const size_t best = first_class_at(r, first, end, b.max);
  struct lanes rests = no_lanes(), spreads = no_lanes();
  const vd minus_max = dset1(-b.max), zero = dset1(0.0);
  for (size_t c = first; c < end; c += 16) {
    const struct parts d = finite_sum_of(logits_at(r, c, at_once(end, c)), minus_max);
    vd e = exp_of_parts(d);
    if (best - c < 16) {
      double terms[16];
      dstore(terms, e);
      terms[best - c] = 0;
      e = dload(terms);
    }
    rests = lanes_plus(rests, e);
    spreads = lanes_plus(spreads, dsel(deq(e, zero), zero, dneg(dmul(e, d.high))));
  }
  b.rest = lanes_total(&rests).high;
  b.spread = lanes_total(&spreads).high;
  return b;
}

/* The blocks of a row added up, relative to the row's maximum. */
struct wide_total {
  double max;
  int best_met; /* the first block at the maximum, whose own first class there is left out */
  struct vloss_exact_sum rest, spread;
};
static void add_block(struct wide_total *t, const struct vloss_known_block *b) {
  if (b->max == t->max && !t->best_met) {
    t->best_met = 1;
    vloss_exact_add(&t->rest, b->rest);
    vloss_exact_add(&t->spread, b->spread);
  } else if (b->max != -WIDE_INF) {
    const struct parts d = sum_of(dset1(b->max), dset1(-t->max)), all = sum_of(dset1(1.0), dset1(b->rest));
    vd e = exp_of_parts(d);
    if (first_of(e) == 0) return;
    /* All of the block has this factor's error: near 1, where it counts, the logarithm tells what e lacks. */
    if (first_of(d.high) > -1) e = dfma(e, dadd(dsub(d.high, sleef_log(e)), d.low), e);
    const vd spread = dfma(dneg(d.high), all.high, dset1(b->spread));
    vloss_exact_add(&t->rest, first_of(dfma(all.high, e, dmul(all.low, e))));
    vloss_exact_add(&t->spread, first_of(dmul(spread, e)));
  }
}
static struct wide_answers answers_of(const struct wide_logits *r, const struct vloss_log_probs_state *state) {
  const struct vloss_known_block *const known = state ? vloss_known_blocks(state) : NULL;
  struct wide_total t = {.max = -WIDE_INF};
  struct wide_answers a = {.undefined = 0};
  const size_t blocks = vloss_state_blocks(r->classes);
  vloss_exact_clear(&t.rest);
  vloss_exact_clear(&t.spread);
  for (size_t b = 0; known && b < blocks; b++) {
    a.undefined |= known[b].rest != known[b].rest;
    if (known[b].max > t.max) t.max = known[b].max;
  }
  if (!known) t.max = greatest(r, 0, r->classes, &a.undefined);
  a.max = t.max + 0.0;
  a.undefined |= a.max - a.max != 0;
  for (size_t b = 0; !a.undefined && b < blocks; b++) {
    const size_t c = b * CLASS_BLOCK, n = r->classes - c < CLASS_BLOCK ? r->classes - c : CLASS_BLOCK;
    const struct vloss_known_block block = known ? known[b] : known_block(r, c, n);
    add_block(&t, &block);
  }
  if (a.undefined) return a;
  const double spread = vloss_exact_value(&t.spread);
  const vd rest = dset1(vloss_exact_value(&t.rest));
  a.inverse = parts_quotient(whole(dset1(1.0)), sum_of(dset1(1.0), rest));
  a.log_sum = first_of(log1p_in(1, rest));
  a.share = parts_product(whole(rest), a.inverse);
  a.distance = first_of(rounded_parts(parts_product(whole(dset1(spread)), a.inverse)));
  a.entropy = a.log_sum + a.distance;
  return a;
}

static double log_prob(const struct wide_answers *a, double y) {
  const struct parts d = sum_of(dset1(y), dset1(-a->max));
  return first_of(dadd(dsub(d.high, dset1(a->log_sum)), d.low));
}

/* How many classes come before one: those above, and those at it with a lower number. */
static int64_t rank_of(const struct wide_logits *r, size_t id) {
  const double v = logit_at(r, id);
  const vd wide = dset1(v), one = dset1(1.0), zero = dset1(0.0);
  vd before = zero;
  for (size_t c = 0; c < r->classes; c += 16) {
    const vd y = logits_at(r, c, at_once(r->classes, c));
    if (id - c < 16) {
      double some[16], at[16];
      dstore(some, y);
      for (size_t i = 0; i < 16; i++) at[i] = some[i] > v || (some[i] == v && c + i < id);
      before = dadd(before, dload(at));
    } else {
      const dm above = dgt(y, wide);
      before = dadd(before, dsel(c < id ? dmor(above, deq(y, wide)) : above, one, zero));
    }
  }
  return (int64_t)dsum(before);
}

/* ---- The top ----------------------------------------------------------------------------------------------------- */

struct wide_class {
  double y;
  size_t c;
};
static int comes_before(struct wide_class a, struct wide_class b) { return a.y > b.y || (a.y == b.y && a.c < b.c); }

/* The classes that come behind *bound (null: all), as many as there is room for; how many there are. NaN is none. */
static size_t next_classes(const struct wide_logits *r, const struct wide_class *bound, struct wide_class *sorted,
                           size_t room) {
  size_t count = 0;
  for (size_t c = 0; c < r->classes; c += 16) {
    double y[16];
    const size_t n = at_once(r->classes, c);
    const vd wide = logits_at(r, c, n);
    if (count == room && !dany(dgt(wide, dset1(sorted[count - 1].y)))) continue; /* of equal ones the first is there */
    dstore(y, wide);
    for (size_t i = 0; i < n; i++) {
      const struct wide_class entry = {y[i], c + i};
      if (y[i] != y[i] || (bound && !comes_before(*bound, entry)) ||
          (count == room && !comes_before(entry, sorted[count - 1])))
        continue;
      size_t at = count < room ? count++ : count - 1;
      for (; at && comes_before(entry, sorted[at - 1]); at--) sorted[at] = sorted[at - 1];
      sorted[at] = entry;
    }
  }
  return count;
}
static void put_top_class(const log_probs_job *job, size_t i, const struct wide_answers *a, double y, int64_t c) {
  double *const logprob = job->top_logprob;
  if (logprob) logprob[i] = a->undefined ? WIDE_NAN : log_prob(a, y);
  if (job->top_id) put_label_of(job->top_id, job->ids.narrow, i, a->undefined ? -1 : c);
}
static __attribute__((noinline)) void put_top(const log_probs_job *job, size_t row, const struct wide_logits *r,
                                              const struct wide_answers *a) {
  struct wide_class sorted[TOP_CLASSES], bound;
  for (size_t j = 0; a->undefined && j < job->top; j++) put_top_class(job, row * job->top + j, a, 0, 0);
  for (size_t done = 0, n; !a->undefined && done < job->top; done += n) {
    const size_t left = job->top - done;
    n = next_classes(r, done ? &bound : NULL, sorted, left < TOP_CLASSES ? left : TOP_CLASSES);
    for (size_t j = 0; j < n; j++) put_top_class(job, row * job->top + done + j, a, sorted[j].y, (int64_t)sorted[j].c);
    bound = sorted[n - 1];
  }
}
static __attribute__((noinline)) void know_top(const log_probs_job *job, struct vloss_log_probs_state *s,
                                               const struct wide_logits *r) {
  struct wide_class sorted[TOP_CLASSES], bound;
  for (size_t n = 1; s->top_count < job->top && n; s->top_count += (uint32_t)n) {
    const size_t left = job->top - s->top_count;
    struct vloss_known_top *const known = vloss_known_tops(s) + s->top_count;
    n = next_classes(r, s->top_count ? &bound : NULL, sorted, left < TOP_CLASSES ? left : TOP_CLASSES);
    for (size_t j = 0; j < n; j++)
      known[j] = (struct vloss_known_top){sorted[j].y + 0.0, (int64_t)(sorted[j].c + job->class_offset)};
    if (n) bound = sorted[n - 1];
  }
}

/* ---- The gradient ------------------------------------------------------------------------------------------------ */

struct wide_gradient {
  struct wide_logits r;
  const struct wide_answers *a;
  double ids, ids_low; /* the sum of their upstreams, and what it lacks */
  double slope;        /* p_c (row + slope (y - max)) without the ids */
  struct parts row;
  struct parts even; /* row less their sum, times the scale of logits without a cap, as `steep` is */
  double steep;      /* slope, times that */
};
/* p_c apart from a power of two, and y - max. */
static struct precise_exp probabilities_of(const struct wide_gradient *g, vd y, vd *distance) {
  const struct parts d = sum_of(y, dset1(-g->a->max));
  struct precise_exp exp = precise_exp_of(d);
  exp.mantissa = parts_product(exp.mantissa, g->a->inverse);
  *distance = dmax(dset1(-WIDE_MAX), d.high);
  return exp;
}
static vd counted(const struct wide_gradient *g, vd x) {
  return g->r.x.change.scale == 0 ? x : changed(&g->r.x.change, x);
}
/* dy/dx. */
static struct scaled_exp slopes_of(const struct wide_gradient *g, vd x) {
  const vd one = dset1(1.0);
  return g->r.x.change.scale == 0 ? (struct scaled_exp){one, one} : slopes_at(&g->r.x.change, x);
}
static vd gradient_of(const struct wide_gradient *g, vd x) {
  vd d;
  const struct precise_exp p = probabilities_of(g, counted(g, x), &d);
  const struct parts factor = parts_sum(product_of(d, dset1(g->steep)), g->even), of = p.mantissa;
  const vd zero = dset1(0.0), low = dfma(of.high, factor.low, dmul(of.low, factor.high));
  vd v = dmul(product_plus(of.high, factor.high, low), p.scale);
  if (g->r.x.change.cap != 0) {
    const struct scaled_exp slope = slopes_of(g, x);
    v = dmul(dmul(product_plus(of.high, factor.high, low), slope.mantissa), p.scale);
    v = dmul(v, slope.scale);
  }
  return dsel(deq(of.high, zero), zero, v);
}
/* At an id, of whose upstreams `own` is the sum. */
static double gradient_at(const struct wide_gradient *g, double x, double own) {
  const vd wide = dset1(x), y = counted(g, wide);
  vd d;
  const struct precise_exp of_p = probabilities_of(g, y, &d);
  const struct scaled_exp slope = slopes_of(g, wide);
  const struct parts p = {dmul(of_p.mantissa.high, of_p.scale), dmul(of_p.mantissa.low, of_p.scale)};
  const struct parts others = first_of(y) == g->a->max ? g->a->share : parts_sum(whole(dset1(1.0)), parts_negated(p));
  const struct parts ids = parts_sum(sum_of(dset1(own), dset1(-g->ids)), whole(dset1(-g->ids_low)));
  const struct parts of_p_alone = parts_sum(parts_sum(g->row, product_of(dset1(g->slope), d)), ids);
  const struct parts product = parts_product(of_p.mantissa, of_p_alone);
  struct parts of_row = {dmul(product.high, of_p.scale), dmul(product.low, of_p.scale)};
  if (first_of(of_p.mantissa.high) == 0) of_row = whole(dset1(0.0));
  const vd v = rounded_parts(parts_sum(parts_product(whole(dset1(own)), others), of_row));
  return first_of(dmul(dmul(v, slope.mantissa), slope.scale));
}

static void put_gradient(const log_probs_job *job, size_t row, const struct wide_logits *r,
                         const struct wide_answers *a) {
  const struct wide_row out = wide_row_of(&job->shape, job->grad, job->grad_stride, row);
  const double *const u = job->upstream, *const of_entropy = job->entropy_upstream, *const of_lse = job->lse_upstream;
  const double v = of_entropy ? of_entropy[row] : 0, w = of_lse ? of_lse[row] : 0;
  struct wide_gradient g = {.r = *r, .a = a};
  int live = 0, bad = 0;
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const struct row_id id = id_at(job, row, k);
    live |= id.kind == LIVE_ID;
    bad |= id.kind == BAD_ID;
    if (!u || id.kind != LIVE_ID) continue;
    const struct parts sum = sum_of(dset1(g.ids), dset1(u[row * job->ids_per_row + k]));
    g.ids = first_of(sum.high);
    g.ids_low += first_of(sum.low);
  }
  const int wanted = live || bad || of_entropy || of_lse;
  const double sum = g.ids + v + w, filled = wanted ? WIDE_NAN : 0;
  if (!wanted || bad || a->undefined || sum - sum != 0) {
    for (size_t c = 0; c < r->classes; c++) out.p[c * out.step] = filled;
    return;
  }
  g.slope = -v;
  const double steepness = r->x.change.scale != 0 && r->x.change.cap == 0 ? r->x.change.scale : 1;
  g.row = parts_sum(product_of(dset1(-v), dset1(a->distance)), whole(dset1(w)));
  g.even = parts_sum(g.row, (struct parts){dset1(-g.ids), dset1(-g.ids_low)});
  g.even = parts_product(g.even, whole(dset1(steepness)));
  g.steep = g.slope * steepness;
  for (size_t c = 0; c < r->classes; c += 16) {
    const size_t n = at_once(r->classes, c);
    const vd x = raw_classes_at(r->x, c, n, 0.0);
    double own[16], logits[16], result[16];
    int any = 0;
    for (size_t i = 0; i < 16; i++) own[i] = WIDE_NAN;
    for (size_t k = 0; u && k < job->ids_per_row; k++) {
      const size_t i = id_at(job, row, k).c - c;
      if (i >= n) continue;
      own[i] = (own[i] == own[i] ? own[i] : 0) + u[row * job->ids_per_row + k];
      any = 1;
    }
    dstore(logits, x);
    dstore(result, gradient_of(&g, x));
    for (size_t i = 0; any && i < n; i++)
      if (own[i] == own[i]) result[i] = gradient_at(&g, logits[i], own[i]);
    put_classes(out, c, n, dload(result));
  }
}

/* ---- Results ----------------------------------------------------------------------------------------------------- */

static void put_ids(const log_probs_job *job, size_t row, const struct wide_logits *r, const struct wide_answers *a) {
  const struct vloss_known_id *const known = job->states ? vloss_known_ids(vloss_log_probs_state_of(job, row)) : NULL;
  double *const logprob = job->logprob;
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const struct row_id id = id_at(job, row, k);
    const size_t i = row * job->ids_per_row + k;
    const int live = id.kind == LIVE_ID && !a->undefined;
    if (logprob)
      logprob[i] = live ? log_prob(a, known ? known[k].y : logit_at(r, id.c)) : id.kind == IGNORED_ID ? 0 : WIDE_NAN;
    if (job->rank) put_label_of(job->rank, job->ids.narrow, i, live ? rank_of(r, id.c) : -1);
  }
}
static void put(void *p, size_t row, const struct wide_answers *a, double v) {
  if (p) ((double *)p)[row] = a->undefined ? WIDE_NAN : v;
}
static void one_row(const log_probs_job *job, size_t row) {
  const struct vloss_log_probs_state *const state = job->states ? vloss_log_probs_state_of(job, row) : NULL;
  struct wide_logits r = {.classes = job->total_classes};
  if (!state) r = logits_row(job, row);
  struct wide_answers a = {0};
  if (row_is_wanted(job, row)) a = answers_of(&r, state);
  put(job->max, row, &a, a.max);
  put(job->log_sum, row, &a, a.log_sum);
  put(job->lse, row, &a, a.max + a.log_sum);
  put(job->entropy, row, &a, a.entropy);
  if (job->logprob || job->rank) put_ids(job, row, &r, &a);
  for (size_t j = 0; state && j < job->top; j++) {
    const struct vloss_known_top *const known = vloss_known_tops(state) + j;
    put_top_class(job, row * job->top + j, &a, known->y, known->c);
  }
  if (!state && job->top) put_top(job, row, &r, &a);
  if (job->grad) put_gradient(job, row, &r, &a);
}

void KERNEL(f64_log_probs)(const log_probs_job *job, struct vloss_range range) {
  for (size_t row = range.first; row < range.last; row++) one_row(job, row);
}

void KERNEL(f64_log_probs_partial)(const log_probs_job *job, struct vloss_range range) {
  for (size_t row = range.first; row < range.last; row++) {
    struct vloss_log_probs_state *const s = vloss_log_probs_begin(job, row);
    if (job->shape.classes == 0) continue;
    const struct wide_logits r = logits_row(job, row);
    struct vloss_known_block *const known = vloss_known_blocks(s) + job->class_offset / CLASS_BLOCK;
    for (size_t c = 0; c < r.classes; c += CLASS_BLOCK)
      known[c / CLASS_BLOCK] = known_block(&r, c, r.classes - c < CLASS_BLOCK ? r.classes - c : CLASS_BLOCK);
    for (size_t k = 0; k < job->ids_per_row; k++) {
      const struct row_id id = id_at(job, row, k);
      const size_t c = id.c - job->class_offset;
      if (id.kind == LIVE_ID && c < r.classes) vloss_known_ids(s)[k] = (struct vloss_known_id){logit_at(&r, c), 1};
    }
    know_top(job, s, &r);
  }
}
