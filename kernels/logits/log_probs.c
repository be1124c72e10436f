/* What log-probabilities, ranks, the top classes, log-sum-exp and entropy are made of, in one pass over each row of
 * logits: a block of CLASS_BLOCK classes is summed, and looked at again while it is in the nearest cache. */
#include "log_probs.h"

#include "kernels.h"
#include "log_probs_state.h"
#include "row_sums.h"
#include "summaries.h"

/* One block of a row, which lane i is of. */
struct pass {
  const struct vloss_log_probs_job *job;
  struct block_sums blocks;
  struct top_list top; /* with all of the room below */
  ALIGNED float maxima[TOP_MAXIMA], top_y[TOP_CLASSES];
  ALIGNED uint32_t top_c[TOP_CLASSES];
  float *block; /* the buffer */
  int summed;   /* the sums of short rows are made already */
};
static void begin_blocks(struct block_sums *b) {
  no_sums(&b->sums);
  dstore(b->leave, dset1(1.0));
  dstore(b->spread, dset1(0.0));
  b->count = 0;
}
static const float *block_of(const struct pass *p, size_t row, size_t c, size_t *n) {
  const struct vloss_log_probs_job *const job = p->job;
  if (read_as_they_lie(job)) {
    *n = job->shape.classes - c < CLASS_BLOCK ? job->shape.classes - c : CLASS_BLOCK;
    return (const float *)job->x + row * job->x_stride + c;
  }
  const struct logit_row x = log_probs_row(job, row, p->block);
  return logit_row_block(&x, c, n);
}
static size_t read_block(struct pass *p, size_t row, size_t c, size_t i) {
  const struct vloss_log_probs_job *const job = p->job;
  size_t n;
  const float *const y = block_of(p, row, c, &n);
  if (!p->summed)
    sum_block(y, n, job->spread, job->top ? p->maxima : NULL, &p->blocks, i);
  else if (job->top)
    block_maxima(y, n, p->maxima);
  p->blocks.at[i].row = row;
  p->blocks.at[i].c = c;
  p->blocks.leave[i] = 0;
  p->blocks.count = i + 1;
  if (job->rank) log_probs_ranks(job, row, y, c, n, p->blocks.sums.max[i]);
  if (job->top && top_may_add(&p->top, p->blocks.sums.max[i])) top_add(&p->top, y, n, c, p->maxima);
  return n;
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
  struct row_summary parts[16] = {{-INF, 0, 0}};
  log_probs_begin_row(p->job, row, &p->top);
  for (size_t c = 0; c < p->job->shape.classes;) {
    begin_blocks(&p->blocks);
    size_t n = 0;
    for (; n < 15 && c < p->job->shape.classes; n++) c += read_block(p, row, c, n);
    summarize(p->job, &p->blocks, p->block, parts + 1);
    if (p->job->states)
      put_known_blocks(p->job, row, p->blocks.at[0].c, parts + 1, n);
    else
      merged_summaries(parts, n + 1, &parts[0]);
  }
  if (p->job->top) log_probs_end_row(p->job, row, p->block, &p->top, p->maxima);
  return parts[0];
}
/* Sums short rows 16 at a time, where they lie for it. */
static int sum_together(struct pass *p, size_t first, size_t n, const int *wanted) {
  static const int32_t no_class[16] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  const struct vloss_log_probs_job *const job = p->job;
  if (!read_as_they_lie(job) || job->spread || n < GATHER_ROWS || job->shape.classes > SHORT_ROW) return 0;
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
    log_probs_begin_row(p->job, first + i, &p->top);
    read_block(p, first + i, 0, i);
    if (p->job->top) log_probs_end_row(p->job, first + i, p->block, &p->top, p->maxima);
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
    const struct half_tile tile = {first + i, rows, 0, job->shape.classes, 0};
    const struct half_tensor dense = half_tile_tensor(&tile, p->block);
    half_tile_read(&x, &tile, p->block);
    part.x = dense.p;
    part.x_stride = dense.stride;
    part.shape = dense.shape;
    read_rows(p, first + i, rows, wanted + i, summary + i);
  }
  p->job = job;
}
/* Long rows side by side: a block of each by tiles (half_rows.h), up to 15 blocks at a time. Not inline, as what
 * follows: each has its own use of the stack. */
