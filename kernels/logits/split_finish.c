/* From what is known of rows, all of whose classes were read somewhere, to losses, and to the gradient of the classes
 * at hand. */
#include "block_cross_entropy.h"
#include "kernels.h"
#include "split.h"

/* The sums of rows g.first.. from their states; in lse, where it is wanted, that of rows where it is
 * near 0. */
static void load_group(const struct vloss_cross_entropy_job *job, struct group_state *s, const struct binned_sum *q,
                       double *lse) {
  read_labels(job, &s->g, &s->l);
  no_sums(&s->sums);
  memset(&s->q, 0, sizeof s->q);
  vstore(s->target, vset1(-INF));
  vstore(s->left_out, vset1(-INF));
  for (size_t i = 0; i < s->g.n; i++) {
    const struct vloss_state *state = &job->states[s->g.first + i];
    if (s->l.ignored[i] != 0) continue;
    if (state->flags & STATE_HAS_TARGET) s->target[i] = state->target;
    if (job->total_classes <= CLASS_BLOCK) {
      s->sums.sum[i] = state->u.whole.sum;
      s->sums.n[i] = state->u.whole.n;
      s->sums.shift[i] = state->u.whole.shift;
      s->sums.max[i] = state->u.whole.max;
      if (is_spread(job)) s->left_out[i] = state->u.whole.left_out;
      s->q.qu[i] = state->u.whole.q;
      s->q.au[i] = state->u.whole.a;
      lse[i] = state->u.whole.lse;
      continue;
    }
    struct row_parts p;
    unpack(state, &p);
    if (is_spread(job)) {
      p.sums.q = *q;
      spread_sums_from(&p.sums, 0, s, i);
      if (q->met && state->best != STATE_NO_CLASS) s->q.au[i] += 0 * (double)job->weights[state->best];
    } else {
      long_row_sums(&p.sums.row, &s->sums, i);
    }
    if ((job->lse || job->z_loss > 0) && state->nan == STATE_NO_CLASS && p.lse.max < LSE_LIMIT) lse[i] = lse_of(&p.lse);
  }
}

/* The exact lse, where the estimate is. */
static void finish_lse(const struct vloss_cross_entropy_job *job, const struct group_state *s, vd *estimate,
                       double *lse) {
  ALIGNED double near[16], left[16];
  dstore(near, *estimate);
  dstore(left, dwiden(vload(is_spread(job) ? s->left_out : s->target)));
  for (size_t i = 0; i < s->g.n; i++) {
    if (job->total_classes > CLASS_BLOCK) {
      if (!(near[i] > -(double)NEAR_0 && near[i] < (double)NEAR_0)) lse[i] = near[i];
      if ((double)s->sums.max[i] > lse[i]) lse[i] = (double)s->sums.max[i];
      if (left[i] > lse[i]) lse[i] = left[i];
    }
    if (s->l.ignored[i] != 0) lse[i] = 0;
  }
  *estimate = dload(lse);
}

/* What every call on states begins with. */
static struct binned_sum sum_of_weights(const struct vloss_cross_entropy_job *job) {
  struct binned_sum q = binned_nothing();
  if (!is_spread(job) || job->total_classes <= CLASS_BLOCK) return q;
  for (size_t c = 0; c < job->total_classes; c += CLASS_BLOCK) {
    const size_t rest = job->total_classes - c, n = rest < CLASS_BLOCK ? rest : CLASS_BLOCK;
    vd sum = dset1(0.0);
    for (size_t k = 0; k < n; k += 16) {
      const size_t some = n - k < 16 ? n - k : 16;
      const vf ones = vsel(vigt(viset1((int32_t)some), lane_numbers()), vset1(1.0f), vset1(0.0f));
      sum = dadd(sum, dwiden(job->weights ? load_n(job->weights + c + k, some) : ones));
    }
    binned_add(&q, dsum(sum), 0);
  }
  return q;
}

void KERNEL(cross_entropy_finish)(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                                  struct vloss_partial *partial) {
  struct group_state s;
  struct totals totals[2];
  begin_totals(job, range, partial, totals);
  const struct binned_sum q = sum_of_weights(job);
  for (size_t row = range.first; row < range.last; row += s.g.n) {
    struct group_losses l;
    ALIGNED double lse[16] = {0};
    s.g = (struct group){row, range.last - row < 16 ? range.last - row : 16, GATHERED, 0};
    load_group(job, &s, &q, lse);
    losses_of_group(job, &s, wants_all(job), &l);
    if (job->lse || job->z_loss > 0) finish_lse(job, &s, &l.row.lse, lse);
    put_losses(job, &s, &l, totals);
    if (job->lse) vstore_tail(job->lse + row, canonical(dnarrow_small(l.row.lse)), s.g.n);
    for (size_t i = 0; (job->predicted || job->correct) && i < s.g.n; i++) {
      const struct vloss_state *state = &job->states[row + i];
      const int32_t c = state->nan != STATE_NO_CLASS ? state->nan : state->best;
      write_found(job, row + i, s.l.label[i], s.l.ignored[i] != 0 ? -1 : c);
    }
  }
}

void KERNEL(cross_entropy_split_gradient)(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                                          struct vloss_partial *partial) {
  struct group_state s;
  struct vloss_cross_entropy_job local = *job;
  const struct binned_sum q = sum_of_weights(job);
  (void)partial;
  if (local.weights) local.weights += job->class_offset;
  enum writing writing = is_spread(job) ? CACHED : writing_for(&job->shape, job->x == job->grad);
  if (writing == KEPT) writing = CACHED; /* no pass before this one has kept any terms */
  for (size_t row = range.first; row < range.last; row += s.g.n) {
    const size_t left = range.last - row;
    struct group_losses l;
    ALIGNED double lse[16] = {0};
    s.g = job->by_block ? (struct group){row, left < 16 ? left : 16, ALONG, 0}
                        : group_at(&job->shape, row, range.last, 1);
    load_group(job, &s, &q, lse);
    losses_of_group(job, &s, 1, &l);
    if (job->z_loss > 0) finish_lse(job, &s, &l.row.lse, lse);
    local_labels(job, &s);
    if (job->by_block) {
      block_gradient(&local, &s, &l);
      continue;
    }
    s.g.calm |= vmet_denormal();
    s.stash = (struct stash){.writing = writing};
    s.kept = 0;
    if (s.g.layout == ACROSS || s.g.layout == GATHERED)
      s.x_tile = group_tile(&local.shape, &s.g, local.x, local.x_stride, s.x_copy);
    s.t_tile = (struct tile){0};
    group_gradient(&local, &s, &l);
  }
  if (writing == PAST) vstream_end();
}
