/* Calls on rows in parts: the shards, their states, merged, and what is made of them; or the call on whole rows
 * instead, which has to have the same bits. A call with a fault stops at the first shard, but for misuse of states:
 * that is refused by the merge or by what comes after it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

/* The states, and those of the shard that is read, and what they were before a step. */
struct states {
  bool of_log_probs;
  char *all, *shard, *before;
  size_t bytes, bytes_of_one, rows;
};

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

/* A refused step has written nothing. */
static vloss_status checked(const struct states *s, vloss_status status, const char *written) {
  if (status == VLOSS_OK || memcmp(s->before, written, s->bytes) == 0) return status;
  fprintf(stderr, "a part that is refused with %s has written states\n", vloss_status_name(status));
  abort();
}
static vloss_status read_shard(const struct call *c, const struct states *s, size_t first, char *states) {
  memcpy(s->before, states, s->bytes);
  if (s->of_log_probs) {
    vloss_log_probs_args part = c->args.log_probs;
    SET_SHARD(part, c, first);
    part.states = states;
    return checked(s, vloss_log_probs_partial(&part), states);
  }
  vloss_cross_entropy_args part = c->args.cross_entropy;
  SET_SHARD(part, c, first);
  part.states = (void *)states;
  return checked(s, vloss_cross_entropy_partial(&part), states);
}
static vloss_status add_shard(const struct call *c, const struct states *s, size_t first) {
  const vloss_status status = read_shard(c, s, first, s->shard);
  if (status) return status;
  memcpy(s->before, s->all, s->bytes);
  if (s->of_log_probs) return checked(s, vloss_log_probs_merge(s->all, s->shard, s->rows, s->bytes_of_one), s->all);
  return checked(s, vloss_cross_entropy_merge((void *)s->all, (void *)s->shard, s->rows), s->all);
}

static vloss_status read_shards(const struct call *c, const struct states *s) {
  const size_t count = (c->classes + VLOSS_CLASS_BLOCK - 1) / VLOSS_CLASS_BLOCK;
  const bool from_nothing = c->parting & FROM_NOTHING, twice = c->misuse == SHARD_TWICE;
  vloss_status status = VLOSS_OK;
  if (from_nothing) memset(s->all, 0, s->bytes);
  for (size_t i = c->misuse == SHARD_LEFT_OUT; i < count && !status; i++) {
    const size_t shard = c->misuse == FIRST_FOR_LAST && i + 1 == count ? 0 : i;
    const size_t first = (c->parting & LAST_FIRST ? count - 1 - shard : shard) * VLOSS_CLASS_BLOCK;
    status = i || from_nothing ? add_shard(c, s, first) : read_shard(c, s, first, s->all);
    if (!status && twice) status = add_shard(c, s, first);
  }
  if (!status && twice && count && s->rows) {
    fprintf(stderr, "states of more classes than there are have been merged\n");
    abort();
  }
  return status;
}

static vloss_status whole_cross_entropy(const struct call *c) {
  vloss_cross_entropy_args a = c->wanted.cross_entropy;
  a.total_classes = 0;
  a.states = NULL;
  return vloss_cross_entropy(&a);
}
static vloss_status finish_cross_entropy(const struct call *c) {
  const vloss_cross_entropy_args *wanted = &c->wanted.cross_entropy;
  vloss_cross_entropy_args finish = *wanted;
  finish.grad = NULL;
  finish.grad_stride = 0;
  if (c->misuse == OTHER_CALL) finish.scale = 3;
  vloss_status status = vloss_cross_entropy_finish(&finish);
  for (size_t first = 0; first < c->classes && !status && wanted->grad; first += VLOSS_CLASS_BLOCK) {
    vloss_cross_entropy_args part = c->args.cross_entropy;
    SET_SHARD(part, c, first);
    part.grad_stride = wanted->grad_stride ? wanted->grad_stride : c->classes * c->inner;
    part.grad = (void *)from_class(c, wanted->grad, first);
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
static vloss_status finish_log_probs(const struct call *c) {
  vloss_log_probs_args finish = c->wanted.log_probs;
  if (c->misuse == OTHER_CALL) finish.scale = 3;
  return vloss_log_probs_finish(&finish);
}

static vloss_status in_parts(const struct call *c) {
  struct states s = {.of_log_probs = c->function == OF_log_probs_partial,
                     .all = c->states->data,
                     .bytes = c->states->width * c->states->kind.size,
                     .rows = c->rows * c->inner};
  char *const untouched = calloc(3, s.bytes + 1);
  if (!untouched) abort();
  s.shard = untouched + s.bytes;
  s.before = s.shard + s.bytes;
  s.bytes_of_one = s.rows ? s.bytes / s.rows : 0;
  memcpy(untouched, s.all, s.bytes);
  vloss_status status = read_shards(c, &s);
  if (!status) status = s.of_log_probs ? finish_log_probs(c) : finish_cross_entropy(c);
  if (status) memcpy(s.all, untouched, s.bytes); /* the steps before what is refused were right */
  free(untouched);
  return status;
}

vloss_status parts_run(struct call *c) {
  const bool of_log_probs = c->function == OF_log_probs_partial;
  vloss_status status;
  if (c->fault && !c->misuse)
    status = of_log_probs ? vloss_log_probs_partial_sized(&c->args.log_probs, c->size)
                          : vloss_cross_entropy_partial_sized(&c->args.cross_entropy, c->size);
  else if (c->whole && !c->misuse)
    status = of_log_probs ? whole_log_probs(c) : whole_cross_entropy(c);
  else
    status = in_parts(c);
  /* Which NaN the states hold is nobody's business. */
  if (!status) memset(c->states->data, 0, c->states->width * c->states->kind.size);
  return status;
}
