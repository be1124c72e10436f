/* What vloss_loss must refuse, for each loss of the registry: a valid call, with one thing changed at a time. */
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "losses.h"
#include "refusals.h"

enum { ROWS = 4, COLUMNS = 6, ROOM = 256 };

/* Every array with room to shift it; compared as a whole to see whether a call wrote anything. */
struct arena {
  float prediction[ROOM], target[ROOM], other[ROOM], weights[ROOM], upstream[ROOM];
  float loss[ROOM], grad[ROOM], grad_target[ROOM], grad_other[ROOM];
  int64_t labels[ROOM];
  int32_t labels32[ROOM];
  double parameters[8];
  size_t bad_index;
};
static struct arena arena, before;
static const vloss_loss_info *info;

static bool takes(uint32_t what) { return (info->operands & what) != 0; }
static bool by_rows(void) { return info->family == VLOSS_ROWS; }
static bool labelled(void) { return takes(VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS); }
static bool target_matrix(void) { return takes(VLOSS_TAKES_TARGET) && !takes(VLOSS_TAKES_TARGET_PER_ROW); }

static void fill(float *x, float first, float step) {
  for (int i = 0; i < ROOM; i++) x[i] = first + step * (float)(i % 7);
}

static vloss_loss_args valid(void) {
  fill(arena.prediction, 0.125f, 0.125f);
  fill(arena.target, 0, 0.125f);
  fill(arena.other, 1, 1);
  fill(arena.weights, 1, 1);
  fill(arena.upstream, 1, 1);
  fill(arena.loss, 100, 1);
  fill(arena.grad, 200, 1);
  fill(arena.grad_target, 300, 1);
  fill(arena.grad_other, 400, 1);
  for (int i = 0; i < ROOM; i++) arena.labels[i] = arena.labels32[i] = i % COLUMNS;
  for (size_t i = 0; i < info->parameter_count; i++) arena.parameters[i] = info->parameters[i].default_value;
  arena.bad_index = 77;
  return (vloss_loss_args){
      .kind = info->kind,
      .rows = ROWS,
      .columns = COLUMNS,
      .prediction = arena.prediction,
      .target = takes(VLOSS_TAKES_TARGET) ? arena.target : NULL,
      .other = takes(VLOSS_TAKES_OTHER) ? arena.other : NULL,
      .labels = labelled() ? arena.labels : NULL,
      .weights = arena.weights,
      .weights_spread = takes(VLOSS_WEIGHTS_A_CLASS) ? VLOSS_PER_COLUMN
                        : by_rows()                  ? VLOSS_PER_ROW
                                                     : VLOSS_PER_ELEMENT,
      .parameters = info->parameter_count ? arena.parameters : NULL,
      .parameter_count = info->parameter_count,
      .reduction = VLOSS_NONE,
      .upstream = arena.upstream,
      .loss = arena.loss,
      .grad = arena.grad,
      .grad_target = takes(VLOSS_GRAD_TARGET) ? arena.grad_target : NULL,
      .grad_other = takes(VLOSS_GRAD_OTHER) ? arena.grad_other : NULL,
      .bad_index = &arena.bad_index,
  };
}

#define ANSWERS(status, change) ANSWERS_TO(#change, status, change)
#define ANSWERS_TO(text, status, change) \
  REFUSALS_ANSWER(text, status, vloss_loss_args, valid(), library->loss_sized, change)
