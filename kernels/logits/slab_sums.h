/* Interleaved rows, a slab (slabs.h) at a time: their sums, maxima, and where those are. A slab's rows are lanes
 * at.. of *out, and rows 0.. of skip (-1: none). */
#ifndef VLOSS_KERNELS_SLAB_SUMS_H
#define VLOSS_KERNELS_SLAB_SUMS_H

#include "finish.h"
#include "slabs.h"

#define slab_sum VLOSS_ISA_SYMBOL(vloss_slab_sum)
#define slab_sum_below VLOSS_ISA_SYMBOL(vloss_slab_sum_below)
#define slab_max VLOSS_ISA_SYMBOL(vloss_slab_max)
#define slab_find VLOSS_ISA_SYMBOL(vloss_slab_find)
#define slab_refine VLOSS_ISA_SYMBOL(vloss_slab_refine)

void slab_sum(const struct slab *slab, size_t classes, const int32_t *skip, struct row_sums *out, size_t at);
/* As tile_sum_below. */
void slab_sum_below(const struct slab *slab, size_t classes, const int32_t *skip, struct row_sums *out, size_t at);
void slab_max(const struct slab *slab, size_t classes, float *max);
/* As row_find of each row, without NaN. */
void slab_find(const struct slab *slab, size_t classes, const float *max, int32_t *found);

/* Refines the sums of those rows that have a bit (heavy_rows.h). */
void slab_refine(const struct slab *slab, size_t classes, vi skip, uint32_t rows, struct row_sums *sums, size_t at);

#endif
