/* States of vloss_log_probs_partial: their size, and putting together what is known of the same rows. Nothing is
 * computed: blocks and ids that one state has and the other has not are copied, and two sorted lists become one. */
#include "check.h"
#include "environment.h"
#include "logits/log_probs_state.h"

size_t vloss_log_probs_state_bytes(size_t total_classes, size_t ids_per_row, size_t top) {
  if (total_classes == 0 || total_classes > INT32_MAX || ids_per_row > INT32_MAX || top > total_classes) return 0;
  const uint64_t bytes = vloss_log_probs_bytes(vloss_state_blocks(total_classes), ids_per_row, top);
  return bytes > PTRDIFF_MAX ? 0 : (size_t)bytes;
}

static int is_nothing(const struct vloss_log_probs_state *s) { return s->signature == 0; }

/* Whether two states may be of different classes of one row, each of as many bytes. */
static int fit(const struct vloss_log_probs_state *a, const struct vloss_log_probs_state *b, size_t bytes) {
  const struct vloss_log_probs_state *const states[] = {a, b};
  for (int i = 0; i < 2; i++)
    if (!is_nothing(states[i]) &&
        (vloss_log_probs_bytes_of(states[i]) != bytes || states[i]->top_count > states[i]->top))
      return 0;
  if (is_nothing(a) || is_nothing(b)) return 1;
  if (a->signature != b->signature || a->total_blocks != b->total_blocks || a->ids != b->ids || a->top != b->top)
    return 0;
  for (uint32_t i = 0; i < a->total_blocks; i++)
    if (vloss_known_blocks(a)[i].read && vloss_known_blocks(b)[i].read) return 0;
  return 1;
}

static int comes_before(const struct vloss_known_top *a, const struct vloss_known_top *b) {
  return a->y > b->y || (a->y == b->y && a->c < b->c);
}
/* The first `top` of both lists. From behind, so that nothing is overwritten before it is read. */
static void merge_tops(struct vloss_log_probs_state *into, const struct vloss_log_probs_state *from) {
  struct vloss_known_top *const to = vloss_known_tops(into);
  const struct vloss_known_top *const more = vloss_known_tops(from);
  size_t a = 0, b = 0;
  while (a + b < into->top && (a < into->top_count || b < from->top_count))
    if (b == from->top_count || (a < into->top_count && comes_before(&to[a], &more[b])))
      a++;
    else
      b++;
  into->top_count = (uint32_t)(a + b);
  for (size_t i = a + b; b; i--)
    if (a && comes_before(&more[b - 1], &to[a - 1]))
      to[i - 1] = to[a - 1], a--;
    else
      to[i - 1] = more[b - 1], b--;
}

static void merge(struct vloss_log_probs_state *into, const struct vloss_log_probs_state *from, size_t bytes) {
  if (is_nothing(from)) return;
  if (is_nothing(into)) {
    memcpy(into, from, bytes);
    return;
  }
  into->blocks += from->blocks;
  for (uint32_t i = 0; i < into->total_blocks; i++)
    if (vloss_known_blocks(from)[i].read) vloss_known_blocks(into)[i] = vloss_known_blocks(from)[i];
  for (uint32_t i = 0; i < into->ids; i++)
    if (vloss_known_ids(from)[i].read) vloss_known_ids(into)[i] = vloss_known_ids(from)[i];
  merge_tops(into, from);
}

struct merge_call {
  void *into;
  const void *from;
  size_t count;
};
static vloss_status run(const void *args, size_t state_bytes, int unused) {
  const struct merge_call *const call = args;
  size_t bytes;
  (void)unused;
  if (call->count == 0) return VLOSS_OK;
  const vloss_status status = vloss_check_merge(call->into, call->from, call->count, state_bytes, &bytes);
  if (status) return status;
  if (state_bytes < sizeof(struct vloss_log_probs_state) || state_bytes % 8) return VLOSS_ERROR_STATE;
  char *const into = call->into;
  const char *const from = call->from;
  for (size_t i = 0; i < bytes; i += state_bytes)
    if (!fit((void *)(into + i), (const void *)(from + i), state_bytes)) return VLOSS_ERROR_STATE;
  for (size_t i = 0; i < bytes; i += state_bytes) merge((void *)(into + i), (const void *)(from + i), state_bytes);
  return VLOSS_OK;
}
vloss_status vloss_log_probs_merge(void *into, const void *from, size_t count, size_t state_bytes) {
  const struct merge_call call = {into, from, count};
  return vloss_in_default_environment(run, &call, state_bytes, 0);
}
