/* Softmax, log-softmax and log-sum-exp of long rows in 16 bits, block by block (half_rows.h): the sums of the blocks
 * are added as those of a long row of floats, then each block is read again and written. */
#include "half_rows.h"
#include "lse.h"
#include "row_sums.h"
#include "softmax.h"

static const double none[16]; /* of the rows is left */

/* A long row, and where its blocks become floats. */
struct reader {
  struct half_row row;
  float *block; /* CLASS_BLOCK of them */
};

/* The sums of the row without class `skip` (NO_CLASS: with all), at lane 0. */
static void sum_row(const struct reader *r, size_t skip, struct row_sums *sums) {
  struct long_row row = long_row_begin();
  for (size_t c = 0; c < r->row.classes; c += CLASS_BLOCK) {
    const size_t n = half_block_read(&r->row, c, r->block);
    const int32_t here[16] = {skip - c < n ? (int32_t)(skip - c) : -1};
    const struct sum_rows block = {{1, n, 1}, {0, 1, ALONG}, r->block, n, here, none};
    long_blocks(&block, NULL, &row);
  }
  no_sums(sums);
  long_row_sums(&row, sums, 0);
}

/* The first class at the row's maximum, which is a number. */
static size_t find(const struct reader *r, float max) {
  for (size_t c = 0; c < r->row.classes; c += CLASS_BLOCK) {
    const size_t n = half_block_read(&r->row, c, r->block);
    for (size_t i = 0; i < n; i++)
      if (r->block[i] == max) return c + i;
  }
  return NO_CLASS;
}

static void sums_below(const void *reader, const float *left_out, struct row_sums *sums) {
  if (left_out[0] != -INF) sum_row(reader, find(reader, sums->max[0]), sums);
}

static void write_row(const struct vloss_softmax_job *job, size_t row, enum softmax_kind kind) {
  ALIGNED float block[CLASS_BLOCK];
  const struct reader r = {half_row_of(job, job->half.x, job->x_stride, row), block};
  const struct half_row out = half_row_of(job, job->half.out, job->out_stride, row);
  struct row_sums sums;
  struct softmax_rows rows;
  sum_row(&r, NO_CLASS, &sums);
  softmax_rows_of(&sums, kind, sums_below, &r, &rows);
  const int alone = kind == LOG_SOFTMAX && rows.any_alone && rows.log_sum[0] == 0;
  const size_t best = alone ? find(&r, rows.max[0]) : NO_CLASS;
  for (size_t c = 0; c < out.classes; c += CLASS_BLOCK) {
    const size_t n = half_block_read(&r.row, c, block);
    if (rows.undefined[0] != 0) {
      fill_row(block, NOT_A_NUMBER, n);
    } else if (kind == SOFTMAX) {
      const struct row_output result = {
          .x = block, .out = block, .classes = n, .label = NO_CLASS, .n = rows.n[0], .shift = rows.shift[0]};
      row_softmax(&result, &rows.factors, 0, CACHED);
    } else {
      log_softmax_row(block, block, n, &rows, 0, 0);
      if (best - c < n) block[best - c] = rows.at_max[0];
    }
    half_block_write(&out, c, block);
  }
}

void half_softmax(const struct vloss_softmax_job *job, size_t row) { write_row(job, row, SOFTMAX); }
void half_log_softmax(const struct vloss_softmax_job *job, size_t row) { write_row(job, row, LOG_SOFTMAX); }

/* As group_lse of a long row. */
void half_log_sum_exp(const struct vloss_softmax_job *job, size_t row) {
  ALIGNED float block[CLASS_BLOCK];
  const struct reader r = {half_row_of(job, job->half.x, job->x_stride, row), block};
  const vd minus_infinity = dset1(-(double)INF);
  struct row_sums sums;
  struct finished finished;
  sum_row(&r, NO_CLASS, &sums);
  finish(&finished, &sums, &minus_infinity);
  ALIGNED double lse[16];
  dstore(lse, finished.lse);
  if (lse[0] > -(double)NEAR_0 && lse[0] < (double)NEAR_0) {
    struct long_row near = lse_begin();
    for (size_t c = 0; c < r.row.classes; c += CLASS_BLOCK) lse_add(&near, block, 1, half_block_read(&r.row, c, block));
    lse[0] = lse_of(&near);
  }
  const vd all = dmax(minus_infinity, dmax(dwiden(vload(sums.max)), dload(lse)));
  vstore_tail(job->out + row, canonical(dnarrow_small(all)), 1);
}
