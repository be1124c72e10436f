/* The sums of products and the gradients of cosines of rows that lie side by side: see beside.h and, for what the sums
 * are, reduce.h. */
#ifndef VLOSS_KERNELS_COSINES_BESIDE_H
#define VLOSS_KERNELS_COSINES_BESIDE_H

#include "beside.h"
#include "reduce.h"

VFN void add_beside(double *lanes, vf v) { dstore(lanes, dadd(dload(lanes), dwiden(v))); }

/* Of 32 or 64 columns, one vector of 16 columns: which begins at `at`. And of up to 256. */
VFN struct products some_beside(const struct beside *b, const float *x, const float *y, size_t at, const size_t n,
                                const int whole) {
  struct products sums = first_products();
  UNROLL for (size_t i = 0; i < n; i++, at += 16 * b->column_stride) sums =
      whole ? products_and(sums, vload(x + at), vload(y + at))
            : products_and(sums, beside_get(b, x, at), beside_get(b, y, at));
  return sums;
}
VFN struct products fours_beside(const struct beside *b, const float *x, const float *y, size_t at, size_t fours,
                                 const int whole) {
  const size_t step = 64 * b->column_stride;
  struct products sums = some_beside(b, x, y, at, 4, whole);
  for (at += step; --fours > 0; at += step) sums = sum_of_products(sums, some_beside(b, x, y, at, 4, whole));
  return sums;
}

/* The sums in float, up to column c. Where the next vector of a row is near, one vector of sums after the other, in
 * registers; else all of them, in memory, as memory comes. */
VFN void products_by_vector(const struct beside *b, const float *x, const float *y, double *lanes) {
  for (size_t f = 0; f < 16 * b->width; f += 16) {
    vd aa = dset1(0.0), bb = aa, ab = aa;
    size_t c = 0;
    for (size_t n; (n = product_fours(c, b->columns)) > 0; c += 64 * n) {
      const struct products p = fours_beside(b, x, y, f + c * b->column_stride, n, 1);
      aa = dadd(aa, dwiden(p.aa)), bb = dadd(bb, dwiden(p.bb)), ab = dadd(ab, dwiden(p.ab));
    }
    if (c + 32 <= b->columns) {
      const struct products p = some_beside(b, x, y, f + c * b->column_stride, 2, 1);
      aa = dadd(aa, dwiden(p.aa)), bb = dadd(bb, dwiden(p.bb)), ab = dadd(ab, dwiden(p.ab));
    }
    dstore(lanes + f, aa), dstore(lanes + BESIDE_LANES + f, bb), dstore(lanes + 2 * BESIDE_LANES + f, ab);
  }
}
VFN void products_by_columns(const struct beside *b, const float *x, const float *y, double *lanes) {
  memset(lanes, 0, 3 * BESIDE_LANES * sizeof *lanes);
  for (size_t c = 0, n; c + 32 <= b->columns; c += n ? 64 * n : 32) {
    n = product_fours(c, b->columns);
    const int whole = beside_whole(b, c, 64 * n);
    size_t at = c * b->column_stride;
    for (size_t f = 0; f < 16 * b->width; f += 16, at += b->vector_stride) {
      const struct products p = n == 0  ? some_beside(b, x, y, at, 2, 0)
                                : whole ? fours_beside(b, x, y, at, n, 1)
                                        : fours_beside(b, x, y, at, n, 0);
      add_beside(lanes + f, p.aa);
      add_beside(lanes + BESIDE_LANES + f, p.bb);
      add_beside(lanes + 2 * BESIDE_LANES + f, p.ab);
    }
  }
}
/* Up to 16 columns, in double. */
VFN void products_of_16(const struct beside *b, const float *x, const float *y, size_t c, double *lanes) {
  double *const aa = lanes, *const bb = aa + BESIDE_LANES, *const ab = bb + BESIDE_LANES;
  size_t at = c * b->column_stride;
  for (size_t vector = 0, f = 0; vector < beside_vectors(b, beside_columns(b, c));
       vector++, f += 16, at += b->vector_stride) {
    const vd v = dwiden(beside_get(b, x, at)), w = dwiden(beside_get(b, y, at));
    dstore(aa + f, dfma(v, v, dload(aa + f)));
    dstore(bb + f, dfma(w, w, dload(bb + f)));
    dstore(ab + f, dfma(v, w, dload(ab + f)));
  }
}

/* What products_in_float leaves of each row in value[0 .. 2]. */
static __attribute__((noinline)) void products_beside(const struct beside *b, const float *x, const float *y) {
  double *const lanes = b->scratch;
  size_t c = b->columns / 32 * 32;
  if (b->dense)
    products_by_vector(b, x, y, lanes);
  else
    products_by_columns(b, x, y, lanes);
  if (c > 0) {
    beside_split(b, lanes, lanes + 3 * BESIDE_LANES);
    beside_split(b, lanes + BESIDE_LANES, lanes + 3 * BESIDE_LANES);
  }
  for (; c < b->columns; c += 16) products_of_16(b, x, y, c, lanes);
  for (size_t which = 0; which < 3; which++) {
    beside_sum(b, lanes + which * BESIDE_LANES);
    for (size_t i = 0; i < b->rows; i++) b->state[i].value[which] = lanes[which * BESIDE_LANES + i];
  }
}