#define BAD_INDEX(status, index, change) \
  REFUSALS_TELL(bad_index, index, #change, status, vloss_loss_args, valid(), library->loss_sized, change)

/* Without a place for the index the answer is the same; unchecked, the call is accepted. */
#define BAD_VALUE(status, index, change)                  \
  do {                                                    \
    BAD_INDEX(status, index, change);                     \
    ANSWERS(status, change; a.bad_index = NULL);          \
    ANSWERS(VLOSS_OK, change; a.flags = VLOSS_UNCHECKED); \
  } while (0)

static void refuse_operands(struct refusals *refusals) {
  ANSWERS(VLOSS_OK, size = sizeof a);
  ANSWERS(VLOSS_ERROR_NULL, a.prediction = NULL);
  ANSWERS(VLOSS_ERROR_NO_OUTPUT, a.loss = a.grad = a.grad_target = a.grad_other = NULL);
  ANSWERS(VLOSS_ERROR_NO_OUTPUT, a.loss = a.grad = a.grad_target = a.grad_other = NULL; a.rows = 0);
  ANSWERS(takes(VLOSS_TAKES_TARGET) ? VLOSS_ERROR_NULL : VLOSS_OK, a.target = NULL);
  ANSWERS(takes(VLOSS_TAKES_TARGET) ? VLOSS_OK : VLOSS_ERROR_ARGUMENTS, a.target = arena.target);
  ANSWERS(labelled() ? VLOSS_ERROR_NULL : VLOSS_OK, a.labels = NULL);
  ANSWERS(labelled() ? VLOSS_OK : VLOSS_ERROR_ARGUMENTS, a.labels = arena.labels);
  ANSWERS(takes(VLOSS_TAKES_OTHER) && !takes(VLOSS_OTHER_OPTIONAL) ? VLOSS_ERROR_NULL : VLOSS_OK, a.other = NULL);
  ANSWERS(takes(VLOSS_TAKES_OTHER) ? VLOSS_OK : VLOSS_ERROR_ARGUMENTS, a.other = arena.other);
  ANSWERS(takes(VLOSS_GRAD_TARGET) ? VLOSS_OK : VLOSS_ERROR_ARGUMENTS, a.grad_target = arena.grad_target);
  ANSWERS(takes(VLOSS_GRAD_OTHER) ? VLOSS_OK : VLOSS_ERROR_ARGUMENTS, a.grad_other = arena.grad_other);
  ANSWERS(by_rows() ? VLOSS_OK : VLOSS_ERROR_ARGUMENTS, a.inner = 2; a.rows = 2);
  ANSWERS(VLOSS_OK, a.inner = 1);
  ANSWERS(VLOSS_OK, a.weights = NULL);
  ANSWERS(VLOSS_OK, a.upstream = NULL);
}

/* The operands of an arena are floats: only what is found before they are looked at as doubles. */
static void refuse_doubles(struct refusals *refusals) {
  const vloss_status here = type_status(VLOSS_F64);
  ANSWERS(here, a.type = VLOSS_F64; a.rows = 0);
  if (here != VLOSS_OK) {
    ANSWERS(here, a.type = VLOSS_F64);
    return;
  }
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F64; a.prediction = beyond(a.prediction, 4));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F64; a.loss = (char *)a.loss + 4);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F64; a.grad = (char *)a.grad + 4);
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F64; a.weights = beyond(a.weights, 4));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_F64; a.upstream = beyond(a.upstream, 4));
}

static void refuse_enumerators(struct refusals *refusals) {
  ANSWERS(VLOSS_ERROR_ENUM, a.kind = (vloss_loss_kind)0);
  ANSWERS(VLOSS_ERROR_ENUM, a.kind = (vloss_loss_kind)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.kind = (vloss_loss_kind)10000);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.kind = VLOSS_CROSS_ENTROPY);
  ANSWERS(VLOSS_ERROR_ARGUMENTS, a.kind = VLOSS_NLL);
  refuse_doubles(refusals);
  ANSWERS(VLOSS_OK, a.type = VLOSS_F16; a.flags = VLOSS_UNCHECKED);
  ANSWERS(VLOSS_OK, a.type = VLOSS_BF16; a.flags = VLOSS_UNCHECKED; a.prediction = beyond(a.prediction, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.type = VLOSS_BF16; a.prediction = beyond(a.prediction, 1));
  ANSWERS(VLOSS_ERROR_ENUM, a.type = (vloss_type)4);
  ANSWERS(VLOSS_ERROR_ENUM, a.type = (vloss_type)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.label_type = (vloss_label_type)2);
  ANSWERS(VLOSS_ERROR_ENUM, a.label_type = (vloss_label_type)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.reduction = (vloss_reduction)7);
  ANSWERS(VLOSS_ERROR_ENUM, a.reduction = (vloss_reduction)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.weights_spread = (vloss_spread)4);
  ANSWERS(VLOSS_ERROR_ENUM, a.weights_spread = (vloss_spread)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.other_spread = (vloss_spread)4);
  ANSWERS(VLOSS_ERROR_ENUM, a.other_spread = (vloss_spread)-1);
  ANSWERS(VLOSS_ERROR_ENUM, a.flags = 4);
  ANSWERS(VLOSS_ERROR_ENUM, a.flags = 0x80000000u | VLOSS_UNCHECKED);
  ANSWERS(VLOSS_ERROR_ISA_UNKNOWN, library->isa_force("sse9"));
  library_use(refusals->isa);
}

