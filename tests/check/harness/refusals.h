/* What every family of functions needs to check its refusals: counting, and the words of a failure. The families'
 * lists are cross_entropy_refusals.c, softmax_refusals.c and loss_refusals.c. */
#ifndef VLOSS_TESTS_CHECK_REFUSALS_H
#define VLOSS_TESTS_CHECK_REFUSALS_H

#include <string.h>

#include "check.h"
#include "functions.h"

struct refusals {
  struct check *check;
  const struct function *function;
  struct line line;
  const char *isa;
  const char *last; /* the change that was answered last */
};

/* Takes one answer into the report: text is the change that was made to a valid call, written whether the call wrote
 * anything. */
void refusals_note(struct refusals *refusals, const char *text, vloss_status expected, vloss_status got, bool written);

/* What is expected of a call that has that type: of 16 bits it may not be built. */
static inline vloss_status with_type(vloss_type type, vloss_status expected) {
  const vloss_status status = type == VLOSS_BF16 || type == VLOSS_F16 ? type_status(type) : VLOSS_OK;
  return status ? status : expected;
}

/* The scaffolding of a list: `valid` makes arguments `a` of that type, whose arrays lie in the static struct `arena`;
 * `call` is given them with `change` made, and must answer `expected`. Accepted calls write, so writing counts only
 * against refusals. Changes may touch the arena: the copy `before` to compare with is taken after them. */
#define REFUSALS_ANSWER(text, expected, args, valid, call, change)                      \
  do {                                                                                  \
    args a = valid;                                                                     \
    size_t size = sizeof a;                                                             \
    change;                                                                             \
    memcpy(&before, &arena, sizeof arena);                                              \
    const vloss_status got = call(&a, size);                                            \
    const bool written = got != VLOSS_OK && memcmp(&before, &arena, sizeof arena) != 0; \
    refusals_note(refusals, text, with_type(a.type, expected), got, written);           \
  } while (0)

/* The same for contents: the field of the arena that tells the first bad one must be set to `index`, and nothing else.
 */
#define REFUSALS_TELL(field, index, text, expected, args, valid, call, change) \
  do {                                                                         \
    args a = valid;                                                            \
    change;                                                                    \
    memcpy(&before, &arena, sizeof arena);                                     \
    const vloss_status got = call(&a, sizeof a);                               \
    const bool right = arena.field == (size_t)(index);                         \
    arena.field = before.field;                                                \
    const bool written = !right || memcmp(&before, &arena, sizeof arena) != 0; \
    refusals_note(refusals, text, with_type(a.type, expected), got, written);  \
  } while (0)

/* A pointer `bytes` beyond another. */
static inline void *beyond(const void *p, size_t bytes) { return (char *)(uintptr_t)p + bytes; }

void cross_entropy_refuse(struct refusals *refusals);
void divergence_refuse(struct refusals *refusals);
void nll_refuse(struct refusals *refusals);
void softmax_refuse(struct refusals *refusals);
void log_softmax_refuse(struct refusals *refusals);
void log_sum_exp_refuse(struct refusals *refusals);
void softmax_backward_refuse(struct refusals *refusals);
void log_softmax_backward_refuse(struct refusals *refusals);
void log_probs_refuse(struct refusals *refusals);
void loss_refuse(struct refusals *refusals);

#endif
