/* Row losses whose class axis is not the last: rows of many columns that lie side by side are not copied, but
 * have the bits that they have alone. Rows with a gradient beside rows of one number, and beside a factor of 0. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "vloss/vloss.h"

enum { COLUMNS = 1300, MOST = COLUMNS * 40, OPERANDS = 3 };

static uint32_t state = 1;
static float number(float least, float most) {
  state = state * 1664525u + 1013904223u;
  return least + (most - least) * (float)(state >> 8) * 0x1p-24f;
}

/* The operands and results of one call, rows * inner of them. */
struct call {
  float operand[OPERANDS][MOST], gradient[OPERANDS][MOST], loss[40], target[40], weights[40];
  int64_t labels[MOST];
};

static void run(const char *isa, const vloss_loss_info *info, size_t rows, size_t inner, struct call *c) {
  vloss_loss_args args = {.kind = info->kind,
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

static void fill(const vloss_loss_info *info, size_t rows, struct call *c) {
  for (size_t row = 0; row < rows; row++) {
    const float spread = number(0, 1) < 0.3f ? 0.01f : 1; /* of predictions: some losses are 0, others are not */
    c->target[row] = row % 2 ? 1.0f : -1.0f;
    c->weights[row] = number(0, 1) < 0.1f ? 0 : number(0.5f, 2);
    c->labels[row] = (int64_t)number(0, COLUMNS - 0.5f);
    for (size_t k = 0; k < COLUMNS; k++) {
      c->operand[0][row * COLUMNS + k] = number(-1, 1) * spread;
      c->operand[1][row * COLUMNS + k] = number(0, 1);
      c->operand[2][row * COLUMNS + k] = number(-2, 2);
    }
    if (number(0, 1) < 0.1f) c->operand[0][row * COLUMNS + 7] = NAN;
  }
  if (info->operands & VLOSS_TAKES_LABEL_LISTS)
    for (size_t k = 0; k < rows * COLUMNS; k++) c->labels[k] = k % COLUMNS < 3 ? (int64_t)number(0, COLUMNS - 1) : -1;
}

static void check_loss(const char *isa, const vloss_loss_info *info, size_t inner) {
  static struct call alone, beside;
  const size_t rows = 40 / inner * inner;
  memset(alone.gradient, 0, sizeof alone.gradient); /* some are not written */
  fill(info, rows, &alone);
  beside = alone;
  for (int which = 0; which < OPERANDS; which++)
    for (size_t row = 0; row < rows; row++)
      for (size_t c = 0; c < COLUMNS; c++)
        beside.operand[which][place(row, c, inner)] = alone.operand[which][row * COLUMNS + c];
  run(isa, info, rows, 1, &alone);
  run(isa, info, rows / inner, inner, &beside);
  EXPECT(memcmp(alone.loss, beside.loss, rows * sizeof *alone.loss) == 0, "%s, %s, inner %zu: losses", isa, info->name,
         inner);
  for (int which = 0; which < OPERANDS; which++) {
    size_t different = 0;
    for (size_t row = 0; row < rows; row++)
      for (size_t c = 0; c < COLUMNS; c++)
        different += memcmp(&alone.gradient[which][row * COLUMNS + c], &beside.gradient[which][place(row, c, inner)],
                            sizeof(float)) != 0;
    EXPECT(different == 0, "%s, %s, inner %zu: %zu gradients of operand %d", isa, info->name, inner, different, which);
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

int main(void) {
  static const size_t inners[] = {2, 3, 5, 8, 15, 16, 17, 20, 37};
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *isa = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(isa)) continue;
    EXPECT(vloss_isa_force(isa) == VLOSS_OK, "%s", isa);
    check_kink(isa);
    const vloss_loss_info *info;
    for (size_t k = 0; (info = vloss_loss_info_at(k)) != NULL; k++)
      for (size_t n = 0; info->family == VLOSS_ROWS && n < sizeof inners / sizeof *inners; n++)
        check_loss(isa, info, inners[n]);
  }
  return report("beside");
}
