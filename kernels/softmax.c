/* Softmax, log-softmax and log-sum-exp of 16 rows at a time, and the backward forms of the first two. */
#include "kernels.h"
#include "lse.h"
#include "row_softmax.h"

enum softmax_kind { SOFTMAX, LOG_SOFTMAX, LOG_SUM_EXP };

/* x - m - log S; log_sum is 0 where log S is denormal, and only the class at the maximum gets it. */
VFN vf log_softmax_term(vf x, vf max, vf log_sum, vf at_max) {
  const vf v = vsub(vsub(x, max), log_sum);
  return vsel(veq(x, max), at_max, v);
}

/* ---- Backward: one weighted sum of the upstream h per row, then one step per class -------------------------------
 * The sum is in double, class c in lane c % 16. */

VFN vd backward_add(vd sum, vf y, vf h, const enum softmax_kind kind) {
  return kind == SOFTMAX ? dfma(dwiden(h), dwiden(y), sum) : dadd(sum, dwiden(h));
}
/* What the terms of a row need of its sum. */
struct backward_row {
  vf sum, limit; /* from `limit` on, a y makes no denormal product */
  int careful;   /* some y is below, or the sum may leave a small h - sum */
};
VFN struct backward_row backward_row(vf sum, vf least, const enum softmax_kind kind) {
  const vf exponent = vitof(viand(visra(vbits(sum), 23), viset1(255)));
  const vf limit = vfma(vsub(vset1(1.0f), exponent), vset1(VLOSS_LN2_HI), vset1(0.01f));
  struct backward_row row = {sum, kind == SOFTMAX ? vset1(0x1p-62f) : limit, 0};
  row.careful = vany(vgt(row.limit, least));
  if (kind == SOFTMAX) { /* h - sum is 0 or at least an ulp of the sum; where that is 0, it is h */
    const vf size = vabs(sum);
    row.careful |= vany(vgt(vsel(vgt(size, vset1(0.0f)), vset1(0x1p-39f), vset1(0.0f)), size));
  }
  return row;
}
/* y d, where products of a small factor are flushed at 2^64 times their size. */
VFN vf careful_product(vf y, vf d) {
  const vf zero = vset1(0.0f), limit = vset1(0x1p-63f);
  const vm small_y = vgt(limit, vabs(y)), small_d = vgt(limit, vabs(d));
  const vm small = vmor(small_y, small_d), nothing = vmand(small_y, small_d);
  const vf less = vsel(nothing, zero, vsel(small_y, y, vsel(small_d, d, zero))), other = vsel(small_y, d, y);
  const vf v = vmul(vmul(less, vset1(0x1p64f)), other);
  const vf scaled = vmul(vsel(vgt(vset1(0x1p-62f), vabs(v)), zero, v), vset1(0x1p-64f));
  return vsel(small, scaled, vmul(vsel(small, zero, y), d));
}
/* The same for exp(y) sum; but beside small h it counts. */
VFN struct vexp_halves without_small(struct vexp_halves e, vf h, vf sum) {
  const vf zero = vset1(0.0f), size = vabs(h);
  const vm large = vgt(vabs(sum), vset1(0x1p40f));
  const vf more = vsel(large, vset1(1.0f), vset1(0x1p64f)), least = vsel(large, vset1(0x1p-126f), vset1(0x1p-62f));
  const vm small = vgt(least, vabs(vmul(e.mantissa, vmul(e.scale, vmul(sum, more)))));
  const vm nothing = vmand(small, vmor(veq(h, zero), vgt(size, vset1(0x1p-100f))));
  return (struct vexp_halves){vsel(nothing, zero, e.mantissa), vsel(nothing, zero, e.scale)};
}
VFN vf backward_term(vf y, vf h, const struct backward_row *row, const enum softmax_kind kind, const int careful) {
  if (kind == SOFTMAX) {
    const vf d = vsub(h, row->sum);
    return canonical(careful ? careful_product(y, d) : vflush(vmul(y, d)));
  }
  struct vexp_halves e = vexp_in_halves(y);
  if (careful) e = without_small(e, h, row->sum);
  return canonical(vflush(vnfma(e.mantissa, vmul(e.scale, row->sum), h)));
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

VFN void backward_write(const float *y, const float *h, float *out, size_t classes, const struct backward_row *row,
                        const enum softmax_kind kind, const int careful, int past_cache) {
#define TERM(c, n) backward_term(load_n(y + (c), n), load_n(h + (c), n), row, kind, careful)
#define CACHED(c, n) store_n(out + (c), TERM(c, n), n, 0)
#define STREAMED(c, n) store_n(out + (c), TERM(c, n), n, 1)
  if (past_cache)
    FOR_CLASSES(classes, out, 1, STREAMED);
  else
    FOR_CLASSES(classes, out, 0, CACHED);
#undef TERM
#undef CACHED
#undef STREAMED
}

VFN void softmax_backward_of(const struct vloss_softmax_job *job, const enum softmax_kind kind) {
  ALIGNED float y_copy[GATHER_CLASSES * 16], h_copy[GATHER_CLASSES * 16];
  const size_t classes = job->shape.classes, rows = job->shape.outer * job->shape.inner;
  const enum writing writing = writing_for(&job->shape, job->x == job->out || job->upstream == job->out);
  for (size_t first = 0; first < rows;) {
    struct group g = group_at(&job->shape, first, 1);
    first += g.n;
    if (g.layout == INTERLEAVED) {
      const size_t w = slab_rows(&job->shape, &g);
      for (size_t i = 0; i < g.n; i += w) slab_backward(job, &g, i, kind);
    } else if (g.layout == ALONG) {
      for (size_t i = 0; i < g.n; i++) {
        const float *y = job->x + (g.first + i) * job->x_stride;
        const float *h = job->upstream + (g.first + i) * job->upstream_stride;
        float *out = job->out + (g.first + i) * job->out_stride;
        vd sums = dset1(0.0);
        vf least = vset1(1.0f);
#define ADD(c, n)                                                     \
  do {                                                                \
    const vf y_ = n == 16 ? vload(y + (c)) : vtail(y + (c), n, 1.0f); \
    sums = backward_add(sums, y_, load_n(h + (c), n), kind);          \
    least = vmin(y_, least);                                          \
  } while (0)
        FOR_CLASSES(classes, out, 0, ADD);
#undef ADD
        const double total = dsum(sums);
        const float narrow = total * total < 0x1p-252 ? 0.0f : (float)total;
        const struct backward_row row = backward_row(vset1(narrow), least, kind);
        if (row.careful)
          backward_write(y, h, out, classes, &row, kind, 1, writing == PAST);
        else
          backward_write(y, h, out, classes, &row, kind, 0, writing == PAST);
      }
    } else {
      struct tile y = group_tile(&job->shape, &g, job->x, job->x_stride, y_copy);
      struct tile h = group_tile(&job->shape, &g, job->upstream, job->upstream_stride, h_copy);
      vd sums[16];
      for (size_t j = 0; j < 16; j++) sums[j] = dset1(0.0);
      vf least = vset1(1.0f);
      for (size_t c = 0; c < classes; c++) {
        const vf v = tile_load(&y, c);
        sums[c % 16] = backward_add(sums[c % 16], v, tile_load(&h, c), kind);
        least = vmin(v, least);
      }
      const struct backward_row row = backward_row(dnarrow(dflush(tile_tree(sums, 16))), least, kind);
      struct tile out = group_out(&job->shape, &g, job->out, job->out_stride, y_copy);
      for (size_t c = 0; c < classes; c++)
        tile_store(&out, c, backward_term(tile_load(&y, c), tile_load(&h, c), &row, kind, row.careful));
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