/* Whether all rows have their gradients in float, or one number for all columns, and there are any to be written. */
VFN int cosines_in_float(const struct beside *b, int gradient, int slopes) {
  int open = 0;
  for (size_t i = 0; i < b->rows; i++) {
    const struct row_state *s = &b->state[i];
    open |= s->pass == gradient;
    if (s->pass == ROW_FILL) continue;
    if (s->pass != gradient) return 0;
    for (int which = 0; which < slopes; which++)
      if (!s->slope[which].in_float) return 0;
  }
  return open;
}

/* The slopes of the rows. */
struct slopes_beside {
  float across[BESIDE_PATTERN], along[BESIDE_PATTERN], last[BESIDE_PATTERN];
};
VFN void slopes_beside(const struct beside *b, struct slopes_beside *to, int which) {
  for (size_t i = 0; i < b->rows; i++) {
    const struct cosine_slope *s = &b->state[i].slope[which];
    const int filled = b->state[i].pass == ROW_FILL;
    to->across[i] = filled ? 0 : s->across_scaled;
    to->along[i] = filled ? 0 : s->along_scaled;
    to->last[i] = filled ? 0 : s->last;
  }
  beside_repeat(b, to->across);
  beside_repeat(b, to->along);
  beside_repeat(b, to->last);
}
/* What is written of the rows. */
struct gradients_beside {
  struct slopes_beside of_x, of_y;
  float filled[BESIDE_PATTERN], fill[BESIDE_PATTERN]; /* filled: 1 where the gradient is `fill` */
};
/* The same for the vector at a phase. */
struct slope_vectors {
  vf across, along, last;
};
VFN struct slope_vectors slopes_at(const struct slopes_beside *s, size_t phase) {
  return (struct slope_vectors){vload(s->across + phase), vload(s->along + phase), vload(s->last + phase)};
}
VFN vf gradient_beside(vf x, vf y, struct slope_vectors s, vf filled, vf fill, const int fills) {
  const vf gradient = vmul(vnfma(x, s.along, vmul(y, s.across)), s.last);
  return fills ? vsel(vgt(filled, vset1(0.0f)), fill, gradient) : gradient;
}
/* Rows that are not dense have the same phase in all vectors: then the slopes stay in registers. `fills`: there are
 * rows whose gradient is `fill`. */
VFN void write_beside(const struct beside *beside, const float *x, const float *y, const struct gradients_beside *g,
                      const int dense, const int fills) {
  const struct beside b = *beside;
  const size_t turn = beside_turn(&b), vectors = beside_vectors(&b, b.columns);
  struct slope_vectors of_x = slopes_at(&g->of_x, 0), of_y = slopes_at(&g->of_y, 0);
  vf filled = vload(g->filled), fill = vload(g->fill);
  for (size_t vector = 0, at = 0, phase = 0; vector < vectors; vector++, at += b.vector_stride) {
    const vf u = beside_get(&b, x, at), v = beside_get(&b, y, at);
    if (b.grad) beside_put(&b, b.grad, at, gradient_beside(u, v, of_x, filled, fill, fills));
    if (b.grad_other) beside_put(&b, b.grad_other, at, gradient_beside(v, u, of_y, filled, fill, fills));
    if (!dense) continue;
    phase = beside_phase(&b, phase, turn);
    of_x = slopes_at(&g->of_x, phase);
    if (b.grad_other) of_y = slopes_at(&g->of_y, phase);
    if (fills) filled = vload(g->filled + phase), fill = vload(g->fill + phase);
  }
}

/* The gradients of the rows. */
static __attribute__((noinline)) void cosine_gradients_beside(const struct beside *beside, const float *x,
                                                              const float *y) {
  const struct beside b = *beside;
  struct gradients_beside g = {0};
  int fills = 0;
  for (size_t i = 0; i < b.rows; i++) {
    g.filled[i] = b.state[i].pass == ROW_FILL;
    fills |= g.filled[i] > 0;
    g.fill[i] = g.filled[i] > 0 ? with_factor(&b.row[i], b.state[i].fill) : 0;
  }
  beside_repeat(&b, g.filled);
  beside_repeat(&b, g.fill);
  slopes_beside(&b, &g.of_x, 0);
  if (b.grad_other) slopes_beside(&b, &g.of_y, 1);
  if (fills)
    write_beside(&b, x, y, &g, b.dense, 1);
  else if (b.dense)
    write_beside(&b, x, y, &g, 1, 0);
  else
    write_beside(&b, x, y, &g, 0, 0);
  for (size_t i = 0; i < b.rows; i++) b.state[i].pass = ROW_DONE;
}

#endif
