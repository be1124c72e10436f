/* Multi-label margin: (1/C) sum_{j in J} sum_{i not in J} max(0, 1 - (p_j - p_i)), J the list of labels up to the first
 * -1, repeats included. Each pair of positive argument adds -1/C to the gradient at j and 1/C at i. In float, where 1 -
 * p_j is two floats, else in double: for the sake of kinks. Every pair is looked at, a tile of i at a time. A gradient
 * of floats holds the counts of pairs at the labels until the end, so it cannot lie over the prediction; where a float
 * or 16 bits could not hold them, they are counted again. Rows lie in memory in four ways, hence longer than other
 * files. */
#ifndef VLOSS_KERNELS_LOSS_MULTILABEL_MARGIN_H
#define VLOSS_KERNELS_LOSS_MULTILABEL_MARGIN_H

#if !defined(VLOSS_FORMULA) && !defined(VLOSS_WIDE)
#include "../losses/margin.h"

/* Label number l of the list; SIZE_MAX at its end. */
VFN size_t listed(const struct row *r, size_t l) {
  if (l == r->columns) return SIZE_MAX;
  const int64_t label = r->labels_narrow ? ((const int32_t *)r->labels)[l] : ((const int64_t *)r->labels)[l];
  return label < 0 ? SIZE_MAX : (size_t)label;
}

/* Where element c of the row is. */
VFN float column(const struct row *r, size_t c) { return view_element(r->p, r->type, c * r->column_stride); }

/* How many columns the tile from `start` on has. */
VFN size_t multilabel_tile(const struct row *r, size_t start) {
  return r->columns - start < MULTILABEL_TILE ? r->columns - start : MULTILABEL_TILE;
}

/* m columns, up to 64, from c on, as floats; and back. */
VFN void multilabel_read(const struct row *r, size_t c, size_t m, float *to) {
  const void *const from = vloss_element(r->p, r->type, c * r->column_stride);
  if (r->column_stride == 1)
    view_read(to, from, r->type, m);
  else if (r->type != VLOSS_F32)
    view_gather(to, from, r->type, r->column_stride, m);
  else
    for (size_t i = 0; i < m; i++) to[i] = ((const float *)from)[i * r->column_stride];
}
VFN void multilabel_put(const struct row *r, size_t c, size_t m, const float *from) {
  void *const to = vloss_element_out(r->grad, r->type, c * r->column_stride);
  if (r->column_stride == 1)
    view_write(to, from, r->type, m, 0);
  else
    view_scatter(to, from, r->type, r->column_stride, m);
}

/* Columns are paired so many at a time: tiles are filled up to a multiple of this. */
enum { MULTILABEL_STEP = 128 };
VFN size_t multilabel_padded(size_t n) { return (n + MULTILABEL_STEP - 1) / MULTILABEL_STEP * MULTILABEL_STEP; }

/* n columns, and whether there is NaN among them; NaN in the lanes beyond. */
VFN int multilabel_load(const struct row *r, size_t start, size_t n, float *x) {
  const int in_place = r->column_stride == 1 && r->type == VLOSS_F32;
  int nan = 0;
  for (size_t i = 0, m; i < n; i += m) {
    float some[64];
    m = n - i < 64 ? n - i : 64;
    if (!in_place) multilabel_read(r, start + i, m, some);
    const float *const p = in_place ? r->p + start + i : some;
    for (size_t k = 0; k < m; k += 16) {
      const vf v = get(p, k, m - k < 16 ? m - k : 16, 0.0f);
      nan |= vany(vnan(v));
      vstore(x + i + k, v);
    }
  }
  for (size_t i = n; i < multilabel_padded(n); i++) x[i] = NOT_A_NUMBER;
  return nan;
}

