/* What vloss_cross_entropy and vloss_nll must refuse: a valid call, with one thing changed at a time. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "refusals.h"

enum { ROWS = 4, CLASSES = 6, ROOM = 64 };

/* Every array with room to shift it; compared as a whole to see whether a call wrote anything. */
struct arena {
  float logits[ROOM], targets[ROOM], weights[ROOM], upstream[ROOM], loss[ROOM], grad[ROOM], lse[ROOM];
  float row_weights[ROOM], z[ROOM], max[ROOM], log_sum[ROOM], grad_targets[ROOM];
  int64_t labels[ROOM], predicted[ROOM];
  int32_t labels32[ROOM], correct[ROOM];
  size_t bad_row;
};
static struct arena arena, before;

static void fill(float *x, float first) {
  for (int i = 0; i < ROOM; i++) x[i] = first + (float)(i % 7);
}

static vloss_cross_entropy_args valid(void) {
  fill(arena.logits, -3);
  fill(arena.targets, 0);
  fill(arena.weights, 1);
  fill(arena.upstream, 1);
  fill(arena.loss, 100);
  fill(arena.grad, 200);
  fill(arena.lse, 300);
  fill(arena.row_weights, 1);
  fill(arena.z, 400);
  fill(arena.max, 500);
  fill(arena.log_sum, 600);
  fill(arena.grad_targets, 700);
  for (int i = 0; i < ROOM; i++) {
    arena.labels32[i] = i % CLASSES;
    arena.labels[i] = i % CLASSES;
    arena.predicted[i] = 1000 + i;
    arena.correct[i] = 2000 + i;
  }
  arena.bad_row = 77;
  return (vloss_cross_entropy_args){
      .rows = ROWS,
      .classes = CLASSES,
      .logits = arena.logits,
      .labels = arena.labels,
      .weights = arena.weights,
      .upstream = arena.upstream,
      .reduction = VLOSS_NONE,
      .loss = arena.loss,
      .grad = arena.grad,
      .bad_row = &arena.bad_row,
  };
}

typedef vloss_status function(const vloss_cross_entropy_args *args, size_t size);

/* Class probabilities in place of labels. */
static void use_targets(vloss_cross_entropy_args *a) {
  a->labels = NULL;
  a->targets = arena.targets;
}

static void use_labels32(vloss_cross_entropy_args *a) {
  a->labels = arena.labels32;
  a->label_type = VLOSS_I32;
}

#define ANSWERS(status, change) REFUSALS_ANSWER(#change, status, vloss_cross_entropy_args, valid(), call, change)
#define BAD_LABEL(row, change) \
  REFUSALS_TELL(bad_row, row, #change, VLOSS_ERROR_LABEL, vloss_cross_entropy_args, valid(), call, change)

static void refuse_pointers(struct refusals *refusals, function *call) {
  refusals_note(refusals, "null arguments", VLOSS_ERROR_NULL, call(NULL, sizeof(vloss_cross_entropy_args)), false);
  ANSWERS(VLOSS_ERROR_NULL, a.logits = NULL);
  ANSWERS(VLOSS_ERROR_NULL, a.labels = NULL);
  ANSWERS(VLOSS_ERROR_NO_OUTPUT, a.loss = a.grad = NULL);
  ANSWERS(VLOSS_ERROR_NO_OUTPUT, a.loss = a.grad = NULL; a.rows = 0);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.logits = beyond(a.logits, 1));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.logits = beyond(a.logits, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.labels = beyond(a.labels, 4));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, use_labels32(&a); a.labels = beyond(a.labels, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.weights = beyond(a.weights, 3));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.upstream = beyond(a.upstream, 1));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.loss = beyond(a.loss, 1));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.grad = beyond(a.grad, 2));
  ANSWERS(VLOSS_OK, a.logits = beyond(a.logits, 4));
  ANSWERS(VLOSS_OK, a.type = VLOSS_BF16; a.logits = beyond(a.logits, 2); a.grad = beyond(a.grad, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_BF16; a.logits = beyond(a.logits, 1));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F16; a.grad = beyond(a.grad, 3));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F16; a.loss = beyond(a.loss, 2)); /* float whatever the type */
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_BF16; a.weights = beyond(a.weights, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_BF16; a.upstream = beyond(a.upstream, 2));
  ANSWERS(VLOSS_OK, use_labels32(&a); a.labels = beyond(a.labels, 4));
}

