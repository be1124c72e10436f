/* See reference.h: log-probabilities, by sorting, sums and differences as the formulas say. */
#include <math.h>
#include <stdlib.h>
#include <tgmath.h>

#include "reference.h"

/* A class and its logit as it counts. */
struct ranked {
  real y;
  size_t c;
};
static int by_rank(const void *a, const void *b) {
  const struct ranked *p = a, *q = b;
  if (p->y != q->y) return p->y > q->y ? -1 : 1;
  return p->c < q->c ? -1 : 1;
}

static real number_at(const vloss_log_probs_args *a, const void *p, size_t i) {
  return a->type == VLOSS_F64 ? (real)((const double *)p)[i] : (real)((const float *)p)[i];
}
static real logit_at(const vloss_log_probs_args *a, real x) {
  return REFERENCE(logit)(a->type, a->scale, a->softcap, x);
}
static real slope_at(const vloss_log_probs_args *a, real x) {
  return REFERENCE(slope)(a->type, a->scale, a->softcap, x);
}

enum kind { LIVE, IGNORED, OUT_OF_RANGE };
struct id {
  enum kind kind;
  size_t c;
};
static struct id id_at(const vloss_log_probs_args *a, size_t i) {
  const int64_t t = a->label_type == VLOSS_I64 ? ((const int64_t *)a->ids)[i] : ((const int32_t *)a->ids)[i];
  const int64_t ignored = a->ignore == VLOSS_IGNORE_DEFAULT && a->ignore_index == 0 ? -100 : a->ignore_index;
  if (a->ignore != VLOSS_IGNORE_NOTHING && t == ignored) return (struct id){IGNORED, 0};
  if (t < 0 || (uint64_t)t >= a->classes) return (struct id){OUT_OF_RANGE, 0};
  return (struct id){LIVE, (size_t)t};
}

struct row {
  const vloss_log_probs_args *a;
  const void *x;
  size_t number;
  struct ranked *order; /* of all classes */
  size_t *rank;         /* of each */
  real max, log_sum, entropy, rest;
  real slack; /* what a softcap's rounding may do to a log-probability */
  int undefined;
};

static struct expectation with_slack(const struct row *r, real value, real scale) {
  /* Of doubles what is denormal on the way loses digits. */
  const real least = r->a->type == VLOSS_F64 ? (real)0x1p-1010 : 0;
  return (struct expectation){value, fmax(fmax(fabs(value), least), fmax(scale, r->slack))};
}

static void sum_row(struct row *r) {
  const size_t classes = r->a->classes;
  r->undefined = 0;
  for (size_t c = 0; c < classes; c++) {
    const real y = logit_at(r->a, number_at(r->a, r->x, c));
    r->undefined |= isnan(y) || y == (real)INFINITY;
    r->order[c] = (struct ranked){isnan(y) ? 0 : y, c};
  }
  qsort(r->order, classes, sizeof *r->order, by_rank);
  for (size_t i = 0; i < classes; i++) r->rank[r->order[i].c] = i;
  r->max = r->order[0].y;
  r->undefined |= isinf(r->max);
  struct careful_sum rest = {0, 0}, spread = {0, 0};
  real most = 0;
  for (size_t i = classes; i-- > 1 && !r->undefined;) {
    const real d = r->max - r->order[i].y, e = exp(-d);
    careful_add(&rest, e);
    if (e > 0) careful_add(&spread, e * d);
    if (!isinf(d)) most = fmax(most, fabs(r->order[i].y));
  }
  r->rest = careful_value(&rest);
  r->log_sum = log1p(r->rest);
  r->entropy = r->log_sum + careful_value(&spread) / (1 + r->rest);
  r->slack = r->a->softcap == 0 ? 0 : 4 * fmax(most, fabs(r->max));
}

static struct expectation logprob_of(const struct row *r, real y) {
  if (r->undefined) return (struct expectation){(real)NAN, 0};
  return with_slack(r, y - r->max - r->log_sum, 0);
}

static void put_row(const struct row *r, const struct log_probs_expectations *out) {
  const size_t n = r->number;
  const struct expectation nan = {(real)NAN, 0};
  if (out->max) out->max[n] = r->undefined ? nan : with_slack(r, r->max, 0);
  if (out->log_sum) out->log_sum[n] = r->undefined ? nan : with_slack(r, r->log_sum, 0);
  if (out->lse) out->lse[n] = r->undefined ? nan : with_slack(r, r->max + r->log_sum, fabs(r->max) + r->log_sum);
  if (out->entropy) out->entropy[n] = r->undefined ? nan : with_slack(r, r->entropy, r->slack * fmax(1, r->entropy));
}