/* The same but for the labels. NaN is never active, and vmax drops it: so it stands where there is no i. */
VFN int multilabel_others(const struct row *r, size_t start, size_t n, float *x) {
  const int nan = multilabel_load(r, start, n, x);
  for (size_t l = 0, j; (j = listed(r, l)) != SIZE_MAX; l++)
    if (j - start < n) x[j - start] = NOT_A_NUMBER;
  return nan;
}

/* The sum of the pairs of a label with the columns in x, and if `counting` in *count how many are active; counts has
 * those of each i, if COUNT_EACH. Eight vectors in float before they go to double. */
enum { COUNT_NONE, COUNT_EACH, COUNT_ALL };
VFN vd multilabel_pairs_of(struct margin_start from, const float *x, int32_t *counts, size_t padded, vi *count,
                           const int counting) {
  const vf high = vset1(from.high), least = vset1(from.least);
  vd sum = dset1(0.0);
  *count = viset1(0);
  ROLLED for (size_t i = 0; i < padded; i += MULTILABEL_STEP) {
    vf v[8];
    UNROLL for (size_t k = 0; k < 8; k++) {
      v[k] = vmax(margin_q(high, vload(x + i + 16 * k)), least);
      if (!counting) continue;
      const vm active = vgt(v[k], least);
      *count = vicount(*count, active);
      if (counting == COUNT_EACH) vistore(counts + i + 16 * k, vicount(viload(counts + i + 16 * k), active));
    }
    sum = dadd(sum, dwiden(vadd(margin_sum_of_4(v), margin_sum_of_4(v + 4))));
  }
  return dsub(sum, dset1((double)from.least * (double)(padded / 16)));
}
/* The same in double. */
static SMALL vd multilabel_pairs_in_double(struct difference from, const float *x, int32_t *counts, size_t padded,
                                           vi *count) {
  const vd zero = dset1(0.0), one = dset1(1.0), high = dset1(from.high), low = dset1(from.low);
  vd sum = zero;
  *count = viset1(0);
  ROLLED for (size_t i = 0; i < padded; i += 16) {
    const vd z = dadd(dadd(high, dwiden(vload(x + i))), low);
    const vm active = vgt(dnarrow(dsel(dgt(z, zero), one, zero)), vset1(0.0f));
    sum = dadd(sum, dmax(z, zero));
    *count = vicount(*count, active);
    if (counts) vistore(counts + i, vicount(viload(counts + i), active));
  }
  return sum;
}
VFN double multilabel_count(vi count) { return dsum(dwiden(vitof(count))); }
/* The same of all labels, and to the gradient at them. */
VFN vd multilabel_pairs(const struct row *r, const float *x, int32_t *counts, size_t padded, int in_double, vd sum,
                        const int gradient) {
  for (size_t l = 0, j; (j = listed(r, l)) != SIZE_MAX; l++) {
    const struct difference from = exact_difference(1, (double)column(r, j));
    const struct margin_start start = margin_start(from);
    vi count;
    if (start.exact && !in_double)
      sum = dadd(sum, multilabel_pairs_of(start, x, counts, padded, &count, gradient ? COUNT_EACH : COUNT_NONE));
    else
      sum = dadd(sum, multilabel_pairs_in_double(from, x, gradient ? counts : NULL, padded, &count));
    if (gradient && r->type == VLOSS_F32) r->grad[j * r->column_stride] -= (float)multilabel_count(count);
  }
  return sum;
}

