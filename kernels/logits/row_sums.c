/* The sums of rows whose classes lie along the vector lanes. */
#include "row_sums.h"

#include "calm.h"
#include "row_steps.h"

double row_sum_below(const float *x, size_t classes, size_t skip, float max, float *n, float *shift) {
  int huge = vany(is_huge(vset1(max)));
  if (max == INF) {
    for (size_t c = 0; c < classes; c++)
      if (x[c] != x[c] && c != skip) return (double)NOT_A_NUMBER;
    *n = *shift = 0;
    return (double)INF;
  }
  struct row_state s;
  s.ref = huge ? reference_at(vset1(-TOP_EXPONENT)) : reference_for(vset1(max));
  vf shifts = vset1(huge ? max : 0.0f);
  s.sum = dset1(0.0);
  for (size_t c = 0; c < classes; c += BLOCK) {
    vf v[4];
    for (size_t j = 0; j < 4; j++) v[j] = vsub(row_load(x, c + 16 * j, classes, skip), shifts);
    terms_or_0(v, v, 4, &s.ref);
    s.sum = dadd(s.sum, combine4_exactly(v));
  }
  *n = vfirst(s.ref.n);
  *shift = huge ? max : 0.0f;
  return dsum(s.sum);
}
/* Callers have buffers of their own on the stack, those for side-by-side rows of up to FEW_CLASSES classes the largest:
 * so the copy of such a row is a short one. */
static SMALL double calm_sum_below_few(const float *x, size_t classes, size_t skip, float max, float *n, float *shift) {
  ALIGNED float copy[FEW_CLASSES];
  copy_calm(x, 1, classes, copy);
  return row_sum_below(copy, classes, skip, max, n, shift);
}
static SMALL double calm_sum_below_many(const float *x, size_t classes, size_t skip, float max, float *n,
                                        float *shift) {
  ALIGNED float copy[CLASS_BLOCK];
  copy_calm(x, 1, classes, copy);
  return row_sum_below(copy, classes, skip, max, n, shift);
}
double calm_sum_below(const float *x, size_t classes, size_t skip, float max, float *n, float *shift) {
  return (classes > FEW_CLASSES ? calm_sum_below_many : calm_sum_below_few)(x, classes, skip, max, n, shift);
}

/* Short rows leave out a class without a branch, which no predictor would foresee, and without comparisons, which are
 * slow: by a minimum with +inf everywhere but for one -inf, SHORT_ROW - skip floats into this array. skip: -1 for none.
 */
#define INF_4 INF, INF, INF, INF
#define INF_16 INF_4, INF_4, INF_4, INF_4
#define INF_64 INF_16, INF_16, INF_16, INF_16
static const float all_but_one[2 * SHORT_ROW + 65] = {INF_64, INF_64, INF_64, INF_64, -INF,
                                                      INF_64, INF_64, INF_64, INF_64, INF_64};
VFN void short_row_block(vf *v, const float *x, size_t c, size_t classes, int32_t skip) {
  const float *limit = all_but_one + (SHORT_ROW - skip);
  for (size_t j = 0; j < 4; j++, c += 16) {
    v[j] = c + 16 <= classes ? vload(x + c) : c < classes ? vtail(x + c, classes - c, -INF) : vset1(-INF);
    v[j] = vmin(vload(limit + c), v[j]);
  }
}

