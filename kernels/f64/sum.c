/* The end of a sum of doubles: 16 lanes become one number. */
#include "sum.h"

struct total lanes_total(const struct lanes *l) {
  double high[16], low[16];
  dstore(high, l->high);
  dstore(low, l->low);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; i++) {
      const struct total sum = total_of(high[i], high[i + half]);
      high[i] = sum.high;
      low[i] = (low[i] + low[i + half]) + sum.low;
    }
  return total_of(high[0], low[0]);
}

struct total exact_total(struct vloss_exact_sum *exact, const struct lanes *l) {
  add_lanes(exact, *l);
  const double sum = vloss_exact_value(exact);
  if (!is_number(sum)) return (struct total){sum, 0};
  vloss_exact_add(exact, -sum);
  return (struct total){sum, vloss_exact_value(exact)};
}
