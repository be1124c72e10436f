/* The numbers that were chosen by measuring, and the rows of vloss-bench (its --help says how they are named) that show
 * what another one costs. None of them changes a bit of any result, but for those that say so. */
#ifndef VLOSS_KERNELS_TUNING_H
#define VLOSS_KERNELS_TUNING_H

#include <stddef.h>

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

/* Outputs larger than this do not fit the last-level cache: they are written past it.
 * softmax/ISA/.., LOSS/forward_gradient/ISA/.. of DRAM size. */
#define STREAM_BYTES ((size_t)32 << 20)

/* How far ahead of themselves 16-bit elements are asked for when a block of them is widened.
 * LOSS/forward/ISA/bf16/n:.. of DRAM size. */
#define VIEW_AHEAD_BYTES 2048

/* Columns of rows side by side that do not lie close together are asked for so many columns ahead; where they are
 * copied into a tile of rows, so many, as nothing waits for memory while a tile is computed with. inner/softmax/ISA/..,
 * inner/log_probs/ISA/.. of DRAM size. */
#define COLUMNS_AHEAD 64
#define TILE_AHEAD 256
/* Only where the rows side by side of an outer index are larger than this: smaller ones are in the cache anyway. Larger
 * ones are also walked down in bands (logits/groups.h). */
#define ASKED_BYTES ((size_t)1 << 20)

/* ---- Totals ------------------------------------------------------------------------------------------------------ */

/* Losses are added up in blocks of so many elements, or of as many whole rows (memory/blocks.h); the sums of blocks
 * exactly. So threads may share a call at borders of blocks. It is the order of a sum: its bits.
 * mse/forward/ISA/n:.. of L2 size, cross_entropy/forward/ISA/V:10/N:.. */
#define TOTAL_ELEMENTS 32768
/* Rows from this length on are blocks of their own, so that a few of them can be shared. Their bits, too. */
#define BLOCK_ROW 4096

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

/* The elements of a task: calls of fewer than two tasks are not shared. mse/forward/ISA/n:../threads:2 */
#define TASK_ELEMENTS 32768
/* Tasks for each thread that the caller lends, so that those that are late have less left to do. */
#define TASKS_PER_THREAD 4

/* ---- Logits ------------------------------------------------------------------------------------------------------ */

/* Up to this many classes, rows are summed 16 at a time, and in double: their bits. cross_entropy/forward/ISA/V:.. */
#define SHORT_ROW 256
/* Up to this many classes a row is too short to fill vectors along it: 16 rows are gathered side by side, unless
 * there are too few to gain by it. softmax/ISA/V:10/N:.., call/cross_entropy/.. */
#define GATHER_CLASSES 32
#define GATHER_ROWS 4
/* Up to this size 16 rows stay in the L2 cache between the pass that sums and the pass that writes.
 * cross_entropy/forward_gradient/ISA/V:1000/N:.. */
#define GROUP_BYTES (256 * 1024)
/* Rows of the backward forms are summed before the first of them is written while they have so many classes together:
 * 24 KiB, of L1. softmax_backward/ISA/V:128/N:.. of L2 size. */
#define SUMMED_CLASSES 3072
/* Where four vectors of y have one that takes care, so many are taken for such: inputs/confident/softmax_backward/.. */
#define CAREFUL_VECTORS 64
/* Classes of a block of a long row, of which sums are made apart: their bits. A vocabulary of 72,547 words must spread
 * over eight machines. cross_entropy/forward/ISA/V:.. of more classes. */
#define CLASS_BLOCK 4096
/* Blocks whose terms are kept between the passes: 4 bytes of stack each. */
#define STASHED_BLOCKS 1024
/* Classes that the top of a row is found of at once: 8 bytes of stack each. More of them take another pass for each so
 * many. log_probs/top/ISA/V:.. */
#define TOP_CLASSES 512
/* How far ahead of a block rows are asked for: the hardware's own prefetchers alone reach two thirds of the memory's
 * speed. cross_entropy/forward/ISA/V:.. of DRAM size. */
#define ROW_AHEAD_BYTES 16384

/* ---- Losses ------------------------------------------------------------------------------------------------------ */

/* Elements of a block of an elementwise loss. A buffer of as many for each of nine operands and results is on the stack
 * of a call: 36 KiB. They are used where something is strided, lies over an input or goes past the cache:
 * LOSS/forward_gradient/ISA/n:.. of DRAM size. Totals of calls with weights are added up by blocks: their bits. */
#define BLOCK_ELEMENTS 1024
/* The same of doubles, of which nine buffers are 36 KiB, too. */
#define WIDE_ELEMENTS 512
/* Up to so many elements a call without options is tried at once, and done anew where something is not finite.
 * LOSS/forward/ISA/n:16, n:256. */
#define FEW_ELEMENTS 4096
/* What a fast function does between two looks at the sum, and the careful one again if it was not finite.
 * LOSS/forward/ISA/n:.. of L1 size. */
#define FAST_ELEMENTS 4096

/* Gradients of rows up to this length can go past the cache, by way of three buffers on the stack: 24 KiB.
 * cosine_similarity/forward_gradient/ISA/V:../N:.. of DRAM size, as the next two. */
#define PAST_CACHE_COLUMNS 2048
/* Operands of row losses larger than this are asked for ahead: two of them are the L2 cache of most cores. */
#define MEMORY_BYTES ((size_t)512 << 10)
/* And so far ahead. */
#define ASK_AHEAD_BYTES 4096

/* Rows that lie side by side: floats of the copies of columns of 16 of them, 32 KiB on the stack; and from how many
 * columns on up to 4 of them are not worth a copy. inner/cosine_similarity/forward_gradient/ISA/.., as the next. */
#define COPIED_FLOATS 8192
#define LONG_ROW 512
/* From so many columns on a loss with sums of few operations takes them as they lie. */
#define BESIDE_COLUMNS 256

/* Columns of multilabel_margin that all labels are paired with before the next ones: two arrays of doubles in L1.
 * multilabel_margin/forward_gradient/ISA/V:../N:.. It is the order of a sum: its bits. */
#define MULTILABEL_TILE 1024

#endif
