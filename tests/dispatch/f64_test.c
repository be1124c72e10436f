/* VLOSS_F64: computed where the library was built with SLEEF and the CPU has FMA, else refused with the status that
 * says so, and nothing is written; and what dispatch makes of doubles: domains, label modes, reductions. */
#include <math.h>
#include <string.h>

#include "cpu.h"
#include "expect.h"
#include "f64.h"
#include "table.h"
#include "vloss/vloss.h"

static void decisions(void) {
  static const struct vloss_f64_table f64;
  const struct vloss_table with = {.name = "scalar", .f64 = &f64}, without = {.name = "scalar"};
  const uint32_t fma = VLOSS_CPU_FMA | VLOSS_CPU_AVX | VLOSS_CPU_OS_AVX;
  EXPECT(vloss_f64_decide(&without, fma) == VLOSS_ERROR_NO_SLEEF, "no SLEEF");
  EXPECT(vloss_f64_decide(&without, VLOSS_CPU_NONE) == VLOSS_ERROR_NO_SLEEF, "neither");
  EXPECT(vloss_f64_decide(&with, fma) == VLOSS_OK, "both");
  EXPECT(vloss_f64_decide(&with, VLOSS_CPU_NEON) == VLOSS_OK, "arm64 has FMA");
  EXPECT(vloss_f64_decide(&with, fma & ~(uint32_t)VLOSS_CPU_FMA) == VLOSS_ERROR_NO_FMA, "no FMA");
  EXPECT(vloss_f64_decide(&with, fma & ~(uint32_t)VLOSS_CPU_OS_AVX) == VLOSS_ERROR_NO_FMA, "an old operating system");
  EXPECT(vloss_f64_decide(&with, VLOSS_CPU_SSE2) == VLOSS_ERROR_NO_FMA, "SSE2");
}

/* One row; loss and gradient start as 7. */
static double loss, grad[4];
static vloss_loss_args args_of(vloss_loss_kind kind, const double *p, const double *t, size_t n) {
  loss = 7;
  for (int i = 0; i < 4; i++) grad[i] = 7;
  return (vloss_loss_args){.kind = kind,
                           .rows = 1,
                           .columns = n,
                           .type = VLOSS_F64,
                           .prediction = p,
                           .target = t,
                           .reduction = VLOSS_SUM,
                           .loss = &loss,
                           .grad = grad};
}

static void refused(vloss_status expected) {
  if (expected == VLOSS_OK) return;
  static const double p[] = {0.25, 0.5}, t[] = {1, 0};
  for (size_t i = 0;; i++) {
    const vloss_loss_info *info = vloss_loss_info_at(i);
    if (!info) break;
    if (info->family == VLOSS_LOGITS) continue;
    vloss_loss_args a = args_of(info->kind, p, t, 2);
    const vloss_status status = vloss_loss(&a);
    EXPECT(status == expected, "%s: %s", info->name, vloss_status_name(status));
    EXPECT(loss == 7 && grad[0] == 7, "%s wrote something", info->name);
  }
}

/* The functions of logits, too. */
static void refused_logits(vloss_status expected) {
  if (expected == VLOSS_OK) return;
  static const double x[] = {0.25, 0.5};
  const int64_t label = 0;
  double out[2] = {7, 7};
  const vloss_cross_entropy_args cross_entropy = {
      .rows = 1, .classes = 2, .type = VLOSS_F64, .logits = x, .labels = &label, .loss = out};
  EXPECT(vloss_cross_entropy(&cross_entropy) == expected, "cross_entropy");
  EXPECT(vloss_nll(&cross_entropy) == expected, "nll");
  const vloss_softmax_args softmax = {.rows = 1, .classes = 2, .type = VLOSS_F64, .input = x, .output = out};
  EXPECT(vloss_softmax(&softmax) == expected, "softmax");
  EXPECT(vloss_log_softmax(&softmax) == expected, "log_softmax");
  EXPECT(vloss_log_sum_exp(&softmax) == expected, "log_sum_exp");
  EXPECT(vloss_log_probs(&(vloss_log_probs_args){
             .rows = 1, .classes = 2, .type = VLOSS_F64, .logits = x, .entropy = out}) == expected,
         "log_probs");
  EXPECT(vloss_divergence(&(vloss_divergence_args){.rows = 1,
                                                   .classes = 2,
                                                   .student = x,
                                                   .student_type = VLOSS_F64,
                                                   .teacher = x,
                                                   .teacher_type = VLOSS_F64,
                                                   .loss = out}) == expected,
         "divergence");
  EXPECT(out[0] == 7 && out[1] == 7, "something was written");
}