static void refuse_spreads(struct refusals *refusals) {
  for (int i = 0; i < 4; i++) {
    const vloss_spread spread = (vloss_spread)i;
    const bool other = spread == VLOSS_PER_ELEMENT || takes(VLOSS_OTHER_SPREADS);
    ANSWERS(other ? VLOSS_OK : VLOSS_ERROR_ARGUMENTS, a.other_spread = spread; a.grad_other = NULL);
    if (takes(VLOSS_GRAD_OTHER) && spread != VLOSS_PER_ELEMENT) ANSWERS(VLOSS_ERROR_ARGUMENTS, a.other_spread = spread);
    const bool weights =
        !by_rows() ? true
        : takes(VLOSS_WEIGHTS_A_CLASS)
            ? spread == VLOSS_PER_COLUMN || (spread == VLOSS_PER_ELEMENT && takes(VLOSS_WEIGHTS_AN_ELEMENT))
            : spread == VLOSS_PER_ROW || spread == VLOSS_PER_CALL;
    ANSWERS(weights ? VLOSS_OK : VLOSS_ERROR_ARGUMENTS, a.weights_spread = spread);
    if (weights && spread != VLOSS_PER_ELEMENT)
      ANSWERS(VLOSS_ERROR_ARGUMENTS, a.weights_spread = spread; a.weights_stride = COLUMNS);
  }
}

