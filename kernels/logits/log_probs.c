/* Log-probabilities, ranks, the top classes, log-sum-exp and entropy of rows of logits, in one pass over each row: a
 * block of CLASS_BLOCK classes is summed, and looked at again while it is in the nearest cache. */
#include "log_probs.h"

#include "kernels.h"
#include "row_sums.h"
#include "summaries.h"

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

/* What the ids of a row stand behind, of the classes of a block, none of which is above `max`. */
static void add_ranks(const struct vloss_log_probs_job *job, size_t row, const struct logit_row *x, const float *y,
                      size_t first, size_t n, float max) {
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const struct row_id id = id_at(job, row, k);
    const size_t i = row * job->ids_per_row + k;
    if (id.kind != LIVE_ID) continue;
    const float v = logit_row_class(x, id.c);
    if (max < v) continue;
    const size_t before = id.c <= first ? 0 : id.c - first < n ? id.c - first : n;
    const size_t count =
        (before ? count_greater(y, before, v, 1) : 0) + (before < n ? count_greater(y + before, n - before, v, 0) : 0);
    if (job->ids.narrow)
      ((int32_t *)job->rank)[i] += (int32_t)count;
    else
      ((int64_t *)job->rank)[i] += (int64_t)count;
  }
}

/* Puts the next classes of the order where they belong: their logits for now. */
static void put_top(const struct vloss_log_probs_job *job, size_t row, size_t done, struct top_list *list) {
  for (size_t j = 0; j < list->count; j++) {
    const size_t i = row * job->top + done + j;
    if (job->top_id) put_label_of(job->top_id, job->ids.narrow, i, list->c[j]);
    if (job->top_logprob) ((float *)job->top_logprob)[i] = list->y[j];
  }
}
static void begin_top(const struct vloss_log_probs_job *job, size_t done, struct top_list *list) {
  const size_t left = job->top - done;
  top_begin(list, left < TOP_CLASSES ? left : TOP_CLASSES, done > 0);
}
/* The classes behind the first TOP_CLASSES of the order: as many at a time. */
static SMALL void more_top(const struct vloss_log_probs_job *job, size_t row, const struct logit_row *x,
                           struct top_list *list, float *maxima) {
  for (size_t done = list->count; done < job->top && list->count; done += list->count) {
    begin_top(job, done, list);
    for (size_t c = 0, n; c < job->shape.classes; c += n) {
      const float *const y = logit_row_block(x, c, &n);
      block_maxima(y, n, maxima);
      top_add(list, y, n, c, maxima);
    }
    put_top(job, row, done, list);
  }
}

/* One block of a row, which lane i is of. */
struct pass {
  const struct vloss_log_probs_job *job;
  struct block_sums blocks;
  struct top_list top;
  ALIGNED float maxima[TOP_MAXIMA];
  float *block; /* the buffer */
  int summed;   /* the sums of short rows are made already */
};
static void begin_blocks(struct block_sums *b) {
  no_sums(&b->sums);
  dstore(b->leave, dset1(1.0));
  b->count = 0;
}
static size_t read_block(struct pass *p, const struct logit_row *x, size_t row, size_t c, size_t i) {
  const struct vloss_log_probs_job *const job = p->job;
  size_t n;
  const float *const y = logit_row_block(x, c, &n);
  if (!p->summed)
    sum_block(y, n, job->entropy || job->grad, job->top ? p->maxima : NULL, &p->blocks, i);
  else if (job->top)
    block_maxima(y, n, p->maxima);
  p->blocks.at[i].row = row;
  p->blocks.at[i].c = c;
  p->blocks.leave[i] = 0;
  p->blocks.count = i + 1;
  if (job->rank) add_ranks(job, row, x, y, c, n, p->blocks.sums.max[i]);
  if (job->top && top_may_add(&p->top, p->blocks.sums.max[i])) top_add(&p->top, y, n, c, p->maxima);
  return n;
}
static void begin_row(struct pass *p, size_t row) {
  const struct vloss_log_probs_job *const job = p->job;
  if (job->top) begin_top(job, 0, &p->top);
  for (size_t k = 0; job->rank && k < job->ids_per_row; k++)
    put_label_of(job->rank, job->ids.narrow, row * job->ids_per_row + k, 0);
}
static void end_row(struct pass *p, size_t row, const struct logit_row *x) {
  if (!p->job->top) return;
  put_top(p->job, row, 0, &p->top);
  more_top(p->job, row, x, &p->top, p->maxima);
}

