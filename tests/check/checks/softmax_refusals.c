/* What the five functions around softmax must refuse: a valid call, with one thing changed at a time. */
#include <string.h>

#include "functions.h"
#include "refusals.h"

enum { ROWS = 4, CLASSES = 6, ROOM = 64 };

struct arena {
  float input[ROOM], upstream[ROOM], output[ROOM];
};
static struct arena arena, before;

typedef vloss_status function(const vloss_softmax_args *args, size_t size);

struct kind {
  function *call;
  bool backward; /* takes upstream */
};

static vloss_softmax_args valid(struct kind kind) {
  for (int i = 0; i < ROOM; i++) {
    arena.input[i] = (float)(i % 7) - 3;
    arena.upstream[i] = (float)(i % 5) - 2;
    arena.output[i] = 100 + (float)i;
  }
  return (vloss_softmax_args){.rows = ROWS,
                              .classes = CLASSES,
                              .input = arena.input,
                              .upstream = kind.backward ? arena.upstream : NULL,
                              .output = arena.output};
}

#define ANSWERS(status, change) REFUSALS_ANSWER(#change, status, vloss_softmax_args, valid(kind), kind.call, change)

static void refuse_common(struct refusals *refusals, struct kind kind) {
  refusals_note(refusals, "null arguments", VLOSS_ERROR_NULL, kind.call(NULL, sizeof(vloss_softmax_args)), false);
  ANSWERS(VLOSS_ERROR_NULL, a.input = NULL);
  ANSWERS(VLOSS_ERROR_NO_OUTPUT, a.output = NULL);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.input = beyond(a.input, 1));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.output = beyond(a.output, 2));
  const vloss_status doubles = type_status(VLOSS_F64);
  ANSWERS(doubles, a.type = VLOSS_F64; a.rows = 0);
  ANSWERS(doubles ? doubles : VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F64; a.input = beyond(a.input, 4));
  ANSWERS(doubles ? doubles : VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F64; a.output = beyond(a.output, 4));
  ANSWERS(VLOSS_OK, a.type = VLOSS_F16);
  ANSWERS(VLOSS_OK, a.type = VLOSS_BF16; a.input = beyond(a.input, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_BF16; a.input = beyond(a.input, 1));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F16; a.output = beyond(a.output, 1));
  ANSWERS(VLOSS_ERROR_ENUM, a.type = (vloss_type)4);
  ANSWERS(VLOSS_ERROR_ENUM, a.type = (vloss_type)-1);
  ANSWERS(VLOSS_ERROR_NO_CLASSES, a.classes = 0);
  ANSWERS(VLOSS_OK, a.classes = 0; a.rows = 0);
  ANSWERS(VLOSS_OK, a.rows = 0);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = SIZE_MAX / CLASSES / 4);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.classes = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.inner = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.input_stride = SIZE_MAX / 2);
  ANSWERS(VLOSS_ERROR_STRIDE, a.input_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_STRIDE, a.rows = 2; a.inner = 2; a.input_stride = 2 * CLASSES - 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.output = arena.input + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.output = arena.input + ROWS * CLASSES - 1);
  ANSWERS(VLOSS_OK, a.output = arena.input + ROWS * CLASSES);
  ANSWERS(VLOSS_ERROR_ISA_UNKNOWN, library->isa_force("sse9"));
  library_use(refusals->isa);
  ANSWERS(VLOSS_OK, size = sizeof a);

  struct {
    vloss_softmax_args args;
    size_t newer;
  } grown = {valid(kind), 1};
  memcpy(&before, &arena, sizeof arena);
  vloss_status got = kind.call(&grown.args, sizeof grown);
  refusals_note(refusals, "a field of a newer version set", VLOSS_ERROR_VERSION, got,
                memcmp(&before, &arena, sizeof arena) != 0);
  grown.newer = 0;
  refusals_note(refusals, "a field of a newer version, not set", VLOSS_OK, kind.call(&grown.args, sizeof grown), false);
}

/* The functions whose output has the shape of the input. */
static void refuse_matrix(struct refusals *refusals, struct kind kind) {
  refuse_common(refusals, kind);
  ANSWERS(VLOSS_ERROR_STRIDE, a.output_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.output_stride = SIZE_MAX / 2);
  ANSWERS(VLOSS_OK, a.output = arena.input);
  ANSWERS(VLOSS_OK, a.output = arena.input; a.type = VLOSS_BF16);
  ANSWERS(VLOSS_OK, a.type = VLOSS_F16; a.output = beyond(arena.output, 2));
  ANSWERS(VLOSS_ERROR_OVERLAP, a.type = VLOSS_F16; a.output = beyond(arena.input, 2));
  ANSWERS(VLOSS_OK, a.type = VLOSS_F16; a.output = beyond(arena.input, 2 * ROWS * CLASSES));
  ANSWERS(VLOSS_ERROR_OVERLAP, a.type = VLOSS_F16; a.output = beyond(arena.input, 2 * ROWS * CLASSES - 2));
  ANSWERS(VLOSS_ERROR_OVERLAP, a.output = arena.input; a.output_stride = CLASSES + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.input = arena.output + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.input = arena.output + ROWS * CLASSES - 1);
  ANSWERS(VLOSS_OK, a.output = arena.input + CLASSES; a.output_stride = a.input_stride = 2 * CLASSES);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.output = arena.input + CLASSES - 1; a.output_stride = a.input_stride = 2 * CLASSES);
}

static void refuse_forward(struct refusals *refusals, struct kind kind) {
  refuse_matrix(refusals, kind);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.upstream = arena.upstream);
}

static void refuse_backward(struct refusals *refusals, struct kind kind) {
  refuse_matrix(refusals, kind);
  ANSWERS(VLOSS_ERROR_NULL, a.upstream = NULL);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.upstream = beyond(a.upstream, 2));
  ANSWERS(VLOSS_OK, a.type = VLOSS_BF16; a.upstream = beyond(a.upstream, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_BF16; a.upstream = beyond(a.upstream, 1));
  ANSWERS(VLOSS_ERROR_STRIDE, a.upstream_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.upstream_stride = SIZE_MAX / 2);
  ANSWERS(VLOSS_OK, a.output = arena.upstream);
  ANSWERS(VLOSS_OK, a.input = arena.upstream);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.output = arena.upstream + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.output = arena.upstream; a.upstream_stride = CLASSES + 1);
}

void softmax_refuse(struct refusals *refusals) {
  refuse_forward(refusals, (struct kind){.call = library->softmax_sized});
}

void log_softmax_refuse(struct refusals *refusals) {
  refuse_forward(refusals, (struct kind){.call = library->log_softmax_sized});
}

void log_sum_exp_refuse(struct refusals *refusals) {
  struct kind kind = {.call = library->log_sum_exp_sized};
  refuse_common(refusals, kind);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.upstream = arena.upstream);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_BF16; a.output = beyond(a.output, 2)); /* float whatever the type */
  ANSWERS(VLOSS_ERROR_OVERLAP, a.output = arena.input);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.type = VLOSS_BF16; a.output = arena.input);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.output = arena.input; a.rows = CLASSES); /* arrays of one width */
  ANSWERS(VLOSS_ERROR_OVERLAP, a.output = arena.input; a.rows = a.classes = 1);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.output_stride = CLASSES);
}

void softmax_backward_refuse(struct refusals *refusals) {
  refuse_backward(refusals, (struct kind){.call = library->softmax_backward_sized, .backward = true});
}

void log_softmax_backward_refuse(struct refusals *refusals) {
  refuse_backward(refusals, (struct kind){.call = library->log_softmax_backward_sized, .backward = true});
}
