/* What the kernels of the row losses are written against: the columns of a row that are at hand, and what is kept
 * between them. */
#ifndef VLOSS_KERNELS_ROW_H
#define VLOSS_KERNELS_ROW_H

#include "loss.h"
#include "tuning.h"

/* A loss: void NAME(const struct row *r, struct row_state *s) takes the columns that are at hand through the
 * row's pass number s->pass. Where all of them are, as in rows whose columns lie side by side, it makes one pass after
 * the other, until s->pass is ROW_DONE or ROW_FILL; else the caller comes again with the next columns, or with the
 * first ones for the next pass. A pass that writes gradients reads no column but the one that it writes. */

struct row {
  size_t columns;
  size_t from, to; /* those at hand: all, or from one multiple of 64 to another or to the end. All pointers to columns
                      are for these only */
  int denormals;   /* there may be some among the columns, and they are slow */
  int from_memory; /* rows lie side by side, and together do not fit a cache near the core */
  const float *p, *t, *other;
  const float *weights; /* of the columns; null: 1 */
  float target;         /* of the losses with one target a row */
  size_t label;         /* of the losses with one label a row, */
  float own;            /* and the prediction there */
  const void *labels;   /* the row's list, one a column */
  int labels_narrow;
  double factor;                          /* what every gradient is multiplied by */
  float *grad, *grad_target, *grad_other; /* null: not wanted */
  const double *parameters;
  size_t column_stride; /* of a loss that takes whole rows: elements between one column and the next; else 1 */
  double *scratch;      /* of such a loss: 2 * MULTILABEL_TILE */
  vloss_type type;      /* of such a loss: of what p and grad point to */
};

/* Rows that are taken at once: so that none need wait for what the one before it comes to. Flags of denormals are not
 * looked at in between, which waits for all; so they have no more columns together than this, if there are several. */
enum { ROWS_TOGETHER = 8, COLUMNS_TOGETHER = 4096 };
/* What differs in them. */
struct row_own {
  double factor;
  size_t label;
  const void *labels;
  float target, prediction; /* this at the label */
};
struct row_steps { /* bytes from one row to the next */
  size_t p, t, other, weights, grad, grad_target, grad_other;
};
struct rows_own {
  struct row_steps step;
  struct row_own of[ROWS_TOGETHER];
};
VFN void take_own(struct row *r, const struct row_own *own) {
  r->factor = own->factor;
  r->label = own->label;
  r->labels = own->labels;
  r->target = own->target;
  r->own = own->prediction;
}
/* Makes row number i of the first one. */
VFN const float *moved_on(const float *p, size_t bytes) { return (const float *)((uintptr_t)p + bytes); }
VFN float *result_moved_on(float *p, size_t bytes) { return (float *)((uintptr_t)p + bytes); }
VFN void row_number(struct row *r, struct row_steps step, const struct row_own *own, size_t i) {
  take_own(r, own);
  r->p = moved_on(r->p, i * step.p);
  r->t = moved_on(r->t, i * step.t);
  r->other = moved_on(r->other, i * step.other);
  r->weights = moved_on(r->weights, i * step.weights);
  r->grad = result_moved_on(r->grad, i * step.grad);
  r->grad_target = result_moved_on(r->grad_target, i * step.grad_target);
  r->grad_other = result_moved_on(r->grad_other, i * step.grad_other);
}

VFN int expects_denormals(const struct row *r) { return DENORMALS_ARE_SLOW && r->denormals; }

enum { ROW_DONE = -1, ROW_FILL = -2 }; /* ROW_FILL: but for the gradients, each of which is `fill` */
/* The gradient of a cosine: see reduce.h. */
struct cosine_slope {
  double across, along;
  float across_scaled, along_scaled, last;
  int in_float;
};
struct row_state {
  int pass;                     /* 0 at first */
  int writes;                   /* set by a pass that writes gradients */
  double loss, fill;            /* without the row's weight and factor */
  double value[6];              /* what passes found for those after them */
  struct cosine_slope slope[2]; /* and these */
  vd lanes[6];                  /* sums of the pass that was interrupted */
};

/* The columns of the vector that begins at c: 16, fewer in the last one, 0 behind it. A pass is a loop
 * for (size_t c = r->from, m; (m = columns_from(r, c)) > 0; c += 16). */
VFN size_t columns_from(const struct row *r, size_t c) { return c >= r->to ? 0 : r->to - c < 16 ? r->to - c : 16; }
/* Where a pass stood: its first value at the row's first columns. */
VFN vd resumed(const struct row *r, const struct row_state *s, int i, double first) {
  return r->from ? s->lanes[i] : dset1(first);
}
/* The end of a row without a pass over its gradients; each of them is `fill`. */
VFN void filled_row(const struct row *r, struct row_state *s, double loss, double fill) {
  s->loss = loss;
  s->fill = fill;
  s->pass = r->grad || r->grad_target || r->grad_other ? ROW_FILL : ROW_DONE;
}
VFN void nan_row(const struct row *r, struct row_state *s) {
  filled_row(r, s, (double)NOT_A_NUMBER, (double)NOT_A_NUMBER);
}

/* Columns c .. c + n - 1, n <= 16; the lanes beyond are `fill`. */
VFN vf get(const float *p, size_t c, size_t n, float fill) { return n == 16 ? vload(p + c) : vtail(p + c, n, fill); }

/* Writes a gradient that has its factor. */
VFN void put_scaled(float *p, size_t c, size_t n, vf v) {
  if (n == 16)
    vstore(p + c, v);
  else
    vstore_tail(p + c, v, n);
}
/* A gradient times the row's factor: rounded once. A factor of 0 makes 0 of everything but NaN. */
VFN vf narrow_with_factor(const struct row *r, vd v) {
  if (r->factor == 0) return canonical(dnarrow(dsel(dnan(v), v, dset1(0.0)))); /* +0 */
  return canonical(dnarrow(dmul(v, dset1(r->factor))));
}
VFN void put(const struct row *r, float *p, size_t c, size_t n, vd v) { put_scaled(p, c, n, narrow_with_factor(r, v)); }
/* The same where v is no NaN. */
VFN void put_number(const struct row *r, float *p, size_t c, size_t n, vd v) {
  if (r->factor != 0 && r->factor - r->factor == 0)
    put_scaled(p, c, n, dnarrow(dmul(v, dset1(r->factor))));
  else
    put(r, p, c, n, v);
}
/* The end of what a pass over gradients did. */
VFN void wrote(const struct row *r, struct row_state *s) {
  s->writes = 1;
  if (r->to == r->columns) s->pass = ROW_DONE;
}
/* One gradient of many: for rows with few different ones. */
VFN float with_factor(const struct row *r, double v) {
  const double product = v * r->factor;
  if (r->factor != 0 && product == product) return (float)product;
  return r->factor == 0 && v == v ? 0 : NOT_A_NUMBER;
}

#endif
