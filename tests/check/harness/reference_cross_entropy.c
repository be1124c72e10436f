/* See reference.h: cross-entropy and NLL. */
#include <stdlib.h>

#include "reference_rows.h"

enum kind { LIVE, IGNORED, OUT_OF_RANGE };

struct label {
  enum kind kind;
  size_t class;
};

static struct label label_of(const vloss_cross_entropy_args *a, size_t r) {
  if (!a->labels) return (struct label){LIVE, 0};
  if (a->shift) {
    const size_t sequence = a->sequence ? a->sequence : a->rows * (a->inner ? a->inner : 1);
    if (r % sequence >= sequence - a->shift) return (struct label){IGNORED, 0};
    r += a->shift;
  }
  int64_t t = a->label_type == VLOSS_I64 ? ((const int64_t *)a->labels)[r] : ((const int32_t *)a->labels)[r];
  int64_t ignored = a->ignore == VLOSS_IGNORE_DEFAULT && a->ignore_index == 0 ? -100 : a->ignore_index;
  if (a->ignore != VLOSS_IGNORE_NOTHING && t == ignored) return (struct label){IGNORED, 0};
  if (t < 0 || (uint64_t)t >= a->classes) return (struct label){OUT_OF_RANGE, 0};
  return (struct label){LIVE, (size_t)t};
}

static real number_at(const vloss_cross_entropy_args *a, const void *p, size_t i) {
  if (!p) return 1;
  return a->type == VLOSS_F64 ? (real)((const double *)p)[i] : (real)((const float *)p)[i];
}

static real weight_of(const vloss_cross_entropy_args *a, size_t c) { return number_at(a, a->weights, c); }

/* What VLOSS_MEAN divides by: the weights of the rows that count, or the number of rows. */
static real denominator_of(const vloss_cross_entropy_args *a, size_t rows) {
  if (!a->labels) return (real)rows;
  real sum = 0;
  for (size_t r = 0; r < rows; r++) {
    struct label t = label_of(a, r);
    if (t.kind != IGNORED) sum += t.kind == LIVE ? weight_of(a, t.class) : 1;
  }
  return sum;
}

static real row_weight(const vloss_cross_entropy_args *a, size_t r) { return number_at(a, a->row_weights, r); }

/* What the gradient of row r is multiplied by; of a mean over live rows whose weights are all 0, NaN. */
static real factor_of(const vloss_cross_entropy_args *a, size_t r, real denominator) {
  const real upstream = number_at(a, a->upstream, a->reduction == VLOSS_NONE ? r : 0) * row_weight(a, r);
  if (a->reduction != VLOSS_MEAN) return upstream;
  return denominator == 0 ? (real)NAN : upstream / denominator;
}

/* What the rows come to. */
struct total {
  struct expectation sum, z;
  size_t live;
};

static void add(struct expectation *sum, struct expectation row) {
  sum->value += row.value;
  sum->scale += row.scale;
}
static struct expectation both(struct expectation a, struct expectation b) {
  add(&a, b);
  return a;
}

/* Of doubles what is denormal on the way loses digits. */
static real least(const vloss_cross_entropy_args *a) { return a->type == VLOSS_F64 ? (real)0x1p-1010 : 0; }

/* Of VLOSS_SUM and VLOSS_MEAN. */
static struct expectation reduced(const vloss_cross_entropy_args *a, struct expectation sum, size_t live,
                                  real denominator) {
  if (a->reduction == VLOSS_SUM) return sum;
  if (live == 0 && (a->flags & VLOSS_EMPTY_MEAN_ZERO)) return exactly(0);
  if (denominator == 0) return exactly((real)NAN);
  return (struct expectation){sum.value / denominator, fmax(fabs(sum.scale / denominator), least(a))};
}
static void reduce_losses(const vloss_cross_entropy_args *a, const struct total *t, real denominator,
                          const struct cross_entropy_expectations *out) {
  if (a->reduction == VLOSS_NONE) return;
  const struct expectation loss = reduced(a, t->sum, t->live, denominator),
                           z = reduced(a, t->z, t->live, (real)t->live);
  if (out->loss) *out->loss = a->z_loss > 0 ? both(loss, z) : loss;
  if (out->z_loss_part) *out->z_loss_part = z;
}