/* The double next to x. (nextafter sets exception flags, for which the library would be blamed.) */
static double next_to(double x, bool above) {
  uint64_t bits;
  if (x == 0) return above ? 0x1p-1074 : -0x1p-1074;
  memcpy(&bits, &x, sizeof bits);
  bits += (x > 0) == above ? 1 : UINT64_MAX;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Parameter i, which bad_index tells. */
#define OUT_OF_RANGE(change) \
  REFUSALS_TELL(bad_index, i, p->name, VLOSS_ERROR_PARAMETER, vloss_loss_args, valid(), library->loss_sized, change)
static void refuse_parameters(struct refusals *refusals) {
  const size_t count = info->parameter_count;
  ANSWERS(VLOSS_ERROR_PARAMETER_COUNT, a.parameters = arena.parameters; a.parameter_count = count + 1);
  ANSWERS(VLOSS_ERROR_PARAMETER_COUNT, a.parameters = arena.parameters; a.parameter_count = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_PARAMETER_COUNT, a.parameters = arena.parameters; a.parameter_count = 0);
  ANSWERS(VLOSS_OK, a.parameters = NULL; a.parameter_count = 0);
  if (count) ANSWERS(VLOSS_ERROR_NULL, a.parameters = NULL);
  if (count) ANSWERS(VLOSS_ERROR_ALIGNMENT, a.parameters = beyond(arena.parameters, 4));
  for (size_t i = 0; i < count; i++) {
    const vloss_parameter_info *p = &info->parameters[i];
    const double infinity = (double)INFINITY,
                 outside[] = {(double)NAN, infinity, -infinity, next_to(p->minimum, false), next_to(p->maximum, true)};
    for (size_t k = 0; k < sizeof outside / sizeof *outside; k++) {
      if (p->maximum == infinity && (k == 1 || k == 4)) continue; /* nothing is above infinity */
      OUT_OF_RANGE(arena.parameters[i] = outside[k]);
      OUT_OF_RANGE(arena.parameters[i] = outside[k]; a.parameter_count = i + 1);
      OUT_OF_RANGE(arena.parameters[i] = outside[k]; a.rows = 0);
      ANSWERS_TO(p->name, VLOSS_ERROR_PARAMETER, arena.parameters[i] = outside[k]; a.bad_index = NULL);
      if (i) ANSWERS_TO(p->name, VLOSS_OK, arena.parameters[i] = outside[k]; a.parameter_count = i); /* not given */
    }
    if (p->above_minimum)
      OUT_OF_RANGE(arena.parameters[i] = p->minimum);
    else
      ANSWERS_TO(p->name, VLOSS_OK, arena.parameters[i] = p->minimum);
    ANSWERS_TO(p->name, VLOSS_OK, arena.parameters[i] = p->maximum);
    if (p->whole) OUT_OF_RANGE(arena.parameters[i] = p->minimum + 0.5);
  }
  /* The first of two. */
  if (count > 1)
    BAD_INDEX(VLOSS_ERROR_PARAMETER, count - 2,
              arena.parameters[count - 2] = arena.parameters[count - 1] = (double)NAN);
}
#undef OUT_OF_RANGE

static void refuse_sizes(struct refusals *refusals) {
  ANSWERS(by_rows() ? VLOSS_ERROR_NO_CLASSES : VLOSS_OK, a.columns = 0);
  ANSWERS(VLOSS_OK, a.columns = a.rows = 0);
  ANSWERS(VLOSS_OK, a.rows = 0);
  ANSWERS(VLOSS_OK, a.rows = 0; a.prediction = a.target = a.other = a.labels = a.weights = a.upstream = NULL);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = SIZE_MAX / COLUMNS + 1);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.rows = SIZE_MAX / COLUMNS / 4);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.columns = SIZE_MAX);
  ANSWERS(VLOSS_ERROR_OVERFLOW, a.columns = SIZE_MAX / 8; a.rows = 16);
  if (by_rows()) ANSWERS(VLOSS_ERROR_OVERFLOW, a.inner = SIZE_MAX);
}

/* The same of a call without options, which is checked in a shorter way. */
#define PLAIN(change)                                           \
  a.weights = a.upstream = a.grad_target = a.grad_other = NULL; \
  a.weights_spread = a.other_spread = VLOSS_PER_ELEMENT;        \
  a.other = needs_other() ? a.other : NULL;                     \
  change
static bool needs_other(void) { return takes(VLOSS_TAKES_OTHER) && !takes(VLOSS_OTHER_OPTIONAL); }
static void refuse_plain(struct refusals *refusals) {
  ANSWERS(VLOSS_OK, PLAIN(a.rows = a.rows));
  ANSWERS(by_rows() ? VLOSS_ERROR_NO_CLASSES : VLOSS_OK, PLAIN(a.columns = 0));
  ANSWERS(VLOSS_OK, PLAIN(a.rows = 0));
  ANSWERS(VLOSS_ERROR_NULL, PLAIN(a.prediction = NULL));
  ANSWERS(VLOSS_ERROR_NO_OUTPUT, PLAIN(a.loss = a.grad = NULL));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, PLAIN(a.prediction = beyond(a.prediction, 1)));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, PLAIN(a.grad = beyond(a.grad, 2)));
  ANSWERS(VLOSS_ERROR_OVERLAP, PLAIN(a.loss = beyond(a.grad, 4)));
  ANSWERS(VLOSS_ERROR_OVERLAP, PLAIN(a.loss = beyond(a.prediction, 4)));
  ANSWERS(VLOSS_ERROR_ENUM, PLAIN(a.reduction = (vloss_reduction)99));
  ANSWERS(VLOSS_ERROR_ENUM, PLAIN(a.flags = 64));
  ANSWERS(VLOSS_ERROR_OVERFLOW, PLAIN(a.rows = a.columns = (size_t)1 << sizeof(size_t) * 4));
  ANSWERS(VLOSS_ERROR_OVERFLOW, PLAIN(a.rows = SIZE_MAX / COLUMNS + 1));
  ANSWERS(VLOSS_ERROR_STRIDE, PLAIN(a.prediction_stride = 1));
}
#undef PLAIN

