/* Cross-entropy of doubles of rows whose classes are read by several calls, or on several machines. As for floats, a
 * row of one block of classes is read at once, and its state is what a whole call knows of it; of a longer one it is
 * what is known of some blocks. */
#include "cross_entropy.h"

static int is_long(const job_of_rows *job) { return job->total_classes > CLASS_BLOCK; }

static void pack(struct vloss_state *to, const struct some_blocks *b) {
  to->best = b->best, to->nan = b->nan;
  to->u.wide.max = b->max;
  memcpy(to->u.wide.rest, b->rest.digit, sizeof to->u.wide.rest);
  memcpy(to->u.wide.x, b->x.digit, sizeof to->u.wide.x);
  to->u.wide.rest_top = b->rest.top;
  to->top[0] = b->x.top == NO_WIDE_BIN ? NO_BIN : (int32_t)b->x.top;
  to->flags = (to->flags & ((1u << STATE_MET) - 1)) | STATE_DOUBLES | b->x.met << STATE_MET;
}
static struct some_blocks unpack(const struct vloss_state *s) {
  struct some_blocks b = {.best = s->best, .nan = s->nan, .rest = no_bins(3), .x = no_bins(WIDE_BINS)};
  b.max = s->u.wide.max;
  memcpy(b.rest.digit, s->u.wide.rest, sizeof s->u.wide.rest);
  memcpy(b.x.digit, s->u.wide.x, sizeof s->u.wide.x);
  b.rest.top = s->u.wide.rest_top;
  b.x.top = s->top[0] == NO_BIN ? NO_WIDE_BIN : s->top[0];
  b.x.met = s->flags >> STATE_MET & 7;
  return b;
}

static void read_row(const job_of_rows *job, size_t row, struct vloss_state *state) {
  const struct wide_target t = wide_target_of(job, row);
  const size_t label = t.label - job->class_offset;
  *state = (struct vloss_state){.signature = vloss_state_signature(job, row),
                                .blocks = vloss_state_blocks(job->shape.classes),
                                .total_blocks = vloss_state_blocks(job->total_classes),
                                .coverage = vloss_state_coverage(job->class_offset, job->shape.classes),
                                .best = STATE_NO_CLASS,
                                .nan = STATE_NO_CLASS,
                                .flags = STATE_DOUBLES | (is_spread(job) ? STATE_SPREAD : 0)};
  job_of_rows nothing = *job;
  nothing.shape.classes = 0;
  if (!t.ignored && label < job->shape.classes) {
    state->wide_target = class_at(wide_logits_of(job, row), label);
    state->flags |= STATE_HAS_TARGET;
  }
  if (is_long(job)) {
    const struct some_blocks blocks = wide_blocks(t.ignored ? &nothing : job, row);
    pack(state, &blocks);
  } else if (!t.ignored && job->shape.classes) {
    struct known_row known;
    wide_known_rows(job, row, 1, &t, NULL, &known);
    state->best = (int32_t)known.s.best;
    state->u.wide_whole.max = known.s.max;
    state->u.wide_whole.rest = known.s.rest;
    state->u.wide_whole.rest_but = known.s.rest_but;
    state->u.wide_whole.loss = known.loss;
    state->u.wide_whole.q = known.q;
  }
}
void KERNEL(f64_cross_entropy_partial)(const job_of_rows *job, struct vloss_range range,
                                       struct vloss_partial *partial) {
  (void)partial;
  for (size_t row = range.first; row < range.last; row++) read_row(job, row, &job->states[row]);
}

void KERNEL(f64_merge_states)(struct vloss_state *into, const struct vloss_state *from) {
  if (from->signature == 0 || from->blocks == 0) {
    if (into->signature == 0) *into = *from;
    return;
  }
  if (into->signature == 0 || into->blocks == 0) {
    *into = *from;
    return;
  }
  struct some_blocks a = unpack(into);
  const struct some_blocks b = unpack(from);
  wide_merge(&a, &b);
  into->blocks += from->blocks;
  into->coverage += from->coverage;
  if (from->flags & STATE_HAS_TARGET) into->wide_target = from->wide_target;
  into->flags |= from->flags & STATE_HAS_TARGET;
  pack(into, &a);
}

/* What the states of a whole row come to. */
static struct known_row known_of(const job_of_rows *job, size_t row, const struct wide_bins *q,
                                 const struct wide_target *t) {
  const struct vloss_state *const state = &job->states[row];
  if (t->ignored) return (struct known_row){.x = 0};
  if (is_long(job)) {
    const struct some_blocks blocks = unpack(state);
    return wide_known_of(job, &blocks, q, t, state->wide_target);
  }
  const double max = state->u.wide_whole.max;
  return (struct known_row){.s = {.max = max,
                                  .rest = state->u.wide_whole.rest,
                                  .rest_but = state->u.wide_whole.rest_but,
                                  .best = (size_t)state->best,
                                  .undefined = !(max - max == 0)},
                            .x = state->wide_target,
                            .loss = state->u.wide_whole.loss,
                            .q = state->u.wide_whole.q};
}

static void finish_rows(const job_of_rows *job, size_t row, size_t n, const struct wide_bins *q,
                        struct wide_loss *losses) {
  struct wide_target t[16];
  struct known_row known[16];
  for (size_t i = 0; i < n; i++) {
    t[i] = wide_target_of(job, row + i);
    known[i] = known_of(job, row + i, q, &t[i]);
  }
  if (!is_spread(job)) wide_plain_losses(known, n);
  for (size_t i = 0; i < n; i++) {
    wide_put_row(job, row + i, &known[i], &t[i]);
    losses[i] = wide_loss_of(job, &known[i], &t[i]);
  }
}
void KERNEL(f64_cross_entropy_finish)(const job_of_rows *job, struct vloss_range range, struct vloss_partial *partial) {
  const struct wide_bins q = wide_q_of(job);
  wide_loss_rows(job, range, partial, finish_rows, &q);
}

void KERNEL(f64_cross_entropy_split_gradient)(const job_of_rows *job, struct vloss_range range,
                                              struct vloss_partial *partial) {
  const struct wide_bins q = wide_q_of(job);
  (void)partial;
  for (size_t row = range.first; row < range.last; row++) {
    const struct wide_target t = wide_target_of(job, row);
    const struct known_row known = known_of(job, row, &q, &t);
    wide_gradient(job, row, &known, &t);
  }
}