/* The gradient at the labels, counted again. A label that comes again is written again. */
static SMALL void multilabel_at_labels(const struct row *r, double share) {
  enum { SOME = 128 };
  float *const x = (float *)r->scratch;
  size_t labels = 0;
  while (listed(r, labels) != SIZE_MAX) labels++;
  for (size_t first = 0; first < labels; first += SOME) {
    double pairs[SOME] = {0};
    const size_t last = labels - first < SOME ? labels : first + SOME;
    for (size_t start = 0; start < r->columns; start += MULTILABEL_TILE) {
      const size_t n = multilabel_tile(r, start);
      multilabel_others(r, start, n, x);
      for (size_t l = first; l < last; l++) {
        const struct difference from = exact_difference(1, (double)column(r, listed(r, l)));
        const struct margin_start at = margin_start(from);
        const size_t padded = multilabel_padded(n);
        vi count;
        if (at.exact)
          multilabel_pairs_of(at, x, NULL, padded, &count, COUNT_ALL);
        else
          multilabel_pairs_in_double(from, x, NULL, padded, &count);
        pairs[l - first] += multilabel_count(count);
      }
    }
    for (size_t l = first; l < last; l++) {
      const size_t j = listed(r, l);
      double times = 0;
      for (size_t k = 0; k < labels; k++) times += listed(r, k) == j;
      view_put(r->grad, r->type, j * r->column_stride, with_factor(r, (0 - times * pairs[l - first]) * share));
    }
  }
}

/* The gradient at the labels, in floats, from the pairs that were counted there: once at a label that comes again. */
static SMALL void multilabel_scale_labels(const struct row *r, double share) {
  double *const done = r->scratch;
  for (size_t start = 0; start < r->columns; start += MULTILABEL_TILE) {
    const size_t n = multilabel_tile(r, start);
    for (size_t i = 0; i < n; i++) done[i] = 0;
    for (size_t l = 0, j; (j = listed(r, l)) != SIZE_MAX; l++) {
      if (j - start >= n || done[j - start] != 0) continue;
      float *const g = r->grad + j * r->column_stride;
      *g = with_factor(r, (double)*g * share);
      done[j - start] = 1;
    }
  }
}

/* The gradient of the other columns of a tile, in which x is NaN at the labels: in floats these hold counts; in 16 bits
 * they are written later, and have anything until then. */
VFN void multilabel_write(const struct row *r, size_t start, size_t n, const float *x, const int32_t *counts,
                          double share) {
  float some[64];
  for (size_t i = 0; i < n; i += 16) {
    const size_t m = n - i < 16 ? n - i : 16;
    const vf gradient = narrow_with_factor(r, dmul(dwiden(vitof(viload(counts + i))), dset1(share)));
    if (r->type == VLOSS_F32 && r->column_stride == 1) {
      const vm label = vnan(vload(x + i));
      put_scaled(r->grad, start + i, m, vsel(label, get(r->grad, start + i, m, 0.0f), gradient));
      continue;
    }
    float *const lanes = some + i % 64;
    vstore(lanes, gradient);
    if (r->type == VLOSS_F32) {
      for (size_t j = 0; j < m; j++)
        if (x[i + j] == x[i + j]) r->grad[(start + i + j) * r->column_stride] = lanes[j];
    } else if (i % 64 == 48 || i + m == n)
      multilabel_put(r, start + i - i % 64, i % 64 + m, some);
  }
}

