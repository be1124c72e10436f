/* Keras' sparse categorical cross-entropy of probabilities: log S - log v_y, v = p clipped to [eps, 1 - eps], S = sum
 * v, y the label. With R the sum of the other classes it is log(1 + R / v_y), which cancels nothing. Gradient 1 / S, at
 * the label 1 / S - 1 / v_y = -R / (S v_y), and 0 where p was clipped. */
#ifndef VLOSS_KERNELS_LOSS_KERAS_SPARSE_CATEGORICAL_CROSSENTROPY_H
#define VLOSS_KERNELS_LOSS_KERAS_SPARSE_CATEGORICAL_CROSSENTROPY_H

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/beside.h"
#include "../losses/reduce.h"
#include "../losses/row_loss.h"

/* SPARSE_SUMMED: the sums are there, the loss of all rows together is next. */
enum { SPARSE_SUMS, SPARSE_SUMMED, SPARSE_GRADIENT };

/* value[0] is v_y, value[1] is R, and the loss, so far, what it is the logarithm of. */
VFN void sparse_summed(const struct row *r, struct row_state *s, vd sum) {
  const double own = (double)vfirst(clip(vset1(r->own), KERAS_EPS, KERAS_ONE_MINUS_EPS)), rest = dsum(sum);
  s->value[0] = own;
  s->value[1] = rest;
  s->pass = SPARSE_SUMMED;
  s->loss = 1 + rest / own;
  if (own + rest != own + rest) nan_row(r, s);
}
/* The logarithms of up to 16 rows. */
VFN void sparse_losses(struct row_state *states, size_t n) {
  double lanes[16];
  for (size_t i = 0; i < 16; i++) lanes[i] = i < n && states[i].pass == SPARSE_SUMMED ? states[i].loss : 1;
  dstore(lanes, dlog(dload(lanes)));
  for (size_t i = 0; i < n; i++)
    if (states[i].pass == SPARSE_SUMMED) states[i].loss = lanes[i];
}

VFN void sparse_sums(const struct row *r, struct row_state *s, const int from_memory) {
  vd sum = resumed(r, s, 0, 0);
  size_t c = r->from;
  for (; c + 64 <= r->to; c += 64) {
    vf v[4];
    UNROLL for (size_t j = 0; j < 4; j++) {
      if (from_memory) ask_ahead(r->p + c + 16 * j);
      v[j] = clip(vload(r->p + c + 16 * j), KERAS_EPS, KERAS_ONE_MINUS_EPS);
    }
    if (r->label - c < 64) UNROLL for (size_t j = 0; j < 4; j++) v[j] = put_label(v[j], c + 16 * j, r->label, 0.0f);
    sum = dadd(sum, dwiden(combine4(v)));
  }
  for (size_t m; (m = columns_from(r, c)) > 0; c += 16) {
    const vf v = clip(get(r->p, c, m, 0.0f), KERAS_EPS, KERAS_ONE_MINUS_EPS), none = vset1(0.0f);
    const vf others = put_label(v, 0, r->label - c < 16 ? r->label - c : 16, 0.0f);
    sum = dadd(sum, dwiden(vsel(vigt(viset1((int32_t)m), lane_numbers()), others, none)));
  }
  if (r->to < r->columns)
    s->lanes[0] = sum;
  else
    sparse_summed(r, s, sum);
}
VFN void sparse_sums_step(const struct row *r, struct row_state *s) {
  if (s->pass != SPARSE_SUMS) return;
  if (r->from_memory)
    sparse_sums(r, s, 1);
  else
    sparse_sums(r, s, 0);
}
/* Sums of all rows, and their losses; the gradients are left. */
VFN int keras_sparse_categorical_crossentropy_rows(const struct row *first, const struct rows_own *own,
                                                   struct row_state *states, size_t n) {
  each_row(first, own, states, n, sparse_sums_step);
  sparse_losses(states, n);
  return 0;
}

