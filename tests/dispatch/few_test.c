/* Small calls without options, which have a straight way of their own: they have the bits and the status that they have
 * where an option leads them the usual way, and write nothing where they are refused. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "expect.h"
#include "vloss/vloss.h"

enum { MOST = 4200, STYLES = 6 };
static const char *isa;

static uint32_t state = 1;
static float number(float least, float most) {
  state = state * 1664525u + 1013904223u;
  return least + (most - least) * (float)(state >> 8) * 0x1p-24f;
}
/* Ordinary numbers; among them one that is not; far apart; denormals; from 0 to 1; a constant. */
static void fill(float *x, size_t n, int style) {
  static const float odd[] = {NAN, INFINITY, -INFINITY, -0.0f, 0, 1, 3e38f, -3e38f, 1e-42f};
  const float spread = style == 2 ? 300 : style == 3 ? 1e-40f : 4;
  for (size_t i = 0; i < n; i++) x[i] = style == 4 ? number(0, 1) : style == 5 ? -1 : number(-spread, spread);
  if (style == 1) x[(size_t)number(0, (float)n - 0.5f)] = odd[(size_t)number(0, 8.5f)];
}

/* ---- Losses ------------------------------------------------------------------------------------------------------ */

/* rows of `columns` with a gap behind each, or none. */
struct loss_call {
  float p[MOST], t[MOST], grad[MOST], loss;
};
static vloss_status run_loss(const vloss_loss_info *info, size_t rows, size_t columns, size_t gap, const int options,
                             struct loss_call *c) {
  const size_t stride = gap ? columns + gap : 0;
  const vloss_loss_args args = {.kind = info->kind,
                                .rows = rows,
                                .columns = columns,
                                .prediction = c->p,
                                .prediction_stride = stride,
                                .target = c->t,
                                .target_stride = stride,
                                .grad_stride = stride,
                                .reduction = options & 1 ? VLOSS_SUM : VLOSS_MEAN,
                                .flags = options & 2 ? VLOSS_UNCHECKED : 0,
                                .loss = options & 12 ? &c->loss : NULL,
                                .grad = options & 4 ? NULL : c->grad};
  return vloss_loss(&args);
}
static void spread(float *to, const float *from, size_t rows, size_t columns, size_t gap) {
  for (size_t row = 0; row < rows; row++)
    memcpy(to + row * (columns + gap), from + row * columns, columns * sizeof *to);
}
static void check_loss(const vloss_loss_info *info, size_t rows, size_t columns, int style, int options) {
  static struct loss_call few, usual, gathered;
  memset(few.grad, 0x5a, sizeof few.grad);
  memset(&few.loss, 0x5a, sizeof few.loss);
  usual = few;
  fill(few.p, rows * columns, style);
  fill(few.t, rows * columns, options & 8 ? style : 4);
  spread(usual.p, few.p, rows, columns, 3);
  spread(usual.t, few.t, rows, columns, 3);
  const vloss_status status = run_loss(info, rows, columns, 0, options, &few);
  EXPECT(status == run_loss(info, rows, columns, 3, options, &usual), "%s, %s: %s", isa, info->name,
         vloss_status_name(status));
  EXPECT(memcmp(&few.loss, &usual.loss, sizeof few.loss) == 0, "%s, %s, %zu x %zu, style %d, options %d: %a, %a", isa,
         info->name, rows, columns, style, options, (double)few.loss, (double)usual.loss);
  for (size_t row = 0; row < rows; row++)
    memcpy(gathered.grad + row * columns, usual.grad + row * (columns + 3), columns * sizeof *few.grad);
  EXPECT(memcmp(few.grad, gathered.grad, rows * columns * sizeof *few.grad) == 0,
         "%s, %s, %zu x %zu, style %d, options %d: gradients", isa, info->name, rows, columns, style, options);
}
static void check_losses(const vloss_loss_info *info) {
  static const size_t columns[] = {1, 2, 15, 16, 17, 31, 32, 33, 47, 64, 100, 256, 513, 1000, 4096};
  if (info->family == VLOSS_LOGITS || !(info->operands & VLOSS_TAKES_TARGET)) return;
  if ((info->operands & (VLOSS_TAKES_OTHER | VLOSS_OTHER_OPTIONAL)) == VLOSS_TAKES_OTHER) return; /* never on it */
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
    for (int style = 0; style < STYLES; style++)
      for (int options = 0; options<16; options += columns[i]> 256 ? 5 : 1) {
        check_loss(info, 1, columns[i], style, options);
        if (info->family == VLOSS_ROWS && columns[i] <= 256) check_loss(info, 9, columns[i], style, options);
      }
}

