/* Log-probabilities, log-sum-exp and entropy of what a pass over rows of logits, or states of them, have found. */
#include "kernels.h"
#include "log_probs.h"
#include "log_probs_state.h"
#include "row_sums.h"
#include "summaries.h"

/* As dnarrow_small. */
static float narrowed(double v) {
  const int small = v < 0x1p-150 && v > -0x1p-150;
  const float f = (float)(small ? v * 0 : v);
  return f == f ? f : NOT_A_NUMBER;
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
static float logit_of_id(const struct vloss_log_probs_job *job, size_t row, size_t k, size_t c) {
  if (job->states) return (float)vloss_known_ids(vloss_log_probs_state_of(job, row))[k].y;
  return log_probs_logit(job, row, c);
}
static void put_ids(const struct vloss_log_probs_job *job, size_t row, const struct row_answers *a) {
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const struct row_id id = id_at(job, row, k);
    const size_t i = row * job->ids_per_row + k;
    const int live = id.kind == LIVE_ID && !a->undefined;
    if (job->logprob)
      ((float *)job->logprob)[i] = live                    ? log_prob(a, logit_of_id(job, row, k, id.c))
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
}

/* 16 rows: their logarithms cost as much as one. */
static void finish_rows(const struct vloss_log_probs_job *job, size_t first, size_t n, const int *wanted,
                        const struct row_summary *summary) {
  struct row_sums sums;
  no_sums(&sums);
  for (size_t i = 0; i < n; i++) {
    sums.sum[i] = summary[i].max == -INF ? (double)NOT_A_NUMBER : summary[i].rest;
    sums.shift[i] = sums.max[i] = summary[i].max - summary[i].max == 0 ? summary[i].max : 0;
  }
  const vd max = dwiden(vload(sums.max));
  struct finished finished;
  ALIGNED double log_sum[16], inverse[16], share[16];
  struct row_answers answers[16];
  finish(&finished, &sums, &max, n);
  dstore(log_sum, finished.loss);
  dstore(inverse, finished.p);
  dstore(share, finished.rest);
  for (size_t i = 0; i < n; i++) {
    const size_t row = first + i;
    if (!wanted[i]) {
      put_unwanted(job, row);
      continue;
    }
    answers[i] = (struct row_answers){.max = summary[i].max,
                                      .log_sum = log_sum[i],
                                      .lse = (double)summary[i].max + log_sum[i],
                                      .entropy = log_sum[i] + summary[i].spread * inverse[i],
                                      .inverse = inverse[i],
                                      .share = share[i],
                                      .undefined = log_sum[i] != log_sum[i]};
    put_row(job, row, &answers[i]);
    if (job->logprob || job->rank) put_ids(job, row, &answers[i]);
    put_top_logprobs(job, row, &answers[i]);
  }
  if (job->grad) log_probs_gradients(job, first, n, wanted, answers);
}

/* What the states of a row's blocks come to, merged as a pass over the row merges them; and its top as a pass has put
 * it.
 */
static struct row_summary known_row(const struct vloss_log_probs_job *job, size_t row) {
  const struct vloss_log_probs_state *const state = vloss_log_probs_state_of(job, row);
  const struct vloss_known_block *const known = vloss_known_blocks(state);
  struct row_summary parts[16] = {{-INF, 0, 0}};
  for (size_t b = 0, n; b < state->total_blocks; b += n) {
    n = state->total_blocks - b < 15 ? state->total_blocks - b : 15;
    for (size_t i = 0; i < n; i++)
      parts[i + 1] = (struct row_summary){(float)known[b + i].max, known[b + i].rest, known[b + i].spread};
    merged_summaries(parts, n + 1, &parts[0]);
  }
  const struct vloss_known_top *const top = vloss_known_tops(state);
  for (size_t j = 0; j < job->top; j++) {
    if (job->top_id) put_label_of(job->top_id, job->ids.narrow, row * job->top + j, top[j].c);
    if (job->top_logprob) ((float *)job->top_logprob)[row * job->top + j] = (float)top[j].y;
  }
  return parts[0];
}

static void some_rows(const struct vloss_log_probs_job *job, size_t first, size_t n) {
  struct row_summary summary[16] = {{0, 0, 0}};
  int wanted[16] = {0};
  for (size_t i = 0; i < n; i++) wanted[i] = row_is_wanted(job, first + i);
  if (job->states) {
    for (size_t i = 0; i < n; i++)
      if (wanted[i]) summary[i] = known_row(job, first + i);
  } else {
    log_probs_read(job, first, n, wanted, summary);
  }
  finish_rows(job, first, n, wanted, summary);
}
void KERNEL(log_probs)(const struct vloss_log_probs_job *job, struct vloss_range range) {
  for (size_t row = range.first; row < range.last; row += 16)
    some_rows(job, row, range.last - row < 16 ? range.last - row : 16);
}
