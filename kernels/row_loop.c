/* The loop around the row losses: one row at a time, its loss in double. */
#include <string.h>

#include "past_cache.h"
#include "row_loss.h"

/* Gradients of rows up to this length can go past the cache, by way of three buffers on the stack: 24 KiB. */
#define PAST_CACHE_COLUMNS 2048

/* Operands larger than this are asked for ahead: two of them are the L2 cache of most cores. */
#define MEMORY_BYTES ((size_t)512 << 10)

/* Where row o * inner + i of an operand or result starts. */
#define ROW_START(operand, o, i) ((operand).p ? (operand).p + (o) * (operand).row_stride + (i) : NULL)

/* Whether a label of the row is out of range; else *label is the row's one. A list ends at -1. */
static int find_label(const struct vloss_loss_job *job, size_t row, size_t *label) {
  const size_t count = job->labels.list ? job->columns : 1;
  for (size_t i = row * count; i < (row + 1) * count; i++) {
    const int64_t c = job->labels.narrow ? ((const int32_t *)job->labels.p)[i] : ((const int64_t *)job->labels.p)[i];
    if (c < -job->labels.list || c >= (int64_t)job->columns) return 1;
    *label = (size_t)c;
  }
  return 0;
}

static void fill_nan(float *p, size_t n, size_t step) {
  for (size_t i = 0; p && i < n; i++) p[i * step] = NOT_A_NUMBER;
}

void KERNEL(rows)(struct vloss_loss_job *job, const struct row_loss *loss) {
  float buffers[3][PAST_CACHE_COLUMNS];
  const struct vloss_result results[3] = {job->grad, job->grad_target, job->grad_other};
  const size_t columns = job->columns, label_bytes = job->labels.narrow ? sizeof(int32_t) : sizeof(int64_t);
  const int past_cache = job->inner == 1 && !job->staged_results && columns <= PAST_CACHE_COLUMNS &&
                         job->outer * columns * sizeof(float) > STREAM_BYTES;
  struct row r = {.n = columns,
                  .step = job->inner,
                  .from_memory = job->inner == 1 && job->outer * columns * sizeof(float) > MEMORY_BYTES,
                  .class_weights = job->class_weights,
                  .labels_narrow = job->labels.narrow,
                  .parameters = job->parameters};
  loss->constants(job->parameters, &r.k);
  job->total = 0;
  for (size_t o = 0, row = 0; o < job->outer; o++)
    for (size_t i = 0; i < job->inner; i++, row++) {
      float *home[3];
      for (int j = 0; j < 3; j++) home[j] = ROW_START(results[j], o, i);
      r.grad = home[0] && past_cache ? buffers[0] : home[0];
      r.grad_target = home[1] && past_cache ? buffers[1] : home[1];
      r.grad_other = home[2] && past_cache ? buffers[2] : home[2];
      const float w = job->weights.p ? job->weights.p[row * job->weights.row_stride] : 1.0f;
      const float h = job->upstream.p ? job->upstream.p[row * job->upstream.row_stride] : 1.0f;
      double value;
      if (job->labels.p && find_label(job, row, &r.label)) { /* unchecked */
        value = (double)NOT_A_NUMBER;
        fill_nan(r.grad, columns, r.step);
        fill_nan(r.grad_target, columns, r.step);
        fill_nan(r.grad_other, columns, r.step);
      } else {
        r.p = ROW_START(job->prediction, o, i);
        r.other = ROW_START(job->other, o, i);
        if (job->target.column_stride)
          r.t = ROW_START(job->target, o, i);
        else if (job->target.p)
          r.target = job->target.p[row];
        if (job->labels.list) r.labels = (const char *)job->labels.p + row * columns * label_bytes;
        r.factor = (float)((double)w * (double)h * job->grad_scale);
        value = loss->loss(&r);
        value = w == 0 && value == value ? 0 : value * (double)w;
      }
      job->total += value;
      if (job->loss) job->loss[row] = value == value ? (float)value : NOT_A_NUMBER;
      for (int j = 0; j < 3; j++)
        if (home[j] && past_cache) copy_past_cache(home[j], buffers[j], columns);
    }
  if (past_cache) vstream_end();
}
