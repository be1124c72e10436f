/* Calls on rows in parts: the shards, their states, merged, and what is made of them; or the call on whole rows
 * instead, which has to have the same bits. A call with a fault stops at the first shard. */
#include <stdlib.h>
#include <string.h>

#include "calls.h"

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static const void *from_class(const struct call *c, const void *tensor, size_t first) {
  const size_t size = c->type == VLOSS_F64 ? 8 : c->type == VLOSS_F32 ? 4 : 2;
  return (const char *)tensor + first * c->inner * size;
}
/* The classes that a struct's call has from `first` on. */
#define SET_SHARD(part, c, first)                                                \
  do {                                                                           \
    (part).class_offset = (first);                                               \
    (part).classes = smaller((c)->classes - (first), VLOSS_CLASS_BLOCK);         \
    (part).logits = from_class(c, (part).logits, first);                         \
    if (!(part).logits_stride) (part).logits_stride = (c)->classes * (c)->inner; \
  } while (0)

static vloss_status whole_cross_entropy(const struct call *c) {
  vloss_cross_entropy_args a = c->wanted.cross_entropy;
  a.total_classes = 0;
  a.states = NULL;
  return vloss_cross_entropy(&a);
}
static vloss_status shards_of_cross_entropy(const struct call *c, vloss_row_state *states) {
  const vloss_cross_entropy_args *a = &c->args.cross_entropy;
  const size_t rows = c->rows * c->inner;
  vloss_status status = VLOSS_OK;
  for (size_t first = 0; first < c->classes && !status; first += VLOSS_CLASS_BLOCK) {
    vloss_cross_entropy_args part = *a;
    SET_SHARD(part, c, first);
    if (first) part.states = states;
    status = vloss_cross_entropy_partial(&part);
    if (!status && first) status = vloss_cross_entropy_merge(a->states, states, rows);
  }
  return status;
}
static vloss_status parts_of_cross_entropy(const struct call *c, vloss_row_state *states) {
  vloss_status status = shards_of_cross_entropy(c, states);
  vloss_cross_entropy_args finish = c->wanted.cross_entropy;
  finish.grad = NULL;
  finish.grad_stride = 0;
  if (!status) status = vloss_cross_entropy_finish(&finish);
  for (size_t first = 0; first < c->classes && !status && c->wanted.cross_entropy.grad; first += VLOSS_CLASS_BLOCK) {
    vloss_cross_entropy_args part = c->args.cross_entropy;
    SET_SHARD(part, c, first);
    part.grad_stride = c->wanted.cross_entropy.grad_stride;
    if (!part.grad_stride) part.grad_stride = c->classes * c->inner;
    part.grad = (void *)from_class(c, c->wanted.cross_entropy.grad, first);
    status = vloss_cross_entropy_partial_gradient(&part);
  }
  return status;
}

static vloss_status whole_log_probs(const struct call *c) {
  vloss_log_probs_args a = c->wanted.log_probs;
  a.total_classes = 0;
  a.states = NULL;
  return vloss_log_probs(&a);
}
static vloss_status parts_of_log_probs(const struct call *c, void *states) {
  const vloss_log_probs_args *a = &c->args.log_probs;
  const size_t bytes = vloss_log_probs_state_bytes(a->total_classes, a->ids_per_row, a->top);
  vloss_status status = VLOSS_OK;
  for (size_t first = 0; first < c->classes && !status; first += VLOSS_CLASS_BLOCK) {
    vloss_log_probs_args part = *a;
    SET_SHARD(part, c, first);
    if (first) part.states = states;
    status = vloss_log_probs_partial(&part);
    if (!status && first) status = vloss_log_probs_merge(a->states, states, c->rows * c->inner, bytes);
  }
  return status ? status : vloss_log_probs_finish(&c->wanted.log_probs);
}

static vloss_status first_shard(const struct call *c) {
  return c->function == OF_log_probs_partial ? vloss_log_probs_partial_sized(&c->args.log_probs, c->size)
                                             : vloss_cross_entropy_partial_sized(&c->args.cross_entropy, c->size);
}

vloss_status parts_run(struct call *c) {
  const bool of_log_probs = c->function == OF_log_probs_partial;
  const size_t bytes = c->states->width * c->states->kind.size;
  vloss_status status;
  if (c->fault) {
    status = first_shard(c);
  } else if (c->whole) {
    status = of_log_probs ? whole_log_probs(c) : whole_cross_entropy(c);
  } else {
    void *states = malloc(bytes + 1);
    if (!states) abort();
    status = of_log_probs ? parts_of_log_probs(c, states) : parts_of_cross_entropy(c, states);
    free(states);
  }
  if (!status) memset(c->states->data, 0, bytes); /* which NaN the states hold is nobody's business */
  return status;
}
