/* Softmax, log-softmax and log-sum-exp of 16 rows at a time, and the backward forms of the first two. */
#include "kernels.h"
#include "row_softmax.h"

/* Sums of a group without the classes in skip (-1: none); with `keep`, rows along their classes leave their terms in
 * the output. */
VFN void group_sums(const struct vloss_softmax_job *job, const struct group *g, const struct tile *tile,
                    const int32_t *skip, int keep, struct row_sums *sums) {
  static const double none[16] = {0};
  const size_t classes = job->shape.classes;
  if (g->layout != ALONG) {
    ALIGNED float left_out[16];
    tile_sum(tile, classes, viload(skip), sums, left_out);
  } else {
    no_sums(sums);
    const float *x = job->x + g->first * job->x_stride;
    float *kept = keep ? job->out + g->first * job->out_stride : NULL;
    if (classes <= SHORT_ROW && g->n >= GATHER_ROWS)
      short_rows_sum(x, job->x_stride, g->n, classes, skip, none, kept, job->out_stride, sums);
    else
      for (size_t i = 0; i < g->n; i++)
        row_sum(x + i * job->x_stride, classes, (size_t)(ptrdiff_t)skip[i], kept ? kept + i * job->out_stride : NULL,
                sums, i);
  }
  group_refine(&job->shape, g, job->x, job->x_stride, skip, none, sums);
}

/* m and log S of 16 rows, S relative to m = max. Where one class holds more than half of S, log S is small and the sum
 * has lost it: a second sum leaves that class out. 0.69 is just below log 2, so that no second class can be as large.
 */
VFN vd group_log_sum(const struct vloss_softmax_job *job, const struct group *g, const struct tile *tile,
                     const struct row_sums *sums, const struct finished *row, vf *max) {
  const size_t classes = job->shape.classes;
  *max = vload(sums->max);
  const vd log_sum = dsub(row->lse_unshifted, dsub(dwiden(*max), dwiden(vload(sums->shift))));
  const vm dominated = vgt(vset1(0.69f), dnarrow(log_sum));
  if (!vany(dominated)) return log_sum;

  struct row_sums others = *sums;
  ALIGNED float left_out[16];
  vstore(left_out, vsel(dominated, *max, vset1(-INF)));
  if (g->layout == ALONG) {
    for (size_t i = 0; i < g->n; i++) {
      if (left_out[i] == -INF) continue;
      const float *x = job->x + (g->first + i) * job->x_stride;
      others.sum[i] = row_sum_below(x, classes, row_find(x, 1, classes, sums->max[i], 0), sums->max[i], &others.n[i],
                                    &others.shift[i]);
    }
  } else {
    tile_sum_below(tile, classes, visel(dominated, tile_find(tile, classes, *max), viset1(-1)), &others);
  }
  const vd small = finish(&others, dwiden(vload(left_out)), 1).loss;
  return dsel(dgt(dwiden(vsel(dominated, vset1(1.0f), vset1(0.0f))), dset1(0.0)), small, log_sum);
}

enum softmax_kind { SOFTMAX, LOG_SOFTMAX, LOG_SUM_EXP };

VFN void softmax_forward(const struct vloss_softmax_job *job, const enum softmax_kind kind) {
  static const int32_t none[16] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  ALIGNED float copy[GATHER_CLASSES * 16];
  const size_t classes = job->shape.classes, rows = job->shape.outer * job->shape.inner;
  const enum writing writing = writing_for(&job->shape, job->x == job->out);
  for (size_t first = 0; first < rows;) {
    struct group g = group_at(&job->shape, first, kind != LOG_SUM_EXP);
    first += g.n;
    struct tile tile = {0};
    if (g.layout != ALONG) tile = group_tile(&job->shape, &g, job->x, job->x_stride, copy);
    struct row_sums sums;
    group_sums(job, &g, &tile, none, kind == SOFTMAX && writing == KEPT, &sums);
    struct finished row = finish(&sums, dset1(-(double)INF), 0);
    if (kind == LOG_SUM_EXP) {
      vstore_tail(job->out + g.first, canonical(dnarrow(row.lse)), g.n);
      continue;
    }

    vf max = vset1(0.0f), log_sum = vset1(0.0f);
    struct row_factors factors;
    row_factors(&factors, &row, dset1(1.0));
    if (kind == LOG_SOFTMAX) log_sum = dnarrow(group_log_sum(job, &g, &tile, &sums, &row, &max));
    vm undefined = vnan(dnarrow(row.inverse));
    if (g.layout == ALONG) {
      float maxima[16], log_sums[16], nans[16];
      if (kind == LOG_SOFTMAX) vstore(maxima, max);
      vstore(log_sums, log_sum);
      vstore(nans, vsel(undefined, vset1(1.0f), vset1(0.0f)));
      for (size_t i = 0; i < g.n; i++) {
        const float *x = job->x + (g.first + i) * job->x_stride;
        float *out = job->out + (g.first + i) * job->out_stride;
        if (nans[i] != 0) {
          fill_row(out, NOT_A_NUMBER, classes);
        } else if (kind == SOFTMAX) {
          row_softmax(x, out, classes, factors.factor[i], factors.factor_low[i], sums.n[i], sums.shift[i], writing,
                      NO_CLASS, 0.0f);
        } else {
          vf m = vset1(maxima[i]), s = vset1(log_sums[i]);
#define STEP_CACHED(c, n) store_n(out + (c), vsub(vsub(load_n(x + (c), n), m), s), n, 0)
#define STEP_PAST(c, n) store_n(out + (c), vsub(vsub(load_n(x + (c), n), m), s), n, 1)
          if (writing == PAST)
            FOR_CLASSES(classes, out, 1, STEP_PAST);
          else
            FOR_CLASSES(classes, out, 0, STEP_CACHED);
#undef STEP_CACHED
#undef STEP_PAST
        }
      }
    } else {
      struct tile out = group_out(&job->shape, &g, job->out, job->out_stride, copy);
      struct reference ref = reference_at(vload(sums.n));
      vf f = vload(factors.factor), low = vload(factors.factor_low), shift = vload(sums.shift),
         nan = vset1(NOT_A_NUMBER);
      for (size_t c = 0; c < classes; c++) {
        vf x = tile_load(&tile, c);
        vf v = kind == SOFTMAX ? vflush(scaled(term(vsub(x, shift), &ref), f, low)) : vsub(vsub(x, max), log_sum);
        tile_store(&out, c, vsel(undefined, nan, v));
      }
      group_scatter(&job->shape, &g, job->out, job->out_stride, copy);
    }
  }
  vstream_end();
}

