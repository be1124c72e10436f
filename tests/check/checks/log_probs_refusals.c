/* What vloss_log_probs must refuse: a valid call, with one thing changed at a time. */
#include <math.h>
#include <string.h>

#include "functions.h"
#include "refusals.h"

enum { ROWS = 4, CLASSES = 6, IDS = 2, TOP = 3, ROOM = 64 };

struct arena {
  float logits[ROOM], upstream[ROOM], entropy_upstream[ROOM], lse_upstream[ROOM];
  float logprob[ROOM], top_logprob[ROOM], max[ROOM], log_sum[ROOM], lse[ROOM], entropy[ROOM], grad[ROOM];
  int64_t ids[ROOM], rank[ROOM], top_id[ROOM];
  size_t bad_row;
};
static struct arena arena, before;

static vloss_log_probs_args valid(void) {
  float *const floats[] = {arena.logits,      arena.upstream, arena.entropy_upstream, arena.lse_upstream, arena.logprob,
                           arena.top_logprob, arena.max,      arena.log_sum,          arena.lse,          arena.entropy,
                           arena.grad};
  for (size_t k = 0; k < sizeof floats / sizeof *floats; k++)
    for (int i = 0; i < ROOM; i++) floats[k][i] = (float)(i % 7) - 3;
  for (int i = 0; i < ROOM; i++) {
    arena.ids[i] = i % CLASSES;
    arena.rank[i] = arena.top_id[i] = 1000 + i;
  }
  arena.bad_row = 77;
  return (vloss_log_probs_args){.rows = ROWS,
                                .classes = CLASSES,
                                .logits = arena.logits,
                                .ids = arena.ids,
                                .ids_per_row = IDS,
                                .logprob = arena.logprob,
                                .rank = arena.rank,
                                .top = TOP,
                                .top_id = arena.top_id,
                                .top_logprob = arena.top_logprob,
                                .max = arena.max,
                                .log_sum = arena.log_sum,
                                .lse = arena.lse,
                                .entropy = arena.entropy,
                                .upstream = arena.upstream,
                                .entropy_upstream = arena.entropy_upstream,
                                .lse_upstream = arena.lse_upstream,
                                .grad = arena.grad,
                                .bad_row = &arena.bad_row};
}

#define ANSWERS(status, change) \
  REFUSALS_ANSWER(#change, status, vloss_log_probs_args, valid(), library->log_probs_sized, change)
static void drop_ids(vloss_log_probs_args *a) {
  a->ids = a->upstream = a->logprob = a->rank = NULL;
  a->ids_per_row = 0;
}

static void refuse_fields(struct refusals *refusals) {
  refusals_note(refusals, "null arguments", VLOSS_ERROR_NULL,
                library->log_probs_sized(NULL, sizeof(vloss_log_probs_args)), false);
  ANSWERS(VLOSS_OK, size = sizeof a);
  const vloss_status doubles = type_status(VLOSS_F64);
  ANSWERS(doubles, a.type = VLOSS_F64; a.rows = 0);
  ANSWERS(doubles ? doubles : VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F64; a.lse = beyond(a.lse, 4));
  ANSWERS(VLOSS_ERROR_ENUM, a.type = (vloss_type)4);
  ANSWERS(VLOSS_ERROR_ENUM, a.type = (vloss_type)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.label_type = (vloss_label_type)2);
  ANSWERS(VLOSS_ERROR_ENUM, a.ignore = (vloss_ignore)3);
  ANSWERS(VLOSS_ERROR_ENUM, a.flags = VLOSS_EMPTY_MEAN_ZERO);
  ANSWERS(VLOSS_ERROR_ENUM, a.flags = 1u << 31);
  static const double wrong[] = {-1, NAN, INFINITY, 1e39, 1e-40, -0x1p-1074};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ANSWERS(VLOSS_ERROR_SCALE, a.scale = wrong[i]);
    ANSWERS(VLOSS_ERROR_SCALE, a.softcap = wrong[i]);
  }
  ANSWERS(VLOSS_OK, a.scale = 0.5; a.softcap = 30);
  ANSWERS(VLOSS_ERROR_IGNORE_INDEX, a.ignore = VLOSS_IGNORE_NOTHING; a.ignore_index = 1);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.ids_per_row = 0);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, drop_ids(&a); a.ids_per_row = 1);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, drop_ids(&a); a.logprob = arena.logprob);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, drop_ids(&a); a.rank = arena.rank);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, drop_ids(&a); a.upstream = arena.upstream);
  ANSWERS(VLOSS_OK, drop_ids(&a));
  ANSWERS(VLOSS_ERROR_NULL, a.ids = NULL);
  ANSWERS(VLOSS_ERROR_NULL, a.logits = NULL);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.top = CLASSES + 1);
  ANSWERS(VLOSS_OK, a.top = CLASSES);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.top = 0);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.top = 0; a.top_id = NULL);
  ANSWERS(VLOSS_OK, a.top = 0; a.top_id = a.top_logprob = NULL);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.upstream = a.entropy_upstream = a.lse_upstream = NULL);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.grad = NULL; a.grad_stride = CLASSES);
  ANSWERS(VLOSS_ERROR_NO_OUTPUT, a.logprob = a.rank = a.top_id = a.top_logprob = NULL;
          a.max = a.log_sum = a.lse = a.entropy = a.grad = NULL);
  const vloss_executor broken = {0};
  ANSWERS(VLOSS_ERROR_EXECUTOR, a.executor = &broken);
  ANSWERS(VLOSS_ERROR_ISA_UNKNOWN, library->isa_force("sse9"));
  library_use(refusals->isa);
}

