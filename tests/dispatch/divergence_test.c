/* vloss_divergence: published values; rows of equal bits, masked classes, classes that only one row has; student and
 * teacher of different types; ignored rows and means; long rows whose blocks are merged. Every ISA. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "vloss/vloss.h"

static const char *isa;

static int near(double a, double b) { return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 5e-7 * fabs(b); }
#define EXPECT_NEAR(got, expected, what, i)                                                                      \
  EXPECT(near((double)(got), expected), "%s: %s[%d] is %.9g, expected %.9g", isa, what, (int)(i), (double)(got), \
         (double)(expected))

/* By automatic differentiation, to nine digits. */
static void published(void) {
  static const float x[9] = {1, 2, 3, 0.5f, -0.5f, 0, 2, 0, -1}, z[9] = {1.5f, 1, 2.5f, 0, 0, 0, 3, -1, 0.25f};
  static const struct {
    vloss_divergence_kind kind;
    double beta, loss[3], grad[9];
  } known[] = {
      {VLOSS_FORWARD_KL,
       0,
       {0.104338886, 0.081657382, 0.0717297198},
       {-0.141193324, 0.104484088, 0.0367092366, 0.173147058, -0.14700961, -0.0261374476, -0.080211739, 0.0972714305,
        -0.0170596915}},
      {VLOSS_REVERSE_KL,
       0,
       {0.089096482, 0.0784209519, 0.127078064},
       {-0.0929415913, 0.114451268, -0.0215096765, 0.172163658, -0.122988253, -0.0491754056, -0.183852648, 0.203508649,
        -0.0196560009}},
      {VLOSS_JSD,
       0.5,
       {0.0234959781, 0.0197960916, 0.0218604349},
       {-0.0271979078, 0.0262921614, 0.000905746471, 0.0423593238, -0.0328600167, -0.00949930706, -0.0265206783,
        0.0307485554, -0.00422787705}},
      {VLOSS_JSD,
       0.1,
       {0.00914402767, 0.00728998007, 0.00667421864},
       {-0.0119049853, 0.00933637116, 0.00256861414, 0.0154614971, -0.0128799012, -0.00258159591, -0.00757304471,
        0.00909738297, -0.00152433826}},
      {VLOSS_TOTAL_VARIATION,
       0,
       {0.141193324, 0.173147058, 0.0972714305},
       {-0.0819250691, 0.0220330445, 0.0598920245, 0.249958005, -0.0943693122, -0.155588692, -0.0963573079, 0.101154656,
        -0.00479734788}},
  };
  for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
    float loss[3], grad[9], total;
    int32_t same_top[3];
    vloss_divergence_args a = {.kind = known[k].kind,
                               .beta = known[k].beta,
                               .rows = 3,
                               .classes = 3,
                               .student = x,
                               .teacher = z,
                               .reduction = VLOSS_NONE,
                               .loss = loss,
                               .same_top = same_top,
                               .grad = grad};
    EXPECT(vloss_divergence(&a) == VLOSS_OK, "%s", isa);
    for (int i = 0; i < 3; i++) {
      EXPECT_NEAR(loss[i], known[k].loss[i], "loss", i);
      EXPECT(same_top[i] == 1, "%s: same_top", isa);
    }
    for (int i = 0; i < 9; i++) EXPECT_NEAR(grad[i], known[k].grad[i], "grad", i);
    /* Row 1 ignored. */
    static const int32_t labels[3] = {7, -100, -3};
    a.labels = labels;
    a.label_type = VLOSS_I32;
    a.reduction = VLOSS_MEAN;
    a.loss = &total;
    EXPECT(vloss_divergence(&a) == VLOSS_OK, "%s", isa);
    EXPECT_NEAR(total, (known[k].loss[0] + known[k].loss[2]) / 2, "mean", 0);
    EXPECT(same_top[1] == 0, "%s: same_top of an ignored row", isa);
    for (int i = 0; i < 9; i++) EXPECT_NEAR(grad[i], i / 3 == 1 ? 0 : known[k].grad[i] / 2, "grad of the mean", i);
  }
}