/* The tensors among the arguments: each in turn gets a bad pointer or stride. */
static void refuse_tensors(struct refusals *refusals) {
  const struct {
    const char *name;
    size_t pointer, stride;
    bool given;
  } tensors[] = {
#define TENSOR(field, given) \
  {#field, offsetof(vloss_loss_args, field), offsetof(vloss_loss_args, field##_stride), given}
      TENSOR(prediction, true),
      TENSOR(target, target_matrix()),
      TENSOR(other, takes(VLOSS_TAKES_OTHER)),
      TENSOR(weights, !by_rows()),
      TENSOR(grad, true),
      TENSOR(grad_target, takes(VLOSS_GRAD_TARGET)),
      TENSOR(grad_other, takes(VLOSS_GRAD_OTHER)),
  };
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
    const char *name = tensors[i].name;
    if (!tensors[i].given) continue;
#define STRIDE(value) *(size_t *)beyond(&a, tensors[i].stride) = (value)
#define POINTER *(char **)beyond(&a, tensors[i].pointer)
    ANSWERS_TO(name, VLOSS_ERROR_STRIDE, STRIDE(COLUMNS - 1));
    ANSWERS_TO(name, VLOSS_ERROR_STRIDE, STRIDE(1));
    ANSWERS_TO(name, VLOSS_ERROR_OVERFLOW, STRIDE(SIZE_MAX));
    ANSWERS_TO(name, VLOSS_ERROR_OVERFLOW, STRIDE(SIZE_MAX / 2));
    ANSWERS_TO(name, VLOSS_OK, STRIDE(COLUMNS));
    ANSWERS_TO(name, VLOSS_OK, STRIDE(COLUMNS + 1));
    if (by_rows()) ANSWERS_TO(name, VLOSS_ERROR_STRIDE, a.rows = 2; a.inner = 2; STRIDE(2 * COLUMNS - 1));
    ANSWERS_TO(name, VLOSS_ERROR_ALIGNMENT, POINTER += 1);
    ANSWERS_TO(name, VLOSS_ERROR_ALIGNMENT, POINTER += 2);
    ANSWERS_TO(name, VLOSS_OK, POINTER += 4);
    /* every output over every other array, from the middle of it */
    ANSWERS_TO(name, VLOSS_ERROR_OVERLAP, a.loss = POINTER + 4);
    if (strcmp(name, "grad") != 0) ANSWERS_TO(name, VLOSS_ERROR_OVERLAP, a.grad = POINTER + 4);
    if (takes(VLOSS_GRAD_TARGET) && strcmp(name, "grad_target") != 0)
      ANSWERS_TO(name, VLOSS_ERROR_OVERLAP, a.grad_target = POINTER + 4);
    if (takes(VLOSS_GRAD_OTHER) && strcmp(name, "grad_other") != 0)
      ANSWERS_TO(name, VLOSS_ERROR_OVERLAP, a.grad_other = POINTER + 4);
  }
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.upstream = beyond(a.upstream, 1));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.weights = beyond(a.weights, 2));
  ANSWERS(VLOSS_ERROR_ALIGNMENT, a.loss = beyond(a.loss, 3));
  if (labelled()) {
    ANSWERS(VLOSS_ERROR_ALIGNMENT, a.labels = beyond(a.labels, 4));
    ANSWERS(VLOSS_ERROR_ALIGNMENT, a.label_type = VLOSS_I32; a.labels = beyond(arena.labels32, 2));
    ANSWERS(VLOSS_OK, a.label_type = VLOSS_I32; a.labels = beyond(arena.labels32, 4));
    ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.labels);
    ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = arena.labels + 1);
  }
  if (takes(VLOSS_TAKES_TARGET_PER_ROW)) {
    ANSWERS(VLOSS_ERROR_ALIGNMENT, a.target = beyond(a.target, 2));
    ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.target);
  }
}