static void refuse_arrays(struct refusals *refusals) {
  ANSWERS(VLOSS_ERROR_NO_CLASSES, a.classes = 0);
  ANSWERS(VLOSS_OK, a.classes = a.rows = 0);
  ANSWERS(VLOSS_OK, a.rows = 0; a.logits = a.ids = NULL);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.classes = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = (size_t)PTRDIFF_MAX / sizeof(int64_t));
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.logits_stride = SIZE_MAX / 2);
  ANSWERS(VLOSS_ERROR_STRIDE, a.logits_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_STRIDE, a.grad_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.logits = beyond(a.logits, 2));
  ANSWERS(VLOSS_OK, a.type = VLOSS_BF16; a.logits = beyond(a.logits, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.ids = beyond(a.ids, 4));
  ANSWERS(VLOSS_OK, a.label_type = VLOSS_I32; drop_ids(&a); a.top_id = beyond(a.top_id, 4));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.logprob = beyond(a.logprob, 1));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.rank = beyond(a.rank, 4));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.top_id = beyond(a.top_id, 4));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.top_logprob = beyond(a.top_logprob, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.entropy = beyond(a.entropy, 2); a.type = VLOSS_F16); /* float whatever the type */
  ANSWERS(VLOSS_OK, a.grad = arena.logits);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.logits + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.logits; a.grad_stride = CLASSES + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.logprob = arena.upstream);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.logprob = arena.upstream + ROWS * IDS - 1);
  ANSWERS(VLOSS_OK, a.logprob = arena.upstream + ROWS * IDS);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.rank = arena.ids);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.top_id = arena.rank + ROWS * IDS - 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.top_logprob = arena.max + ROWS - 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.lse = arena.log_sum);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.entropy = arena.lse_upstream);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.entropy = arena.entropy_upstream);
}

static void refuse_ids(struct refusals *refusals) {
#define BAD_ID(change, row)                                                                                        \
  REFUSALS_TELL(bad_row, row, #change, VLOSS_ERROR_LABEL, vloss_log_probs_args, valid(), library->log_probs_sized, \
                change)
  BAD_ID(arena.ids[0] = CLASSES, 0);
  BAD_ID(arena.ids[ROWS * IDS - 1] = -1, ROWS - 1);
  BAD_ID(arena.ids[3] = INT64_MAX; arena.ids[6] = -2, 1);
  BAD_ID(arena.ids[2] = -100; a.ignore = VLOSS_IGNORE_NOTHING, 1);
  ANSWERS(VLOSS_OK, arena.ids[2] = -100);
  ANSWERS(VLOSS_OK, arena.ids[3] = CLASSES; a.flags = VLOSS_UNCHECKED);
  ANSWERS(VLOSS_ERROR_LABEL, arena.ids[3] = CLASSES; a.bad_row = NULL);
}

void log_probs_refuse(struct refusals *refusals) {
  refuse_fields(refusals);
  refuse_arrays(refusals);
  refuse_ids(refusals);
  struct {
    vloss_log_probs_args args;
    size_t newer;
  } grown = {valid(), 1};
  memcpy(&before, &arena, sizeof arena);
  const vloss_status got = library->log_probs_sized(&grown.args, sizeof grown);
  refusals_note(refusals, "a field of a newer version set", VLOSS_ERROR_VERSION, got,
                memcmp(&before, &arena, sizeof arena) != 0);
}
