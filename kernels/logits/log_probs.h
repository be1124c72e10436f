/* Log-probabilities read from logits: what the pass over a row finds, and what is made of it. */
#ifndef VLOSS_KERNELS_LOG_PROBS_H
#define VLOSS_KERNELS_LOG_PROBS_H

#include "logit_rows.h"
#include "top_classes.h"

#define log_probs_read VLOSS_ISA_SYMBOL(vloss_log_probs_read)
#define log_probs_begin_row VLOSS_ISA_SYMBOL(vloss_log_probs_begin_row)
#define log_probs_ranks VLOSS_ISA_SYMBOL(vloss_log_probs_ranks)
#define log_probs_end_row VLOSS_ISA_SYMBOL(vloss_log_probs_end_row)
#define log_probs_gradients VLOSS_ISA_SYMBOL(vloss_log_probs_gradients)

/* Of a row whose first maximum is m: rest = sum over the other classes of e^(y - m), spread = sum of e^(y - m) (m - y).
 * So log S = log1p(rest), and the entropy log S + spread / (1 + rest): sums of positive terms all. */
struct row_summary {
  float max;
  double rest, spread; /* rest is NaN in a row without an answer: with NaN, with +inf, or of nothing but -inf */
};

/* And what is made of it. */
struct row_answers {
  float max;
  double log_sum, lse, entropy;
  double inverse, share; /* 1 / S, and rest / S: 1 - p of the maximum, without cancellation */
  int undefined;
};

/* Id k of a row. */
enum id_kind { LIVE_ID, IGNORED_ID, BAD_ID };
struct row_id {
  enum id_kind kind;
  size_t c;
};
VFN struct row_id id_at(const struct vloss_log_probs_job *job, size_t row, size_t k) {
  const int64_t id = vloss_label_at(&job->ids, row * job->ids_per_row + k);
  if (job->ids.ignoring && id == job->ids.ignore_index) return (struct row_id){IGNORED_ID, NO_CLASS};
  if (id < 0 || (uint64_t)id >= job->total_classes) return (struct row_id){BAD_ID, NO_CLASS};
  return (struct row_id){LIVE_ID, (size_t)id};
}
VFN void put_label_of(void *p, int narrow, size_t i, int64_t c) {
  if (narrow)
    ((int32_t *)p)[i] = (int32_t)c;
  else
    ((int64_t *)p)[i] = c;
}

/* Whether anything is wanted that the row has to be read for. */
VFN int row_is_wanted(const struct vloss_log_probs_job *job, size_t row) {
  if (job->top || job->max || job->log_sum || job->lse || job->entropy) return 1;
  if (job->grad && (job->entropy_upstream || job->lse_upstream)) return 1;
  for (size_t k = 0; k < job->ids_per_row; k++)
    if (id_at(job, row, k).kind != IGNORED_ID) return 1;
  return 0;
}
VFN struct logit_row log_probs_row(const struct vloss_log_probs_job *job, size_t row, float *block) {
  struct logit_row r = logit_row_of(job->x, job->type, &job->shape, job->x_stride, row);
  r.change = (struct logit_change){(float)job->scale, job->softcap};
  r.block = block;
  return r;
}

/* Whether its floats are read where they lie: without a struct logit_row, which takes a while to make. */
VFN int read_as_they_lie(const struct vloss_log_probs_job *job) {
  return job->type == VLOSS_F32 && job->shape.inner == 1 && job->scale == 1 && job->softcap == 0;
}
VFN float log_probs_logit(const struct vloss_log_probs_job *job, size_t row, size_t c) {
  if (read_as_they_lie(job)) return ((const float *)job->x)[row * job->x_stride + c];
  const struct logit_row x = log_probs_row(job, row, NULL);
  return logit_row_class(&x, c);
}

/* Of one row: its ranks are 0 and its list is empty; of the classes first .. first + n - 1, y, which are none above
 * `max`, what stands before its ids is counted; its list is complete, but for what there is no room for, if it has one.
 */
void log_probs_begin_row(const struct vloss_log_probs_job *job, size_t row, struct top_list *top);
void log_probs_ranks(const struct vloss_log_probs_job *job, size_t row, const float *y, size_t first, size_t n,
                     float max);
void log_probs_end_row(const struct vloss_log_probs_job *job, size_t row, float *block, struct top_list *top,
                       float *maxima);

/* Reads n <= 16 rows, those that are wanted: what they come to, and, where they are wanted, ranks, the classes of the
 * top and their logits. What is known of a row that is longer than this call's part of it goes to its state instead. */
void log_probs_read(const struct vloss_log_probs_job *job, size_t first, size_t n, const int *wanted,
                    struct row_summary *summary);
/* The gradients of n <= 16 rows, read again; 0 for those that are not wanted, whose answers are not looked at. */
void log_probs_gradients(const struct vloss_log_probs_job *job, size_t first, size_t n, const int *wanted,
                         const struct row_answers *answers);

#endif
