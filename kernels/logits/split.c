/* What is known of rows of which some classes are read, and merging that. A whole row is the sum of the same blocks, so
 * the results have the same bits. */
#include "split.h"

#include "block_cross_entropy.h"
#include "kernels.h"
#include "row_sums.h"

static void pack(struct vloss_state *s, struct row_parts *p) {
  s->flags &= STATE_HAS_TARGET | STATE_SPREAD;
  /* Beyond its reach this sum is nothing, whatever was in it; what NaN rows hold is as well. */
  if (!(p->lse.max < LSE_LIMIT) || s->nan != STATE_NO_CLASS) p->lse.sum = binned_nothing();
  for (size_t k = 0; k < 3; k++) {
    const struct binned_sum *sum = sum_of(p, k);
    memcpy(s->u.digit[k], sum->digit, sizeof sum->digit);
    s->top[k] = sum->top;
    s->flags |= sum->met << (STATE_MET + 3 * k);
  }
  s->max = p->sums.row.max;
}
static struct row_parts no_parts(void) {
  return (struct row_parts){{long_row_begin(), binned_nothing(), binned_nothing()}, long_row_begin()};
}

/* A state of which no class was read. */
static struct vloss_state state_of(const struct vloss_cross_entropy_job *job, size_t row) {
  struct vloss_state s = {.signature = vloss_state_signature(job, row),
                          .total_blocks = vloss_state_blocks(job->total_classes),
                          .best = STATE_NO_CLASS,
                          .nan = STATE_NO_CLASS,
                          .flags = is_spread(job) ? STATE_SPREAD : 0};
  struct row_parts nothing = no_parts();
  if (job->total_classes > CLASS_BLOCK) pack(&s, &nothing);
  return s;
}

/* What is known of row i of a group after its sums. */
static void finish_part(const struct vloss_cross_entropy_job *job, const struct group_state *s, struct row_parts *p,
                        size_t i, struct vloss_state *state) {
  const size_t inner = job->shape.inner, classes = job->shape.classes;
  const float *x = job->x + row_offset(&job->shape, job->x_stride, s->g.first + i);
  if (s->l.label[i] >= 0) {
    state->flags |= STATE_HAS_TARGET;
    state->target = s->target[i];
  }
  p->lse.max = greatest(p, state);
  const int nan = p->sums.row.sum.met & BINNED_NAN || state->target != state->target;
  const size_t found = row_find(x, inner, classes, p->lse.max, nan) + job->class_offset;
  *(nan ? &state->nan : &state->best) = (int32_t)found;
  if (!nan && p->lse.max < LSE_LIMIT) {
    p->lse = lse_begin();
    for (size_t c = 0; c < classes; c += CLASS_BLOCK)
      lse_add(&p->lse, x + c * inner, inner, classes - c < CLASS_BLOCK ? classes - c : CLASS_BLOCK);
  }
  pack(state, p);
}

static void partial_long(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  struct vloss_cross_entropy_job local = *job;
  struct row_parts parts[16];
  struct long_spread sums[16];
  for (size_t i = 0; i < 16; i++) sums[i] = no_parts().sums;
  read_labels(job, &s->g, &s->l);
  local_labels(job, s);
  vstore(s->target, vset1(-INF));
  read_targets(&local, s);
  if (is_spread(job)) {
    if (local.weights) local.weights += job->class_offset;
    spread_blocks(&local, s, sums);
  } else {
    struct long_row rows[16];
    const struct sum_rows read = rows_of(&local, s);
    for (size_t i = 0; i < 16; i++) rows[i] = long_row_begin();
    long_blocks(&read, NULL, rows);
    for (size_t i = 0; i < 16; i++) sums[i].row = rows[i];
  }
  for (size_t i = 0; i < s->g.n; i++) {
    if (s->l.ignored[i] != 0) continue;
    parts[i] = no_parts();
    parts[i].sums = sums[i];
    finish_part(&local, s, &parts[i], i, &job->states[s->g.first + i]);
  }
}

/* Rows of one block are read at once: the state is what a whole call knows of them. */
static void partial_whole(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  struct group_losses l;
  sum_group(job, s);
  losses_of_group(job, s, 1, &l);
  const struct sum_rows read = rows_of(job, s);
  ALIGNED double lse[16];
  group_lse(&l.row.lse, &read, &s->sums, is_spread(job) ? s->left_out : s->target);
  dstore(lse, l.row.lse);
  for (size_t i = 0; i < s->g.n; i++) {
    struct vloss_state *state = &job->states[s->g.first + i];
    if (s->l.ignored[i] != 0) continue;
    if (s->l.label[i] >= 0) {
      state->flags |= STATE_HAS_TARGET;
      state->target = s->target[i];
    }
    state->best = (int32_t)predicted_class(job, s, i);
    state->u.whole.sum = s->sums.sum[i];
    state->u.whole.n = s->sums.n[i];
    state->u.whole.shift = s->sums.shift[i];
    state->u.whole.max = s->sums.max[i];
    state->u.whole.lse = lse[i];
    if (!is_spread(job)) continue;
    state->u.whole.left_out = s->left_out[i];
    state->u.whole.q = s->q.qu[i];
    state->u.whole.a = s->q.au[i];
  }
}

void KERNEL(cross_entropy_partial)(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                                   struct vloss_partial *partial) {
  struct group_state s;
  (void)partial;
  if (job->by_block && job->shape.classes) {
    block_partial(job, range);
    return;
  }
  const uint64_t coverage = vloss_state_coverage(job->class_offset, job->shape.classes);
  for (size_t row = range.first; row < range.last; row++) {
    job->states[row] = state_of(job, row);
    job->states[row].blocks = vloss_state_blocks(job->shape.classes);
    job->states[row].coverage = coverage;
  }
  if (job->shape.classes == 0) return;
  for (size_t row = range.first; row < range.last; row += s.g.n) {
    s.g = group_at(&job->shape, row, range.last, 1);
    s.stash = (struct stash){.writing = CACHED};
    if (job->total_classes > CLASS_BLOCK)
      partial_long(job, &s);
    else
      partial_whole(job, &s);
  }
}

void KERNEL(merge_states)(struct vloss_state *into, const struct vloss_state *from) {
  if (from->signature == 0 || from->blocks == 0) {
    if (into->signature == 0) *into = *from;
    return;
  }
  if (into->signature == 0 || into->blocks == 0) {
    *into = *from;
    return;
  }
  struct row_parts a, b;
  unpack(into, &a);
  unpack(from, &b);
  into->blocks += from->blocks;
  into->coverage += from->coverage;
  if (from->flags & STATE_HAS_TARGET) {
    into->target = from->target;
    into->flags |= STATE_HAS_TARGET;
  }
  if (b.lse.max > a.lse.max || (b.lse.max == a.lse.max && from->best < into->best)) into->best = from->best;
  if (from->nan < into->nan) into->nan = from->nan;
  if (into->flags & STATE_SPREAD) {
    long_row_merge_below(&a.sums.row, &b.sums.row);
  } else {
    binned_merge(&a.sums.row.sum, &b.sums.row.sum);
    if (b.sums.row.max > a.sums.row.max) a.sums.row.max = b.sums.row.max;
  }
  binned_merge(&a.sums.x, &b.sums.x);
  lse_merge(&a.lse, &b.lse);
  pack(into, &a);
}