struct long_rows {
  struct tiled_rows rows;
  struct pass pass;
  struct top_list top[TILE_ROWS];
  const int *wanted;
};
static void look_at_tile(void *context, const float *y, size_t k, size_t c, size_t n) {
  struct long_rows *const l = context;
  const struct vloss_log_probs_job *const job = l->pass.job;
  const size_t row = l->rows.first + k;
  if (!l->wanted[k]) return;
  if (job->rank) log_probs_ranks(job, row, y, c, n, INF);
  if (!job->top) return;
  block_maxima(y, n, l->pass.maxima);
  if (top_may_add(&l->top[k], block_maximum(l->pass.maxima, (n + BLOCK - 1) / BLOCK * 16)))
    top_add(&l->top[k], y, n, c, l->pass.maxima);
}
static void sum_long_rows(struct long_rows *l, struct row_summary *summary) {
  const struct vloss_log_probs_job *const job = l->pass.job;
  const size_t first = l->rows.first, n = l->rows.n;
  struct block_sums *const blocks = &l->pass.blocks;
  struct row_summary parts[16][16], of_block[16];
  for (size_t k = 0; k < n; k++) parts[k][0] = (struct row_summary){-INF, 0, 0};
  for (size_t c = 0; c < job->shape.classes;) {
    size_t count = 0;
    for (; count < 15 && c < job->shape.classes; count++, c += CLASS_BLOCK) {
      begin_blocks(blocks);
      if (job->spread)
        spread_tile_block(&l->rows, c, blocks);
      else
        half_tile_block(&l->rows, c, &blocks->sums);
      blocks->count = n;
      for (size_t k = 0; k < n; k++) {
        blocks->at[k].row = first + k;
        blocks->at[k].c = c;
        blocks->leave[k] = 0;
      }
      summarize(job, blocks, l->rows.block, of_block);
      for (size_t k = 0; k < n; k++) {
        parts[k][count + 1] = of_block[k];
        if (job->states) put_known_blocks(job, first + k, c, &of_block[k], 1);
      }
    }
    for (size_t k = 0; k < n; k++) merged_summaries(parts[k], count + 1, &parts[k][0]);
  }
  for (size_t k = 0; k < n; k++) summary[k] = parts[k][0];
}
static __attribute__((noinline)) void read_long_rows_beside(const struct vloss_log_probs_job *job, size_t first,
                                                            size_t n, const int *wanted, struct row_summary *summary) {
  ALIGNED float block[CLASS_BLOCK];
  struct long_rows l = {.pass = {.job = job, .block = block}};
  const struct logit_change change = log_probs_row(job, first, NULL).change;
  const size_t room = top_floats(job->top < TOP_CLASSES ? job->top : TOP_CLASSES);
  const size_t most = job->top ? TOP_CLASSES / room : TILE_ROWS;
  struct half_tensor x = half_tensor_of(job->x, job->type, &job->shape, job->x_stride);
  if (!changes_nothing(&change)) x.change = &change;
  for (size_t i = 0, rows; i < n; i += rows) {
    rows = long_tile_rows(&job->shape, first + i, first + n);
    if (rows > most) rows = most;
    l.rows = (struct tiled_rows){.t = &x, .first = first + i, .n = rows, .block = block, .context = &l};
    if (job->rank || job->top) l.rows.look = look_at_tile;
    l.wanted = wanted + i;
    for (size_t k = 0; k < rows; k++) {
      if (job->top) l.top[k] = (struct top_list){.y = l.pass.top_y + k * room, .c = l.pass.top_c + k * room};
      if (wanted[i + k]) log_probs_begin_row(job, first + i + k, &l.top[k]);
    }
    sum_long_rows(&l, summary + i);
    for (size_t k = 0; job->top && k < rows; k++) {
      if (wanted[i + k]) log_probs_end_row(job, first + i + k, block, &l.top[k], l.pass.maxima);
    }
  }
}
static __attribute__((noinline)) void read_by_passes(const struct vloss_log_probs_job *job, size_t first, size_t n,
                                                     const int *wanted, struct row_summary *summary) {
  ALIGNED float block[CLASS_BLOCK + ASKED_FOR];
  struct pass pass;
  pass.job = job;
  pass.block = block;
  pass.summed = 0;
  pass.top.y = pass.top_y;
  pass.top.c = pass.top_c;
  if (job->shape.inner > 1)
    read_rows_beside(&pass, first, n, wanted, summary);
  else
    read_rows(&pass, first, n, wanted, summary);
}

void log_probs_read(const struct vloss_log_probs_job *job, size_t first, size_t n, const int *wanted,
                    struct row_summary *summary) {
  if (job->shape.inner > 1 && job->shape.classes > CLASS_BLOCK)
    read_long_rows_beside(job, first, n, wanted, summary);
  else
    read_by_passes(job, first, n, wanted, summary);
}

/* ---- Rows of which this call has some classes -------------------------------------------------------------------- */

static void put_known_ids(const struct vloss_log_probs_job *job, size_t row) {
  struct vloss_known_id *const known = vloss_known_ids(vloss_log_probs_state_of(job, row));
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const struct row_id id = id_at(job, row, k);
    const size_t c = id.c - job->class_offset;
    if (id.kind == LIVE_ID && c < job->shape.classes)
      known[k] = (struct vloss_known_id){(double)log_probs_logit(job, row, c), 1};
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
