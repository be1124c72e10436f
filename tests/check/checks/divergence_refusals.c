/* What vloss_divergence must refuse: a valid call, with one thing changed at a time. */
#include <math.h>
#include <string.h>

#include "functions.h"
#include "refusals.h"

enum { ROWS = 4, CLASSES = 6, ROOM = 64 };

struct arena {
  float student[ROOM], teacher[ROOM], upstream[ROOM], loss[ROOM], grad[ROOM];
  int64_t labels[ROOM];
  int32_t same_top[ROOM];
};
static struct arena arena, before;

static vloss_divergence_args valid(void) {
  float *const floats[] = {arena.student, arena.teacher, arena.upstream, arena.loss, arena.grad};
  for (size_t k = 0; k < sizeof floats / sizeof *floats; k++)
    for (int i = 0; i < ROOM; i++) floats[k][i] = (float)((i + 3 * (int)k) % 7) - 3;
  for (int i = 0; i < ROOM; i++) {
    arena.labels[i] = i;
    arena.same_top[i] = 1000 + i;
  }
  return (vloss_divergence_args){.rows = ROWS,
                                 .classes = CLASSES,
                                 .student = arena.student,
                                 .teacher = arena.teacher,
                                 .labels = arena.labels,
                                 .reduction = VLOSS_NONE,
                                 .upstream = arena.upstream,
                                 .loss = arena.loss,
                                 .same_top = arena.same_top,
                                 .grad = arena.grad};
}

/* Either type may be one that is not built. */
static vloss_status both_types(const vloss_divergence_args *a, vloss_status expected) {
  return with_type(a->student_type, with_type(a->teacher_type, expected));
}
#define ANSWERS(status, change)                                                         \
  do {                                                                                  \
    vloss_divergence_args a = valid();                                                  \
    size_t size = sizeof a;                                                             \
    change;                                                                             \
    memcpy(&before, &arena, sizeof arena);                                              \
    const vloss_status got = library->divergence_sized(&a, size);                       \
    const bool written = got != VLOSS_OK && memcmp(&before, &arena, sizeof arena) != 0; \
    refusals_note(refusals, #change, both_types(&a, status), got, written);             \
  } while (0)

static void refuse_fields(struct refusals *refusals) {
  refusals_note(refusals, "null arguments", VLOSS_ERROR_NULL,
                library->divergence_sized(NULL, sizeof(vloss_divergence_args)), false);
  ANSWERS(VLOSS_OK, size = sizeof a);
  const vloss_status doubles = type_status(VLOSS_F64);
  ANSWERS(doubles, a.student_type = a.teacher_type = VLOSS_F64; a.rows = 0);
  ANSWERS(doubles ? doubles : VLOSS_ERROR_ARGUMENTS, a.student_type = VLOSS_F64);
  ANSWERS(doubles ? doubles : VLOSS_ERROR_ARGUMENTS, a.teacher_type = VLOSS_F64);
  ANSWERS(doubles ? doubles : VLOSS_ERROR_ALIGNMENT, a.student_type = a.teacher_type = VLOSS_F64;
          a.loss = beyond(a.loss, 4));
  ANSWERS(VLOSS_OK, a.student_type = VLOSS_BF16);
  ANSWERS(VLOSS_OK, a.teacher_type = VLOSS_F16);
  ANSWERS(VLOSS_ERROR_ENUM, a.kind = (vloss_divergence_kind)4);
  ANSWERS(VLOSS_ERROR_ENUM, a.kind = (vloss_divergence_kind)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.student_type = (vloss_type)4);
  ANSWERS(VLOSS_ERROR_ENUM, a.teacher_type = (vloss_type)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.label_type = (vloss_label_type)2);
  ANSWERS(VLOSS_ERROR_ENUM, a.ignore = (vloss_ignore)3);
  ANSWERS(VLOSS_ERROR_ENUM, a.reduction = VLOSS_BATCH_MEAN);
  ANSWERS(VLOSS_ERROR_ENUM, a.flags = VLOSS_UNCHECKED);
  static const double wrong[] = {-1, NAN, INFINITY, 1e39, 1e-40, -0x1p-1074};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) ANSWERS(VLOSS_ERROR_SCALE, a.scale = wrong[i]);
  static const double no_beta[] = {-0.1, 1, 2, NAN, INFINITY};
  for (size_t i = 0; i < sizeof no_beta / sizeof *no_beta; i++)
    ANSWERS(VLOSS_ERROR_PARAMETER, a.kind = VLOSS_JSD; a.beta = no_beta[i]);
  ANSWERS(VLOSS_ERROR_PARAMETER, a.beta = 0.5);
  ANSWERS(VLOSS_OK, a.kind = VLOSS_JSD; a.beta = 0.9);
  ANSWERS(VLOSS_ERROR_IGNORE_INDEX, a.ignore = VLOSS_IGNORE_NOTHING; a.ignore_index = 1);
  ANSWERS(VLOSS_ERROR_IGNORE_INDEX, a.labels = NULL; a.ignore_index = 1);
  ANSWERS(VLOSS_OK, a.labels = NULL);
  ANSWERS(VLOSS_OK, arena.labels[2] = -5);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.grad = NULL; a.grad_stride = CLASSES);
  ANSWERS(VLOSS_ERROR_NO_OUTPUT, a.loss = a.grad = NULL; a.same_top = NULL);
  ANSWERS(VLOSS_OK, a.loss = a.grad = NULL);
  ANSWERS(VLOSS_ERROR_NULL, a.student = NULL);
  ANSWERS(VLOSS_ERROR_NULL, a.teacher = NULL);
  const vloss_executor broken = {0};
  ANSWERS(VLOSS_ERROR_EXECUTOR, a.executor = &broken);
  ANSWERS(VLOSS_ERROR_ISA_UNKNOWN, library->isa_force("sse9"));
  library_use(refusals->isa);
}

