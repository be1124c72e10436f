/* Cross-entropy of rows whose classes are read by several calls, or on several machines: what its files share. */
#ifndef VLOSS_KERNELS_SPLIT_H
#define VLOSS_KERNELS_SPLIT_H

#include "cross_entropy.h"
#include "lse.h"
#include "row_state.h"

/* A state between its struct and the sums. */
struct row_parts {
  struct long_spread sums;
  struct long_row lse; /* its max is the greatest logit of all, the label's too */
};

/* The sums in a state, by number. */
VFN struct binned_sum *sum_of(struct row_parts *p, size_t k) {
  struct binned_sum *const sums[] = {&p->sums.row.sum, &p->lse.sum, &p->sums.x};
  return sums[k];
}
/* The greatest logit; the sums of plain rows leave the label out. */
VFN float greatest(const struct row_parts *p, const struct vloss_state *s) {
  if (p->sums.row.sum.met & BINNED_INF) return INF;
  const int label = s->flags & STATE_HAS_TARGET && s->target > p->sums.row.max;
  return (label ? s->target : p->sums.row.max) + 0.0f; /* of -0 and 0 neither is the greater */
}
VFN void unpack(const struct vloss_state *s, struct row_parts *p) {
  for (size_t k = 0; k < 3; k++) {
    struct binned_sum *sum = sum_of(p, k);
    memcpy(sum->digit, s->u.digit[k], sizeof sum->digit);
    sum->top = s->top[k];
    sum->met = s->flags >> (STATE_MET + 3 * k) & 7;
  }
  p->sums.q = binned_nothing();
  p->sums.row.max = s->max;
  p->lse.max = greatest(p, s);
}
/* The labels among the classes at hand; -1 for others. */
VFN void local_labels(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  const int32_t offset = (int32_t)job->class_offset;
  for (size_t i = 0; i < 16; i++) {
    const int32_t label = s->l.label[i];
    s->l.label[i] = label >= offset && (size_t)(label - offset) < job->shape.classes ? label - offset : -1;
  }
}

#endif
