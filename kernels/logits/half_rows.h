/* Rows of logits in 16 bits: as many as a buffer holds are widened into it, and the kernel of floats works there. Its
 * results do not depend on which rows it gets at once, nor how they lie, so they are those of floats, rounded. Long
 * rows are read a block of CLASS_BLOCK classes at a time, as often as a function needs them. What is done to logits
 * before they count (logit_change.h) is done when they are read; so rows of floats are read this way as well. */
#ifndef VLOSS_KERNELS_HALF_ROWS_H
#define VLOSS_KERNELS_HALF_ROWS_H

#include "group_sums.h"
#include "logit_change.h"
#include "memory/ahead.h"

#define half_group_at VLOSS_ISA_SYMBOL(vloss_half_group_at)
#define half_group_read VLOSS_ISA_SYMBOL(vloss_half_group_read)
#define half_group_write VLOSS_ISA_SYMBOL(vloss_half_group_write)
#define half_tile_read VLOSS_ISA_SYMBOL(vloss_half_tile_read)
#define half_tile_write VLOSS_ISA_SYMBOL(vloss_half_tile_write)
#define half_block_read VLOSS_ISA_SYMBOL(vloss_half_block_read)
#define half_block_write VLOSS_ISA_SYMBOL(vloss_half_block_write)
#define half_classes_read VLOSS_ISA_SYMBOL(vloss_half_classes_read)
#define half_classes_write VLOSS_ISA_SYMBOL(vloss_half_classes_write)
#define half_row_class VLOSS_ISA_SYMBOL(vloss_half_row_class)
#define change_logits VLOSS_ISA_SYMBOL(vloss_change_logits)
#define half_row_sums VLOSS_ISA_SYMBOL(vloss_half_row_sums)
#define half_tile_block VLOSS_ISA_SYMBOL(vloss_half_tile_block)
#define half_tile_sums VLOSS_ISA_SYMBOL(vloss_half_tile_sums)
#define half_row_find VLOSS_ISA_SYMBOL(vloss_half_row_find)
#define half_row_lse VLOSS_ISA_SYMBOL(vloss_half_row_lse)

/* A tensor of the caller's. */
struct half_tensor {
  void *p; /* written where it is an output */
  vloss_type type;
  struct vloss_shape shape;
  size_t stride;
  int past_cache;                    /* an output goes there: who writes it says vstream_end in the end */
  const struct logit_change *change; /* of an input, done when it is read; null: none */
};
VFN struct half_tensor half_tensor_of(const void *p, vloss_type type, const struct vloss_shape *shape, size_t stride) {
  return (struct half_tensor){(void *)(uintptr_t)p, type, *shape, stride, 0, NULL};
}
VFN struct half_tensor half_output_of(void *p, vloss_type type, const struct vloss_shape *shape, size_t stride,
                                      int in_place) {
  const size_t bytes = shape->outer * shape->inner * shape->classes * vloss_type_size(type);
  return (struct half_tensor){p, type, *shape, stride, !in_place && bytes > STREAM_BYTES, NULL};
}

/* Floats on the stack that kernels work on have so many behind them: what a kernel asks for ahead is there, and not
 * beyond the end of the stack. Scalar code is too slow for that to matter, and needs the room. */
#ifdef VLOSS_ISA_IS_SCALAR
enum { ASKED_FOR = 0 };
#else
enum { ASKED_FOR = ROW_AHEAD_BYTES / sizeof(float) };
#endif

/* The rows from range.first on that `room` floats hold, by what they are in the buffer, where they are dense:
 * whole outer indices; or 16 rows beside each other, or a multiple of that; or some rows one after the other, wherever
 * they are. Not interleaved: none that the kernels of floats would do as such (groups.h), as those take more stack. */
struct vloss_shape half_group_at(const struct vloss_shape *shape, struct vloss_range range, size_t room,
                                 int interleaved);
void half_group_read(const struct half_tensor *tensor, size_t first, const struct vloss_shape *group, float *to);
void half_group_write(const struct half_tensor *tensor, size_t first, const struct vloss_shape *group,
                      const float *from);

/* Some classes of some rows. In a buffer each row's lie side by side, and the rows one behind the other. Rows that lie
 * side by side in memory are read and written together: so their memory is walked over once, not once a row. */
struct half_tile {
  size_t first, rows, c, n; /* rows first .. first + rows - 1, classes c .. c + n - 1 */
  int asked;                /* tiles are asked for while others are computed with, by half_tile_ask */
};
void half_tile_read(const struct half_tensor *tensor, const struct half_tile *tile, float *to);
void half_tile_write(const struct half_tensor *tensor, const struct half_tile *tile, const float *from);
/* While row k of a tile is computed with: asks for its share of the tile of the same rows that comes next, where the
 * rows are so large that they are not in the cache. Asked for while a tile is read, nothing else would be done
 * meanwhile. */
