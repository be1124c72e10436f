/* The softmax functions of rows in 16 bits. Of long rows (half_rows.h) the sums of the blocks are added as those of a
 * long row of floats, then each block is read again and written. */
#include "half_softmax.h"

#include "row_sums.h"
#include "softmax.h"

/* The buffer has room for CLASS_BLOCK floats, and behind them for as many of the upstream if there is one. */
static void by_groups(const struct vloss_softmax_job *job, struct vloss_range range, vloss_softmax_kernel *kernel,
                      float *buffer) {
  const struct half_tensor input = half_input(job), upstream = half_upstream(job), output = half_output(job);
  struct vloss_softmax_job part = {.type = VLOSS_F32, .x = buffer, .out = buffer};
  for (size_t rows; range.first < range.last; range.first += rows) {
    part.shape = half_group_at(&job->shape, range, CLASS_BLOCK, 1);
    part.x_stride = part.upstream_stride = part.out_stride = part.shape.classes * part.shape.inner;
    rows = part.shape.outer * part.shape.inner;
    half_group_read(&input, range.first, &part.shape, buffer);
    if (upstream.p) {
      half_group_read(&upstream, range.first, &part.shape, buffer + CLASS_BLOCK);
      part.upstream = buffer + CLASS_BLOCK;
    }
    if (!output.p) part.out = job->out + range.first;
    kernel(&part, (struct vloss_range){0, rows});
    if (output.p) half_group_write(&output, range.first, &part.shape, buffer);
  }
}

/* Not inline: the stack has room for one of these buffers, or for those of a long row. Kernels of short rows take more
 * stack than others, and ask for nothing ahead. */
static __attribute__((noinline)) void forward_short_rows(const struct vloss_softmax_job *job, struct vloss_range range,
                                                         vloss_softmax_kernel *kernel) {
  ALIGNED float buffer[CLASS_BLOCK];
  by_groups(job, range, kernel, buffer);
}
static __attribute__((noinline)) void forward_rows(const struct vloss_softmax_job *job, struct vloss_range range,
                                                   vloss_softmax_kernel *kernel) {
  ALIGNED float buffer[CLASS_BLOCK + ASKED_FOR];
  by_groups(job, range, kernel, buffer);
}
static __attribute__((noinline)) void backward_rows(const struct vloss_softmax_job *job, struct vloss_range range,
                                                    vloss_softmax_kernel *kernel) {
  ALIGNED float buffer[2 * CLASS_BLOCK];
  by_groups(job, range, kernel, buffer);
}

/* Backwards, each row is read twice anyway: so many rows are taken together also where a buffer has room for a few. */
static int is_long(const struct vloss_softmax_job *job) {
  const struct vloss_shape *const shape = &job->shape;
  const int few = job->half.upstream && shape->inner > 1 && shape->classes > CLASS_BLOCK / 4 &&
                  shape->classes * shape->inner > CLASS_BLOCK;
  return few || shape->classes > CLASS_BLOCK;
}
void half_softmax_rows(const struct vloss_softmax_job *job, struct vloss_range range, vloss_softmax_kernel *kernel,
                       half_row_kernel *long_rows) {
  if (is_long(job))
    for (size_t row = range.first, n; row < range.last; row += n) {
      n = long_tile_rows(&job->shape, row, range.last);
      long_rows(job, row, n);
    }
  else if (job->half.upstream)
    backward_rows(job, range, kernel);
  else if (job->shape.classes <= SHORT_ROW)
    forward_short_rows(job, range, kernel);
  else
    forward_rows(job, range, kernel);
  vstream_end();
}

/* n <= TILE_ROWS long rows: their sums, and those without the class of a maximum, by way of the block. */
struct long_rows {
  struct half_tensor input;
  size_t first, n;
  float *block;
};
static struct half_reader reader_of(const struct long_rows *l, size_t i) {
  return (struct half_reader){half_row_of(&l->input, l->first + i), l->block};
}
static void sum_rows(const struct long_rows *l, struct row_sums *sums) {
  const struct half_reader alone = reader_of(l, 0);
  if (l->n == 1)
    half_row_sums(&alone, NO_CLASS, sums);
  else
    half_tile_sums(&(struct tiled_rows){.t = &l->input, .first = l->first, .n = l->n, .block = l->block}, sums);
}
static void sums_below(const void *rows, const float *left_out, struct row_sums *sums) {
  const struct long_rows *const l = rows;
  for (size_t i = 0; i < l->n; i++) {
    const struct half_reader r = reader_of(l, i);
    struct row_sums one;
    if (left_out[i] == -INF) continue;
    half_row_sums(&r, half_row_find(&r, sums->max[i], 0), &one);
    sums->sum[i] = one.sum[0];
    sums->n[i] = one.n[0];
    sums->shift[i] = one.shift[0];
    sums->max[i] = one.max[0];
  }
}