VFN void keep_maximum(float *maxima, const vf *v, size_t c) {
  if (maxima) vstore(maxima + c / 4, vmax(vmax(v[0], v[1]), vmax(v[2], v[3])));
}
VFN void row_sum_pass(const float *x, size_t classes, size_t skip, float *stash, float *maxima, struct row_sums *out,
                      size_t row, const int exact) {
  struct row_state s = {.sum = dset1(0.0)};
  if (classes <= 16) {
    vf e = row_load(x, 0, classes, skip);
    s.max = e;
    s.ref = reference_for(vset1(vhmax(e)));
    e = term(e, &s.ref);
    s.sum = dwiden(e);
    if (stash) stash_store(stash, e, 0, classes);
  } else {
    vf v[4];
    for (size_t j = 0; j < 4; j++) v[j] = row_load(x, 16 * j, classes, skip);
    s.max = vmax(vmax(v[0], v[1]), vmax(v[2], v[3]));
    s.ref = reference_for(vset1(vhmax(s.max)));
    keep_maximum(maxima, v, 0);
    row_block(&s, v, stash, 0, classes, exact);
    for (size_t c = BLOCK; c < classes; c += BLOCK) {
      if (c + BLOCK <= classes && skip - c >= BLOCK) {
        for (size_t j = 0; j < 4; j++) v[j] = vload(x + c + 16 * j);
        row_fetch_ahead(x + c, BLOCK * sizeof *x);
        keep_maximum(maxima, v, c);
        row_block(&s, v, stash, c, SIZE_MAX, exact);
      } else {
        for (size_t j = 0; j < 4; j++) v[j] = row_load(x, c + 16 * j, classes, skip);
        keep_maximum(maxima, v, c);
        row_block(&s, v, stash, c, classes, exact);
      }
    }
  }
  out->n[row] = vfirst(s.ref.n);
  out->sum[row] = dsum(s.sum);
  out->max[row] = vhmax(s.max);
  out->shift[row] = 0;
}

SMALL void row_sum_huge(const float *x, size_t classes, size_t skip, struct row_sums *out, size_t row) {
  out->max[row] = row_max(x, classes, skip);
  out->sum[row] = row_sum_below(x, classes, skip, out->max[row], &out->n[row], &out->shift[row]);
}

void row_sum(const float *x, size_t classes, size_t skip, float *stash, struct row_sums *out, size_t row) {
  if (classes <= SHORT_ROW)
    row_sum_pass(x, classes, skip, stash, NULL, out, row, 1);
  else if (stash)
    row_sum_pass(x, classes, skip, stash, NULL, out, row, 0);
  else
    row_sum_pass(x, classes, skip, NULL, NULL, out, row, 0);
  if (__builtin_expect(vany(is_huge(vset1(out->max[row]))), 0)) row_sum_huge(x, classes, skip, out, row);
}
/* The greatest of a copy is 0 also where that of the row is a denormal. */
static float exact_max(const float *x, size_t step, size_t classes, size_t skip) {
  if (step == 1) return row_max(x, classes, skip);
  float max = -INF;
  for (size_t c = 0; c < classes; c++)
    if (c != skip && x[c * step] > max) max = x[c * step];
  return max;
}
static SMALL void calm_row_sum_few(const float *x, size_t step, size_t classes, size_t skip, float *stash,
                                   struct row_sums *out, size_t row) {
  ALIGNED float copy[FEW_CLASSES];
  copy_calm(x, step, classes, copy);
  row_sum(copy, classes, skip, stash, out, row);
}
static SMALL void calm_row_sum_many(const float *x, size_t step, size_t classes, size_t skip, float *stash,
                                    struct row_sums *out, size_t row) {
  ALIGNED float copy[CLASS_BLOCK];
  copy_calm(x, step, classes, copy);
  row_sum(copy, classes, skip, stash, out, row);
}
void calm_row_sum(const float *x, size_t step, size_t classes, size_t skip, float *stash, struct row_sums *out,
                  size_t row) {
  (classes > FEW_CLASSES ? calm_row_sum_many : calm_row_sum_few)(x, step, classes, skip, stash, out, row);
  if (out->max[row] == 0) out->max[row] = exact_max(x, step, classes, skip);
}
void row_sum_with_maxima(const float *x, size_t classes, float *maxima, struct row_sums *out, size_t row) {
  row_sum_pass(x, classes, NO_CLASS, NULL, maxima, out, row, 0);
  if (__builtin_expect(vany(is_huge(vset1(out->max[row]))), 0)) row_sum_huge(x, classes, NO_CLASS, out, row);
}

/* Rows of up to SHORT_ROW classes: their maxima, which a row alone would have to wait for, are found 16 at once on a
 * transposed matrix. skip: -1 for none; rows with a mark in leave are not read. */