static void computed(void) {
  const double p[] = {0.1, 0.75, 3}, t[] = {0, 1, 0.1};
  vloss_loss_args a = args_of(VLOSS_MSE, p, t, 2);
  EXPECT(vloss_loss(&a) == VLOSS_OK && loss == 0.1 * 0.1 + 0.25 * 0.25 && grad[0] == 0.2 && grad[1] == -0.5, "%.17g",
         loss);

  size_t bad = 99;
  a = args_of(VLOSS_BCE, p, t, 3);
  a.bad_index = &bad;
  EXPECT(vloss_loss(&a) == VLOSS_ERROR_PROBABILITY && bad == 2 && loss == 7 && grad[0] == 7, "bad %zu", bad);
  const double beyond[] = {0.5, 1 + 0x1p-52, -0x1p-1074};
  bad = 99;
  a = args_of(VLOSS_BCE, beyond, t, 3);
  a.grad = NULL; /* the total tells */
  a.bad_index = &bad;
  EXPECT(vloss_loss(&a) == VLOSS_ERROR_PROBABILITY && bad == 1 && loss == 7, "bad %zu", bad);
  a.flags = VLOSS_UNCHECKED;
  EXPECT(vloss_loss(&a) == VLOSS_OK && isnan(loss), "%g", loss);

  /* A target that is 0 or 1 as a float is not as a double. */
  const double binary[] = {0, 1}, not_binary[] = {0, 1 + 0x1p-52}, two[] = {2, 2};
  a = args_of(VLOSS_HINGE, two, binary, 2);
  EXPECT(vloss_loss(&a) == VLOSS_OK && loss == 3, "labels 0 and 1: %g", loss);
  a = args_of(VLOSS_HINGE, two, not_binary, 2);
  EXPECT(vloss_loss(&a) == VLOSS_OK && loss == 1, "labels as they are: %g", loss);

  /* Eps and beta are doubles. */
  const double eps = 1e-7, third = 0.1;
  const double tiny[] = {0.05}, zero[] = {0};
  a = args_of(VLOSS_SMOOTH_L1, tiny, zero, 1);
  a.parameters = &third, a.parameter_count = 1;
  EXPECT(vloss_loss(&a) == VLOSS_OK && grad[0] == 0.05 / 0.1, "%.17g", grad[0]);
  a = args_of(VLOSS_MAPE, tiny, zero, 1);
  EXPECT(vloss_loss(&a) == VLOSS_OK && grad[0] == 100 / eps, "%.17g", grad[0]);

  /* The sum is beyond the doubles, and its mean is not. */
  const double large[] = {0x1.8p1023, 0x1.8p1023, 0x1.8p1023, 0}, none[4] = {0};
  a = args_of(VLOSS_L1, large, none, 4);
  EXPECT(vloss_loss(&a) == VLOSS_OK && isinf(loss), "%g", loss);
  a.reduction = VLOSS_MEAN;
  EXPECT(vloss_loss(&a) == VLOSS_OK && loss == 0x1.2p1023, "%a", loss);
  a = args_of(VLOSS_L1, none, none, 0);
  a.reduction = VLOSS_MEAN, a.grad = NULL;
  EXPECT(vloss_loss(&a) == VLOSS_OK && isnan(loss), "%g", loss);
}