/* A row of a tensor of the call; doubles are dense and in order, as the contents of jobs are. */
static struct row logits_row(const vloss_cross_entropy_args *a, const void *p, size_t stride, size_t inner, size_t r) {
  if (a->type != VLOSS_F64) return row_of(p, stride, a->classes, inner, r);
  return (struct row){(const double *)p + r * a->classes, a->classes, 1, true, NULL};
}

/* The coefficient q_c of a row. */
static real coefficient(const vloss_cross_entropy_args *a, size_t r, size_t t, size_t inner, size_t c) {
  real e = (real)a->label_smoothing, even = e / (real)a->classes;
  if (!a->labels) {
    struct row target = logits_row(a, a->targets, a->targets_stride, inner, r);
    return times(weight_of(a, c), (1 - e) * at(target, c) + even);
  }
  return times(even, weight_of(a, c)) + (c == t ? times(1 - e, weight_of(a, t)) : 0);
}

/* A row that is being computed. */
struct live_row {
  const vloss_cross_entropy_args *a;
  size_t number, label;
  struct row x; /* as it counts */
  struct log_sum s;
  struct expectation lse, of_z; /* what z_loss adds to the coefficient of p_c */
  real factor, slack;           /* what rounding capped logits may do: to a log-probability, or relatively to p_c */
};

/* 1 - p_t, summed from the other classes. */
static real others_of(const struct live_row *row, size_t t) {
  const struct log_sum s = row->s;
  return (t == s.best ? s.rest : 1 + (s.rest - exp(at(row->x, t) - s.max))) / (1 + s.rest);
}

static void put_gradient(const struct live_row *row, struct expectation *grad, size_t c, struct expectation of_q) {
  const vloss_cross_entropy_args *const a = row->a;
  const real p = softmax_of(row->s, at(row->x, c));
  const real slope =
      a->scale == 0 && a->softcap == 0 ? 1 : REFERENCE(slope)(a->type, a->scale, a->softcap, raw_at(row->x, c));
  grad[c] = of_q;
  if (a->z_loss > 0) add(&grad[c], (struct expectation){row->of_z.value * p, row->of_z.scale * p});
  grad[c].value *= slope;
  grad[c].scale *= slope * (1 + row->slack) * (a->softcap == 0 ? 1 : 2); /* the slope has an error, too */
}

/* Index labels without smoothing: L = w_t log1p(sum over the other classes), dL/dy_t = -w_t * (1 - p_t) with 1 - p_t
 * summed from the other classes. Nothing cancels. */
static struct expectation plain_row(const struct live_row *row, struct expectation *grad) {
  const vloss_cross_entropy_args *const a = row->a;
  const struct log_sum s = row->s;
  const size_t t = row->label;
  const real w = weight_of(a, t), others = others_of(row, t);
  for (size_t c = 0; grad && c < a->classes; c++) {
    const real p = c == t ? -others : softmax_of(s, at(row->x, c));
    put_gradient(row, grad, c, exactly(times(row->factor * w, p)));
  }
  const real loss = times(w, s.max - at(row->x, t) + s.log);
  return (struct expectation){loss, fabs(loss) + fabs(w) * others * row->slack};
}

/* Everything else: L = sum_c q_c (m - y_c) + Q log S, dL/dy_c = Q p_c - q_c. */
static struct expectation mixed_row(const struct live_row *row, struct expectation *grad) {
  const vloss_cross_entropy_args *const a = row->a;
  const struct log_sum s = row->s;
  struct expectation loss = {0, 0}, q_sum = {0, 0};
  struct careful_sum terms = {0, 0}, coefficients = {0, 0};
  for (size_t c = 0; c < a->classes; c++) {
    real q = coefficient(a, row->number, row->label, row->x.step, c), term = times(q, s.max - at(row->x, c));
    careful_add(&terms, term);
    careful_add(&coefficients, q);
    loss.scale += fabs(term);
    q_sum.scale += fabs(q);
  }
  loss.value = careful_value(&terms);
  q_sum.value = careful_value(&coefficients);
  loss.value += times(q_sum.value, s.log);
  loss.scale += times(q_sum.scale, s.log) + times(q_sum.scale, row->slack);
  for (size_t c = 0; grad && c < a->classes; c++) {
    const real q = coefficient(a, row->number, row->label, row->x.step, c), p = softmax_of(s, at(row->x, c));
    const struct expectation g = {times(row->factor, q_sum.value * p - q),
                                  fabs(row->factor) * (q_sum.scale * p + fabs(q))};
    put_gradient(row, grad, c, g);
  }
  return loss;
}