VFN void half_tile_ask(const struct half_tensor *t, const struct half_tile *tile, size_t k, const int to_write) {
  const size_t size = vloss_type_size(t->type), step = t->shape.inner * size, next = tile->c + tile->n;
  if (step == size || t->shape.classes * step < ASKED_BYTES) return;
  const size_t share = (tile->n + tile->rows - 1) / tile->rows, width = tile->rows * size;
  if (next + k * share >= t->shape.classes) return;
  const size_t row = row_offset(&t->shape, t->stride, tile->first);
  const uintptr_t at = (uintptr_t)t->p + row * size + (next + k * share) * step;
  for (size_t j = 0; j < share; j++) ask_at(at + j * step, to_write), ask_at(at + j * step + width - 1, to_write);
}
/* The tile in its buffer, as a tensor whose rows have the numbers they have in memory. */
VFN struct half_tensor half_tile_tensor(const struct half_tile *tile, const float *buffer) {
  const struct vloss_shape shape = {tile->first + tile->rows, tile->n, 1};
  const void *const first = vloss_element(buffer, VLOSS_F32, (size_t)0 - tile->first * tile->n);
  return half_tensor_of(first, VLOSS_F32, &shape, tile->n);
}
/* Tiles of rows that are too long for a buffer: up to so many rows, and of each as many classes as fit, whole steps of
 * 64. */
enum { TILE_ROWS = 16, TILE_CLASSES = CLASS_BLOCK / TILE_ROWS };
VFN size_t tile_classes(size_t rows) { return CLASS_BLOCK / rows / BLOCK * BLOCK; }
/* How many of such rows from `first` on, of those before `last`, make a tile: those that lie side by side. */
VFN size_t long_tile_rows(const struct vloss_shape *shape, size_t first, size_t last) {
  const size_t beside = shape->inner - (first - quotient(first, shape->inner) * shape->inner), left = last - first;
  const size_t rows = beside < left ? beside : left;
  return rows < TILE_ROWS ? rows : TILE_ROWS;
}
/* How many rows from `first` on, of those before `last`, make a tile of n classes in a buffer of `room` floats, at
 * least one: those that lie side by side, whole vectors of them or a simple part of one. */
VFN size_t half_tile_rows(const struct vloss_shape *shape, size_t first, size_t last, size_t n, size_t room) {
  const size_t inner = shape->inner, fit = room / n, left = last - first, rows = fit < left ? fit : left;
  const size_t beside = inner - (first - quotient(first, inner) * inner);
  if (inner == 1 || rows < 4) return rows ? rows : 1;
  if (inner >= 4 && rows >= beside) return beside;
  return rows >= 16 ? rows - rows % 16 : rows >= 8 ? 8 : 4;
}

/* One row: class c is element c * step from p. */
struct half_row {
  void *p;
  vloss_type type;
  int past_cache;
  size_t step, classes;
  const struct logit_change *change;
};
VFN struct half_row half_row_of(const struct half_tensor *t, size_t row) {
  void *const first = vloss_element_out(t->p, t->type, row_offset(&t->shape, t->stride, row));
  return (struct half_row){first, t->type, t->past_cache, t->shape.inner, t->shape.classes, t->change};
}
/* The classes of the block that begins with class c, to CLASS_BLOCK floats and back; how many there are. */
size_t half_block_read(const struct half_row *row, size_t c, float *to);
void half_block_write(const struct half_row *row, size_t c, const float *from);
/* The same of n classes, as they lie. */
void half_classes_read(const struct half_row *row, size_t c, size_t n, float *to);
void half_classes_write(const struct half_row *row, size_t c, size_t n, const float *from);
/* One class, with the bits it has in a block. */
float half_row_class(const struct half_row *row, size_t c);
/* n logits as they count. */
void change_logits(const struct logit_change *change, const float *from, size_t n, float *to);

typedef void half_look(void *context, const float *y, size_t k, size_t c, size_t n);

/* A row, and CLASS_BLOCK floats in which its blocks are summed. */
struct half_reader {
  struct half_row row;
  float *block;
};
/* The sums of the row without class `skip` (NO_CLASS: with all), at lane 0. */
void half_row_sums(const struct half_reader *r, size_t skip, struct row_sums *sums);
/* n <= TILE_ROWS rows that are summed together, by tiles, at lanes 0.. */
struct tiled_rows {
  const struct half_tensor *t;
  size_t first, n;
  float *block;        /* CLASS_BLOCK floats, where the tiles are */
  const int32_t *skip; /* the class that a sum leaves out, -1: none; null: of no row */
  half_look *look; /* null, or what else is done with a tile of row k: classes c .. c + n - 1, before any is left out */
  void *context;
};
void half_tile_sums(const struct tiled_rows *rows, struct row_sums *sums);
/* The sums of one block of each, from class c on: as row_sum. */
void half_tile_block(const struct tiled_rows *rows, size_t c, struct row_sums *part);
/* As row_find. */
size_t half_row_find(const struct half_reader *r, float max, int nan);
/* As group_lse, of a row whose sums are lane i. */
double half_row_lse(const struct half_reader *r, const struct row_sums *sums, size_t i, float left_out, double lse);

#endif