VFN vf reduce_max(vf *rows) {
  vtranspose(rows);
  UNROLL for (int j = 0; j < 8; j++) rows[j] = vmax(rows[j], rows[j + 8]);
  UNROLL for (int j = 0; j < 4; j++) rows[j] = vmax(rows[j], rows[j + 4]);
  return vmax(vmax(rows[0], rows[1]), vmax(rows[2], rows[3]));
}
VFN void short_rows_pass(const float *x, size_t stride, size_t n, size_t classes, const int32_t *skip,
                         const double *leave, float *stash, size_t stash_stride, struct row_sums *out) {
  vf v[4], rows[16], max[16];
  vd sum[16];
  struct {
    ALIGNED float n[16], round[16], low[16], limit[16];
  } first;
  for (size_t i = 0; i < 16; i++) {
    rows[i] = vset1(0.0f);
    if (i >= n || leave[i] != 0) continue;
    short_row_block(v, x + i * stride, 0, classes, skip[i]);
    rows[i] = vmax(vmax(v[0], v[1]), vmax(v[2], v[3]));
  }
  for (size_t i = 0; i < 16; i++) max[i] = rows[i];
  vf top = reduce_max(rows);
  const struct reference ref = reference_for(top);
  vstore(first.n, ref.n);
  vstore(first.round, ref.round);
  vstore(first.low, ref.low);
  vstore(first.limit, ref.limit);

  for (size_t i = 0; i < n; i++) {
    if (leave[i] != 0) continue;
    const float *row = x + i * stride;
    float *kept = stash ? stash + i * stash_stride : NULL;
    struct row_state s = {.max = max[i], .sum = dset1(0.0)};
    s.ref = (struct reference){vset1(first.n[i]), vset1(first.round[i]), vset1(first.low[i]), vset1(first.limit[i])};
    for (size_t c = 0; c < classes; c += BLOCK) {
      short_row_block(v, row, c, classes, skip[i]);
      row_fetch_ahead(row + c, BLOCK * sizeof *row);
      row_block(&s, v, kept, c, classes, 1);
    }
    sum[i] = s.sum;
    max[i] = s.max;
    first.n[i] = vfirst(s.ref.n);
  }
  /* Apart from the rows: the next row's terms then need not queue behind this row's last additions. */
  for (size_t i = 0; i < n; i++)
    if (leave[i] == 0) out->sum[i] = dsum(sum[i]);
  if (classes > BLOCK) top = reduce_max(max);
  vstore(out->n, vload(first.n));
  vstore(out->shift, vset1(0.0f));
  vstore(out->max, top);
}

void short_rows_sum(const float *x, size_t stride, size_t n, size_t classes, const int32_t *skip, const double *leave,
                    float *stash, size_t stash_stride, struct row_sums *out) {
  if (stash)
    short_rows_pass(x, stride, n, classes, skip, leave, stash, stash_stride, out);
  else
    short_rows_pass(x, stride, n, classes, skip, leave, NULL, 0, out);
  if (__builtin_expect(vany(is_huge(vload(out->max))), 0))
    for (size_t i = 0; i < n; i++)
      if (leave[i] == 0 && vany(is_huge(vset1(out->max[i]))))
        row_sum_huge(x + i * stride, classes, (size_t)(ptrdiff_t)skip[i], out, i);
}
SMALL void calm_short_rows(const float *x, size_t stride, size_t n, size_t classes, const int32_t *skip,
                           const double *leave, float *stash, size_t stash_stride, struct row_sums *out) {
  ALIGNED float copy[16 * SHORT_ROW];
  size_t i = 0;
  do copy_calm(x + i * stride, 1, classes, copy + i * classes);
  while (++i < n);
  short_rows_sum(copy, classes, n, classes, skip, leave, stash, stash_stride, out);
  for (i = 0; i < n; i++)
    if (leave[i] == 0 && out->max[i] == 0) out->max[i] = row_max(x + i * stride, classes, (size_t)(ptrdiff_t)skip[i]);
}
float row_max(const float *x, size_t classes, size_t skip) {
  vf max = vset1(-INF);
  for (size_t c = 0; c < classes; c += 16) max = vmax(row_load(x, c, classes, skip), max);
  return vhmax(max);
}

size_t row_find(const float *x, size_t step, size_t classes, float max, int nan) {
  size_t c = 0;
  if (step == 1)
    while (c + 16 <= classes && !vany(nan ? vnan(vload(x + c)) : veq(vload(x + c), vset1(max)))) c += 16;
  while (c + 1 < classes && !(nan ? x[c * step] != x[c * step] : x[c * step] == max)) c++;
  return c;
}