/* dL/dt_c = -(1 - e) w_c lp_c. Log-probabilities below 2^-126 may count as 0, which large factors show. */
static void put_targets_gradient(const struct live_row *row, struct expectation *grad) {
  const vloss_cross_entropy_args *const a = row->a;
  for (size_t c = 0; c < a->classes; c++) {
    const real lp = at(row->x, c) - row->s.max - row->s.log;
    const real coefficient_of_lp = -(1 - (real)a->label_smoothing) * weight_of(a, c) * row->factor;
    grad[c].value = times(coefficient_of_lp, lp);
    grad[c].scale = fabs(grad[c].value) +
                    times(fabs(coefficient_of_lp), row->slack + (a->type == VLOSS_F64 ? least(a) : (real)0x1p-104));
  }
}

/* The logits of a row as they count, and what their rounding may do. */
static void count_logits(struct live_row *row, real *buffer) {
  const vloss_cross_entropy_args *const a = row->a;
  real most = 0;
  if (a->scale == 0 && a->softcap == 0) return;
  for (size_t c = 0; c < a->classes; c++) {
    buffer[c] = REFERENCE(logit)(a->type, a->scale, a->softcap, raw_at(row->x, c));
    if (!isinf(buffer[c])) most = fmax(most, fabs(buffer[c]));
  }
  row->x.counted = buffer;
  const real smallest = a->type == VLOSS_F64 ? least(a) : (real)FLT_MIN; /* below it digits may be lost */
  row->slack = a->softcap == 0 ? 0 : 4 * fmax(most, smallest);
}

static struct expectation expected_lse(const struct live_row *row) {
  struct expectation lse = lse_of(row->s);
  if (row->a->type == VLOSS_F64 && row->s.max < 0) lse.scale = fmax(fabs(lse.value), row->s.log);
  lse.scale += row->slack;
  return lse;
}

/* What a row has beside its loss and gradients; not given: an ignored one. */
static void put_row(const struct live_row *row, size_t r, bool labelled, const struct cross_entropy_expectations *out) {
  const struct log_sum none = {0}, s = row ? row->s : none;
  const struct expectation nan = exactly((real)NAN), nothing = exactly(0);
  const struct expectation max = {s.max, fabs(s.max) + (row ? row->slack : 0)};
  const struct expectation log_sum = {s.log, s.log + (row ? row->slack * s.rest / (1 + s.rest) + least(row->a) : 0)};
  if (out->lse) out->lse[r] = row ? row->lse : nothing;
  if (out->predicted) out->predicted[r] = exactly(row ? (real)s.best : -1);
  if (out->max) out->max[r] = row && s.undefined ? nan : max;
  if (out->log_sum) out->log_sum[r] = row && s.undefined ? nan : log_sum;
  if (out->correct) out->correct[r] = exactly(row && labelled && s.best == row->label);
}

/* Loss and gradients of a row; what z_loss adds, to *z. */
static struct expectation finish_row(struct live_row *row, bool labelled, size_t live, struct expectation *z,
                                     struct expectation *grad, struct expectation *grad_targets) {
  const vloss_cross_entropy_args *const a = row->a;
  const real weight = row_weight(a, row->number), lse = row->lse.value, of_z = 2 * (real)a->z_loss;
  struct expectation loss = exactly((real)NAN);
  const bool undefined = row->s.undefined || !labelled;
  *z = exactly(undefined && a->z_loss > 0 ? (real)NAN : 0);
  if (!undefined) {
    const real factor = factor_of(a, row->number, (real)live);
    row->of_z = (struct expectation){factor * of_z * lse, fabs(factor) * of_z * row->lse.scale};
    loss = a->labels && a->label_smoothing == 0 ? plain_row(row, grad) : mixed_row(row, grad);
    const real of_label = a->labels ? weight_of(a, row->label) : 1, size = fmax(1, fabs(of_label));
    loss = (struct expectation){times(weight, loss.value), times(fabs(weight), fmax(loss.scale, least(a) * size))};
    for (size_t c = 0; a->type == VLOSS_F64 && grad && c < a->classes; c++)
      grad[c].scale = fmax(grad[c].scale, least(a) * size * fmax(1, fabs(row->factor)));
    z->value = times(weight, (real)a->z_loss * lse * lse);
    z->scale = fabs(weight) * (real)a->z_loss * fabs(lse) * (row->lse.scale + row->slack);
    if (grad_targets) put_targets_gradient(row, grad_targets);
  }
  const bool filled = undefined || isinf(row->factor);
  for (size_t c = 0; filled && grad && c < a->classes; c++) grad[c] = exactly((real)NAN);
  for (size_t c = 0; filled && grad_targets && c < a->classes; c++) grad_targets[c] = exactly((real)NAN);
  return loss;
}