static void refuse_arrays(struct refusals *refusals) {
  ANSWERS(VLOSS_ERROR_NO_CLASSES, a.classes = 0);
  ANSWERS(VLOSS_OK, a.classes = a.rows = 0);
  ANSWERS(VLOSS_OK, a.rows = 0; a.student = a.teacher = NULL);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.classes = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.teacher_stride = SIZE_MAX / 2);
  ANSWERS(VLOSS_ERROR_STRIDE, a.student_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_STRIDE, a.teacher_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_STRIDE, a.grad_stride = CLASSES - 1);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.student = beyond(a.student, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.teacher = beyond(a.teacher, 2));
  ANSWERS(VLOSS_OK, a.teacher_type = VLOSS_BF16; a.teacher = beyond(a.teacher, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.labels = beyond(a.labels, 4));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.loss = beyond(a.loss, 2); a.student_type = VLOSS_F16);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.same_top = beyond(a.same_top, 2));
  ANSWERS(VLOSS_OK, a.teacher = a.student);
  ANSWERS(VLOSS_OK, a.grad = arena.student);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.student + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.student; a.grad_stride = CLASSES + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.teacher);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.student; a.teacher = arena.student + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = arena.upstream + ROWS - 1);
  ANSWERS(VLOSS_OK, a.loss = arena.upstream + ROWS);
  ANSWERS(VLOSS_OK, a.reduction = VLOSS_SUM; a.loss = arena.upstream + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.same_top = (int32_t *)(void *)arena.labels);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = a.same_top);
}

void divergence_refuse(struct refusals *refusals) {
  refuse_fields(refusals);
  refuse_arrays(refusals);
  struct {
    vloss_divergence_args args;
    size_t newer;
  } grown = {valid(), 1};
  memcpy(&before, &arena, sizeof arena);
  const vloss_status got = library->divergence_sized(&grown.args, sizeof grown);
  refusals_note(refusals, "a field of a newer version set", VLOSS_ERROR_VERSION, got,
                memcmp(&before, &arena, sizeof arena) != 0);
}