static void empty(void) {
  static const float x[2] = {0, 1};
  static const int64_t label = -100;
  float loss = 5;
  vloss_divergence_args a = {.rows = 1, .classes = 2, .student = x, .teacher = x, .labels = &label, .loss = &loss};
  EXPECT(vloss_divergence(&a) == VLOSS_OK && isnan(loss), "%s: mean of nothing is %g", isa, (double)loss);
  a.flags = VLOSS_EMPTY_MEAN_ZERO;
  EXPECT(vloss_divergence(&a) == VLOSS_OK && loss == 0, "%s: mean of nothing is %g", isa, (double)loss);
  a.reduction = VLOSS_SUM;
  a.rows = 0;
  loss = 5;
  EXPECT(vloss_divergence(&a) == VLOSS_OK && loss == 0, "%s: sum of nothing is %g", isa, (double)loss);
}

/* -inf in the student, in the teacher, in both. */
static void masked(void) {
  static const float x[4] = {1, -INFINITY, 0, -INFINITY}, z[4] = {0.5f, 1, -INFINITY, -INFINITY};
  for (int kind = VLOSS_FORWARD_KL; kind <= VLOSS_TOTAL_VARIATION; kind++) {
    float loss, grad[4];
    int32_t same_top;
    vloss_divergence_args a = {.kind = (vloss_divergence_kind)kind,
                               .rows = 1,
                               .classes = 4,
                               .student = x,
                               .teacher = z,
                               .loss = &loss,
                               .same_top = &same_top,
                               .grad = grad};
    EXPECT(vloss_divergence(&a) == VLOSS_OK, "%s", isa);
    EXPECT(same_top == 0, "%s: same_top", isa);
    if (kind == VLOSS_FORWARD_KL || kind == VLOSS_REVERSE_KL)
      EXPECT(isinf(loss) && loss > 0, "%s: kind %d is %g", isa, kind, (double)loss);
    else
      EXPECT(loss > 0.1f && loss < 1, "%s: kind %d is %g", isa, kind, (double)loss);
    for (int c = 0; c < 4; c++)
      EXPECT(kind == VLOSS_REVERSE_KL ? isnan(grad[c]) : isfinite(grad[c]), "%s: kind %d, grad[%d] is %g", isa, kind, c,
             (double)grad[c]);
    EXPECT(kind == VLOSS_REVERSE_KL || grad[3] == 0, "%s: gradient of a class that neither has", isa);
    /* Masked alike, they compare as without those classes. */
    static const float both[4] = {2, -INFINITY, 0.5f, -INFINITY}, others[4] = {1, -INFINITY, 1, -INFINITY},
                       pair[2] = {2, 0.5f}, other[2] = {1, 1};
    float without;
    a.student = both;
    a.teacher = others;
    EXPECT(vloss_divergence(&a) == VLOSS_OK, "%s", isa);
    const vloss_divergence_args b = {.kind = (vloss_divergence_kind)kind,
                                     .rows = 1,
                                     .classes = 2,
                                     .student = pair,
                                     .teacher = other,
                                     .loss = &without};
    EXPECT(vloss_divergence(&b) == VLOSS_OK, "%s", isa);
    EXPECT_NEAR(loss, without, "masked alike", kind);
  }
}

/* What the student does not have costs nothing where the teacher has less than e^-300 of its row's largest, in
 * whichever block of a row both stand; and from there on everything. */