/* in_double: where a sum of floats was infinite. */
static __attribute__((noinline)) void multilabel_row(const struct row *given, struct row_state *s, int in_double) {
  const struct row row = *given, *const r = &row;
  float *const x = (float *)r->scratch;
  int32_t *const counts = (int32_t *)(r->scratch + MULTILABEL_TILE);
  const vf none = vset1(-INF);
  vd sum = dset1(0.0);
  vf highest = none, lowest = none; /* of p_i and of -p_i, i not in J */
  float top = -INF, bottom = -INF;  /* of p_j and of -p_j */
  int nan = 0;
  float *const g = r->grad;
  const double share = 1 / (double)r->columns;
  size_t labels = 0;
  for (size_t j; (j = listed(r, labels)) != SIZE_MAX; labels++) {
    const float p = column(r, j);
    top = p > top ? p : top;
    bottom = -p > bottom ? -p : bottom;
    if (g && r->type == VLOSS_F32) g[j * r->column_stride] = 0;
  }
  for (size_t start = 0; start < r->columns; start += MULTILABEL_TILE) {
    const size_t n = multilabel_tile(r, start), padded = multilabel_padded(n);
    nan |= multilabel_others(r, start, n, x);
    for (size_t i = 0; i < padded; i += 16) {
      const vf v = vload(x + i);
      highest = vmax(v, highest);
      lowest = vmax(vsub(vset1(0.0f), v), lowest);
      if (g) vistore(counts + i, viset1(0));
    }
    sum = g ? multilabel_pairs(r, x, counts, padded, in_double, sum, 1)
            : multilabel_pairs(r, x, counts, padded, in_double, sum, 0);
    if (g) multilabel_write(r, start, n, x, counts, share);
  }
  s->loss = dsum(sum) / (double)r->columns;
  s->pass = ROW_DONE;
  /* The difference of equal infinities. */
  nan |= (top == INF && vhmax(highest) == INF) || (bottom == INF && vhmax(lowest) == INF);
  if (nan) nan_row(r, s);
  if (!g || nan) return;
  if (r->type == VLOSS_F32 && (double)labels * (double)r->columns < 0x1p24) /* counts that a float holds */
    multilabel_scale_labels(r, share);
  else
    multilabel_at_labels(r, share);
}
VFN void multilabel_margin(const struct row *r, struct row_state *s) {
  multilabel_row(r, s, 0);
  if (s->loss == (double)INF) multilabel_row(r, s, 1);
}
#elif defined(VLOSS_WIDE) /* of doubles */
#include "../f64/row_loss.h"

enum { MULTILABEL_TILE_WIDE = 512 };

/* Label number l of the list; SIZE_MAX at its end. */
VFN size_t listed_wide(const struct wide_loss_row *r, size_t l) {
  const int64_t label = l < r->columns ? vloss_label_at(&r->labels, r->first_label + l) : -1;
  return label < 0 ? SIZE_MAX : (size_t)label;
}

/* Columns of a row, of which those outside the list have 1 in `counted`, and how many pairs of each are active. */
struct multilabel_tile {
  double x[MULTILABEL_TILE_WIDE], counted[MULTILABEL_TILE_WIDE], pairs[MULTILABEL_TILE_WIDE];
};
/* Whether there is NaN in it. */
static int multilabel_fill_tile(const struct wide_loss_row *r, struct multilabel_tile *tile, size_t start, size_t n) {
  int nan = 0;
  for (size_t i = 0; i < (n + 15) / 16 * 16; i++) {
    tile->x[i] = i < n ? r->p.p[(start + i) * r->p.step] : 0;
    tile->counted[i] = i < n;
    tile->pairs[i] = 0;
    nan |= tile->x[i] != tile->x[i];
  }
  for (size_t l = 0, j; (j = listed_wide(r, l)) != SIZE_MAX; l++)
    if (j - start < n) tile->counted[j - start] = 0;
  return nan;
}
/* Adds the pairs of a label with the columns of a tile. Returns how many are active. */
VFN double multilabel_pairs_wide(struct multilabel_tile *tile, size_t n, double p, struct row_sum *sum) {
  const struct parts from = sum_of(dset1(1.0), dset1(-p));
  const vd zero = dset1(0.0), one = dset1(1.0);
  vd all = zero;
  for (size_t i = 0; i < n; i += 16) {
    const struct parts d = sum_of(from.high, dload(tile->x + i));
    const vd z = dsel(deq(dload(tile->counted + i), one), dadd(d.high, dadd(d.low, from.low)), zero);
    const vd active = dsel(dgt(z, zero), one, zero);
    add_to_sum(sum, dpositive(z));
    dstore(tile->pairs + i, dadd(dload(tile->pairs + i), active));
    all = dadd(all, active);
  }
  return dsum(all);
}