static size_t live_rows(const vloss_cross_entropy_args *a, size_t rows) {
  size_t live = 0;
  for (size_t r = 0; r < rows; r++) live += label_of(a, r).kind != IGNORED;
  return live;
}

void REFERENCE(cross_entropy)(const vloss_cross_entropy_args *a, const struct cross_entropy_expectations *out) {
  size_t inner = a->inner ? a->inner : 1, rows = a->rows * inner, classes = a->classes;
  const real denominator = denominator_of(a, rows);
  struct total total = {exactly(0), exactly(0), live_rows(a, rows)};
  real *const counted = malloc((classes + 1) * sizeof *counted);
  if (!counted) exit(2);
  for (size_t r = 0; r < rows; r++) {
    const struct label t = label_of(a, r);
    struct expectation loss = exactly(0), z = exactly(0), *grad = out->grad ? out->grad + r * classes : NULL;
    struct live_row row = {.a = a, .number = r, .label = t.class, .factor = factor_of(a, r, denominator)};
    if (t.kind != IGNORED) {
      row.x = logits_row(a, a->logits, a->logits_stride, inner, r);
      count_logits(&row, counted);
      row.s = log_sum_of(row.x);
      row.lse = expected_lse(&row);
      loss = finish_row(&row, t.kind == LIVE, total.live, &z, grad,
                        out->grad_targets ? out->grad_targets + r * classes : NULL);
    }
    for (size_t c = 0; t.kind == IGNORED && grad && c < classes; c++) grad[c] = exactly(0);
    put_row(t.kind == IGNORED ? NULL : &row, r, t.kind == LIVE, out);
    if (out->loss && a->reduction == VLOSS_NONE) out->loss[r] = a->z_loss > 0 ? both(loss, z) : loss;
    if (out->z_loss_part && a->reduction == VLOSS_NONE) out->z_loss_part[r] = z;
    add(&total.sum, loss);
    add(&total.z, z);
  }
  free(counted);
  reduce_losses(a, &total, denominator, out);
}

void REFERENCE(nll)(const vloss_cross_entropy_args *a, const struct cross_entropy_expectations *out) {
  size_t inner = a->inner ? a->inner : 1, rows = a->rows * inner, classes = a->classes;
  real denominator = denominator_of(a, rows);
  struct total total = {exactly(0), exactly(0), live_rows(a, rows)};
  for (size_t r = 0; r < rows; r++) {
    struct label t = label_of(a, r);
    struct expectation loss = exactly(t.kind == IGNORED ? 0 : (real)NAN);
    real factor = factor_of(a, r, denominator);
    if (t.kind == LIVE)
      loss = exactly(-times(row_weight(a, r) * weight_of(a, t.class),
                            at(logits_row(a, a->logits, a->logits_stride, inner, r), t.class)));
    loss.scale = fmax(loss.scale, least(a));
    for (size_t c = 0; out->grad && c < classes; c++) {
      real g = t.kind == LIVE && c == t.class ? -factor * weight_of(a, c) : 0;
      bool undefined = t.kind == OUT_OF_RANGE || (t.kind == LIVE && !isfinite(factor));
      out->grad[r * classes + c] = exactly(undefined ? (real)NAN : g);
    }
    if (out->loss && a->reduction == VLOSS_NONE) out->loss[r] = loss;
    add(&total.sum, loss);
  }
  reduce_losses(a, &total, denominator, out);
}
