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
  struct total inverse; /* 1 / S */
  struct total share;   /* rest / S */
  int undefined;
};

/* The sum of e^(y - m) (m - y) of a row, given its terms where the maximum is near (row_scale_of). */
static double spread_of(struct wide_row x, size_t classes, const struct row_scale *scale, const double *terms) {
  struct lanes lanes = no_lanes();
  const vd max = dset1(scale->max), zero = dset1(0.0);
  for (size_t c = 0; c < classes; c += 16) {
    const size_t n = at_once(classes, c);
    const vd y = classes_at(x, c, n, -WIDE_INF);
    vd e;
    if (__builtin_expect(scale->near, 1))
      e = n == 16 ? dload(terms + c) : dtail(terms + c, n, 0.0);
    else
      e = exp_of_parts(finite_sum_of(y, dneg(max)));
    lanes = lanes_plus(lanes, dsel(deq(e, zero), zero, dmul(e, dsub(max, y))));
  }
  const struct total sum = lanes_total(&lanes);
  const struct parts of_max = scale->near ? total_parts(scale->of_max) : whole(dset1(1.0));
  return first_of(rounded_parts(parts_quotient(total_parts(sum), of_max)));
}

/* What blocks of n <= CLASS_BLOCK classes of at most rows_at_once(n) rows come to: the maximum, and without the first
 * class there the sums of e^(y - m) and, where `spreads` says so, of e^(y - m) (m - y). rest is NaN where the block has
 * NaN or +inf. */
static __attribute__((noinline)) void know_blocks(const struct wide_row *x, size_t rows, size_t n, int spreads,
                                                  struct vloss_known_block *known) {
  double terms[CLASS_BLOCK], *kept[16] = {NULL}, max[16] = {0};
  struct log_sum s[16];
  struct row_scale scales[16];
  for (size_t i = 0; i < rows; i++) kept[i] = terms + i * n;
  wide_log_sums(x, rows, n, NULL, spreads ? kept : NULL, s);
  for (size_t i = 0; i < rows; i++) {
    known[i] = (struct vloss_known_block){-WIDE_INF, 0, 0, 1};
    max[i] = s[i].max;
    if (s[i].max == -WIDE_INF) continue;
    if (s[i].undefined)
      known[i].rest = WIDE_NAN;
    else
      known[i].max = s[i].max + 0.0, known[i].rest = s[i].rest; /* of -0 and 0 the same */
  }
  if (!spreads) return;
  wide_row_scales(max, rows, scales);
  for (size_t i = 0; i < rows; i++)
    if (!s[i].undefined) known[i].spread = spread_of(x[i], n, &scales[i], kept[i]);
}
static struct vloss_known_block known_block(const struct wide_logits *r, size_t first, size_t n, int spreads) {
  struct vloss_known_block known;
  struct wide_row x = r->x;
  x.p += first * x.step;
  know_blocks(&x, 1, n, spreads, &known);
  return known;
}