/* Which output may be which input; and outputs side by side in a wider matrix. */
static void refuse_overlap(struct refusals *refusals) {
  const bool in_place = !takes(VLOSS_TAKES_LABEL_LISTS), grad_target = takes(VLOSS_GRAD_TARGET);
  ANSWERS(in_place ? VLOSS_OK : VLOSS_ERROR_OVERLAP, a.grad = arena.prediction);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.prediction; a.grad_stride = COLUMNS + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.prediction; a.prediction_stride = COLUMNS + 1);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = arena.prediction);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = arena.upstream);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = arena.weights);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.weights);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.reduction = VLOSS_MEAN; a.loss = arena.upstream);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.loss = arena.grad + ROWS * COLUMNS - 1);
  ANSWERS(VLOSS_OK, a.loss = arena.grad + ROWS * COLUMNS);
  ANSWERS(VLOSS_OK, a.weights = arena.upstream); /* inputs may */
  ANSWERS(VLOSS_OK, a.grad = arena.prediction + COLUMNS; a.grad_stride = a.prediction_stride = 2 * COLUMNS);
  ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.prediction + COLUMNS - 1;
          a.grad_stride = a.prediction_stride = 2 * COLUMNS);
  if (target_matrix()) ANSWERS(VLOSS_OK, a.grad = arena.target);
  if (takes(VLOSS_TAKES_OTHER)) ANSWERS(VLOSS_ERROR_OVERLAP, a.grad = arena.other);
  if (grad_target) {
    ANSWERS(VLOSS_OK, a.grad_target = arena.target);
    ANSWERS(VLOSS_OK, a.grad_target = arena.prediction);
    ANSWERS(VLOSS_OK, a.grad_target = arena.prediction; a.grad = arena.target);
    ANSWERS(VLOSS_ERROR_OVERLAP, a.grad_target = arena.grad);
    ANSWERS(VLOSS_ERROR_OVERLAP, a.grad_target = a.grad = arena.prediction);
  }
  if (takes(VLOSS_GRAD_OTHER)) {
    ANSWERS(VLOSS_OK, a.grad_other = arena.other);
    ANSWERS(VLOSS_ERROR_OVERLAP, a.grad_other = arena.prediction);
    ANSWERS(VLOSS_ERROR_OVERLAP, a.grad_other = arena.grad);
  }
}

static void refuse_labels(struct refusals *refusals) {
  const bool lists = takes(VLOSS_TAKES_LABEL_LISTS);
  const int width = lists ? COLUMNS : 1;
  BAD_VALUE(VLOSS_ERROR_LABEL, 0, arena.labels[0] = COLUMNS);
  BAD_VALUE(VLOSS_ERROR_LABEL, 3, arena.labels[3 * width] = -2);
  BAD_VALUE(VLOSS_ERROR_LABEL, 1, arena.labels[1 * width] = INT64_MAX);
  BAD_VALUE(VLOSS_ERROR_LABEL, 2, arena.labels[2 * width] = INT64_MIN);
  BAD_VALUE(VLOSS_ERROR_LABEL, 2, arena.labels[2 * width] = (int64_t)1 << 32); /* 0 once cut to 32 bits */
  BAD_VALUE(VLOSS_ERROR_LABEL, 1, arena.labels[3 * width] = arena.labels[1 * width] = 99);
  BAD_VALUE(VLOSS_ERROR_LABEL, 3, a.inner = 2; a.rows = 2; arena.labels[3 * width] = COLUMNS);
  BAD_VALUE(VLOSS_ERROR_LABEL, 2, a.label_type = VLOSS_I32; a.labels = arena.labels32;
            arena.labels32[2 * width] = INT32_MIN);
  if (lists)
    BAD_VALUE(VLOSS_ERROR_LABEL, 1, arena.labels[COLUMNS] = -1;
              arena.labels[2 * COLUMNS - 1] = COLUMNS); /* after the end */
  else
    BAD_VALUE(VLOSS_ERROR_LABEL, 1, arena.labels[1] = -1);
  if (!lists) BAD_VALUE(VLOSS_ERROR_LABEL, 0, arena.labels[0] = -100); /* nothing is ignored */
  ANSWERS(VLOSS_OK, arena.labels[ROWS * width] = 99);                  /* beyond the batch */
}