/* The loops for usual elements do not look at operands: what is infinite, NaN or huge among 64 elements gives what it
 * gives alone. */
enum { USUAL = 64 };
static void one_among_usual(vloss_loss_kind kind, double p, double t, double other) {
  double all_p[USUAL], all_t[USUAL], all_other[USUAL], losses[USUAL], grads[USUAL], summed_grads[USUAL], alone[2], sum;
  for (int i = 0; i < USUAL; i++) all_p[i] = 0.5, all_t[i] = 1, all_other[i] = 0.25;
  all_p[37] = p, all_t[37] = t, all_other[37] = other;
  const int ranking = kind == VLOSS_MARGIN_RANKING;
  vloss_loss_args a = args_of(kind, &p, &t, 1);
  a.other = ranking ? &other : NULL;
  a.reduction = VLOSS_NONE, a.loss = &alone[0], a.grad = &alone[1];
  EXPECT(vloss_loss(&a) == VLOSS_OK, "alone");
  a.columns = USUAL, a.prediction = all_p, a.target = all_t, a.other = ranking ? all_other : NULL;
  a.loss = losses, a.grad = grads;
  EXPECT(vloss_loss(&a) == VLOSS_OK, "each");
  a.reduction = VLOSS_SUM, a.loss = &sum, a.grad = summed_grads;
  EXPECT(vloss_loss(&a) == VLOSS_OK, "sum");
  const char *name = vloss_loss_info_of(kind)->name;
  EXPECT(!memcmp(&losses[37], &alone[0], 8), "%s of %g, %g, %g: loss %g, alone %g", name, p, t, other, losses[37],
         alone[0]);
  EXPECT(!memcmp(&grads[37], &alone[1], 8) && !memcmp(&summed_grads[37], &alone[1], 8),
         "%s of %g, %g, %g: gradient %g, with the sum %g, alone %g", name, p, t, other, grads[37], summed_grads[37],
         alone[1]);
  double other_losses = 0;
  for (int i = 0; i < USUAL; i++) other_losses += i == 37 ? 0 : losses[i];
  const double expected = other_losses + alone[0];
  EXPECT(isnan(expected) ? isnan(sum) : expected == sum || fabs(expected - sum) < 1e-14 * expected,
         "%s of %g, %g, %g: sum %g, expected %g", name, p, t, other, sum, expected);
}
static void unusual(void) {
  static const vloss_loss_kind kinds[] = {VLOSS_L1,   VLOSS_MSE,   VLOSS_SMOOTH_L1,     VLOSS_HUBER,
                                          VLOSS_MAPE, VLOSS_HINGE, VLOSS_SQUARED_HINGE, VLOSS_MARGIN_RANKING};
  static const double values[] = {0,          1,           -0x1p-1070, 0x1p-600,  0x1p600, -0x1p1001,
                                  0x1.fp1023, -0x1.fp1023, INFINITY,   -INFINITY, NAN};
  const int n = sizeof values / sizeof *values;
  for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
    for (int i = 0; i < n; i++)
      for (int k = 0; k < n; k++)
        for (int j = 0; j < (kinds[kind] == VLOSS_MARGIN_RANKING ? n : 1); j++)
          one_among_usual(kinds[kind], values[i], values[k], values[j]);
  /* A small difference of huge numbers. */
  const double p[] = {0x1p1001}, t[] = {0x1p1001 - 0x1p949};
  vloss_loss_args a = args_of(VLOSS_MAPE, p, t, 1);
  EXPECT(vloss_loss(&a) == VLOSS_OK && loss == 100 * 0x1p949 / t[0], "%g", loss);
}

