/* Sums of doubles inside a block: 16 lanes, each with what its roundings lost beside it, in the order of the elements.
 * The lanes go into an exact sum, both parts of them: so a sum is within an ulp, and the same on every ISA. */
#ifndef VLOSS_KERNELS_F64_SUM_H
#define VLOSS_KERNELS_F64_SUM_H

#include "memory/exact_sum.h"
#include "wide.h"

struct lanes {
  vd high, low;
};
VFN struct lanes no_lanes(void) { return (struct lanes){dset1(0.0), dset1(0.0)}; }

VFN vd dtail(const double *p, size_t n, double fill) {
  double t[16];
  dstore(t, dset1(fill));
  memcpy(t, p, n * sizeof *p);
  return dload(t);
}

VFN struct lanes lanes_plus(struct lanes l, vd v) {
  const vd sum = dadd(l.high, v), of_v = dsub(sum, l.high);
  return (struct lanes){sum, dadd(l.low, dadd(dsub(l.high, dsub(sum, of_v)), dsub(v, of_v)))};
}
/* The same of a sum of two vectors that are not negative, rounded once, which is half an ulp of it at most. Three
 * operations tell what the next addition loses (Dekker) while the lane is at least what is added to it; before that it
 * may be half an ulp of what is added, again, that is missed. */
VFN struct lanes lanes_plus_pair(struct lanes l, vd v, vd w) {
  const vd pair = dadd(v, w), sum = dadd(l.high, pair);
  return (struct lanes){sum, dadd(l.low, dsub(pair, dsub(sum, l.high)))};
}
VFN int lanes_finite(struct lanes l) { return !dany(dnan(dadd(dsub(l.high, l.high), dsub(l.low, l.low)))); }

/* Adds n numbers to the lanes; where something is not finite, or a sum would be, to the exact sum instead. */
#define add_numbers VLOSS_ISA_SYMBOL(vloss_add_numbers)
void add_numbers(struct lanes *lanes, struct vloss_exact_sum *exact, const double *p, size_t n);
/* The same of losses that are not negative, in pairs of vectors: those of a remainder of less than 32 are not. */
#define add_pairs VLOSS_ISA_SYMBOL(vloss_add_pairs)
void add_pairs(struct lanes *lanes, struct vloss_exact_sum *exact, const double *p, size_t n);
#define add_lanes VLOSS_ISA_SYMBOL(vloss_add_lanes)
void add_lanes(struct vloss_exact_sum *exact, struct lanes l);

/* The largest lane. */
VFN double largest_lane(vd v) {
  double lanes[16];
  dstore(lanes, v);
  UNROLL for (int i = 0; i < 8; i++) lanes[i] = lanes[i] > lanes[i + 8] ? lanes[i] : lanes[i + 8];
  UNROLL for (int i = 0; i < 4; i++) lanes[i] = lanes[i] > lanes[i + 4] ? lanes[i] : lanes[i + 4];
  UNROLL for (int i = 0; i < 2; i++) lanes[i] = lanes[i] > lanes[i + 2] ? lanes[i] : lanes[i + 2];
  return lanes[0] > lanes[1] ? lanes[0] : lanes[1];
}

/* A number in two parts: low is at most half an ulp of high. */
struct total {
  double high, low;
};
VFN struct parts total_parts(struct total t) { return (struct parts){dset1(t.high), dset1(t.low)}; }
VFN int is_number(double v) { return v - v == 0; }

/* a + b, exactly (Knuth). */
VFN struct total total_of(double a, double b) {
  const double sum = a + b, of_b = sum - a;
  return (struct total){sum, (a - (sum - of_b)) + (b - of_b)};
}
/* The lanes as one number, added by halves: to 2^-100 or so of the sum of their sizes. high is no number where that is
 * beyond the doubles on the way; then only the exact sum knows whether the sum is one. */
#define lanes_total VLOSS_ISA_SYMBOL(vloss_lanes_total)
struct total lanes_total(const struct lanes *l);
/* The same of 16 sums: lane k of sum i is at [k][i]. */
#define lanes_totals VLOSS_ISA_SYMBOL(vloss_lanes_totals)
struct parts lanes_totals(double (*high)[16], double (*low)[16]);
/* What is in both. */
#define exact_total VLOSS_ISA_SYMBOL(vloss_exact_total)
struct total exact_total(struct vloss_exact_sum *exact, const struct lanes *l);

#endif