static void write_classes(float *x, const struct half_tile *tile, const struct softmax_rows *rows, size_t i,
                          enum softmax_kind kind, size_t best) {
  if (rows->undefined[i] != 0) {
    fill_row(x, NOT_A_NUMBER, tile->n);
  } else if (kind == SOFTMAX) {
    const struct row_output result = {
        .x = x, .out = x, .classes = tile->n, .label = NO_CLASS, .n = rows->n[i], .shift = rows->shift[i]};
    row_softmax(&result, &rows->factors, i, calmer(CACHED, vmet_denormal()));
  } else {
    log_softmax_row(x, x, tile->n, rows, i, 0);
    if (best - tile->c < tile->n) x[best - tile->c] = rows->at_max[i];
  }
}
static void write_rows(const struct vloss_softmax_job *job, size_t first, size_t n, enum softmax_kind kind) {
  ALIGNED float block[CLASS_BLOCK];
  const struct half_tensor output = half_output(job);
  const struct long_rows l = {half_input(job), first, n, block};
  const size_t classes = job->shape.classes, width = tile_classes(n);
  size_t best[TILE_ROWS];
  struct row_sums sums;
  struct softmax_rows rows;
  sum_rows(&l, &sums);
  softmax_rows_of(&sums, n, kind, sums_below, &l, &rows);
  for (size_t i = 0; i < n; i++) {
    const struct half_reader r = reader_of(&l, i);
    const int alone = kind == LOG_SOFTMAX && rows.any_alone && rows.log_sum[i] == 0;
    best[i] = alone ? half_row_find(&r, rows.max[i], 0) : NO_CLASS;
  }
  if (kind == SOFTMAX && rows.undefined[0] == 0 && job->shape.inner == 1 && !vmet_denormal()) {
    const struct row_output all = {.x = half_row_of(&l.input, first).p,
                                   .out = half_row_of(&output, first).p,
                                   .classes = classes,
                                   .label = NO_CLASS,
                                   .n = rows.n[0],
                                   .shift = rows.shift[0],
                                   .type = job->type};
    half_row_softmax(&all, &rows.factors, 0, output.past_cache ? PAST : CACHED);
    return;
  }
  for (size_t c = 0; c < classes; c += width) {
    const struct half_tile tile = {first, n, c, classes - c < width ? classes - c : width, 1};
    half_tile_read(&l.input, &tile, block);
    for (size_t i = 0; i < n; i++) {
      half_tile_ask(&l.input, &tile, i, 0);
      half_tile_ask(&output, &tile, i, 1);
      write_classes(block + i * tile.n, &tile, &rows, i, kind, best[i]);
    }
    half_tile_write(&output, &tile, block);
  }
}
void half_softmax(const struct vloss_softmax_job *job, size_t first, size_t n) { write_rows(job, first, n, SOFTMAX); }
void half_log_softmax(const struct vloss_softmax_job *job, size_t first, size_t n) {
  write_rows(job, first, n, LOG_SOFTMAX);
}

/* As group_lse of a long row. */
void half_log_sum_exp(const struct vloss_softmax_job *job, size_t first, size_t n) {
  ALIGNED float block[CLASS_BLOCK];
  ALIGNED double lse[16];
  const struct long_rows l = {half_input(job), first, n, block};
  const vd minus_infinity = dset1(-(double)INF);
  struct row_sums sums;
  struct finished finished;
  sum_rows(&l, &sums);
  finish(&finished, &sums, &minus_infinity, n);
  dstore(lse, finished.lse);
  for (size_t i = 0; i < n; i++) {
    const struct half_reader r = reader_of(&l, i);
    lse[i] = half_row_lse(&r, &sums, i, -INF, lse[i]);
  }
  vstore_tail(job->out + first, canonical(dnarrow_small(dload(lse))), n);
}