static void masked_far_below(void) {
  enum { CLASSES = 9000 };
  static float z[CLASSES], x[CLASSES];
  static const struct {
    size_t last; /* of the classes that the student lacks */
    float logit; /* the teacher's there */
    int counts;
  } cases[] = {{4096, -10000, 0}, {4096, -301, 0}, {4096, -299, 1}, {100, -301, 0},   {100, -299, 1},
               {5000, -301, 0},   {5000, -299, 1}, {5000, 0, 1},    {5000, -3e38f, 0}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    for (int kind = VLOSS_FORWARD_KL; kind <= VLOSS_REVERSE_KL; kind++) {
      float loss;
      for (size_t c = 0; c < CLASSES; c++) {
        z[c] = c < cases[k].last ? cases[k].logit : c == 8500 ? 0 : -5;
        x[c] = c < cases[k].last ? -INFINITY : c == 8600 ? 0 : -5;
      }
      const vloss_divergence_args a = {.kind = (vloss_divergence_kind)kind,
                                       .rows = 1,
                                       .classes = CLASSES,
                                       .student = kind == VLOSS_FORWARD_KL ? x : z,
                                       .teacher = kind == VLOSS_FORWARD_KL ? z : x,
                                       .loss = &loss};
      EXPECT(vloss_divergence(&a) == VLOSS_OK, "%s", isa);
      EXPECT(cases[k].counts ? isinf(loss) && loss > 0 : loss > 0.01f && loss < 1, "%s: kind %d, case %zu is %g", isa,
             kind, k, (double)loss);
    }
}

/* bf16 against float: the bits of the widened row. */
static void types(void) {
  enum { CLASSES = 5000 };
  static float wide[CLASSES], teacher[CLASSES], grads[2][CLASSES];
  static uint16_t narrow[CLASSES];
  uint32_t state = 5;
  for (int c = 0; c < CLASSES; c++) {
    state = state * 1664525u + 1013904223u;
    const uint32_t bits = (0x3f80u | (state >> 31 << 15) | (state >> 20 & 0xff)) << 16;
    memcpy(&wide[c], &bits, sizeof bits);
    narrow[c] = (uint16_t)(bits >> 16);
    teacher[c] = (float)(state % 1000) / 100;
  }
  for (int kind = VLOSS_FORWARD_KL; kind <= VLOSS_TOTAL_VARIATION; kind++) {
    float loss[4];
    vloss_divergence_args a = {.kind = (vloss_divergence_kind)kind,
                               .rows = 1,
                               .classes = CLASSES,
                               .student = wide,
                               .teacher = teacher,
                               .loss = &loss[0],
                               .grad = grads[0]};
    EXPECT(vloss_divergence(&a) == VLOSS_OK, "%s", isa);
    vloss_divergence_args b = a;
    b.loss = &loss[1];
    b.student = teacher;
    b.teacher = wide;
    b.grad = grads[1];
    EXPECT(vloss_divergence(&b) == VLOSS_OK, "%s", isa);
    static float of_half[CLASSES];
    b.teacher = narrow;
    b.teacher_type = VLOSS_BF16;
    b.loss = &loss[2];
    b.grad = of_half;
    vloss_status status = vloss_divergence(&b);
    if (status == VLOSS_ERROR_TYPE) return; /* not built */
    EXPECT(status == VLOSS_OK, "%s", isa);
    EXPECT(loss[1] == loss[2] && memcmp(of_half, grads[1], sizeof of_half) == 0, "%s: a teacher in bf16", isa);
    a.student = narrow;
    a.student_type = VLOSS_BF16;
    a.grad = NULL;
    a.loss = &loss[3];
    EXPECT(vloss_divergence(&a) == VLOSS_OK && loss[3] == loss[0], "%s: a student in bf16", isa);
    /* Equal values, in two types. */
    a.teacher = wide;
    EXPECT(vloss_divergence(&a) == VLOSS_OK && loss[3] == 0, "%s: kind %d of equal rows is %g", isa, kind,
           (double)loss[3]);
  }
}

/* Blocks that differ in what they know, against the formula in double. */
static void long_rows(void) {
  enum { CLASSES = 70000 };
  static float x[CLASSES], z[CLASSES];
  for (int style = 0; style < 6; style++) {
    uint32_t state = 11;
    for (int c = 0; c < CLASSES; c++) {
      state = state * 1664525u + 1013904223u;
      x[c] = (float)(state >> 8) * 0x1p-22f;
      const float noise = (float)(state & 0xff) * 0x1p-8f;
      z[c] = style == 0   ? x[c] + 0.001f * noise          /* near everywhere */
             : style == 1 ? x[c] + (c < 8192 ? 30 : noise) /* the first blocks outweigh the others */
             : style == 2 ? (float)(c / 4096)              /* rising */
                          : x[c];
      if (style > 3) z[c] = x[c] = c < 256 ? -12 : -40;
    }
    /* Three classes have nearly everything, so that no errors average out: the teacher's are all higher by about as
     * much, which is no distance; the first 256 classes alone tell of another offset than theirs. */
    static const float leading[3] = {1.2345f, 0.7771f, 0.3333f}, noise[3] = {0.05f, -0.03f, 0.01f};
    for (int i = 0; i < 3 && style > 3; i++) {
      x[300 + i] = leading[i];
      z[300 + i] = leading[i] + (style == 4 ? 5.4321f + noise[i] : 0.6f);
    }
    if (style == 3) z[65000] = 60; /* one class of a late block has nearly everything */
    double max[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0}, kl = 0;
    for (int c = 0; c < CLASSES; c++) {
      if ((double)z[c] > max[0]) max[0] = (double)z[c]; /* fmax makes gcc 12 for aarch64 crash */
      if ((double)x[c] > max[1]) max[1] = (double)x[c];
    }
    for (int c = 0; c < CLASSES; c++) {
      sum[0] += exp((double)z[c] - max[0]);
      sum[1] += exp((double)x[c] - max[1]);
    }
    for (int c = 0; c < CLASSES; c++) {
      const double log_p = (double)z[c] - max[0] - log(sum[0]), log_q = (double)x[c] - max[1] - log(sum[1]);
      kl += exp(log_p) * (log_p - log_q - 1) + exp(log_q);
    }
    float loss;
    const vloss_divergence_args a = {.rows = 1, .classes = CLASSES, .student = x, .teacher = z, .loss = &loss};
    EXPECT(vloss_divergence(&a) == VLOSS_OK, "%s", isa);
    EXPECT(fabs((double)loss - kl) <= 5e-7 * kl, "%s: style %d is %.9g, expected %.9g", isa, style, (double)loss, kl);
  }
}

/* One class has everything in both rows, and the distance between its logits is no float: what that loses is not the
 * divergence, which is 0. */
static void far_apart(void) {
  enum { CLASSES = 300 };
  static float x[CLASSES], z[CLASSES];
  for (int i = 0; i < 100; i++) {
    z[256] = 8041.86f + 0.37f * (float)i;
    x[256] = 32042.2f - 1.13f * (float)i;
    for (int c = 0; c < CLASSES; c++)
      if (c != 256) z[c] = z[256] - 120 - (float)(c % 7), x[c] = x[256] - 120 - (float)(c % 5);
    float loss;
    const vloss_divergence_args a = {.rows = 1, .classes = CLASSES, .student = x, .teacher = z, .loss = &loss};
    EXPECT(vloss_divergence(&a) == VLOSS_OK && loss >= 0 && loss < 1e-18f, "%s, %d: %g", isa, i, (double)loss);
  }
}

/* The first of two maxima counts, though a later block has the other. */
static void ties(void) {
  enum { CLASSES = 9000 };
  static float x[CLASSES], z[CLASSES];
  int32_t same_top;
  x[7] = z[7] = z[8500] = 5;
  vloss_divergence_args a = {.rows = 1, .classes = CLASSES, .student = x, .teacher = z, .same_top = &same_top};
  EXPECT(vloss_divergence(&a) == VLOSS_OK && same_top == 1, "%s: a tie behind the first maximum", isa);
  z[7] = 0;
  EXPECT(vloss_divergence(&a) == VLOSS_OK && same_top == 0, "%s: other maxima", isa);
  z[7] = 5;
}

int main(void) {
  for (size_t i = 0; (isa = vloss_isa_name(i)); i++) {
    if (vloss_isa_force(isa) != VLOSS_OK) continue;
    published();
    empty();
    masked();
    masked_far_below();
    types();
    long_rows();
    far_apart();
    ties();
  }
  return report("divergence");
}
