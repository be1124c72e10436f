/* Softmax, log-softmax and log-sum-exp of 16 rows at a time. A band of rows takes the steps of a group of them in
 * another order, hence a file longer than others. */
#include "softmax.h"

#include "half_softmax.h"
#include "kernels.h"
#include "lse.h"
#include "row_sums.h"

VFN struct sum_rows rows_of(const struct vloss_softmax_job *job, const struct group *g) {
  return (struct sum_rows){job->shape, *g, job->x, job->x_stride, no_class, none};
}

/* The sums of interleaved rows without the class of their maximum, for the rows whose left_out is not -inf. */
static void sum_slabs_below(const struct vloss_softmax_job *job, const struct group *g, const float *left_out,
                            struct row_sums *sums) {
  const size_t w = slab_rows(&job->shape, g), classes = job->shape.classes;
  for (size_t i = 0; i < g->n; i += w) {
    const struct slab x = slab_at(&job->shape, g, job->x, job->x_stride, i);
    int32_t found[16];
    int any = 0;
    for (size_t k = 0; k < w; k++) any |= left_out[i + k] != -INF;
    if (!any) continue;
    slab_find(&x, classes, sums->max + i, found);
    for (size_t k = 0; k < 16; k++)
      if (k >= w || left_out[i + k] == -INF) found[k] = -1;
    slab_sum_below(&x, classes, found, sums, i);
  }
}

/* A group that is read again. */
struct rows_again {
  const struct vloss_softmax_job *job;
  const struct group *g;
  const struct tile *tile;
};
/* The same of a group of any layout. */
static void sums_without_maxima(const void *rows_again, const float *left_out, struct row_sums *sums) {
  const struct rows_again *again = rows_again;
  const struct vloss_softmax_job *job = again->job;
  const struct group *g = again->g;
  const struct tile *tile = again->tile;
  const size_t classes = job->shape.classes;
  int32_t found[16];
  double leave[16];
  if (classes <= CLASS_BLOCK && g->layout == INTERLEAVED) {
    sum_slabs_below(job, g, left_out, sums);
  } else if (classes > CLASS_BLOCK || g->layout == ALONG) {
    for (size_t i = 0; i < 16; i++) {
      found[i] = -1;
      leave[i] = i >= g->n || left_out[i] == -INF;
      if (leave[i] != 0) continue;
      const float *x = job->x + row_offset(&job->shape, job->x_stride, g->first + i);
      const size_t best = row_find(x, job->shape.inner, classes, sums->max[i], 0);
      found[i] = (int32_t)best;
      if (classes <= CLASS_BLOCK)
        sums->sum[i] =
            (g->calm ? calm_sum_below : row_sum_below)(x, classes, best, sums->max[i], &sums->n[i], &sums->shift[i]);
    }
    if (classes <= CLASS_BLOCK) return;
    const struct sum_rows rows = {job->shape, *g, job->x, job->x_stride, found, leave};
    group_sums(&rows, NULL, NULL, sums, NULL);
  } else {
    tile_find(tile, classes, sums->max, found);
    for (size_t i = 0; i < 16; i++)
      if (left_out[i] == -INF) found[i] = -1;
    tile_sum_below(tile, classes, found, sums);
  }
}

/* m and log S of 16 rows, S relative to m = max. Where one class holds more than half of S, log S is small and the sum
 * has lost it: a second sum leaves that class out. 0.69 is just below log 2, so that no second class can be as large.
 */
static vd group_log_sum(const struct row_sums *sums, const struct finished *row, size_t n, sum_below *below,
                        const void *rows) {
  const vf max = vload(sums->max);
  const vd log_sum = dsub(row->lse_unshifted, dsub(dwiden(max), dwiden(vload(sums->shift))));
  const vm dominated = vgt(vset1(0.69f), dnarrow(log_sum));
  if (!vany(dominated)) return log_sum;

  struct row_sums others = *sums;
  ALIGNED float left_out[16];
  vstore(left_out, vsel(dominated, max, vset1(-INF)));
  below(rows, left_out, &others);
  const vd wide_left_out = dwiden(vload(left_out));
  vd small;
  finish_loss(&small, &others, &wide_left_out, n);
  return dsel(dgt(dwiden(vsel(dominated, vset1(1.0f), vset1(0.0f))), dset1(0.0)), small, log_sum);
}