static void refuse_enumerators(struct refusals *refusals, function *call) {
  const vloss_status doubles = type_status(VLOSS_F64);
  ANSWERS(doubles, a.type = VLOSS_F64; a.rows = 0);
  ANSWERS(doubles ? doubles : VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F64; a.logits = beyond(a.logits, 4));
  ANSWERS(doubles ? doubles : VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F64; a.loss = (char *)a.loss + 4);
  ANSWERS(VLOSS_OK, a.type = VLOSS_F16);
  ANSWERS(VLOSS_OK, a.type = VLOSS_BF16);
  ANSWERS(VLOSS_ERROR_ENUM, a.type = (vloss_type)4);
  ANSWERS(VLOSS_ERROR_ENUM, a.type = (vloss_type)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.label_type = (vloss_label_type)2);
  ANSWERS(VLOSS_ERROR_ENUM, a.label_type = (vloss_label_type)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.ignore = (vloss_ignore)3);
  ANSWERS(VLOSS_ERROR_ENUM, a.ignore = (vloss_ignore)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.reduction = (vloss_reduction)3);
  ANSWERS(VLOSS_ERROR_ENUM, a.reduction = (vloss_reduction)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.flags = 4);
  ANSWERS(VLOSS_ERROR_ENUM, a.flags = 0x80000000u | VLOSS_UNCHECKED);
}

static void refuse_sizes(struct refusals *refusals, function *call) {
  ANSWERS(VLOSS_ERROR_NO_CLASSES, a.classes = 0);
  ANSWERS(VLOSS_OK, a.classes = 0; a.rows = 0);
  ANSWERS(VLOSS_OK, a.rows = 0);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = SIZE_MAX / CLASSES + 1);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = SIZE_MAX / CLASSES / 4);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.classes = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.classes = SIZE_MAX / 8; a.rows = 16);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.inner = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.inner = SIZE_MAX / 2 + 1; a.classes = 2);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.logits_stride = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.logits_stride = SIZE_MAX / 2);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.grad_stride = SIZE_MAX / 3 + 1);
  ANSWERS(VLOSS_ERROR_STRIDE, a.logits_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_STRIDE, a.logits_stride = 1);
  ANSWERS(VLOSS_ERROR_STRIDE, a.grad_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_STRIDE, a.rows = 2; a.inner = 2; a.logits_stride = 2 * CLASSES - 1);
  ANSWERS(VLOSS_ERROR_STRIDE, a.rows = 2; a.inner = 2; a.grad_stride = CLASSES);
  ANSWERS(VLOSS_OK, a.logits_stride = a.grad_stride = CLASSES + 1);
  ANSWERS(VLOSS_OK, a.rows = 2; a.inner = 2; a.logits_stride = 2 * CLASSES);
}