/* ---- Backward: one weighted sum of the upstream h per row, then one step per class -------------------------------
 * The sum is in double, class c in lane c % 16. */

VFN vd backward_add(vd sum, vf y, vf h, const enum softmax_kind kind) {
  return kind == SOFTMAX ? dfma(dwiden(h), dwiden(y), sum) : dadd(sum, dwiden(h));
}
VFN vf backward_term(vf y, vf h, vf sum, const enum softmax_kind kind) {
  if (kind == SOFTMAX) return canonical(vflush(vmul(y, vsub(h, sum))));
  const struct vexp_halves e = vexp_in_halves(y);
  return canonical(vflush(vnfma(e.mantissa, vmul(e.scale, sum), h)));
}

VFN void softmax_backward_of(const struct vloss_softmax_job *job, const enum softmax_kind kind) {
  ALIGNED float y_copy[GATHER_CLASSES * 16], h_copy[GATHER_CLASSES * 16];
  const size_t classes = job->shape.classes, rows = job->shape.outer * job->shape.inner;
  const enum writing writing = writing_for(&job->shape, job->x == job->out || job->upstream == job->out);
  for (size_t first = 0; first < rows;) {
    struct group g = group_at(&job->shape, first, 1);
    first += g.n;
    if (g.layout == ALONG) {
      for (size_t i = 0; i < g.n; i++) {
        const float *y = job->x + (g.first + i) * job->x_stride;
        const float *h = job->upstream + (g.first + i) * job->upstream_stride;
        float *out = job->out + (g.first + i) * job->out_stride;
        vd sums = dset1(0.0);
#define ADD(c, n) sums = backward_add(sums, load_n(y + (c), n), load_n(h + (c), n), kind)
        FOR_CLASSES(classes, out, 0, ADD);
#undef ADD
        vf sum = vset1((float)dsum(sums));
#define CACHED(c, n) store_n(out + (c), backward_term(load_n(y + (c), n), load_n(h + (c), n), sum, kind), n, 0)
#define STREAMED(c, n) store_n(out + (c), backward_term(load_n(y + (c), n), load_n(h + (c), n), sum, kind), n, 1)
        if (writing == PAST)
          FOR_CLASSES(classes, out, 1, STREAMED);
        else
          FOR_CLASSES(classes, out, 0, CACHED);
#undef CACHED
#undef STREAMED
      }
    } else {
      struct tile y = group_tile(&job->shape, &g, job->x, job->x_stride, y_copy);
      struct tile h = group_tile(&job->shape, &g, job->upstream, job->upstream_stride, h_copy);
      vd sums[16];
      for (size_t j = 0; j < 16; j++) sums[j] = dset1(0.0);
      for (size_t c = 0; c < classes; c++)
        sums[c % 16] = backward_add(sums[c % 16], tile_load(&y, c), tile_load(&h, c), kind);
      vf sum = dnarrow(tile_tree(sums, 16));
      struct tile out = group_out(&job->shape, &g, job->out, job->out_stride, y_copy);
      for (size_t c = 0; c < classes; c++)
        tile_store(&out, c, backward_term(tile_load(&y, c), tile_load(&h, c), sum, kind));
      group_scatter(&job->shape, &g, job->out, job->out_stride, y_copy);
    }
  }
  vstream_end();
}

void KERNEL(softmax)(const struct vloss_softmax_job *job) { softmax_forward(job, SOFTMAX); }
void KERNEL(log_softmax)(const struct vloss_softmax_job *job) { softmax_forward(job, LOG_SOFTMAX); }
void KERNEL(log_sum_exp)(const struct vloss_softmax_job *job) { softmax_forward(job, LOG_SUM_EXP); }
void KERNEL(softmax_backward)(const struct vloss_softmax_job *job) { softmax_backward_of(job, SOFTMAX); }
void KERNEL(log_softmax_backward)(const struct vloss_softmax_job *job) { softmax_backward_of(job, LOG_SOFTMAX); }
