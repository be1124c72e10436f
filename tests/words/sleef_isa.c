/* See sleef.h: compiled once per ISA. */
#include "f64/exp.h"
#include "f64/log.h"

#include "../tests/words/sleef.h"

#define APPLY(name, vector)                                                                \
  static void apply_##name(const double *px, const double *py, double *result, size_t n) { \
    for (size_t i = 0; i < n; i += 16) {                                                   \
      const vd x = dload(px + i), y = dload(py + i);                                       \
      (void)y;                                                                             \
      dstore(result + i, vector);                                                          \
    }                                                                                      \
  }
APPLY(exp, sleef_exp(x))
APPLY(log, sleef_log(x))
APPLY(log1p, sleef_log1p(x))
APPLY(expm1, sleef_expm1(x))
APPLY(tanh, sleef_tanh(x))
APPLY(pow, sleef_pow(x, y))
APPLY(inlined_exp, exp_of_parts(whole(x)))
APPLY(inlined_log, log_in(0, x))
APPLY(inlined_log1p, log1p_in(0, x))
APPLY(log1p_unit, log1p_unit(x))
APPLY(exp_parts, exp_minus_in_parts(x).high)
APPLY(low_part, exp_minus_in_parts(x).low)

const struct sleef VLOSS_ISA_SYMBOL(sleef) = {
    VLOSS_ISA_NAME,
    {apply_exp, apply_log, apply_log1p, apply_expm1, apply_tanh, apply_pow, apply_inlined_exp, apply_inlined_log,
     apply_inlined_log1p, apply_log1p_unit, apply_exp_parts, apply_low_part}};