void softmax_rows_of(const struct row_sums *sums, size_t n, enum softmax_kind kind, sum_below *below, const void *read,
                     struct softmax_rows *rows) {
  const vd minus_infinity = dset1(-(double)INF);
  finish(&rows->finished, sums, &minus_infinity, n);
  vstore(rows->n, vload(sums->n));
  vstore(rows->shift, vload(sums->shift));
  vstore(rows->undefined, vsel(vnan(dnarrow(rows->finished.inverse)), vset1(1.0f), vset1(0.0f)));
  if (kind == SOFTMAX) {
    const vd one = dset1(1.0);
    row_factors_of(&rows->factors, &rows->finished, &one, 0);
    return;
  }
  const vf log_sum = dnarrow_small(group_log_sum(sums, &rows->finished, n, below, read));
  /* A denormal log S is what the class at the maximum gets, and nothing to any other. */
  const vi logs = vbits(log_sum);
  const vm alone = vigt(viset1(0x00800000), logs); /* by its bits: comparing denormals is slow, too */
  vstore(rows->max, vload(sums->max));
  vstore(rows->log_sum, vsel(alone, vset1(0.0f), log_sum));
  vstore(rows->at_max, vfloat(visel(vieq(logs, viset1(0)), logs, vior(logs, viset1(INT32_MIN)))));
  rows->any_alone = vany(alone);
}

struct log_softmax_row {
  const float *x;
  float *out;
  vf max, log_sum;
  int past_cache;
};
VFN void log_softmax_step(void *context, size_t c, size_t n) {
  const struct log_softmax_row *row = context;
  store_n(row->out + c, vsub(vsub(load_n(row->x + c, n), row->max), row->log_sum), n, row->past_cache);
}
void log_softmax_row(const float *x, float *out, size_t classes, const struct softmax_rows *rows, size_t i,
                     int past_cache) {
  struct log_softmax_row row = {x, out, vset1(rows->max[i]), vset1(rows->log_sum[i]), 0};
  if (past_cache) {
    row.past_cache = 1;
    for_classes(classes, out, 1, log_softmax_step, &row);
  } else {
    for_classes(classes, out, 0, log_softmax_step, &row);
  }
}

static void write_rows(const struct vloss_softmax_job *job, const struct group *g, const struct softmax_rows *rows,
                       enum softmax_kind kind, const struct stash *stash) {
  const size_t classes = job->shape.classes;
  const vd one = dset1(1.0);
  for (size_t i = 0; i < g->n; i++) {
    const float *x = job->x + (g->first + i) * job->x_stride;
    float *out = job->out + (g->first + i) * job->out_stride;
    if (rows->undefined[i] != 0) {
      fill_row(out, NOT_A_NUMBER, classes);
    } else if (kind == SOFTMAX) {
      const struct row_output result = {
          .x = x, .out = out, .classes = classes, .label = NO_CLASS, .n = rows->n[i], .shift = rows->shift[i]};
      if (stash->writing == KEPT && classes > CLASS_BLOCK)
        kept_row_softmax(&result, &rows->finished, &one, stash->n);
      else
        row_softmax(&result, &rows->factors, i, calmer(stash->writing, g->calm));
    } else {
      const int alone = rows->any_alone && rows->log_sum[i] == 0;
      const size_t best = alone ? row_find(x, 1, classes, rows->max[i], 0) : NO_CLASS;
      log_softmax_row(x, out, classes, rows, i, stash->writing == PAST);
      if (alone) out[best] = rows->at_max[i];
    }
  }
}

VFN void write_softmax_tile(const struct tile *tile, const struct tile *out, size_t classes,
                            const struct softmax_rows *rows, const int ask) {
  const struct reference ref = reference_at(vload(rows->n));
  const struct factors f = factors_of(&rows->factors);
  const vf shift = vload(rows->shift), nan = vset1(NOT_A_NUMBER);
  const vm undefined = vgt(vload(rows->undefined), vset1(0.0f));
  size_t c = 0;
  for (; c + 4 <= classes; c += 4) {
    vf v[4];
    if (ask) tile_ask(tile, c, 4), tile_ask_to_write(out, c, 4);
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = vsub(tile_load(tile, c + j), shift);
    terms(v, v, 4, &ref);
    scaled4(v, &f);
    UNROLL for (size_t j = 0; j < 4; j++) tile_store(out, c + j, vsel(undefined, nan, v[j]));
  }
  for (; c < classes; c++)
    tile_store(out, c, vsel(undefined, nan, scaled(term(vsub(tile_load(tile, c), shift), &ref), &f)));
}
VFN void write_log_softmax_tile(const struct tile *tile, const struct tile *out, size_t classes,
                                const struct softmax_rows *rows, const int ask) {
  const vf max = vload(rows->max), log_sum = vload(rows->log_sum), at_max = vload(rows->at_max);
  const vm undefined = vgt(vload(rows->undefined), vset1(0.0f));
  for (size_t c = 0; c < classes; c++) {
    if (ask) tile_ask(tile, c, 1), tile_ask_to_write(out, c, 1);
    tile_store(out, c,
               vsel(undefined, vset1(NOT_A_NUMBER), log_softmax_term(tile_load(tile, c), max, log_sum, at_max)));
  }
}