/* A row of several blocks: up to 15 of them at a time, and what is known of those before. */
static struct row_summary read_long_row(struct pass *p, size_t row) {
  const struct logit_row x = log_probs_row(p->job, row, p->block);
  struct row_summary parts[16] = {{-INF, 0, 0}};
  begin_row(p, row);
  for (size_t c = 0; c < p->job->shape.classes;) {
    begin_blocks(&p->blocks);
    size_t n = 0;
    for (; n < 15 && c < p->job->shape.classes; n++) c += read_block(p, &x, row, c, n);
    summarize(p->job, &p->blocks, p->block, parts + 1);
    merged_summaries(parts, n + 1, &parts[0]);
  }
  end_row(p, row, &x);
  return parts[0];
}
/* Sums short rows 16 at a time, where they lie for it. */
static int sum_together(struct pass *p, size_t first, size_t n, const int *wanted) {
  static const int32_t no_class[16] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  const struct vloss_log_probs_job *const job = p->job;
  if (job->type != VLOSS_F32 || job->shape.inner > 1 || job->scale != 1 || job->softcap != 0 || job->entropy ||
      job->grad || n < GATHER_ROWS || job->shape.classes > SHORT_ROW)
    return 0;
  ALIGNED double leave[16];
  for (size_t i = 0; i < 16; i++) leave[i] = i >= n || !wanted[i];
  short_rows_sum((const float *)job->x + first * job->x_stride, job->x_stride, n, job->shape.classes, no_class, leave,
                 NULL, 0, &p->blocks.sums);
  return 1;
}
static void read_short_rows(struct pass *p, size_t first, size_t n, const int *wanted, struct row_summary *summary) {
  begin_blocks(&p->blocks);
  p->summed = sum_together(p, first, n, wanted);
  for (size_t i = 0; i < n; i++) {
    if (!wanted[i]) continue;
    const struct logit_row x = log_probs_row(p->job, first + i, p->block);
    begin_row(p, first + i);
    read_block(p, &x, first + i, 0, i);
    end_row(p, first + i, &x);
  }
  summarize(p->job, &p->blocks, p->block, summary);
}

/* ---- Results ----------------------------------------------------------------------------------------------------- */

static float narrowed(double v) {
  ALIGNED float f[16];
  vstore(f, canonical(dnarrow_small(dset1(v))));
  return f[0];
}
/* The log-probability of a logit. */
static float log_prob(const struct row_answers *a, float y) {
  return narrowed(((double)y - (double)a->max) - a->log_sum);
}

static void put_row(const struct vloss_log_probs_job *job, size_t row, const struct row_answers *a) {
  const double nan = (double)NOT_A_NUMBER;
  if (job->max) ((float *)job->max)[row] = a->undefined ? NOT_A_NUMBER : a->max;
  if (job->log_sum) ((float *)job->log_sum)[row] = narrowed(a->undefined ? nan : a->log_sum);
  if (job->lse) ((float *)job->lse)[row] = narrowed(a->undefined ? nan : a->lse);
  if (job->entropy) ((float *)job->entropy)[row] = narrowed(a->undefined ? nan : a->entropy);
}
static void put_ids(const struct vloss_log_probs_job *job, size_t row, const struct row_answers *a) {
  const struct logit_row x = log_probs_row(job, row, NULL);
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const struct row_id id = id_at(job, row, k);
    const size_t i = row * job->ids_per_row + k;
    const int live = id.kind == LIVE_ID && !a->undefined;
    if (job->logprob)
      ((float *)job->logprob)[i] = live                    ? log_prob(a, logit_row_class(&x, id.c))
                                   : id.kind == IGNORED_ID ? 0
                                                           : NOT_A_NUMBER;
    if (job->rank && !live) put_label_of(job->rank, job->ids.narrow, i, -1);
  }
}
static void put_top_logprobs(const struct vloss_log_probs_job *job, size_t row, const struct row_answers *a) {
  for (size_t i = row * job->top; i < (row + 1) * job->top; i++) {
    float *const logprob = job->top_logprob ? (float *)job->top_logprob + i : NULL;
    if (logprob) *logprob = a->undefined ? NOT_A_NUMBER : log_prob(a, *logprob);
    if (job->top_id && a->undefined) put_label_of(job->top_id, job->ids.narrow, i, -1);
  }
}