/* The gradient, which lies over no operand, holds the counts of pairs until the end. */
static double multilabel_margin_wide(const struct wide_loss_row *r) {
  struct multilabel_tile tile;
  struct vloss_exact_sum exact;
  struct row_sum sum;
  const struct wide_row g = r->grad;
  int nan = 0;
  begin_sums(&sum, &exact, 1);
  do {
    for (size_t c = 0; g.p && c < r->columns; c++) g.p[c * g.step] = 0;
    for (size_t start = 0; start < r->columns; start += MULTILABEL_TILE_WIDE) {
      const size_t left = r->columns - start, n = left < MULTILABEL_TILE_WIDE ? left : MULTILABEL_TILE_WIDE;
      nan |= multilabel_fill_tile(r, &tile, start, n);
      for (size_t l = 0, j; (j = listed_wide(r, l)) != SIZE_MAX; l++) {
        const double pairs = multilabel_pairs_wide(&tile, n, r->p.p[j * r->p.step], &sum);
        if (g.p) g.p[j * g.step] -= pairs;
      }
      for (size_t i = 0; g.p && i < n; i++)
        if (tile.counted[i] == 1) g.p[(start + i) * g.step] = tile.pairs[i];
    }
  } while (sums_again(&sum, 1));
  const double loss = sum_mean(&sum, r->columns);
  for (size_t c = 0; g.p && c < r->columns; c += 16) {
    const size_t n = at_once(r->columns, c);
    put_gradient(r, g, c, n, ddiv(columns_at(g, c, n, 0.0), dset1((double)r->columns)));
  }
  return nan ? WIDE_NAN : loss;
}
#else
#include "../losses/formula.h"

/* By blocks of classes, of which those outside the list are gathered first. */
#define MULTILABEL_BLOCK 256

FORMULA void multilabel_margin_formula(const struct formula_row *r, struct formula_value *loss) {
  const real *p = r->p, share = 1 / (real)r->n;
  size_t count = 0;
  real sum = 0, bad = 0;
  while (count < r->n && r->labels[count] >= 0) count++;
  for (size_t c = 0; r->grad && c < r->n; c++) r->grad[c] = 0;
  for (size_t start = 0; start < r->n; start += MULTILABEL_BLOCK) {
    real others[MULTILABEL_BLOCK], active[MULTILABEL_BLOCK];
    size_t index[MULTILABEL_BLOCK], n = 0;
    const size_t length = r->n - start < MULTILABEL_BLOCK ? r->n - start : MULTILABEL_BLOCK;
    char listed[MULTILABEL_BLOCK] = {0};
    for (size_t l = 0; l < count; l++)
      if ((size_t)r->labels[l] - start < length) listed[(size_t)r->labels[l] - start] = 1;
    for (size_t i = 0; i < length; i++) {
      bad = p[start + i] == p[start + i] ? bad : p[start + i];
      if (listed[i]) continue;
      others[n] = p[start + i];
      active[n] = 0;
      index[n++] = start + i;
    }
    for (size_t l = 0; l < count; l++) {
      const real start_at = 1 - p[r->labels[l]], lost = formula_lost(1, p[r->labels[l]], start_at);
      real s = 0, pairs = 0;
      for (size_t i = 0; i < n; i++) {
        const real z = start_at + others[i] + lost;
        s += z < 0 ? 0 : z;
        pairs += z > 0 ? 1 : 0;
        active[i] += z > 0 ? 1 : 0;
      }
      sum += s;
      if (r->grad) r->grad[r->labels[l]] -= pairs * share;
    }
    for (size_t i = 0; r->grad && i < n; i++) r->grad[index[i]] = active[i] * share;
  }
  const real l = sum * share + bad;
  *loss = (struct formula_value){l, 0};
  for (size_t c = 0; r->grad && c < r->n; c++) r->grad[c] += l == l ? 0 : l;
  for (size_t c = 0; r->grad_scale && c < r->n; c++) r->grad_scale[c] = 0;
}
#endif

#endif