static void refuse_overlap(struct refusals *refusals, function *call) {
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.logits + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.logits = arena.grad + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.logits + ROWS * CLASSES - 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.logits = arena.grad + ROWS * CLASSES - 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.logits; a.grad_stride = CLASSES + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.logits; a.logits_stride = CLASSES + 1);
  ANSWERS(VLOSS_OK, a.grad = arena.logits);
  ANSWERS(VLOSS_OK, a.grad = arena.logits; a.grad_stride = CLASSES);
  ANSWERS(VLOSS_OK, a.grad = arena.logits + ROWS * CLASSES);
  ANSWERS(VLOSS_OK, a.logits = arena.grad + ROWS * CLASSES);
  /* interleaved rows that share no element, and one that shares one */
  ANSWERS(VLOSS_OK, a.grad = arena.logits + CLASSES; a.grad_stride = a.logits_stride = 2 * CLASSES);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.logits + CLASSES - 1; a.grad_stride = a.logits_stride = 2 * CLASSES);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.logits + CLASSES + 1; a.grad_stride = a.logits_stride = 2 * CLASSES);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = arena.logits + 3);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = arena.grad + ROWS * CLASSES - 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = arena.weights + CLASSES - 1);
  ANSWERS(VLOSS_OK, a.loss = arena.weights + CLASSES);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = arena.upstream + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.weights);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = (float *)(void *)arena.labels + 2 * ROWS - 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.labels);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.reduction = VLOSS_MEAN; a.loss = arena.upstream);
  ANSWERS(VLOSS_OK, a.weights = arena.upstream); /* inputs may */
  ANSWERS(VLOSS_OK, a.type = VLOSS_F16; a.grad = arena.logits);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.type = VLOSS_F16; a.grad = beyond(arena.logits, 2));
  ANSWERS(VLOSS_OK, a.type = VLOSS_BF16; a.grad = beyond(arena.logits, 2 * ROWS * CLASSES));
  ANSWERS(VLOSS_ERROR_OVERLAP, a.type = VLOSS_BF16; a.grad = beyond(arena.logits, 2 * ROWS * CLASSES - 2));
  ANSWERS(VLOSS_ERROR_OVERLAP, a.type = VLOSS_BF16; a.loss = arena.logits + ROWS * CLASSES / 2 - 1);
  ANSWERS(VLOSS_OK, a.type = VLOSS_BF16; a.loss = arena.logits + ROWS * CLASSES / 2);
}

static void refuse_labels(struct refusals *refusals, function *call) {
  BAD_LABEL(0, arena.labels[0] = CLASSES);
  BAD_LABEL(3, arena.labels[3] = -1);
  BAD_LABEL(1, arena.labels[1] = INT64_MAX);
  BAD_LABEL(2, arena.labels[2] = INT64_MIN);
  BAD_LABEL(1, arena.labels[3] = arena.labels[1] = arena.labels[2] = 99);
  BAD_LABEL(2, arena.labels[2] = (int64_t)1 << 32);         /* 0 once cut to 32 bits */
  BAD_LABEL(2, arena.labels[2] = ((int64_t)1 << 32) - 100); /* -100 once cut */
  BAD_LABEL(1, arena.labels[0] = -100; arena.labels[1] = -101);
  BAD_LABEL(0, arena.labels[0] = -100; a.ignore = VLOSS_IGNORE_NOTHING);
  BAD_LABEL(0, arena.labels[0] = -100; a.ignore_index = 3);
  BAD_LABEL(0, arena.labels[0] = -100; a.ignore = VLOSS_IGNORE_INDEX);
  BAD_LABEL(3, a.inner = 2; a.rows = 2; arena.labels[3] = 6);
  BAD_LABEL(0, use_labels32(&a); arena.labels32[0] = CLASSES);
  BAD_LABEL(3, use_labels32(&a); arena.labels32[3] = INT32_MIN);
  BAD_LABEL(2, use_labels32(&a); arena.labels32[2] = INT32_MAX);
  BAD_LABEL(1, use_labels32(&a); arena.labels32[1] = -1);
  ANSWERS(VLOSS_ERROR_LABEL, arena.labels[0] = CLASSES; a.bad_row = NULL);
  ANSWERS(VLOSS_ERROR_LABEL, arena.labels[3] = -1; a.bad_row = NULL; a.grad = (void *)(uintptr_t)a.logits);
  ANSWERS(VLOSS_OK, arena.labels[0] = -100);
  ANSWERS(VLOSS_OK, arena.labels[1] = INT64_MIN; a.ignore_index = INT64_MIN);
  ANSWERS(VLOSS_OK, arena.labels[0] = 99; a.flags = VLOSS_UNCHECKED);
  ANSWERS(VLOSS_OK, arena.labels[ROWS] = 99); /* beyond the batch */
  ANSWERS(VLOSS_ERROR_IGNORE_INDEX, a.ignore = VLOSS_IGNORE_NOTHING; a.ignore_index = 5);
  ANSWERS(VLOSS_ERROR_IGNORE_INDEX, a.ignore = VLOSS_IGNORE_NOTHING; a.ignore_index = -100);
}