static void refuse_probabilities(struct refusals *refusals) {
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 0, arena.prediction[0] = -0x1p-149f);
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 23, arena.prediction[23] = 1 + 0x1p-23f);
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 7, arena.prediction[7] = NAN);
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 8, arena.prediction[9] = arena.prediction[8] = -INFINITY);
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 7, a.prediction_stride = COLUMNS + 2; arena.prediction[COLUMNS + 3] = 2);
  /* Where many are looked at at once. */
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 70, a.rows = 32; arena.prediction[70] = 1 + 0x1p-23f);
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 127, a.rows = 32; arena.prediction[128] = arena.prediction[127] = -2);
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 64, a.rows = 32; arena.prediction[0] = -0.0f; arena.prediction[64] = NAN);
  /* Where nothing but the sum is written. */
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 7, a.reduction = VLOSS_SUM; a.grad = a.grad_target = NULL; arena.weights[7] = 0;
            arena.prediction[7] = 2);
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 70, a.rows = 32; a.reduction = VLOSS_MEAN; a.grad = a.grad_target = NULL;
            a.weights = NULL; arena.prediction[70] = -0x1p-149f);
  /* Where one gradient is written beside it. */
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 7, a.reduction = VLOSS_SUM; a.grad = NULL; arena.prediction[7] = 2);
  BAD_VALUE(VLOSS_ERROR_PROBABILITY, 7, a.reduction = VLOSS_SUM; a.grad_target = NULL; arena.prediction[7] = 2);
  ANSWERS(VLOSS_OK, a.prediction_stride = COLUMNS + 2; arena.prediction[COLUMNS + 1] = 2); /* in a gap */
  ANSWERS(VLOSS_OK, arena.prediction[0] = 0; arena.prediction[1] = 1; arena.prediction[2] = -0.0f);
  ANSWERS(VLOSS_OK, arena.target[0] = -3; arena.target[1] = NAN);
}

static void refuse_variances(struct refusals *refusals) {
  BAD_VALUE(VLOSS_ERROR_VARIANCE, 0, arena.other[0] = -0x1p-149f);
  BAD_VALUE(VLOSS_ERROR_VARIANCE, 23, arena.other[23] = -INFINITY);
  BAD_VALUE(VLOSS_ERROR_VARIANCE, 7, a.other_stride = COLUMNS + 2; arena.other[COLUMNS + 3] = -1);
  BAD_VALUE(VLOSS_ERROR_VARIANCE, 4, a.other_spread = VLOSS_PER_COLUMN; a.grad_other = NULL; arena.other[4] = -1);
  BAD_VALUE(VLOSS_ERROR_VARIANCE, 3 * COLUMNS, a.other_spread = VLOSS_PER_ROW; a.grad_other = NULL;
            arena.other[3] = -1);
  BAD_VALUE(VLOSS_ERROR_VARIANCE, 0, a.other_spread = VLOSS_PER_CALL; a.grad_other = NULL; arena.other[0] = -1);
  ANSWERS(VLOSS_OK, a.other_spread = VLOSS_PER_CALL; a.grad_other = NULL; arena.other[1] = -1); /* beyond it */
  ANSWERS(VLOSS_OK, arena.other[0] = 0; arena.other[1] = -0.0f; arena.other[2] = NAN; arena.other[3] = INFINITY);
}

