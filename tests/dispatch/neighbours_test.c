/* An element's loss and gradients have the same bits whatever its neighbours are: with a NaN or a denormal in its
 * block, which have the block done another way; and so has a loss without gradients. A NaN is the one there is, a loss
 * that is a product never -0, and the sum of equal losses a multiple of one. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "expect.h"
#include "vloss/vloss.h"

enum { MOST = 2500, STYLES = 6, PARAMETERS = 4, RESULTS = 4 };
static const char *isa;

static uint32_t state = 1;
static float number(float least, float most) {
  state = state * 1664525u + 1013904223u;
  return least + (most - least) * (float)(state >> 8) * 0x1p-24f;
}
/* Numbers of any size. */
static float any_number(void) {
  const int exponent = (int)number(-100, 40);
  return ldexpf(number(-2, 2), exponent);
}
/* Ordinary ones; from 0 to 1; 0, -0, 1 and -1; of any size; whole; signs. */
static float of_style(int style) {
  static const float few[] = {0, -0.0f, 1, -1};
  const int i = (int)number(0, 3.99f);
  if (style == 1) return number(0, 1);
  if (style == 2) return few[i];
  if (style == 3) return any_number();
  if (style == 4) return (float)((int)number(-20, 20));
  return style == 5 ? few[2 + i % 2] : number(-3, 3);
}

/* What a call reads; and what it writes: losses, gradients to p, t and other. */
struct arrays {
  float p[MOST], t[MOST], other[MOST];
};
struct results {
  float of[RESULTS][MOST];
};
static void compute(const vloss_loss_info *info, const double *parameters, const struct arrays *a, size_t n, int grads,
                    struct results *r) {
  memset(r, 0x5a, sizeof *r);
  const int other = info->operands & VLOSS_TAKES_OTHER && !(info->operands & VLOSS_OTHER_OPTIONAL);
  const vloss_loss_args args = {.kind = info->kind,
                                .rows = 1,
                                .columns = n,
                                .prediction = a->p,
                                .target = a->t,
                                .other = other ? a->other : NULL,
                                .parameters = parameters,
                                .parameter_count = parameters ? info->parameter_count : 0,
                                .reduction = VLOSS_NONE,
                                .flags = VLOSS_UNCHECKED,
                                .loss = r->of[0],
                                .grad = grads ? r->of[1] : NULL,
                                .grad_target = grads && info->operands & VLOSS_GRAD_TARGET ? r->of[2] : NULL,
                                .grad_other = grads && other && info->operands & VLOSS_GRAD_OTHER ? r->of[3] : NULL};
  EXPECT(vloss_loss(&args) == VLOSS_OK, "%s, %s", isa, info->name);
}

/* No float: what it is beyond one counts where it is a margin, and a prediction is the float below it. */
#define NEAR_KINK 0.3

/* The parameters of a loss: none given, the greatest of whole ones and half of the others, their least, no float. */
static const double *parameters_of(const vloss_loss_info *info, int which, double *to) {
  for (size_t i = 0; i < info->parameter_count; i++) {
    const vloss_parameter_info *const p = &info->parameters[i];
    const double given = p->default_value != 0 ? p->default_value : 0.25;
    to[i] = p->whole     ? (which == 1 ? p->maximum : p->minimum)
            : which == 1 ? given / 2
            : which == 2 ? given * 3
                         : NEAR_KINK;
    if (to[i] > p->maximum) to[i] = p->maximum;
    if (to[i] < p->minimum) to[i] = p->minimum;
    if (p->whole && p->maximum > 10) to[i] = p->default_value;
  }
  return which ? to : NULL;
}