/* Fields that vloss_nll has, too. */
static void refuse_rows(struct refusals *refusals, function *call) {
  ANSWERS(VLOSS_OK, a.row_weights = arena.row_weights);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.row_weights = beyond(arena.row_weights, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_BF16; a.row_weights = beyond(arena.row_weights, 2));
  ANSWERS(VLOSS_ERROR_OVERLAP, a.row_weights = arena.row_weights; a.loss = arena.row_weights + ROWS - 1);
  ANSWERS(VLOSS_OK, a.row_weights = arena.row_weights; a.loss = arena.row_weights + ROWS);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.row_weights = arena.grad + 1);
  ANSWERS(VLOSS_OK, a.shift = 1);
  ANSWERS(VLOSS_OK, a.shift = ROWS - 1);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.shift = ROWS);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.shift = SIZE_MAX);
  ANSWERS(VLOSS_OK, a.shift = SIZE_MAX; a.rows = 0);
  ANSWERS(VLOSS_OK, a.shift = 1; a.sequence = 2);
  ANSWERS(VLOSS_OK, a.sequence = 2);
  ANSWERS(VLOSS_OK, a.sequence = 3; a.rows = 0);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.shift = 2; a.sequence = 2);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.shift = 1; a.sequence = 1);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.sequence = 3);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.shift = 1; a.sequence = 3);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.sequence = 2 * ROWS);
  ANSWERS(VLOSS_OK, a.shift = 1; a.rows = 2; a.inner = 2; a.sequence = 2);
  BAD_LABEL(0, a.shift = 1; arena.labels[1] = CLASSES);
  BAD_LABEL(2, a.shift = 1; arena.labels[0] = CLASSES; arena.labels[3] = -1);
  BAD_LABEL(1, a.shift = 2; arena.labels[3] = 99);
  BAD_LABEL(2, a.shift = 1; a.sequence = 2; arena.labels[2] = -1; arena.labels[3] = 99);
  ANSWERS(VLOSS_OK, a.shift = 1; arena.labels[0] = 99); /* no row's */
  ANSWERS(VLOSS_OK, a.shift = 1; a.sequence = 2; arena.labels[0] = arena.labels[2] = -7);
}

/* Argument structs of older and newer programs. */
static void refuse_versions(struct refusals *refusals, function *call) {
  struct {
    vloss_cross_entropy_args args;
    size_t newer;
  } grown;
  grown.args = valid();
  grown.newer = 1;
  memcpy(&before, &arena, sizeof arena);
  vloss_status answer = call(&grown.args, sizeof grown);
  refusals_note(refusals, "a field of a newer version set", VLOSS_ERROR_VERSION, answer,
                memcmp(&before, &arena, sizeof arena) != 0);
  grown.newer = 0;
  refusals_note(refusals, "a field of a newer version, not set", VLOSS_OK, call(&grown.args, sizeof grown), false);
  ANSWERS(VLOSS_OK, size = offsetof(vloss_cross_entropy_args, bad_row));
  /* an older struct that ended before bad_row: the library must not look at what lies there */
  ANSWERS(VLOSS_ERROR_LABEL, size = offsetof(vloss_cross_entropy_args, bad_row); arena.labels[0] = 99);
  ANSWERS(VLOSS_OK, size = offsetof(vloss_cross_entropy_args, lse); a.lse = a.loss; a.predicted = a.loss);
}