static void refuse_rates(struct refusals *refusals) {
/* Parameter 0 is log_input. */
#define BAD_RATE(index, set) BAD_VALUE(VLOSS_ERROR_RATE, index, arena.parameters[0] = 0; set)
  BAD_RATE(0, arena.prediction[0] = -0x1p-149f);
  BAD_RATE(23, arena.prediction[23] = -INFINITY);
  BAD_RATE(7, a.prediction_stride = COLUMNS + 2; arena.prediction[COLUMNS + 3] = -1e-9f);
  BAD_RATE(70, a.rows = 32; arena.prediction[70] = -1);
  BAD_RATE(7, a.reduction = VLOSS_SUM; a.grad = a.grad_target = NULL; arena.prediction[7] = -1);
  ANSWERS(VLOSS_OK, arena.parameters[0] = 0; arena.prediction[0] = NAN; arena.prediction[1] = -0.0f);
  ANSWERS(VLOSS_OK, arena.parameters[0] = 0; arena.prediction[0] = INFINITY);
  ANSWERS(VLOSS_OK, arena.parameters[0] = 1; arena.prediction[0] = -1);
  ANSWERS(VLOSS_OK, arena.parameters[0] = 0; arena.prediction[0] = -1; a.flags = VLOSS_UNCHECKED);
}

/* Rows of nothing, as many as numbers go: a call that looked at each would not end before the alarm. */
static void refuse_nothing(struct refusals *refusals) {
  alarm(60);
  for (int i = 0; i < 4; i++) {
    const vloss_spread spread = (vloss_spread)i;
    if (spread != VLOSS_PER_ELEMENT && !takes(VLOSS_OTHER_SPREADS)) continue;
    ANSWERS_TO("rows of nothing", VLOSS_OK, a.columns = 0; a.rows = (size_t)1 << 58; a.reduction = VLOSS_MEAN;
               a.weights = NULL; a.upstream = NULL; a.grad_target = a.grad_other = NULL;
               a.prediction_stride = a.target_stride = a.grad_stride = 4; a.other_spread = spread;
               a.other_stride = spread == VLOSS_PER_ELEMENT && takes(VLOSS_TAKES_OTHER) ? 4 : 0;
               if (spread == VLOSS_PER_ROW) a.other = NULL);
  }
  alarm(0);
}

/* Argument structs of older and newer programs. */
static void refuse_versions(struct refusals *refusals) {
  struct {
    vloss_loss_args args;
    size_t newer;
  } grown = {valid(), 1};
  memcpy(&before, &arena, sizeof arena);
  vloss_status answer = library->loss_sized(&grown.args, sizeof grown);
  refusals_note(refusals, "a field of a newer version set", VLOSS_ERROR_VERSION, answer,
                memcmp(&before, &arena, sizeof arena) != 0);
  grown.newer = 0;
  refusals_note(refusals, "a field of a newer version, not set", VLOSS_OK,
                library->loss_sized(&grown.args, sizeof grown), false);
  ANSWERS(VLOSS_OK, size = offsetof(vloss_loss_args, bad_index));
  ANSWERS(VLOSS_OK, size = offsetof(vloss_loss_args, grad_other); a.grad_other = a.grad);
}

void loss_refuse(struct refusals *refusals) {
  const struct vloss_loss_row *loss = refusals->function->loss;
  info = &loss->info;
  refusals_note(refusals, "null arguments", VLOSS_ERROR_NULL, library->loss_sized(NULL, sizeof(vloss_loss_args)),
                false);
  refuse_operands(refusals);
  refuse_enumerators(refusals);
  refuse_spreads(refusals);
  refuse_parameters(refusals);
  refuse_sizes(refusals);
  refuse_plain(refusals);
  refuse_tensors(refusals);
  refuse_overlap(refusals);
  refuse_versions(refusals);
  if (labelled()) refuse_labels(refusals);
  if (loss->prediction == DOMAIN_STRICT_PROBABILITY) refuse_probabilities(refusals);
  if (loss->other == DOMAIN_VARIANCE) refuse_variances(refusals);
  if (loss->prediction == DOMAIN_RATE) refuse_rates(refusals);
  if (!by_rows()) refuse_nothing(refusals);
}