/* What the gradient is at the label and elsewhere. */
VFN float sparse_at_label(const struct row *r, const struct row_state *s) {
  if (vany(clips(vset1(r->own), KERAS_EPS, KERAS_ONE_MINUS_EPS))) return with_factor(r, 0);
  return with_factor(r, -s->value[1] / ((s->value[0] + s->value[1]) * s->value[0]));
}
VFN float sparse_elsewhere(const struct row *r, const struct row_state *s) {
  return with_factor(r, 1 / (s->value[0] + s->value[1]));
}
VFN void keras_sparse_categorical_crossentropy(const struct row *r, struct row_state *s) {
  const int begins = s->pass == SPARSE_SUMMED;
  if (begins) s->pass = r->grad ? SPARSE_GRADIENT : ROW_DONE;
  if (s->pass != SPARSE_GRADIENT || (begins && r->from)) return; /* the first columns are not at hand */
  const vf elsewhere = vset1(sparse_elsewhere(r, s)), clipped = vset1(with_factor(r, 0));
  size_t c = r->from;
  for (; c + 64 <= r->to; c += 64) {
    UNROLL for (size_t i = c; i < c + 64; i += 16)
        vstore(r->grad + i, vsel(clips(vload(r->p + i), KERAS_EPS, KERAS_ONE_MINUS_EPS), clipped, elsewhere));
  }
  for (size_t m; (m = columns_from(r, c)) > 0; c += 16)
    put_scaled(r->grad, c, m, vsel(clips(get(r->p, c, m, 0.0f), KERAS_EPS, KERAS_ONE_MINUS_EPS), clipped, elsewhere));
  if (r->label >= r->from && r->label < r->to) r->grad[r->label] = sparse_at_label(r, s);
  wrote(r, s);
}

/* ---- Rows that lie side by side ---------------------------------------------------------------------------------- */

