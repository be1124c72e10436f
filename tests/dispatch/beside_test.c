/* Row losses whose class axis is not the last, of floats and 16 bits: rows of many columns that lie side by side are
 * not copied, or turned as they are read and written, but have the bits that they have alone. Rows with a gradient
 * beside rows of one number, and beside a factor of 0. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "memory/types.h"
#include "vloss/vloss.h"

enum { COLUMNS = 1300, MOST = COLUMNS * 40, OPERANDS = 3 };

static uint32_t state = 1;
static float number(float least, float most) {
  state = state * 1664525u + 1013904223u;
  return least + (most - least) * (float)(state >> 8) * 0x1p-24f;
}

/* The operands and results of one call, rows * inner of them: bits of elements of its type. */
struct call {
  uint32_t operand[OPERANDS][MOST], gradient[OPERANDS][MOST];
  float loss[40], target[40], weights[40];
  int64_t labels[MOST];
};
static size_t size_of(vloss_type type) { return type == VLOSS_F32 ? sizeof(float) : sizeof(uint16_t); }
static char *element(uint32_t *array, vloss_type type, size_t i) { return (char *)array + i * size_of(type); }

/* Towards 0, of numbers below 2^15 and NaN. */
static void put(uint32_t *array, vloss_type type, size_t i, float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  const uint32_t size = bits & 0x7fffffff, f16 = v != v ? 0x7e00 : size < 0x38800000 ? 0 : (size - 0x38000000) >> 13;
  const uint16_t half = (uint16_t)(type == VLOSS_BF16 ? bits >> 16 : (bits >> 16 & 0x8000) | f16);
  memcpy(element(array, type, i), type == VLOSS_F32 ? (const void *)&bits : &half, size_of(type));
}

static void run(const char *isa, const vloss_loss_info *info, vloss_type type, size_t rows, size_t inner,
                struct call *c) {
  vloss_loss_args args = {.kind = info->kind,
                          .type = type,
                          .rows = rows,
                          .columns = COLUMNS,
                          .inner = inner,
                          .prediction = c->operand[0],
                          .weights = info->operands & VLOSS_WEIGHTS_A_CLASS ? NULL : c->weights,
                          .weights_spread = VLOSS_PER_ROW,
                          .reduction = VLOSS_NONE,
                          .loss = c->loss,
                          .grad = c->gradient[0]};
  if (info->operands & VLOSS_WEIGHTS_A_CLASS) args.weights_spread = VLOSS_PER_COLUMN;
  if (info->operands & VLOSS_TAKES_TARGET) args.target = c->operand[1];
  if (info->operands & VLOSS_TAKES_TARGET_PER_ROW) args.target = c->target;
  if (info->operands & (VLOSS_TAKES_LABELS | VLOSS_TAKES_LABEL_LISTS)) args.labels = c->labels;
  if ((info->operands & (VLOSS_TAKES_OTHER | VLOSS_OTHER_OPTIONAL)) == VLOSS_TAKES_OTHER) args.other = c->operand[2];
  if (info->operands & VLOSS_GRAD_TARGET) args.grad_target = c->gradient[1];
  if (info->operands & VLOSS_GRAD_OTHER && args.other) args.grad_other = c->gradient[2];
  EXPECT(vloss_loss(&args) == VLOSS_OK, "%s, %s, inner %zu", isa, info->name, inner);
}

/* Element c of row o * inner + i. */
static size_t place(size_t row, size_t c, size_t inner) { return (row / inner * COLUMNS + c) * inner + row % inner; }

static void fill(const vloss_loss_info *info, vloss_type type, size_t rows, struct call *c) {
  for (size_t row = 0; row < rows; row++) {
    const float spread = number(0, 1) < 0.3f ? 0.01f : 1; /* of predictions: some losses are 0, others are not */
    c->target[row] = row % 2 ? 1.0f : -1.0f;
    c->weights[row] = number(0, 1) < 0.1f ? 0 : number(0.5f, 2);
    c->labels[row] = (int64_t)number(0, COLUMNS - 0.5f);
    for (size_t k = 0; k < COLUMNS; k++) {
      put(c->operand[0], type, row * COLUMNS + k, number(-1, 1) * spread);
      put(c->operand[1], type, row * COLUMNS + k, number(0, 1));
      put(c->operand[2], type, row * COLUMNS + k, number(-2, 2));
    }
    if (number(0, 1) < 0.1f) put(c->operand[0], type, row * COLUMNS + 7, NAN);
  }
  if (info->operands & VLOSS_TAKES_LABEL_LISTS)
    for (size_t k = 0; k < rows * COLUMNS; k++) c->labels[k] = k % COLUMNS < 3 ? (int64_t)number(0, COLUMNS - 1) : -1;
}

