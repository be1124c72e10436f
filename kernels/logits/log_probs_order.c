/* What log_probs finds in the order of a row's classes: ranks of ids, and the top. */
#include "log_probs.h"
#include "log_probs_state.h"
#include "top_classes.h"

/* What the ids of a row stand behind, of the classes of a block, none of which is above `max`. */
void log_probs_ranks(const struct vloss_log_probs_job *job, size_t row, const float *y, size_t first, size_t n,
                     float max) {
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const struct row_id id = id_at(job, row, k);
    const size_t i = row * job->ids_per_row + k;
    if (id.kind != LIVE_ID) continue;
    const int here = id.c >= first && id.c - first < n;
    const float v = here ? 0 : log_probs_logit(job, row, id.c);
    if (!here && max < v) continue;
    const size_t count = here ? count_before(y, n, id.c - first) : count_greater(y, n, v, id.c > first);
    if (job->ids.narrow)
      ((int32_t *)job->rank)[i] += (int32_t)count;
    else
      ((int64_t *)job->rank)[i] += (int64_t)count;
  }
}

static SMALL void put_known_top(const struct vloss_log_probs_job *job, size_t row, size_t done,
                                const struct top_list *list) {
  struct vloss_log_probs_state *const state = vloss_log_probs_state_of(job, row);
  struct vloss_known_top *const known = vloss_known_tops(state) + done;
  for (size_t j = 0; j < list->count; j++)
    known[j] = (struct vloss_known_top){(double)list->y[j], (int64_t)(job->class_offset + list->c[j])};
  state->top_count = (uint32_t)(done + list->count);
}
/* Puts the next classes of the order where they belong: their logits for now. */
static void put_top(const struct vloss_log_probs_job *job, size_t row, size_t done, struct top_list *list) {
  if (job->states) {
    put_known_top(job, row, done, list);
    return;
  }
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

void log_probs_begin_row(const struct vloss_log_probs_job *job, size_t row, struct top_list *top) {
  if (job->top) begin_top(job, 0, top);
  for (size_t k = 0; job->rank && k < job->ids_per_row; k++)
    put_label_of(job->rank, job->ids.narrow, row * job->ids_per_row + k, 0);
}
void log_probs_end_row(const struct vloss_log_probs_job *job, size_t row, float *block, struct top_list *top,
                       float *maxima) {
  const struct logit_row x = log_probs_row(job, row, block);
  put_top(job, row, 0, top);
  more_top(job, row, &x, top, maxima);
}
