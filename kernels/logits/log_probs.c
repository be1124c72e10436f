/* What log-probabilities, ranks, the top classes, log-sum-exp and entropy are made of, in one pass over each row of
 * logits: a block of CLASS_BLOCK classes is summed, and looked at again while it is in the nearest cache. */
#include "log_probs.h"

#include "kernels.h"
#include "log_probs_state.h"
#include "row_sums.h"
#include "summaries.h"

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
    sum_block(y, n, job->spread, job->top ? p->maxima : NULL, &p->blocks, i);
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

/* Of n blocks, from class c of this call on. */
static SMALL void put_known_blocks(const struct vloss_log_probs_job *job, size_t row, size_t c,
                                   const struct row_summary *s, size_t n) {
  const struct vloss_log_probs_state *const state = vloss_log_probs_state_of(job, row);
  struct vloss_known_block *const known = vloss_known_blocks(state) + (job->class_offset + c) / CLASS_BLOCK;
  for (size_t b = 0; b < n; b++) known[b] = (struct vloss_known_block){(double)s[b].max, s[b].rest, s[b].spread, 1};
}
/* A row of several blocks: up to 15 of them at a time, and what is known of those before. Of a row of which this call
 * has some classes that is kept apart. */
static struct row_summary read_long_row(struct pass *p, size_t row) {
  const struct logit_row x = log_probs_row(p->job, row, p->block);
  struct row_summary parts[16] = {{-INF, 0, 0}};
  begin_row(p, row);
  for (size_t c = 0; c < p->job->shape.classes;) {
    begin_blocks(&p->blocks);
    size_t n = 0;
    for (; n < 15 && c < p->job->shape.classes; n++) c += read_block(p, &x, row, c, n);
    summarize(p->job, &p->blocks, p->block, parts + 1);
    if (p->job->states)
      put_known_blocks(p->job, row, p->blocks.at[0].c, parts + 1, n);
    else
      merged_summaries(parts, n + 1, &parts[0]);
  }
  end_row(p, row, &x);
  return parts[0];
}
/* Sums short rows 16 at a time, where they lie for it. */
static int sum_together(struct pass *p, size_t first, size_t n, const int *wanted) {
  static const int32_t no_class[16] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  const struct vloss_log_probs_job *const job = p->job;
  if (job->type != VLOSS_F32 || job->shape.inner > 1 || job->scale != 1 || job->softcap != 0 || job->spread ||
      n < GATHER_ROWS || job->shape.classes > SHORT_ROW)
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

static void read_rows(struct pass *p, size_t first, size_t n, const int *wanted, struct row_summary *summary) {
  if (p->job->total_classes <= CLASS_BLOCK)
    read_short_rows(p, first, n, wanted, summary);
  else
    for (size_t i = 0; i < n; i++)
      if (wanted[i]) summary[i] = read_long_row(p, first + i);
}
/* Rows side by side, of one block in this call: in the buffer they are dense rows of floats, with nothing to change. */
static void read_rows_beside(struct pass *p, size_t first, size_t n, const int *wanted, struct row_summary *summary) {
  const struct vloss_log_probs_job *const job = p->job;
  const struct logit_change change = log_probs_row(job, first, NULL).change;
  struct half_tensor x = half_tensor_of(job->x, job->type, &job->shape, job->x_stride);
  struct vloss_log_probs_job part = *job;
  if (!changes_nothing(&change)) x.change = &change;
  part.type = VLOSS_F32;
  part.scale = 1;
  part.softcap = 0;
  p->job = &part;
  for (size_t i = 0, rows; i < n; i += rows) {
    rows = half_tile_rows(&job->shape, first + i, first + n, job->shape.classes, CLASS_BLOCK);
    const struct half_tile tile = {first + i, rows, 0, job->shape.classes};
    const struct half_tensor dense = half_tile_tensor(&tile, p->block);
    half_tile_read(&x, &tile, p->block);
    part.x = dense.p;
    part.x_stride = dense.stride;
    part.shape = dense.shape;
    read_rows(p, first + i, rows, wanted + i, summary + i);
  }
  p->job = job;
}
/* Long rows side by side of which nothing but sums is wanted: a block of each, up to 15 blocks at a time.
 * Not inline, as what follows: each has its own use of the stack. */
static __attribute__((noinline)) void read_long_rows_beside(const struct vloss_log_probs_job *job, size_t first,
                                                            size_t n, struct row_summary *summary) {
  ALIGNED float block[CLASS_BLOCK];
  struct block_sums blocks;
  const struct logit_change change = log_probs_row(job, first, NULL).change;
  struct half_tensor x = half_tensor_of(job->x, job->type, &job->shape, job->x_stride);
  struct row_summary parts[16][16], of_block[16];
  if (!changes_nothing(&change)) x.change = &change;
  for (size_t i = 0; i < n; i++) parts[i][0] = (struct row_summary){-INF, 0, 0};
  for (size_t c = 0; c < job->shape.classes;) {
    size_t count = 0;
    for (; count < 15 && c < job->shape.classes; count++, c += CLASS_BLOCK) {
      begin_blocks(&blocks);
      half_tile_block(&x, first, n, c, block, &blocks.sums);
      blocks.count = n;
      dstore(blocks.spread, dset1(0.0));
      for (size_t i = 0; i < n; i++) {
        blocks.at[i].row = first + i;
        blocks.at[i].c = c;
        blocks.leave[i] = 0;
      }
      summarize(job, &blocks, block, of_block);
      for (size_t i = 0; i < n; i++) parts[i][count + 1] = of_block[i];
    }
    for (size_t i = 0; i < n; i++) merged_summaries(parts[i], count + 1, &parts[i][0]);
  }
  for (size_t i = 0; i < n; i++) summary[i] = parts[i][0];
}
static __attribute__((noinline)) void read_by_passes(const struct vloss_log_probs_job *job, size_t first, size_t n,
                                                     const int *wanted, struct row_summary *summary) {
  ALIGNED float block[CLASS_BLOCK + ASKED_FOR];
  struct pass pass = {.job = job, .block = block};
  if (job->shape.inner > 1 && job->shape.classes <= CLASS_BLOCK)
    read_rows_beside(&pass, first, n, wanted, summary);
  else
    read_rows(&pass, first, n, wanted, summary);
}

void log_probs_read(const struct vloss_log_probs_job *job, size_t first, size_t n, const int *wanted,
                    struct row_summary *summary) {
  const int only_sums = !job->states && !job->spread && !job->top && !job->rank;
  if (job->shape.inner > 1 && job->shape.classes > CLASS_BLOCK && only_sums)
    read_long_rows_beside(job, first, n, summary);
  else
    read_by_passes(job, first, n, wanted, summary);
}

/* ---- Rows of which this call has some classes -------------------------------------------------------------------- */

static void put_known_ids(const struct vloss_log_probs_job *job, size_t row) {
  const struct logit_row x = log_probs_row(job, row, NULL);
  struct vloss_known_id *const known = vloss_known_ids(vloss_log_probs_state_of(job, row));
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const struct row_id id = id_at(job, row, k);
    const size_t c = id.c - job->class_offset;
    if (id.kind == LIVE_ID && c < job->shape.classes)
      known[k] = (struct vloss_known_id){(double)logit_row_class(&x, c), 1};
  }
}
void KERNEL(log_probs_partial)(const struct vloss_log_probs_job *job, struct vloss_range range) {
  static const int all[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  for (size_t row = range.first; row < range.last; row += 16) {
    struct row_summary summary[16] = {{0, 0, 0}};
    const size_t n = range.last - row < 16 ? range.last - row : 16;
    for (size_t i = 0; i < n; i++) vloss_log_probs_begin(job, row + i);
    if (job->shape.classes == 0) continue;
    log_probs_read(job, row, n, all, summary);
    for (size_t i = 0; i < n; i++) {
      if (job->total_classes <= CLASS_BLOCK) put_known_blocks(job, row + i, 0, &summary[i], 1);
      put_known_ids(job, row + i);
    }
  }
}
