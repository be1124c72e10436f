/* Adding up the losses of groups of rows, in an order that does not depend on the groups. */
#ifndef VLOSS_KERNELS_TOTALS_H
#define VLOSS_KERNELS_TOTALS_H

#include "groups.h"
#include "memory/blocks.h"

/* The losses of the rows of a range, added up 16 at a time in the order of the rows, and block by block (blocks.h): the
 * sum depends on no other grouping. */
struct totals {
  struct vloss_range range;
  struct vloss_exact_sum *exact;
  size_t before;              /* what groups count as row 0 is this row of the range */
  double sum;                 /* of the block so far */
  size_t block, block_end;    /* rows of a block; the row behind the one at hand */
  ALIGNED double pending[16]; /* losses of rows that are not 16 yet; no others are read */
};
/* Field by field: calls on one short row notice a copy. */
VFN void totals_begin(struct totals *t, size_t classes, struct vloss_range range, struct vloss_exact_sum *exact) {
  t->range = range;
  t->exact = exact;
  t->before = 0;
  t->sum = 0;
  t->block = vloss_block_rows(classes);
  t->block_end = range.first + t->block;
}
/* Adds what 16 rows come to, or fewer at the end: those before row `end`. */
VFN void add_16(struct totals *totals, double sum, size_t end) {
  totals->sum += sum;
  if (end != totals->block_end && end != totals->range.last) return;
  vloss_exact_add(totals->exact, totals->sum);
  totals->sum = 0;
  totals->block_end += totals->block;
}
VFN void add_losses(struct totals *totals, const struct group *g, vd loss) {
  ALIGNED double losses[16];
  const size_t first = totals->before + g->first;
  dstore(losses, loss);
  if (totals->block == 1 || totals->range.last == 1) {
    for (size_t i = 0; i < g->n; i++) add_16(totals, losses[i], first + i + 1);
    return;
  }
  if (g->n == 16 && first % 16 == 0) {
    add_16(totals, dsum(loss), first + 16);
    return;
  }
  double *const pending = totals->pending;
  for (size_t i = 0, row = first; i < g->n; i++, row++) {
    pending[row % 16] = losses[i];
    if (row % 16 != 15 && row + 1 != totals->range.last) continue;
    for (size_t k = row % 16 + 1; k < 16; k++) pending[k] = 0;
    add_16(totals, dsum(dload(pending)), row + 1);
  }
}

#endif
