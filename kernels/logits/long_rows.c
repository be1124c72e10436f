/* From the sums of blocks to those of long rows. */
#include "long_rows.h"

/* e^x = 2^k times `mantissa`, for any finite float: blocks that were summed relative to their own maximum are added by
 * this. From FAR on two floats are 2^7 apart, so that only the terms of the greater one count: there k just rises by 80
 * with each float, which is all that the sum's bins look at. */
#define FAR 0x1p30f
#define FAR_BIN ((int64_t)1 << 26) /* above FAR log2e / 40 */
struct power {
  int64_t k;
  double mantissa;
};
static SMALL struct power power_of(float x) {
  const float size = x < 0 ? -x : x;
  if (size >= FAR) {
    const float far = FAR;
    uint32_t bits, first;
    memcpy(&bits, &size, sizeof bits);
    memcpy(&first, &far, sizeof first);
    const int64_t k = BIN_BITS * (FAR_BIN + 2 * (int64_t)(bits - first));
    return (struct power){x < 0 ? -k : k, 1};
  }
  ALIGNED double mantissa[16];
  const double k = (double)x * (1 / VLOSS_D_LN2_HI) + 0x1.8p52 - 0x1.8p52;
  const vd n = dset1(k);
  dstore(mantissa, dexp(dnfma(n, dset1(VLOSS_D_LN2_LO), dnfma(n, dset1(VLOSS_D_LN2_HI), dset1((double)x)))));
  return (struct power){(int64_t)k, mantissa[0]};
}

/* Adds the sum of a block, but for its maximum. False: there is nothing but that in the block, or no number. */
VFN int add_sum(struct long_row *row, const struct row_sums *block, size_t i) {
  const double sum = block->sum[i];
  const float max = block->max[i];
  if (sum != sum || max != max || max == INF) {
    row->sum.met |= sum != sum || max != max ? BINNED_NAN : BINNED_INF;
    return 0;
  }
  if (max == -INF) return 0; /* what masked classes add up to is no sum */
  if (__builtin_expect(block->shift[i] == 0, 1)) {
    binned_add(&row->sum, sum, (int64_t)block->n[i]);
  } else {
    const struct power p = power_of(block->shift[i]);
    binned_add(&row->sum, sum * p.mantissa, p.k + (int64_t)block->n[i]);
  }
  return 1;
}
void long_row_add(struct long_row *row, const struct row_sums *block, size_t i) {
  /* Of -0 and 0 the same, whichever comes first. */
  if (add_sum(row, block, i) && block->max[i] > row->max) row->max = block->max[i] + 0.0f;
}

/* Of two maxima the greater is left out. */
static void hold_out(struct long_row *row, float max) {
  const float lesser = max > row->max ? row->max : max;
  if (max > row->max) row->max = max + 0.0f;
  if (lesser == -INF) return;
  const struct power p = power_of(lesser);
  binned_add(&row->sum, p.mantissa, p.k);
}
void long_row_add_below(struct long_row *row, const struct row_sums *block, size_t i) {
  if (add_sum(row, block, i)) hold_out(row, block->max[i]);
}
void long_row_merge_below(struct long_row *into, const struct long_row *from) {
  binned_merge(&into->sum, &from->sum);
  hold_out(into, from->max);
}

void long_row_sums(const struct long_row *row, struct row_sums *out, size_t i) {
  const float max = row->sum.met & BINNED_INF ? INF : row->max;
  out->max[i] = max;
  out->shift[i] = out->n[i] = 0;
  if (row->sum.met) {
    out->sum[i] = binned_read(&row->sum, 0);
  } else if (vany(is_huge(vset1(max)))) {
    const struct power p = power_of(max);
    out->n[i] = -TOP_EXPONENT;
    out->shift[i] = max;
    out->sum[i] = binned_read(&row->sum, p.k - TOP_EXPONENT) / p.mantissa;
  } else {
    out->n[i] = vfirst(reference_for(vset1(max)).n);
    out->sum[i] = binned_read(&row->sum, (int64_t)out->n[i]);
  }
}
