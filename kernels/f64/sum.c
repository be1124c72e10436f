/* Numbers in memory are added to 16 lanes; at the end of a sum these become one number. */
#include "sum.h"

#include <math.h>

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

struct parts lanes_totals(double (*high)[16], double (*low)[16]) {
  struct parts lanes[16];
  for (int k = 0; k < 16; k++) lanes[k] = (struct parts){dload(high[k]), dload(low[k])};
  for (int half = 8; half > 0; half /= 2)
    for (int k = 0; k < half; k++) {
      const struct parts sum = finite_sum_of(lanes[k].high, lanes[k + half].high);
      lanes[k] = (struct parts){sum.high, dadd(dadd(lanes[k].low, lanes[k + half].low), sum.low)};
    }
  return finite_sum_of(lanes[0].high, lanes[0].low);
}

void add_numbers(struct lanes *lanes, struct vloss_exact_sum *exact, const double *p, size_t n) {
  struct lanes l = *lanes;
  for (size_t i = 0; i < n; i += 16) l = lanes_plus(l, n - i < 16 ? dtail(p + i, n - i, 0.0) : dload(p + i));
  if (__builtin_expect(lanes_finite(l), 1))
    *lanes = l;
  else
    for (size_t i = 0; i < n; i++) vloss_exact_add(exact, p[i]);
}

void add_pairs(struct lanes *lanes, struct vloss_exact_sum *exact, const double *p, size_t n) {
  const size_t pairs = n & ~(size_t)31;
  struct lanes l = *lanes;
  for (size_t i = 0; i < pairs; i += 32) l = lanes_plus_pair(l, dload(p + i), dload(p + i + 16));
  if (__builtin_expect(lanes_finite(l), 1))
    *lanes = l;
  else
    for (size_t i = 0; i < pairs; i++) vloss_exact_add(exact, p[i]);
  if (pairs < n) add_numbers(lanes, exact, p + pairs, n - pairs);
}

static RARE void add_each(struct vloss_exact_sum *exact, const double *part) {
  for (int i = 0; i < 16; i++)
    if (part[i] != 0) vloss_exact_add(exact, part[i]);
}
/* As lanes_total, while that loses nothing, as it mostly does not: 2 additions take the place of 32. */
void add_lanes(struct vloss_exact_sum *exact, struct lanes l) {
  double high[16], low[16], of_high[16], of_low[16], lost[8] = {0};
  dstore(high, l.high);
  dstore(low, l.low);
  dstore(of_high, l.high);
  dstore(of_low, l.low);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; i++) {
      const struct total sum = total_of(high[i], high[i + half]), lows = total_of(low[i], low[i + half]);
      const struct total rest = total_of(lows.high, sum.low);
      high[i] = sum.high;
      low[i] = rest.high;
      lost[i] += fabs(lows.low) + fabs(rest.low);
      if (half <= 4) lost[i] += lost[i + half];
    }
  if (lost[0] == 0 && is_number(high[0])) {
    if (high[0] != 0) vloss_exact_add(exact, high[0]);
    if (low[0] != 0) vloss_exact_add(exact, low[0]);
  } else {
    add_each(exact, of_high);
    add_each(exact, of_low);
  }
}

struct total exact_total(struct vloss_exact_sum *exact, const struct lanes *l) {
  add_lanes(exact, *l);
  const double sum = vloss_exact_value(exact);
  if (!is_number(sum)) return (struct total){sum, 0};
  vloss_exact_add(exact, -sum);
  return (struct total){sum, vloss_exact_value(exact)};
}