/* The greatest class of a row; *nan is set where one is NaN. */
static double greatest(const struct wide_logits *r, int *nan) {
  vd max = dset1(-WIDE_INF), met = dset1(0.0);
  for (size_t c = 0; c < r->classes; c += 16) {
    const vd y = logits_at(r, c, at_once(r->classes, c));
    max = dsel(dgt(y, max), y, max);
    met = dsel(dnan(y), y, met);
  }
  *nan |= dany(dnan(met));
  return largest_lane(max);
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
/* What follows from sums; *log_sum is known. */
static void finish_answers(struct wide_answers *a, double rest, double spread) {
  const vd wide = dset1(rest);
  const struct parts inverse = parts_quotient(whole(dset1(1.0)), sum_of(dset1(1.0), wide));
  const struct parts share = parts_product(whole(wide), inverse);
  a->inverse = (struct total){first_of(inverse.high), first_of(inverse.low)};
  a->share = (struct total){first_of(share.high), first_of(share.low)};
  a->distance = first_of(rounded_parts(parts_product(whole(dset1(spread)), inverse)));
  a->entropy = a->log_sum + a->distance;
}
static struct wide_answers answers_of(const struct wide_logits *r, const struct vloss_log_probs_state *state,
                                      int spreads) {
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
  if (!known) t.max = greatest(r, &a.undefined);
  a.max = t.max + 0.0;
  a.undefined |= a.max - a.max != 0;
  for (size_t b = 0; !a.undefined && b < blocks; b++) {
    const size_t c = b * CLASS_BLOCK, n = r->classes - c < CLASS_BLOCK ? r->classes - c : CLASS_BLOCK;
    const struct vloss_known_block block = known ? known[b] : known_block(r, c, n, spreads);
    add_block(&t, &block);
  }
  if (a.undefined) return a;
  const double rest = vloss_exact_value(&t.rest);
  a.log_sum = first_of(wide_log_of(whole(dset1(rest))).high);
  finish_answers(&a, rest, vloss_exact_value(&t.spread));
  return a;
}
/* Of at most rows_at_once rows of one block. */
static void short_answers(const log_probs_job *job, const struct wide_logits *r, size_t rows, struct wide_answers *a) {
  const int more = job->entropy || job->grad;
  struct wide_row x[16];
  struct vloss_known_block known[16];
  double log_sums[16] = {0};
  for (size_t i = 0; i < rows; i++) x[i] = r[i].x;
  know_blocks(x, rows, r->classes, more, known);
  for (size_t i = 0; i < rows; i++) log_sums[i] = known[i].rest;
  dstore(log_sums, wide_log_of(whole(dload(log_sums))).high);
  for (size_t i = 0; i < rows; i++) {
    a[i].undefined = known[i].rest != known[i].rest || known[i].max - known[i].max != 0;
    a[i].max = known[i].max;
    a[i].log_sum = log_sums[i];
    if (more && !a[i].undefined) finish_answers(&a[i], known[i].rest, known[i].spread);
  }
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
  exp.mantissa = parts_product(exp.mantissa, total_parts(g->a->inverse));
  *distance = dmax(dset1(-WIDE_MAX), d.high);
  return exp;
}
static vd counted(const struct wide_gradient *g, vd x) {
  return g->r.x.change.scale == 0 ? x : wide_changed(&g->r.x.change, x);
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
  const struct parts others =
      first_of(y) == g->a->max ? total_parts(g->a->share) : parts_sum(whole(dset1(1.0)), parts_negated(p));
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
static __attribute__((noinline)) void put_row(const log_probs_job *job, size_t row, const struct wide_logits *r,
                                              const struct wide_answers *a) {
  const struct vloss_log_probs_state *const state = job->states ? vloss_log_probs_state_of(job, row) : NULL;
  put(job->max, row, a, a->max);
  put(job->log_sum, row, a, a->log_sum);
  put(job->lse, row, a, a->max + a->log_sum);
  put(job->entropy, row, a, a->entropy);
  if (job->logprob || job->rank) put_ids(job, row, r, a);
  for (size_t j = 0; state && j < job->top; j++) {
    const struct vloss_known_top *const known = vloss_known_tops(state) + j;
    put_top_class(job, row * job->top + j, a, known->y, known->c);
  }
  if (!state && job->top) put_top(job, row, r, a);
  if (job->grad) put_gradient(job, row, r, a);
}
static void some_rows(const log_probs_job *job, size_t row, size_t n) {
  const int one_block = !job->states && job->total_classes <= CLASS_BLOCK && job->total_classes;
  struct wide_logits r[16], wanted[16];
  struct wide_answers a[16], some[16];
  size_t place[16], count = 0;
  for (size_t i = 0; i < n; i++) {
    const struct vloss_log_probs_state *const state = job->states ? vloss_log_probs_state_of(job, row + i) : NULL;
    r[i] = state ? (struct wide_logits){.classes = job->total_classes} : logits_row(job, row + i);
    a[i] = (struct wide_answers){0};
    if (!row_is_wanted(job, row + i)) continue;
    if (one_block)
      wanted[count] = r[i], place[count++] = i;
    else
      a[i] = answers_of(&r[i], state, job->entropy || job->grad);
  }
  if (count) short_answers(job, wanted, count, some);
  for (size_t k = 0; k < count; k++) a[place[k]] = some[k];
  for (size_t i = 0; i < n; i++) put_row(job, row + i, &r[i], &a[i]);
}

void KERNEL(f64_log_probs)(const log_probs_job *job, struct vloss_range range) {
  const size_t most = rows_at_once(job->total_classes);
  for (size_t row = range.first, n; row < range.last; row += n) {
    n = range.last - row < most ? range.last - row : most;
    some_rows(job, row, n);
  }
}

void KERNEL(f64_log_probs_partial)(const log_probs_job *job, struct vloss_range range) {
  for (size_t row = range.first; row < range.last; row++) {
    struct vloss_log_probs_state *const s = vloss_log_probs_begin(job, row);
    if (job->shape.classes == 0) continue;
    const struct wide_logits r = logits_row(job, row);
    struct vloss_known_block *const known = vloss_known_blocks(s) + job->class_offset / CLASS_BLOCK;
    for (size_t c = 0; c < r.classes; c += CLASS_BLOCK)
      known[c / CLASS_BLOCK] = known_block(&r, c, r.classes - c < CLASS_BLOCK ? r.classes - c : CLASS_BLOCK, 1);
    for (size_t k = 0; k < job->ids_per_row; k++) {
      const struct row_id id = id_at(job, row, k);
      const size_t c = id.c - job->class_offset;
      if (id.kind == LIVE_ID && c < r.classes) vloss_known_ids(s)[k] = (struct vloss_known_id){logit_at(&r, c), 1};
    }
    know_top(job, s, &r);
  }
}