static void put_ids(const struct row *r, const struct log_probs_expectations *out) {
  const size_t k = r->a->ids_per_row;
  for (size_t i = r->number * k; i < (r->number + 1) * k; i++) {
    const struct id id = id_at(r->a, i);
    struct expectation logprob = {id.kind == IGNORED ? 0 : (real)NAN, 0}, rank = {-1, 1};
    if (id.kind == LIVE && !r->undefined) {
      rank.value = (real)r->rank[id.c];
      logprob = logprob_of(r, r->order[r->rank[id.c]].y);
    }
    if (out->logprob) out->logprob[i] = logprob;
    if (out->rank) out->rank[i] = rank;
  }
}

static void put_top(const struct row *r, const struct log_probs_expectations *out) {
  for (size_t j = 0; j < r->a->top; j++) {
    const size_t i = r->number * r->a->top + j;
    if (out->top_id) out->top_id[i] = (struct expectation){r->undefined ? -1 : (real)r->order[j].c, 1};
    if (out->top_logprob) out->top_logprob[i] = logprob_of(r, r->order[j].y);
  }
}

/* A sum of terms and of their sizes. */
static void add(struct expectation *e, real term) {
  e->value += term;
  e->scale += fabs(term);
}

static void put_gradient(const struct row *r, struct expectation *grad) {
  const vloss_log_probs_args *const a = r->a;
  const size_t k = a->ids_per_row, n = r->number;
  const real v = a->entropy_upstream ? number_at(a, a->entropy_upstream, n) : 0;
  const real w = a->lse_upstream ? number_at(a, a->lse_upstream, n) : 0;
  struct expectation all = {0, 0};
  int undefined = r->undefined, wanted = a->entropy_upstream || a->lse_upstream;
  for (size_t j = 0; j < k; j++) {
    const struct id id = id_at(a, n * k + j);
    undefined |= id.kind == OUT_OF_RANGE;
    wanted |= id.kind != IGNORED;
    if (id.kind == LIVE && a->upstream) add(&all, number_at(a, a->upstream, n * k + j));
  }
  for (size_t c = 0; c < a->classes; c++) {
    const real y = r->order[r->rank[c]].y, lp = y - r->max - r->log_sum, p = undefined ? 0 : exp(lp);
    const int first = r->rank[c] == 0;
    struct expectation own = {0, 0}, others = {0, 0}, g = {0, 0};
    for (size_t j = 0; j < k && a->upstream; j++) {
      const struct id id = id_at(a, n * k + j);
      if (id.kind == LIVE) add(id.c == c ? &own : &others, number_at(a, a->upstream, n * k + j));
    }
    add(&g, own.value * (first ? r->rest / (1 + r->rest) : 1 - p));
    add(&g, -p * others.value);
    if (p > 0) add(&g, -v * p * lp);
    if (p > 0) add(&g, -v * p * r->entropy);
    add(&g, w * p);
    g.scale = fmax(g.scale, own.scale * (first ? r->rest / (1 + r->rest) : 1) + p * others.scale);
    /* The sum of the ids' upstreams is a double. */
    if (k > 1) g.scale += a->type == VLOSS_F64 ? own.scale + p * all.scale : p * all.scale * (real)0x1p-28;
    const real slope = slope_at(a, number_at(a, r->x, c));
    const int of_slope = a->type == VLOSS_F64 && a->softcap != 0 ? 2 : 1; /* the slope has an error, too */
    grad[c] = (struct expectation){g.value * slope, fabs(g.scale * slope) * (1 + r->slack) * of_slope};
    if (a->type == VLOSS_F64) grad[c].scale = fmax(grad[c].scale, (real)0x1p-1010);
    /* Of doubles a probability that small may count as 0, and so may what the maximum lacks of 1: huge upstreams show
     * it.
     */
    const int lost = lp < -1386 || (first && r->rest < (real)0x1p-1010);
    if (a->type == VLOSS_F64 && lost) grad[c].scale = fmax(grad[c].scale, fabs(grad[c].value) * (real)0x1p52);
    if (r->slack > 0) grad[c].scale += fabs(slope) * r->slack * p * (all.scale + fabs(v) * (fabs(lp) + r->entropy));
    if (undefined || !wanted) grad[c] = (struct expectation){wanted ? (real)NAN : 0, 0};
  }
}

void REFERENCE(log_probs)(const vloss_log_probs_args *a, const struct log_probs_expectations *out) {
  const size_t element = a->type == VLOSS_F64 ? sizeof(double) : sizeof(float);
  struct row r = {.a = a};
  r.order = malloc((a->classes + 1) * sizeof *r.order);
  r.rank = malloc((a->classes + 1) * sizeof *r.rank);
  if (!r.order || !r.rank) exit(2);
  for (r.number = 0; r.number < a->rows; r.number++) {
    r.x = (const char *)a->logits + r.number * a->classes * element;
    sum_row(&r);
    put_row(&r, out);
    put_ids(&r, out);
    put_top(&r, out);
    if (out->grad) put_gradient(&r, out->grad + r.number * a->classes);
  }
  free(r.order);
  free(r.rank);
}