/* The groups of a band, and their sums. */
struct band {
  struct group g[BAND_GROUPS];
  struct sum_rows read[BAND_GROUPS];
  struct tile x[BAND_GROUPS];
  struct row_sums sums[BAND_GROUPS];
  size_t count;
};
static void sum_band(const struct vloss_softmax_job *job, size_t first, size_t n, int calm, struct band *b) {
  ALIGNED float left[BAND_GROUPS][16];
  float *left_out[BAND_GROUPS];
  b->count = band_groups(n);
  for (size_t k = 0; k < b->count; k++) {
    b->g[k] = band_group(first, n, k, calm);
    b->read[k] = rows_of(job, &b->g[k]);
    b->x[k] = group_tile(&job->shape, &b->g[k], job->x, job->x_stride, NULL);
    left_out[k] = left[k];
  }
  band_sums(b->read, b->x, b->count, b->sums, left_out);
}
/* Tiles of 16 rows: the compiler knows. */
static void write_softmax_16(const struct tile *x, const struct tile *to, size_t n, const struct softmax_rows *rows) {
  write_softmax_tile(&(struct tile){x->p, x->step, 16}, &(struct tile){to->p, to->step, 16}, n, rows, x->p != to->p);
}
static void write_log_softmax_16(const struct tile *x, const struct tile *to, size_t n,
                                 const struct softmax_rows *rows) {
  write_log_softmax_tile(&(struct tile){x->p, x->step, 16}, &(struct tile){to->p, to->step, 16}, n, rows,
                         x->p != to->p);
}
static __attribute__((noinline)) void softmax_band(const struct vloss_softmax_job *job, size_t first, size_t n,
                                                   int calm, enum softmax_kind kind) {
  const size_t classes = job->shape.classes;
  struct band b;
  struct softmax_rows rows[BAND_GROUPS];
  struct tile out[BAND_GROUPS];
  ALIGNED float copy[TILE_COPY];
  sum_band(job, first, n, calm, &b);
  fill_tile_copy(copy, 0.0f);
  for (size_t k = 0; k < b.count; k++) {
    const struct rows_again again = {job, &b.g[k], &b.x[k]};
    softmax_rows_of(&b.sums[k], b.g[k].n, kind, sums_without_maxima, &again, &rows[k]);
    out[k] = group_out(&job->shape, &b.g[k], job->out, job->out_stride, NULL);
  }
  for (size_t c = 0; c < classes; c += BLOCK)
    for (size_t k = 0; k < b.count; k++) {
      const size_t m = block_classes(c, classes);
      const struct tile from = whole_tile(&b.x[k], c, m, copy), to = whole_output(&out[k], c, copy);
      (kind == SOFTMAX ? write_softmax_16 : write_log_softmax_16)(&from, &to, m, &rows[k]);
      put_whole_output(&out[k], c, m, copy);
    }
}

