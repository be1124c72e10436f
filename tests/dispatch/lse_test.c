/* log-sum-exp of many equal logits near -log V: it cancels the maximum, so that every digit of every term counts. In
 * rows of one block of classes and of several, where it comes from sums without an order. And softmax backward of a sum
 * of 0, which leaves products too small for a normal number: they are 0. */
#include <math.h>
#include <string.h>

#include "expect.h"
#include "vloss/vloss.h"

enum { MOST = 262144 };
static float row[MOST];

/* Within 2 ulp of log V + x, which is exact in long double but for its last digits; where that is no more than double,
 * this is as near as can be told. */
static void check_row(const char *isa, size_t classes, float x) {
  const int64_t label = (int64_t)classes / 2;
  const double exact = (double)(logl((long double)classes) + (long double)x);
  const double ulp = ldexp(1, ilogb(exact) - 23);
  float lse = NAN, fused = NAN;
  for (size_t c = 0; c < classes; c++) row[c] = x;
  const vloss_softmax_args alone = {.rows = 1, .classes = classes, .input = row, .output = &lse};
  const vloss_cross_entropy_args with_loss = {
      .rows = 1, .classes = classes, .logits = row, .labels = &label, .lse = &fused};
  EXPECT(vloss_log_sum_exp(&alone) == VLOSS_OK && vloss_cross_entropy(&with_loss) == VLOSS_OK, "%s, %zu", isa, classes);
  EXPECT(fabs((double)lse - exact) <= 2 * ulp, "%s, %zu of %a: %a, exactly %a", isa, classes, (double)x, (double)lse,
         exact);
  EXPECT(memcmp(&lse, &fused, sizeof lse) == 0, "%s, %zu of %a: %a beside a loss, %a alone", isa, classes, (double)x,
         (double)fused, (double)lse);
}

static void small_products(const char *isa) {
  static const float y[4] = {0.25f, 0.25f, 0.25f, 0.25f}, h[4] = {2e-38f, -2e-38f, 1, -1};
  float out[4];
  const vloss_softmax_args args = {.rows = 1, .classes = 4, .input = y, .upstream = h, .output = out};
  EXPECT(vloss_softmax_backward(&args) == VLOSS_OK, "%s", isa);
  EXPECT(out[0] == 0 && out[1] == 0 && out[2] == 0.25f && out[3] == -0.25f, "%s: %g %g %g %g", isa, (double)out[0],
         (double)out[1], (double)out[2], (double)out[3]);
}

int main(void) {
  static const size_t sizes[] = {2, 1000, 4096, 4097, 100000, MOST};
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *isa = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(isa)) continue;
    EXPECT(vloss_isa_force(isa) == VLOSS_OK, "%s", isa);
    small_products(isa);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
      const float x = -logf((float)sizes[k]);
      check_row(isa, sizes[k], x);
      check_row(isa, sizes[k], nextafterf(x, 0));
      check_row(isa, sizes[k], x + 1e-3f);
    }
  }
  return report("lse");
}