static void check_loss(const char *isa, const vloss_loss_info *info, vloss_type type, size_t inner) {
  static struct call alone, beside;
  const size_t rows = 40 / inner * inner, size = size_of(type);
  memset(alone.gradient, 0, sizeof alone.gradient); /* some are not written */
  fill(info, type, rows, &alone);
  beside = alone;
  for (int which = 0; which < OPERANDS; which++)
    for (size_t row = 0; row < rows; row++)
      for (size_t c = 0; c < COLUMNS; c++)
        memcpy(element(beside.operand[which], type, place(row, c, inner)),
               element(alone.operand[which], type, row * COLUMNS + c), size);
  run(isa, info, type, rows, 1, &alone);
  run(isa, info, type, rows / inner, inner, &beside);
  EXPECT(memcmp(alone.loss, beside.loss, rows * sizeof *alone.loss) == 0, "%s, %s, type %d, inner %zu: losses", isa,
         info->name, type, inner);
  for (int which = 0; which < OPERANDS; which++) {
    size_t different = 0;
    for (size_t row = 0; row < rows; row++)
      for (size_t c = 0; c < COLUMNS; c++)
        different += memcmp(element(alone.gradient[which], type, row * COLUMNS + c),
                            element(beside.gradient[which], type, place(row, c, inner)), size) != 0;
    EXPECT(different == 0, "%s, %s, type %d, inner %zu: %zu gradients of operand %d", isa, info->name, type, inner,
           different, which);
  }
}

/* 1 - (-2^-60) - 1 is above 0, though 1 + 2^-60 is 1 in double: the other classes have a gradient. */
static void check_kink(const char *isa) {
  static float p[5 * COLUMNS], grad[5 * COLUMNS];
  static const int64_t labels[5] = {5, 5, 5, 5, 5};
  for (size_t k = 0; k < 5 * COLUMNS; k++) p[k] = k / 5 == 5 ? -0x1p-60f : -1;
  const vloss_loss_args args = {.kind = VLOSS_MULTI_MARGIN,
                                .rows = 1,
                                .columns = COLUMNS,
                                .inner = 5,
                                .prediction = p,
                                .labels = labels,
                                .reduction = VLOSS_SUM,
                                .grad = grad};
  EXPECT(vloss_loss(&args) == VLOSS_OK, "%s", isa);
  EXPECT(grad[0] == 1.0f / COLUMNS && grad[1] == grad[0], "%s: %g, %g beside the kink", isa, (double)grad[0],
         (double)grad[1]);
}

/* t / p is beyond the floats, and yet a gradient is no NaN: the sum of the targets is 0. */
static void check_infinite_quotient(const char *isa) {
  static const float p[2] = {1e-3f, 2e-3f}, t[2] = {3e38f, -3e38f};
  float grad[2];
  const vloss_loss_args args = {.kind = VLOSS_KERAS_CATEGORICAL_CROSSENTROPY,
                                .rows = 1,
                                .columns = 2,
                                .prediction = p,
                                .target = t,
                                .reduction = VLOSS_SUM,
                                .grad = grad};
  EXPECT(vloss_loss(&args) == VLOSS_OK, "%s", isa);
  EXPECT(grad[0] == -INFINITY && grad[1] == INFINITY, "%s: %g, %g", isa, (double)grad[0], (double)grad[1]);
}

int main(void) {
  static const vloss_type types[] = {VLOSS_F32, VLOSS_BF16, VLOSS_F16};
  static const size_t inners[] = {2, 3, 4, 5, 8, 15, 16, 17, 18, 19, 20, 27, 37};
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *isa = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(isa)) continue;
    EXPECT(vloss_isa_force(isa) == VLOSS_OK, "%s", isa);
    check_kink(isa);
    check_infinite_quotient(isa);
    const vloss_loss_info *info;
    for (size_t k = 0; (info = vloss_loss_info_at(k)) != NULL; k++)
      for (size_t n = 0; info->family == VLOSS_ROWS && n < sizeof inners / sizeof *inners; n++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
          if (vloss_builds_type(types[t])) check_loss(isa, info, types[t], inners[n]);
  }
  return report("beside");
}