static void softmax_forward(const struct vloss_softmax_job *job, struct vloss_range range, enum softmax_kind kind) {
  ALIGNED float copy[GATHER_CLASSES * 16], left_out[16], block_n[STASHED_BLOCKS];
  const size_t classes = job->shape.classes;
  const enum writing writing = writing_for(&job->shape, job->x == job->out);
  int calm = 0;
  for (size_t first = range.first; first < range.last;) {
    struct group g = group_at(&job->shape, first, range.last, 1);
    g.calm = calm = rows_calm(&job->shape, first, 16, job->x, job->x_stride, calm);
    const size_t band = band_rows(&job->shape, first, range.last);
    if (band) {
      softmax_band(job, first, band, calm, kind);
      first += band;
      continue;
    }
    first += g.n;
    struct tile tile = {0};
    if (g.layout == ACROSS || g.layout == GATHERED) tile = group_tile(&job->shape, &g, job->x, job->x_stride, copy);
    struct stash stash = {.stride = job->out_stride, .n = block_n, .writing = writing};
    if (kind == SOFTMAX && writing == KEPT && g.layout == ALONG) stash.terms = job->out + g.first * job->out_stride;
    const struct sum_rows read = rows_of(job, &g);
    struct row_sums sums;
    group_sums(&read, &tile, &stash, &sums, left_out);
    struct softmax_rows written;
    const struct rows_again again = {job, &g, &tile};
    softmax_rows_of(&sums, g.n, kind, sums_without_maxima, &again, &written);
    if (g.layout == ALONG) {
      write_rows(job, &g, &written, kind, &stash);
    } else if (g.layout == INTERLEAVED) {
      write_slabs(job, &g, &written, kind);
    } else {
      const struct tile out = group_out(&job->shape, &g, job->out, job->out_stride, copy);
      if (kind == SOFTMAX && g.layout == GATHERED && g.calm) copy_calm(copy, 1, 16 * classes, copy);
      if (kind == SOFTMAX)
        write_softmax_tile(&tile, &out, classes, &written, tile_asks(&tile, classes));
      else
        write_log_softmax_tile(&tile, &out, classes, &written, tile_asks(&tile, classes));
      group_scatter(&job->shape, &g, job->out, job->out_stride, copy);
    }
  }
  if (writing == PAST) vstream_end();
}

void KERNEL(softmax)(const struct vloss_softmax_job *job, struct vloss_range range) {
  if (VLOSS_IS_HALF(job->type))
    half_softmax_rows(job, range, KERNEL(softmax), half_softmax);
  else
    softmax_forward(job, range, SOFTMAX);
}
void KERNEL(log_softmax)(const struct vloss_softmax_job *job, struct vloss_range range) {
  if (VLOSS_IS_HALF(job->type))
    half_softmax_rows(job, range, KERNEL(log_softmax), half_log_softmax);
  else
    softmax_forward(job, range, LOG_SOFTMAX);
}

static void put_log_sum_exps(const struct vloss_softmax_job *job, const struct sum_rows *read,
                             const struct row_sums *sums) {
  ALIGNED float left_out[16];
  const vd minus_infinity = dset1(-(double)INF);
  struct finished row;
  finish(&row, sums, &minus_infinity, read->g.n);
  vstore(left_out, vset1(-INF));
  group_lse(&row.lse, read, sums, left_out);
  vstore_tail(job->out + read->g.first, canonical(dnarrow_small(row.lse)), read->g.n);
}
static __attribute__((noinline)) void log_sum_exp_band(const struct vloss_softmax_job *job, size_t first, size_t n,
                                                       int calm) {
  struct band b;
  sum_band(job, first, n, calm, &b);
  for (size_t k = 0; k < b.count; k++) put_log_sum_exps(job, &b.read[k], &b.sums[k]);
}
static void log_sum_exps(const struct vloss_softmax_job *job, struct vloss_range range) {
  ALIGNED float copy[GATHER_CLASSES * 16], left_out[16];
  int calm = 0;
  for (size_t first = range.first; first < range.last;) {
    struct group g = group_at(&job->shape, first, range.last, 0);
    g.calm = calm = rows_calm(&job->shape, first, 16, job->x, job->x_stride, calm);
    const size_t band = band_rows(&job->shape, first, range.last);
    if (band) {
      log_sum_exp_band(job, first, band, calm);
      first += band;
      continue;
    }
    struct tile tile = {0};
    if (g.layout == ACROSS || g.layout == GATHERED) tile = group_tile(&job->shape, &g, job->x, job->x_stride, copy);
    const struct sum_rows read = rows_of(job, &g);
    struct row_sums sums;
    group_sums(&read, &tile, NULL, &sums, left_out);
    put_log_sum_exps(job, &read, &sums);
    first += g.n;
  }
}
void KERNEL(log_sum_exp)(const struct vloss_softmax_job *job, struct vloss_range range) {
  if (VLOSS_IS_HALF(job->type))
    half_softmax_rows(job, range, KERNEL(log_sum_exp), half_log_sum_exp);
  else
    log_sum_exps(job, range);
}