static SMALL void put_unwanted(const struct vloss_log_probs_job *job, size_t row) {
  for (size_t i = row * job->ids_per_row; i < (row + 1) * job->ids_per_row; i++) {
    if (job->logprob) ((float *)job->logprob)[i] = 0;
    if (job->rank) put_label_of(job->rank, job->ids.narrow, i, -1);
  }
  if (job->grad) log_probs_gradient(job, row, NULL);
}

/* The block's buffer is on the stack of the pass alone. */
static __attribute__((noinline)) void read_rows(const struct vloss_log_probs_job *job, size_t first, size_t n,
                                                const int *wanted, struct row_summary *summary) {
  ALIGNED float block[CLASS_BLOCK + ASKED_FOR];
  struct pass pass = {.job = job, .block = block};
  if (job->shape.classes <= CLASS_BLOCK)
    read_short_rows(&pass, first, n, wanted, summary);
  else
    for (size_t i = 0; i < n; i++)
      if (wanted[i]) summary[i] = read_long_row(&pass, first + i);
}
/* 16 rows: their logarithms cost as much as one. */
static void some_rows(const struct vloss_log_probs_job *job, size_t first, size_t n) {
  struct row_summary summary[16] = {{0, 0, 0}};
  struct row_sums sums;
  int wanted[16] = {0};
  for (size_t i = 0; i < n; i++) wanted[i] = row_is_wanted(job, first + i);
  read_rows(job, first, n, wanted, summary);
  no_sums(&sums);
  for (size_t i = 0; i < n; i++) {
    sums.sum[i] = summary[i].max == -INF ? (double)NOT_A_NUMBER : summary[i].rest;
    sums.shift[i] = sums.max[i] = summary[i].max - summary[i].max == 0 ? summary[i].max : 0;
  }
  const vd max = dwiden(vload(sums.max));
  struct finished finished;
  ALIGNED double log_sum[16], inverse[16], share[16];
  finish(&finished, &sums, &max);
  dstore(log_sum, finished.loss);
  dstore(inverse, finished.p);
  dstore(share, finished.rest);
  for (size_t i = 0; i < n; i++) {
    const size_t row = first + i;
    if (!wanted[i]) {
      put_unwanted(job, row);
      continue;
    }
    const struct row_answers answers = {.max = summary[i].max,
                                        .log_sum = log_sum[i],
                                        .lse = (double)summary[i].max + log_sum[i],
                                        .entropy = log_sum[i] + summary[i].spread * inverse[i],
                                        .inverse = inverse[i],
                                        .share = share[i],
                                        .undefined = log_sum[i] != log_sum[i]};
    put_row(job, row, &answers);
    if (job->logprob || job->rank) put_ids(job, row, &answers);
    put_top_logprobs(job, row, &answers);
    if (job->grad) log_probs_gradient(job, row, &answers);
  }
}

void KERNEL(log_probs)(const struct vloss_log_probs_job *job, struct vloss_range range) {
  for (size_t row = range.first; row < range.last; row += 16)
    some_rows(job, row, range.last - row < 16 ? range.last - row : 16);
}
