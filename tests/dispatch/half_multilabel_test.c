/* Multi-label margin of 16-bit predictions: losses are those of the widened ones, bit for bit, and the gradient is that
 * of floats, each rounded once, though its pairs are counted in another order: lists of labels with repeats, of one and
 * of many tiles of columns. */
#include <math.h>
#include <string.h>

#include "check/harness/half.h"
#include "check/harness/random.h"
#include "expect.h"
#include "vloss/vloss.h"

enum { MOST = 7000 };
static uint16_t half_p[MOST], half_grad[MOST];
static float p[MOST], grad[MOST], loss[16], half_loss[16], upstream[16];
static int32_t labels[MOST];

static void compare(struct random *r, const char *isa, vloss_type type, size_t rows, size_t columns, size_t inner) {
  const size_t n = rows * columns * inner;
  for (size_t i = 0; i < n; i++) {
    half_p[i] = half_narrowed(type, random_unit(r) * 4 - 2);
    p[i] = half_widened(type, half_p[i]);
    half_grad[i] = 0x1234;
    labels[i] = (int32_t)random_below(r, columns);
  }
  for (size_t row = 0; row < rows * inner; row++) {
    labels[row * columns + random_below(r, columns)] = -1; /* its list ends there */
    upstream[row] = random_below(r, 5) ? random_unit(r) - 0.5f : 0;
    if (random_below(r, 8) == 0) p[row] = NAN, half_p[row] = half_narrowed(type, NAN);
  }
  vloss_loss_args a = {.kind = VLOSS_MULTILABEL_MARGIN,
                       .rows = rows,
                       .columns = columns,
                       .inner = inner,
                       .prediction = p,
                       .labels = labels,
                       .label_type = VLOSS_I32,
                       .reduction = VLOSS_NONE,
                       .upstream = upstream,
                       .loss = loss,
                       .grad = grad};
  EXPECT(vloss_loss(&a) == VLOSS_OK, "%s", isa);
  a.type = type;
  a.prediction = half_p;
  a.loss = half_loss;
  a.grad = half_grad;
  EXPECT(vloss_loss(&a) == VLOSS_OK, "%s, type %d", isa, type);
  EXPECT(memcmp(loss, half_loss, rows * inner * sizeof *loss) == 0, "%s, type %d, %zu columns", isa, type, columns);
  size_t wrong = 0;
  for (size_t i = 0; i < n; i++) wrong += half_grad[i] != half_narrowed(type, grad[i]);
  EXPECT(wrong == 0, "%s, type %d, %zu x %zu x %zu: %zu gradients", isa, type, rows, columns, inner, wrong);
}

int main(void) {
  static const size_t shapes[][3] = {{1, 1, 1},    {5, 7, 1},    {4, 300, 1}, {2, 300, 3},
                                     {3, 1030, 1}, {2, 2100, 1}, {1, 1100, 5}};
  struct random r = {1};
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *isa = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(isa)) continue;
    EXPECT(vloss_isa_force(isa) == VLOSS_OK, "%s", isa);
    for (size_t s = 0; s < 4 * sizeof shapes / sizeof *shapes; s++) {
      const size_t *shape = shapes[s / 4];
      compare(&r, isa, s % 2 ? VLOSS_BF16 : VLOSS_F16, shape[0], shape[1], shape[2]);
    }
  }
  return report("half_multilabel");
}
