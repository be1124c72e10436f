/* As columns.h, of elements of 16 bits: columns of up to 16 rows that lie side by side, as floats. */
#ifndef VLOSS_KERNELS_HALF_COLUMNS_H
#define VLOSS_KERNELS_HALF_COLUMNS_H

#include "view.h"
#include "words/isa.h"

#define read_half_columns VLOSS_ISA_SYMBOL(vloss_read_half_columns)
#define write_half_columns VLOSS_ISA_SYMBOL(vloss_write_half_columns)

/* Column c of row i is at p[c * step + i], and at to[i * pitch + c]. Of the array `readable` elements from p on may be
 * read. */
void read_half_columns(float *to, size_t pitch, const void *p, vloss_type type, size_t step, size_t rows, size_t n,
                       size_t readable, int ask);
/* And back: nothing else is written. */
void write_half_columns(void *p, vloss_type type, size_t step, const float *from, size_t pitch, size_t rows, size_t n,
                        int ask);

#endif