/* Row losses: constants are doubles, kinks and ties those of doubles, and nothing is lost in squares. */
static void computed_rows(void) {
  const int64_t first[] = {0, -1, 0, 0};
  /* Below eps; between that and eps of floats; below 1 - eps. */
  const double small[] = {5e-8, 1.000000005e-7, 1 - 2e-7}, one_hot[] = {0, 1, 0};
  vloss_loss_args a = args_of(VLOSS_KERAS_KL_DIVERGENCE, small, one_hot, 3);
  EXPECT(vloss_loss(&a) == VLOSS_OK && grad[0] == 0 && fabs(grad[1] + 1 / small[1]) < 1e-8, "%.17g, %.17g", grad[0],
         grad[1]);
  a = args_of(VLOSS_KERAS_SPARSE_CATEGORICAL_CROSSENTROPY, small, NULL, 3);
  a.labels = first;
  const double rest = small[1] + small[2];
  EXPECT(vloss_loss(&a) == VLOSS_OK && fabs(loss - log1p(rest / 1e-7)) < 1e-14 && grad[0] == 0, "%.17g", loss);

  const double wide[] = {1e300, 1e-300, 0}, same[] = {2e300, 1e-300, 0};
  a = args_of(VLOSS_COSINE_SIMILARITY, wide, same, 3);
  EXPECT(vloss_loss(&a) == VLOSS_OK && fabs(loss + 1) < 1e-15, "%.17g", loss);
  /* Vectors an angle of 2^-45 apart. */
  const double along[] = {1e6, 0, 0}, beside[] = {1e6, 1e6 * 0x1p-45, 0}, similar[] = {1};
  a = args_of(VLOSS_COSINE_EMBEDDING, along, similar, 3);
  a.other = beside;
  EXPECT(vloss_loss(&a) == VLOSS_OK && fabs(loss - 0x1p-91 - 1e-24) < 1e-35, "%.17g", loss);

  /* 1 - (p_0 - p_1) is 2^-60, which is lost in 1 - p_0: active. */
  const double kink[] = {-0x1p-60, -1}, beyond_kink[] = {0x1p-60, -1};
  a = args_of(VLOSS_MULTI_MARGIN, kink, NULL, 2);
  a.labels = first;
  EXPECT(vloss_loss(&a) == VLOSS_OK && loss == 0x1p-61 && grad[0] == -0.5 && grad[1] == 0.5, "%a", loss);
  a.prediction = beyond_kink;
  EXPECT(vloss_loss(&a) == VLOSS_OK && loss == 0 && grad[0] == 0 && grad[1] == 0, "%a", loss);
  a = args_of(VLOSS_MULTILABEL_MARGIN, kink, NULL, 2);
  a.labels = first;
  EXPECT(vloss_loss(&a) == VLOSS_OK && loss == 0x1p-61 && grad[0] == -0.5 && grad[1] == 0.5, "%a", loss);

  const double anchor[] = {3e200, 0}, positive[] = {0, 4e200}, negative[] = {3e200, 1e200};
  a = args_of(VLOSS_TRIPLET_MARGIN, anchor, positive, 2);
  a.other = negative;
  EXPECT(vloss_loss(&a) == VLOSS_OK && fabs(loss - 4e200) < 1e185 && fabs(grad[0] - 0.6) < 1e-15, "%.17g", loss);
}

int main(void) {
  decisions();
  const double one = 1, zero = 0;
  vloss_loss_args a = args_of(VLOSS_MSE, &one, &zero, 1);
  const vloss_status status = vloss_loss(&a);
  printf("a loss of doubles: %s\n", vloss_status_message(status));
#ifdef VLOSS_WITH_F64
  EXPECT(status == VLOSS_OK || status == VLOSS_ERROR_NO_FMA, "%s", vloss_status_name(status));
#elif defined(VLOSS_WITHOUT_F64)
  EXPECT(status == VLOSS_ERROR_TYPE, "%s", vloss_status_name(status));
#else
  EXPECT(status == VLOSS_ERROR_NO_SLEEF, "%s", vloss_status_name(status));
#endif
  refused(status);
  refused_logits(status);
  if (status == VLOSS_OK) {
    computed();
    unusual();
    computed_rows();
  }
  return report("doubles");
}