static void refuse_isas(struct refusals *refusals, function *call) {
  ANSWERS(VLOSS_ERROR_ISA_UNKNOWN, library->isa_force("sse9"));
  for (size_t i = 0; i < library->isa_count(); i++)
    if (library->isa_unsupported_reason(library->isa_name(i)))
      ANSWERS(VLOSS_ERROR_ISA_UNSUPPORTED, library->isa_force(library->isa_name(i)));
  library_use(refusals->isa);
}

static void refuse_all(struct refusals *refusals, function *call) {
  refuse_pointers(refusals, call);
  refuse_enumerators(refusals, call);
  refuse_sizes(refusals, call);
  refuse_overlap(refusals, call);
  refuse_labels(refusals, call);
  refuse_rows(refusals, call);
  refuse_versions(refusals, call);
  refuse_isas(refusals, call);
}

static void refuse_numbers(struct refusals *refusals, function *call) {
  const double wrong[] = {(double)NAN, -1, -DBL_MIN, (double)INFINITY, 1e39, 1e-39, DBL_MIN};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    ANSWERS(VLOSS_ERROR_SCALE, a.scale = wrong[i]);
    ANSWERS(VLOSS_ERROR_SCALE, a.softcap = wrong[i]);
    if (i < 4) ANSWERS(VLOSS_ERROR_SCALE, a.z_loss = wrong[i]);
  }
  ANSWERS(VLOSS_OK, a.z_loss = DBL_MIN);
  ANSWERS(VLOSS_OK, a.z_loss = DBL_MAX);
  ANSWERS(VLOSS_OK, a.z_loss = -0.0);
  ANSWERS(VLOSS_OK, a.scale = 0.7; a.softcap = 30);
  ANSWERS(VLOSS_OK, a.scale = 0.7; a.grad = arena.logits);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.softcap = 3; a.grad = arena.logits + 1);
}

/* What there is one of a row. */
static void refuse_row_outputs(struct refusals *refusals, function *call) {
  ANSWERS(VLOSS_OK, a.loss = a.grad = NULL; a.z_loss_part = arena.z);
  ANSWERS(VLOSS_OK, a.loss = a.grad = NULL; a.max = arena.max);
  ANSWERS(VLOSS_OK, a.loss = a.grad = NULL; a.log_sum = arena.log_sum);
  ANSWERS(VLOSS_OK, a.loss = a.grad = NULL; a.correct = arena.correct);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.z_loss_part = beyond(arena.z, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.max = beyond(arena.max, 1));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.log_sum = beyond(arena.log_sum, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.correct = (int32_t *)beyond(arena.correct, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_BF16; a.max = beyond(arena.max, 2));
  ANSWERS(VLOSS_ERROR_OVERLAP, a.z_loss_part = arena.loss + ROWS - 1);
  ANSWERS(VLOSS_OK, a.reduction = VLOSS_MEAN; a.z_loss_part = arena.loss + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.max = arena.max; a.log_sum = arena.max + ROWS - 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.max = arena.logits);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.correct = (int32_t *)(void *)arena.loss);
  ANSWERS(VLOSS_ERROR_OVERLAP, use_labels32(&a); a.correct = arena.labels32);
  BAD_LABEL(0, arena.labels[0] = 99; a.correct = arena.correct; a.max = arena.max; a.z_loss_part = arena.z);
}

static void refuse_targets_gradient(struct refusals *refusals, function *call) {
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.grad_targets = arena.grad_targets);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, use_targets(&a); a.correct = arena.correct);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, use_targets(&a); a.shift = 1);
  ANSWERS(VLOSS_OK, use_targets(&a); a.loss = a.grad = NULL; a.grad_targets = arena.grad_targets);
  ANSWERS(VLOSS_OK, use_targets(&a); a.grad_targets = arena.targets);
  ANSWERS(VLOSS_OK, use_targets(&a); a.grad_targets = arena.targets; a.grad = arena.logits);
  ANSWERS(VLOSS_OK, use_targets(&a); a.grad_targets = arena.grad_targets; a.grad_targets_stride = CLASSES + 2);
  ANSWERS(VLOSS_ERROR_STRIDE, use_targets(&a); a.grad_targets = arena.grad_targets;
          a.grad_targets_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_OVERFLOW, use_targets(&a); a.grad_targets_stride = SIZE_MAX / 2);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, use_targets(&a); a.grad_targets = beyond(arena.grad_targets, 2));
  ANSWERS(VLOSS_ERROR_OVERLAP, use_targets(&a); a.grad_targets = arena.targets + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, use_targets(&a); a.grad_targets = arena.targets; a.grad_targets_stride = CLASSES + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, use_targets(&a); a.grad_targets = arena.logits);
  ANSWERS(VLOSS_ERROR_OVERLAP, use_targets(&a); a.grad_targets = arena.grad);
}