/* ---- Logits ------------------------------------------------------------------------------------------------------ */

static void no_run(void *context, size_t count, void (*task)(void *, size_t), void *argument) {
  (void)context;
  for (size_t i = 0; i < count; i++) task(argument, i);
}
static const vloss_executor one_thread = {.threads = 1, .run = no_run}; /* an option that changes nothing else */

struct row {
  float x[MOST], out[MOST], loss;
  int64_t label;
};
static vloss_status cross_entropy(struct row *r, size_t classes, int options, const vloss_executor *executor) {
  const int32_t narrow = (int32_t)r->label;
  const vloss_cross_entropy_args args = {.rows = 1,
                                         .classes = classes,
                                         .logits = r->x,
                                         .labels = options & 1 ? (const void *)&narrow : &r->label,
                                         .label_type = options & 1 ? VLOSS_I32 : VLOSS_I64,
                                         .ignore_index = options & 16 ? 1 : 0,
                                         .reduction = options & 2 ? VLOSS_NONE : VLOSS_MEAN,
                                         .loss = &r->loss,
                                         .grad = options & 4   ? NULL
                                                 : options & 8 ? r->x
                                                               : r->out,
                                         .executor = executor};
  return vloss_cross_entropy(&args);
}
static vloss_status softmax(struct row *r, size_t classes, int options, const vloss_executor *executor) {
  const vloss_softmax_args args = {
      .rows = 1, .classes = classes, .input = r->x, .output = options & 8 ? r->x : r->out, .executor = executor};
  return options & 1 ? vloss_log_softmax(&args) : vloss_softmax(&args);
}
static vloss_status log_sum_exp(struct row *r, size_t classes, int options, const vloss_executor *executor) {
  const vloss_softmax_args args = {
      .rows = 1, .classes = classes, .input = r->x, .output = &r->loss, .executor = executor};
  (void)options;
  return vloss_log_sum_exp(&args);
}
static void check_row(vloss_status (*call)(struct row *, size_t, int, const vloss_executor *), const char *name,
                      size_t classes, int style, int options) {
  static struct row few, usual;
  memset(few.out, 0x5a, sizeof few.out);
  memset(&few.loss, 0x5a, sizeof few.loss);
  fill(few.x, classes, style);
  if (options & 16) few.x[classes / 2] += 90; /* confident; and label 1 is ignored */
  few.label = number(0, 1) < 0.05f   ? (int64_t)classes
              : number(0, 1) < 0.05f ? -100
                                     : (int64_t)number(0, (float)classes - 0.5f);
  usual = few;
  const vloss_status status = call(&few, classes, options, NULL);
  EXPECT(status == call(&usual, classes, options, &one_thread), "%s, %s: %s", isa, name, vloss_status_name(status));
  EXPECT(memcmp(&few, &usual, sizeof few) == 0, "%s, %s, %zu classes, style %d, options %d: %a, %a", isa, name, classes,
         style, options, (double)few.loss, (double)usual.loss);
}

int main(void) {
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    isa = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(isa)) continue;
    EXPECT(vloss_isa_force(isa) == VLOSS_OK, "%s", isa);
    const vloss_loss_info *info;
    for (size_t k = 0; (info = vloss_loss_info_at(k)) != NULL; k++) check_losses(info);
    for (size_t classes = 1; classes < 270; classes += classes < 70 ? 1 : 31)
      for (int style = 0; style < STYLES; style++)
        for (int options = 0; options < 32; options++) {
          check_row(cross_entropy, "cross_entropy", classes, style, options);
          check_row(softmax, "softmax", classes, style, options);
          check_row(log_sum_exp, "log_sum_exp", classes, style, options);
        }
  }
  return report("few");
}