/* Columns of v, 0 at the labels. */
VFN vf other_classes_beside(const struct beside *b, size_t at, const struct beside_labels *labels, size_t vector,
                            size_t c) {
  const vf v = clip(beside_get(b, b->p, at), KERAS_EPS, KERAS_ONE_MINUS_EPS);
  return beside_without_label(labels, vector, c, v, vset1(0.0f));
}
static __attribute__((noinline)) void sparse_sums_beside(const struct beside *b) {
  const size_t vectors = b->width, end = b->columns * b->column_stride;
  struct beside_labels labels;
  double *const sums = b->scratch;
  beside_label(b, &labels);
  for (size_t vector = 0; vector < vectors; vector++) {
    vd sum = dset1(0.0);
    size_t c = 0, at = vector * b->vector_stride;
    for (; c + 64 <= b->columns; c += 64, at += 64 * b->column_stride) {
      vf v[4];
      UNROLL for (size_t j = 0; j < 4; j++) v[j] =
          other_classes_beside(b, at + 16 * j * b->column_stride, &labels, vector, c + 16 * j);
      sum = dadd(sum, dwiden(combine4(v)));
    }
    for (; c < b->columns && at < end; c += 16, at += 16 * b->column_stride) {
      if (!b->dense && c + vector >= b->columns) break;
      const size_t valid = b->dense && end - at < 16 ? end - at : 16;
      sum = dadd(sum, dwithout(dwiden(other_classes_beside(b, at, &labels, vector, c)), valid, SIZE_MAX));
    }
    dstore(sums + 16 * vector, sum);
  }
}
static __attribute__((noinline)) void sparse_gradients_beside(const struct beside *b) {
  float elsewhere[BESIDE_PATTERN], clipped[BESIDE_PATTERN];
  const size_t turn = beside_turn(b), vectors = beside_vectors(b, b->columns);
  for (size_t i = 0; i < b->rows; i++)
    elsewhere[i] = sparse_elsewhere(&b->row[i], &b->state[i]), clipped[i] = with_factor(&b->row[i], 0);
  beside_repeat(b, elsewhere);
  beside_repeat(b, clipped);
  for (size_t vector = 0, at = 0, phase = 0; vector < vectors;
       vector++, at += b->vector_stride, phase = beside_phase(b, phase, turn)) {
    const vm outside = clips(beside_get(b, b->p, at), KERAS_EPS, KERAS_ONE_MINUS_EPS);
    beside_put(b, b->grad, at, vsel(outside, vload(clipped + phase), vload(elsewhere + phase)));
  }
  for (size_t i = 0; i < b->rows; i++) {
    const struct row *r = &b->row[i];
    b->grad[r->label * b->column_stride + i] = sparse_at_label(r, &b->state[i]);
    b->state[i].pass = ROW_DONE;
  }
}
/* The gradients only where all rows have one. Classes are counted in 32 bits. */
static void keras_sparse_categorical_crossentropy_beside(const struct beside *b) {
  size_t open = 0;
  if (b->columns > INT32_MAX) return;
  for (size_t i = 0; i < b->rows; i++)
    if (b->state[i].pass) return;
  sparse_sums_beside(b);
  for (size_t i = 0; i < b->rows; i++) {
    sparse_summed(&b->row[i], &b->state[i], beside_lanes(b, 0, i));
    open += b->state[i].pass == SPARSE_SUMMED && b->row[i].grad;
  }
  sparse_losses(b->state, b->rows);
  for (size_t i = 0; i < b->rows; i++)
    if (b->state[i].pass == SPARSE_SUMMED) b->state[i].pass = b->row[i].grad ? SPARSE_GRADIENT : ROW_DONE;
  if (open == b->rows) sparse_gradients_beside(b);
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

/* The sum of the columns as they are clipped, but for the label. Nothing is infinite in it. */
static struct total sum_of_others(const struct wide_loss_row *r, double low, double high) {
  struct lanes sum = no_lanes();
  for (size_t c = 0; c < r->columns; c += 64) {
    const size_t left = r->columns - c;
    vd v[4];
    UNROLL for (size_t i = 0; i < 4; i++) {
      const size_t n = left < 16 * i ? 0 : at_once(left, 16 * i);
      v[i] = wide_clip(columns_at(r->p, c + 16 * i, n, 0.0), low, high);
      if (left < 64 || r->label - c < 64) v[i] = with_label(lanes_below(v[i], n), c + 16 * i, r->label, 0);
    }
    sum = lanes_plus_sizes(sum, v);
  }
  return lanes_total(&sum);
}
static double keras_sparse_categorical_crossentropy_wide(const struct wide_loss_row *r) {
  const double low = WIDE_KERAS_EPS, high = WIDE_KERAS_ONE_MINUS_EPS, p = r->p.p[r->label * r->p.step];
  const struct parts own = whole(wide_clip(dset1(p), low, high));
  const struct total others = sum_of_others(r, low, high);
  const struct parts rest = total_parts(others), all = parts_sum(rest, own);
  const double loss = first_of(log1p_of_parts(normal_parts(parts_quotient(rest, own))));
  if (loss != loss || !r->grad.p) return loss;
  const vd elsewhere = rounded_parts(parts_quotient(one_number(1.0), all));
  const vd at_label = dneg(rounded_parts(parts_quotient(rest, parts_product(all, own))));
  for (size_t c = 0; c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    const dm clipped = wide_clips(columns_at(r->p, c, n, 0.0), low, high);
    const vd v = with_label(elsewhere, c, r->label, first_of(at_label));
    put_gradient(r, r->grad, c, n, dsel(clipped, dset1(0.0), v));
  }
  return loss;
}
#else
#include "../losses/formula.h"

FORMULA void keras_sparse_categorical_crossentropy_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, low = FORMULA_EPS, high = FORMULA_ONE_MINUS_EPS;
  real rest = 0;
  for (size_t c = 0; c < (size_t)r->label; c++) rest += p[c] < low ? low : p[c] > high ? high : p[c];
  for (size_t c = (size_t)r->label + 1; c < r->n; c++) rest += p[c] < low ? low : p[c] > high ? high : p[c];
  const real own = p[r->label], v = own < low ? low : own > high ? high : own, s = rest + v;
  *loss = (struct formula_value){log1p(rest / v), 0};
  if (r->grad) {
    const real bad = s == s ? 0 : s;
    for (size_t c = 0; c < r->n; c++) r->grad[c] = (p[c] < low || p[c] > high ? 0 : 1 / s) + bad;
    r->grad[r->label] = (own < low || own > high ? 0 : -rest / (s * v)) + bad;
  }
  if (r->grad_scale)
    for (size_t c = 0; c < r->n; c++) r->grad_scale[c] = 0;
}
#endif

#endif
