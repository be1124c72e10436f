/* Where the operands and results of a block of an elementwise loss are: in place, or in buffers, to which strided and
 * spread operands are gathered, and from which results are scattered. */
#ifndef VLOSS_KERNELS_BLOCK_PLACES_H
#define VLOSS_KERNELS_BLOCK_PLACES_H

#include "block.h"

/* Where a block starts. */
struct position {
  size_t row, column;
};

/* A run of a block's elements that lies in one row: those from number `done` on. No length is the end. */
struct segment {
  size_t row, column, done, length;
};
static struct segment segment_at(size_t row, size_t column, size_t done, size_t columns, size_t n) {
  const size_t left = n - done, of_row = columns - column;
  return (struct segment){.row = row, .column = column, .done = done, .length = left < of_row ? left : of_row};
}
static struct segment first_segment(struct position at, size_t columns, size_t n) {
  return segment_at(at.row, at.column, 0, columns, n);
}
static struct segment next_segment(struct segment s, size_t columns, size_t n) {
  return segment_at(s.row + 1, 0, s.done + s.length, columns, n);
}

static int contiguous(size_t row_stride, size_t columns, struct position at, size_t n) {
  return row_stride == columns || at.column + n <= columns;
}

/* The block's elements of an operand, null if it is not given. */
static const float *gathered(const struct vloss_operand *o, size_t columns, struct position at, size_t n,
                             float *buffer) {
  if (!o->p) return NULL;
  const size_t column_stride = columns == 1 ? 1 : o->column_stride;
  if (column_stride == 1 && contiguous(o->row_stride, columns, at, n)) {
    const void *const from = vloss_element(o->p, o->type, at.row * o->row_stride + at.column);
    if (o->type == VLOSS_F32) return from;
    view_read(buffer, from, o->type, n);
    return buffer;
  }
  for (struct segment s = first_segment(at, columns, n); s.length; s = next_segment(s, columns, n)) {
    const void *const from = vloss_element(o->p, o->type, s.row * o->row_stride + s.column * column_stride);
    float *const to = buffer + s.done;
    if (column_stride == 1)
      view_read(to, from, o->type, s.length);
    else
      for (size_t i = 0; i < s.length; i++) to[i] = *(const float *)from; /* what is spread has no other type */
  }
  return buffer;
}

/* Where the block function writes a result: null if it is not wanted, in place if nothing speaks against it. */
static float *result_place(const struct vloss_result *r, size_t columns, struct position at, size_t n, int staged,
                           float *buffer) {
  if (!r->p || staged || r->type != VLOSS_F32 || !contiguous(r->row_stride, columns, at, n))
    return r->p ? buffer : NULL;
  return vloss_element_out(r->p, r->type, at.row * r->row_stride + at.column);
}
static void put_back(const struct vloss_result *r, size_t columns, struct position at, size_t n, const float *buffer,
                     int past_cache) {
  if (contiguous(r->row_stride, columns, at, n)) {
    view_write(vloss_element_out(r->p, r->type, at.row * r->row_stride + at.column), buffer, r->type, n, past_cache);
    return;
  }
  for (struct segment s = first_segment(at, columns, n); s.length; s = next_segment(s, columns, n))
    view_write(vloss_element_out(r->p, r->type, s.row * r->row_stride + s.column), buffer + s.done, r->type, s.length,
               0);
}

/* A block's operands and results where they are not in place. */
struct buffers {
  float p[BLOCK_ELEMENTS], t[BLOCK_ELEMENTS], other[BLOCK_ELEMENTS], weights[BLOCK_ELEMENTS], upstream[BLOCK_ELEMENTS];
  float losses[BLOCK_ELEMENTS], grad[BLOCK_ELEMENTS], grad_target[BLOCK_ELEMENTS], grad_other[BLOCK_ELEMENTS];
};
static void place_block(struct block *b, const struct vloss_loss_job *job, struct position at, int staged,
                        struct buffers *buffers) {
  const size_t columns = job->columns, n = b->n;
  b->p = gathered(&job->prediction, columns, at, n, buffers->p);
  b->t = gathered(&job->target, columns, at, n, buffers->t);
  b->other = gathered(&job->other, columns, at, n, buffers->other);
  b->weights = gathered(&job->weights, columns, at, n, buffers->weights);
  b->upstream = gathered(&job->upstream, columns, at, n, buffers->upstream);
  b->grad = result_place(&job->grad, columns, at, n, staged, buffers->grad);
  b->grad_target = result_place(&job->grad_target, columns, at, n, staged, buffers->grad_target);
  b->grad_other = result_place(&job->grad_other, columns, at, n, staged, buffers->grad_other);
}

/* The same for a run of floats that lies in one piece, operands and results, and that needs no buffers. */
static void place_run(struct block *b, const struct vloss_loss_job *job, size_t first, size_t n) {
  b->n = n;
  b->p = (const float *)job->prediction.p + first;
  b->t = (const float *)job->target.p + first;
  if (job->other.p) b->other = (const float *)job->other.p + first;
  if (job->grad.p) b->grad = (float *)job->grad.p + first;
}

/* Whether operands and the gradient are floats in one piece each. */
static int all_contiguous(const struct vloss_loss_job *job, size_t total) {
  const struct vloss_operand *operands[] = {&job->prediction, &job->target, &job->other};
  const struct position start = {0, 0};
  for (int i = 0; i < 3; i++)
    if (operands[i]->p && (operands[i]->type != VLOSS_F32 || operands[i]->column_stride != 1 ||
                           !contiguous(operands[i]->row_stride, job->columns, start, total)))
      return 0;
  return !job->grad.p || (job->grad.type == VLOSS_F32 && contiguous(job->grad.row_stride, job->columns, start, total));
}

#endif
