/* Softmax, log-softmax and log-sum-exp of 16 rows at a time. */
#include "kernels.h"
#include "lse.h"
#include "row_softmax.h"

enum softmax_kind { SOFTMAX, LOG_SOFTMAX, LOG_SUM_EXP };

/* x - m - log S; log_sum is 0 where log S is denormal, and only the class at the maximum gets it. */
VFN vf log_softmax_term(vf x, vf max, vf log_sum, vf at_max) {
  const vf v = vsub(vsub(x, max), log_sum);
  return vsel(veq(x, max), at_max, v);
}

#include "softmax_slabs.h"

/* ---- Forward ---- */

/* Sums of a group without the classes in skip (-1: none); with `keep`, rows along their classes leave their terms in
 * the output. */
VFN void group_sums(const struct vloss_softmax_job *job, const struct group *g, const struct tile *tile,
                    const int32_t *skip, int keep, struct row_sums *sums) {
  static const double none[16] = {0};
  const size_t classes = job->shape.classes;
  if (g->layout == INTERLEAVED) {
    sum_slabs(job, g, sums);
  } else if (g->layout != ALONG) {
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
  if (g->layout == INTERLEAVED) {
    sum_slabs_below(job, g, left_out, &others);
  } else if (g->layout == ALONG) {
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

VFN void softmax_forward(const struct vloss_softmax_job *job, const enum softmax_kind kind) {
  static const int32_t none[16] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  ALIGNED float copy[GATHER_CLASSES * 16];
  const size_t classes = job->shape.classes, rows = job->shape.outer * job->shape.inner;
  const enum writing writing = writing_for(&job->shape, job->x == job->out);
  for (size_t first = 0; first < rows;) {
    struct group g = group_at(&job->shape, first, kind != LOG_SUM_EXP);
    first += g.n;
    struct tile tile = {0};
    if (g.layout == ACROSS || g.layout == GATHERED) tile = group_tile(&job->shape, &g, job->x, job->x_stride, copy);
    struct row_sums sums;
    group_sums(job, &g, &tile, none, kind == SOFTMAX && writing == KEPT, &sums);
    struct finished row = finish(&sums, dset1(-(double)INF), 0);
    if (kind == LOG_SUM_EXP) {
      row.lse = group_lse(&job->shape, &g, job->x, job->x_stride, &sums, vset1(-INF), row.lse);
      vstore_tail(job->out + g.first, canonical(dnarrow_small(row.lse)), g.n);
      continue;
    }

    vf max = vset1(0.0f), log_sum = vset1(0.0f);
    struct row_factors factors;
    if (kind == SOFTMAX)
      row_factors(&factors, &row, dset1(1.0), 0);
    else
      memset(&factors, 0, sizeof factors);
    /* A denormal log S is what the class at the maximum gets, and nothing to any other. */
    vm alone = vgt(vset1(0.0f), vset1(0.0f));
    if (kind == LOG_SOFTMAX) {
      log_sum = dnarrow_small(group_log_sum(job, &g, &tile, &sums, &row, &max));
      alone = vigt(viset1(0x00800000), vbits(log_sum)); /* by its bits: comparing denormals is slow, too */
    }
    const vi logs = vbits(log_sum);
    const vf minus_log = vfloat(visel(vieq(logs, viset1(0)), logs, vior(logs, viset1(INT32_MIN))));
    log_sum = vsel(alone, vset1(0.0f), log_sum);
    const int any_alone = vany(alone);
    vm undefined = vnan(dnarrow(row.inverse));
    if (g.layout == ALONG) {
      float maxima[16], log_sums[16], maximum_logs[16], nans[16];
      vstore(maxima, max);
      vstore(log_sums, log_sum);
      vstore(maximum_logs, minus_log);
      vstore(nans, vsel(undefined, vset1(1.0f), vset1(0.0f)));
      for (size_t i = 0; i < g.n; i++) {
        const float *x = job->x + (g.first + i) * job->x_stride;
        float *out = job->out + (g.first + i) * job->out_stride;
        if (nans[i] != 0) {
          fill_row(out, NOT_A_NUMBER, classes);
        } else if (kind == SOFTMAX) {
          const struct factors f = factors_of_row(&factors, i);
          const struct row_output result = {
              .x = x, .out = out, .classes = classes, .label = NO_CLASS, .n = sums.n[i], .shift = sums.shift[i]};
          row_softmax(&result, &f, writing);
        } else {
          const vf m = vset1(maxima[i]), s = vset1(log_sums[i]);
          const size_t best = any_alone && log_sums[i] == 0 ? row_find(x, 1, classes, maxima[i], 0) : NO_CLASS;
#define STEP_CACHED(c, n) store_n(out + (c), vsub(vsub(load_n(x + (c), n), m), s), n, 0)
#define STEP_PAST(c, n) store_n(out + (c), vsub(vsub(load_n(x + (c), n), m), s), n, 1)
          if (writing == PAST)
            FOR_CLASSES(classes, out, 1, STEP_PAST);
          else
            FOR_CLASSES(classes, out, 0, STEP_CACHED);
#undef STEP_CACHED
#undef STEP_PAST
          if (best != NO_CLASS) out[best] = maximum_logs[i];
        }
      }
    } else if (g.layout == INTERLEAVED) {
      struct softmax_rows written;
      vstore(written.n, vload(sums.n));
      vstore(written.shift, vload(sums.shift));
      vstore(written.max, max);
      vstore(written.log_sum, log_sum);
      vstore(written.at_max, minus_log);
      vstore(written.undefined, vsel(undefined, vset1(1.0f), vset1(0.0f)));
      if (kind == SOFTMAX) written.factors = factors;
      const size_t w = slab_rows(&job->shape, &g);
      for (size_t i = 0; i < g.n; i += w) slab_softmax(job, &g, &written, i, kind);
    } else {
      struct tile out = group_out(&job->shape, &g, job->out, job->out_stride, copy);
      struct reference ref = reference_at(vload(sums.n));
      const struct factors f = factors_of(&factors);
      const vf shift = vload(sums.shift), nan = vset1(NOT_A_NUMBER);
      size_t c = 0;
      for (; kind == SOFTMAX && c + 4 <= classes; c += 4) {
        vf v[4];
        UNROLL for (size_t j = 0; j < 4; j++) v[j] = vsub(tile_load(&tile, c + j), shift);
        terms(v, v, 4, &ref);
        scaled4(v, &f);
        UNROLL for (size_t j = 0; j < 4; j++) tile_store(&out, c + j, vsel(undefined, nan, v[j]));
      }
      for (; c < classes; c++) {
        const vf x = tile_load(&tile, c);
        const vf v =
            kind == SOFTMAX ? scaled(term(vsub(x, shift), &ref), &f) : log_softmax_term(x, max, log_sum, minus_log);
        tile_store(&out, c, vsel(undefined, nan, v));
      }
      group_scatter(&job->shape, &g, job->out, job->out_stride, copy);
    }
  }
  vstream_end();
}

void KERNEL(softmax)(const struct vloss_softmax_job *job) { softmax_forward(job, SOFTMAX); }
void KERNEL(log_softmax)(const struct vloss_softmax_job *job) { softmax_forward(job, LOG_SOFTMAX); }
void KERNEL(log_sum_exp)(const struct vloss_softmax_job *job) { softmax_forward(job, LOG_SUM_EXP); }
