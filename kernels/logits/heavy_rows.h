/* Rows in which a few classes outweigh the others: their long sums are refined where those stand. */
#ifndef VLOSS_KERNELS_HEAVY_ROWS_H
#define VLOSS_KERNELS_HEAVY_ROWS_H

#include "row_sums.h"
#include "tile_sums.h"

#define heavy_block VLOSS_ISA_SYMBOL(vloss_heavy_block)
#define heavy_blocks VLOSS_ISA_SYMBOL(vloss_heavy_blocks)
#define rows_to_refine VLOSS_ISA_SYMBOL(vloss_rows_to_refine)
#define tile_refine VLOSS_ISA_SYMBOL(vloss_tile_refine)

/* How far below the maximum a term may weigh a fifth of it. */
#define HEAVY 1.6f

/* What adding the block of class c on in double rather than in float changes, at the scale of n, if a term is heavy;
 * class c is at x[c * step]. */
double heavy_block(const float *x, size_t step, size_t c, size_t classes, size_t skip, float max, float n);
/* The same of all blocks of a row with its classes side by side. */
double heavy_blocks(const float *x, size_t classes, size_t skip, float max, float n);
/* The rows of long sums in which a term may weigh two fifths of the sum or more, a bit each. Those with a shift were
 * added in double; rows with a mark in leave do not count. */
uint32_t rows_to_refine(const struct row_sums *sums, const double *leave, size_t n);
void tile_refine(const struct tile *x, size_t classes, const int32_t *skip, uint32_t rows, struct row_sums *sums);

#endif