static void compare(const vloss_loss_info *info, const struct results *a, const struct results *b, size_t n,
                    size_t changed, const char *what) {
  for (int r = 0; r < RESULTS; r++) {
    size_t i = 0;
    while (i < n && (i == changed || memcmp(&a->of[r][i], &b->of[r][i], sizeof(float)) == 0)) i++;
    EXPECT(i == n, "%s, %s, result %d of element %zu beside %s: %a, %a", isa, info->name, r, i, what,
           (double)a->of[r][i], (double)b->of[r][i]);
  }
}
static void check(const vloss_loss_info *info, const double *parameters, size_t n, int style, int target_style) {
  static struct arrays a;
  static struct results alone, beside;
  for (size_t i = 0; i < n; i++)
    a.p[i] = of_style(style), a.t[i] = of_style(target_style), a.other[i] = of_style(style);
  const size_t at = (size_t)number(0, (float)n - 0.5f);
  compute(info, parameters, &a, n, 1, &alone);
  const float was = a.p[at];
  memcpy(&a.p[at], &(uint32_t){0xffc12345}, sizeof(float)); /* a NaN, but not as results have it */
  compute(info, parameters, &a, n, 1, &beside);
  compare(info, &alone, &beside, n, at, "a NaN");
  for (int r = 0; r < 2; r++)
    EXPECT(memcmp(&beside.of[r][at], &(uint32_t){0x7fc00000}, sizeof(float)) == 0, "%s, %s", isa, info->name);
  static struct results losses;
  compute(info, parameters, &a, n, 0, &losses);
  EXPECT(memcmp(losses.of[0], beside.of[0], n * sizeof(float)) == 0, "%s, %s: losses alone", isa, info->name);
  a.p[at] = was;
  static struct results first;
  first = alone;
  a.p[0] = 0x1p-140f;
  compute(info, parameters, &a, n, 1, &alone);
  compare(info, &first, &alone, n, 0, "a denormal");
  if (info->kind != VLOSS_HINGE && info->kind != VLOSS_SQUARED_HINGE) { /* all t may choose their label_mode */
    a.t[0] = 0x1p-130f;
    compute(info, parameters, &a, n, 1, &alone);
    compare(info, &first, &alone, n, 0, "two denormals");
  }
  const int product = info->kind == VLOSS_MSE || info->kind == VLOSS_SMOOTH_L1 || info->kind == VLOSS_HUBER ||
                      info->kind == VLOSS_MAPE || info->kind == VLOSS_SQUARED_HINGE;
  if (!product) return;
  size_t i = 0;
  while (i < n && !signbit(alone.of[0][i])) i++;
  EXPECT(i == n || isnan(alone.of[0][i]), "%s, %s: %a", isa, info->name, (double)alone.of[0][i]);
}

/* Of so many equal elements, a power of two. */
static void check_sum(const vloss_loss_info *info, const double *parameters, float p, float t) {
  enum { EQUAL = 64 };
  static struct arrays a;
  static struct results one;
  float sum, grad[EQUAL];
  for (size_t i = 0; i < EQUAL; i++) a.p[i] = p, a.t[i] = t, a.other[i] = 0x1p-3f;
  compute(info, parameters, &a, 1, 1, &one);
  const int other = info->operands & VLOSS_TAKES_OTHER && !(info->operands & VLOSS_OTHER_OPTIONAL);
  for (int with_grad = 0; with_grad < 2; with_grad++) {
    const vloss_loss_args args = {.kind = info->kind,
                                  .rows = 1,
                                  .columns = EQUAL,
                                  .prediction = a.p,
                                  .target = a.t,
                                  .other = other ? a.other : NULL,
                                  .parameters = parameters,
                                  .parameter_count = parameters ? info->parameter_count : 0,
                                  .reduction = VLOSS_SUM,
                                  .flags = VLOSS_UNCHECKED,
                                  .loss = &sum,
                                  .grad = with_grad ? grad : NULL};
    EXPECT(vloss_loss(&args) == VLOSS_OK, "%s, %s", isa, info->name);
    const double exact = EQUAL * (double)one.of[0][0];
    EXPECT(isnan(exact) ? isnan(sum) : fabs((double)sum - exact) <= 0x1p-22 * fabs(exact),
           "%s, %s of %a and %a: %a, %a", isa, info->name, (double)p, (double)t, (double)sum, exact);
    EXPECT(!with_grad || memcmp(&grad[EQUAL / 2], &one.of[1][0], sizeof *grad) == 0, "%s, %s of %a and %a: %a, %a", isa,
           info->name, (double)p, (double)t, (double)grad[EQUAL / 2], (double)one.of[1][0]);
  }
}

int main(void) {
  static const size_t sizes[] = {1, 7, 16, 40, 250, 1024, 1200, MOST};
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    isa = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(isa)) continue;
    EXPECT(vloss_isa_force(isa) == VLOSS_OK, "%s", isa);
    const vloss_loss_info *info;
    for (size_t k = 0; (info = vloss_loss_info_at(k)) != NULL; k++) {
      if (info->family != VLOSS_ELEMENTWISE) continue;
      for (int which = 0; which < (info->parameter_count ? PARAMETERS : 1); which++) {
        double of_sum[8];
        const double *const parameters = parameters_of(info, which, of_sum);
        const float below = nextafterf((float)NEAR_KINK, 0), others[] = {below, below + 0x1p-3f, 0.75f};
        for (int j = 0; j < 3; j++)
          for (int t = -1; t < 2; t += 2) check_sum(info, parameters, others[j], (float)t);
        for (int styles = 0; styles < STYLES * STYLES; styles++)
          for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            double given[8];
            check(info, parameters_of(info, which, given), sizes[s], styles / STYLES, styles % STYLES);
          }
      }
    }
  }
  return report("neighbours");
}