void cross_entropy_refuse(struct refusals *refusals) {
  function *call = library->cross_entropy_sized;
  refuse_all(refusals, call);
  refuse_numbers(refusals, call);
  refuse_row_outputs(refusals, call);
  refuse_targets_gradient(refusals, call);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.targets = arena.targets);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, use_targets(&a); a.targets = beyond(a.targets, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.lse = beyond(arena.lse, 1));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.predicted = beyond(arena.predicted, 4));
  ANSWERS(VLOSS_ERROR_STRIDE, use_targets(&a); a.targets_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_OVERFLOW, use_targets(&a); a.targets_stride = SIZE_MAX / 2);
  ANSWERS(VLOSS_ERROR_IGNORE_INDEX, use_targets(&a); a.ignore_index = 1);
  ANSWERS(VLOSS_ERROR_IGNORE_INDEX, use_targets(&a); a.ignore_index = -100);
  ANSWERS(VLOSS_OK, use_targets(&a));
  ANSWERS(VLOSS_OK, use_targets(&a); a.type = VLOSS_F16; a.targets = beyond(a.targets, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, use_targets(&a); a.type = VLOSS_F16; a.targets = beyond(a.targets, 1));
  ANSWERS(VLOSS_ERROR_OVERLAP, use_targets(&a); a.type = VLOSS_F16; a.grad = arena.targets);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_BF16; a.lse = beyond(arena.lse, 2));
  ANSWERS(VLOSS_ERROR_OVERLAP, use_targets(&a); a.grad = arena.targets);
  ANSWERS(VLOSS_ERROR_OVERLAP, use_targets(&a); a.loss = arena.targets + ROWS * CLASSES - 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.lse = arena.loss);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.lse = arena.loss + ROWS - 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.lse = arena.grad + 5);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.lse = arena.logits + 5);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.predicted = arena.labels);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.lse = arena.lse; a.predicted = arena.lse);
  ANSWERS(VLOSS_OK, a.lse = arena.loss + ROWS);
  ANSWERS(VLOSS_ERROR_LABEL_SMOOTHING, a.label_smoothing = -DBL_MIN);
  ANSWERS(VLOSS_ERROR_LABEL_SMOOTHING, a.label_smoothing = -0.1);
  ANSWERS(VLOSS_ERROR_LABEL_SMOOTHING, a.label_smoothing = 1 + DBL_EPSILON);
  ANSWERS(VLOSS_ERROR_LABEL_SMOOTHING, a.label_smoothing = (double)NAN);
  ANSWERS(VLOSS_ERROR_LABEL_SMOOTHING, a.label_smoothing = (double)INFINITY);
  ANSWERS(VLOSS_OK, a.label_smoothing = 1);
  ANSWERS(VLOSS_OK, a.label_smoothing = -0.0);
}

void nll_refuse(struct refusals *refusals) {
  function *call = library->nll_sized;
  refuse_all(refusals, call);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.targets = arena.targets);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, use_targets(&a));
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.lse = arena.lse);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.predicted = arena.predicted);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.label_smoothing = 0.1);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.scale = 1);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.softcap = 30);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.z_loss = 0.01);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.z_loss_part = arena.z);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.max = arena.max);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.log_sum = arena.log_sum);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.correct = arena.correct);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.grad_targets = arena.grad_targets);
}
