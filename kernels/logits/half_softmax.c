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
      n = job->shape.inner == 1 ? 1 : half_tile_rows(&job->shape, row, range.last, TILE_CLASSES, CLASS_BLOCK);
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

static void sums_below(const void *reader, const float *left_out, struct row_sums *sums) {
  if (left_out[0] != -INF) half_row_sums(reader, half_row_find(reader, sums->max[0], 0), sums);
}

static void write_row(const struct vloss_softmax_job *job, size_t row, enum softmax_kind kind) {
  ALIGNED float block[CLASS_BLOCK];
  const struct half_tensor input = half_input(job), output = half_output(job);
  const struct half_reader r = {half_row_of(&input, row), block};
  const struct half_row out = half_row_of(&output, row);
  struct row_sums sums;
  struct softmax_rows rows;
  half_row_sums(&r, NO_CLASS, &sums);
  softmax_rows_of(&sums, 1, kind, sums_below, &r, &rows);
  const int alone = kind == LOG_SOFTMAX && rows.any_alone && rows.log_sum[0] == 0;
  const size_t best = alone ? half_row_find(&r, rows.max[0], 0) : NO_CLASS;
  if (kind == SOFTMAX && rows.undefined[0] == 0 && r.row.step == 1 && !vmet_denormal()) {
    const struct row_output all = {.x = r.row.p,
                                   .out = out.p,
                                   .classes = out.classes,
                                   .label = NO_CLASS,
                                   .n = rows.n[0],
                                   .shift = rows.shift[0],
                                   .type = job->type};
    half_row_softmax(&all, &rows.factors, 0, out.past_cache ? PAST : CACHED);
    return;
  }
  for (size_t c = 0; c < out.classes; c += CLASS_BLOCK) {
    const size_t n = half_block_read(&r.row, c, block);
    if (rows.undefined[0] != 0) {
      fill_row(block, NOT_A_NUMBER, n);
    } else if (kind == SOFTMAX) {
      const struct row_output result = {
          .x = block, .out = block, .classes = n, .label = NO_CLASS, .n = rows.n[0], .shift = rows.shift[0]};
      row_softmax(&result, &rows.factors, 0, calmer(CACHED, vmet_denormal()));
    } else {
      log_softmax_row(block, block, n, &rows, 0, 0);
      if (best - c < n) block[best - c] = rows.at_max[0];
    }
    half_block_write(&out, c, block);
  }
}

void half_softmax(const struct vloss_softmax_job *job, size_t first, size_t n) {
  for (size_t i = 0; i < n; i++) write_row(job, first + i, SOFTMAX);
}
void half_log_softmax(const struct vloss_softmax_job *job, size_t first, size_t n) {
  for (size_t i = 0; i < n; i++) write_row(job, first + i, LOG_SOFTMAX);
}

/* As group_lse of a long row. */
static void put_lse(const struct vloss_softmax_job *job, size_t row) {
  ALIGNED float block[CLASS_BLOCK];
  ALIGNED double lse[16];
  const struct half_tensor input = half_input(job);
  const struct half_reader r = {half_row_of(&input, row), block};
  const vd minus_infinity = dset1(-(double)INF);
  struct row_sums sums;
  struct finished finished;
  half_row_sums(&r, NO_CLASS, &sums);
  finish(&finished, &sums, &minus_infinity, 1);
  dstore(lse, finished.lse);
  lse[0] = half_row_lse(&r, &sums, 0, -INF, lse[0]);
  vstore_tail(job->out + row, canonical(dnarrow_small(dload(lse))), 1);
}
void half_log_sum_exp(const struct vloss_softmax_job *job, size_t first, size_t n) {
  for (size_t i = 0; i < n; i++) put_lse(job, first + i);
}
