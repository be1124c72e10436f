/* The loop around the elementwise losses of doubles: as kernels/losses/elementwise.c, of which it is the careful half.
 * Blocks of WIDE_ELEMENTS elements, numbered row by row, whose operands are in place or gathered, and whose results are
 * scattered where they are strided or lie over an input: so the arithmetic (elementwise.h) sees flat arrays only, and
 * the layout cannot change a bit. */
#include "elementwise.h"

#include "tuning.h"

/* A run of a block's elements that lies in one row: those from number `done` on. No length is the end. */
struct segment {
  size_t row, column, done, length;
};
static struct segment segment_at(size_t row, size_t column, size_t done, size_t columns, size_t n) {
  const size_t left = n - done, of_row = columns - column;
  return (struct segment){.row = row, .column = column, .done = done, .length = left < of_row ? left : of_row};
}
static struct segment next_segment(struct segment s, size_t columns, size_t n) {
  return segment_at(s.row + 1, 0, s.done + s.length, columns, n);
}

static int contiguous(size_t row_stride, size_t columns, size_t column, size_t n) {
  return row_stride == columns || column + n <= columns;
}

/* The n elements of an operand from number `first` on, null if it is not given. */
static const double *gathered(const struct vloss_operand *o, size_t columns, size_t first, size_t n, double *buffer) {
  const double *const p = o->p;
  const size_t row = first / columns, column = first % columns, column_stride = columns == 1 ? 1 : o->column_stride;
  if (!p) return NULL;
  if (column_stride == 1 && contiguous(o->row_stride, columns, column, n)) return p + row * o->row_stride + column;
  for (struct segment s = segment_at(row, column, 0, columns, n); s.length; s = next_segment(s, columns, n)) {
    const double *const from = p + s.row * o->row_stride + s.column * column_stride;
    if (column_stride == 1)
      memcpy(buffer + s.done, from, s.length * sizeof *from);
    else
      for (size_t i = 0; i < s.length; i++) buffer[s.done + i] = *from; /* one value for all */
  }
  return buffer;
}

/* Where a result is written: null if it is not wanted, in place if nothing speaks against it. */
static double *result_place(const struct vloss_result *r, size_t columns, size_t first, size_t n, int staged,
                            double *buffer) {
  if (!r->p) return NULL;
  if (staged || !contiguous(r->row_stride, columns, first % columns, n)) return buffer;
  return (double *)r->p + first / columns * r->row_stride + first % columns;
}
static void put_back(const struct vloss_result *r, size_t columns, size_t first, size_t n, const double *from,
                     const double *buffer) {
  if (from != buffer) return;
  for (struct segment s = segment_at(first / columns, first % columns, 0, columns, n); s.length;
       s = next_segment(s, columns, n))
    memcpy((double *)r->p + s.row * r->row_stride + s.column, buffer + s.done, s.length * sizeof *buffer);
}

struct buffers {
  double p[WIDE_ELEMENTS], t[WIDE_ELEMENTS], other[WIDE_ELEMENTS], weights[WIDE_ELEMENTS], upstream[WIDE_ELEMENTS];
  double losses[WIDE_ELEMENTS], grad[WIDE_ELEMENTS], grad_target[WIDE_ELEMENTS], grad_other[WIDE_ELEMENTS];
};

/* A call, and the sum of the row that is not at its end. */
struct work {
  const struct vloss_loss_job *job;
  wide_function *function;
  struct wide_block b;
  struct buffers buffers;
  struct vloss_exact_sum of_row;
};

/* All results of elements first .. first + n - 1; their losses are in the buffer, where any are wanted. */
static void do_block(struct work *w, size_t first, size_t n) {
  const struct vloss_loss_job *job = w->job;
  struct buffers *const to = &w->buffers;
  struct wide_block *const b = &w->b;
  const size_t columns = job->columns;
  b->n = n;
  b->p = gathered(&job->prediction, columns, first, n, to->p);
  b->t = gathered(&job->target, columns, first, n, to->t);
  b->other = gathered(&job->other, columns, first, n, to->other);
  b->weights = gathered(&job->weights, columns, first, n, to->weights);
  b->upstream = gathered(&job->upstream, columns, first, n, to->upstream);
  b->grad = result_place(&job->grad, columns, first, n, job->staged_results, to->grad);
  b->grad_target = result_place(&job->grad_target, columns, first, n, job->staged_results, to->grad_target);
  b->grad_other = result_place(&job->grad_other, columns, first, n, job->staged_results, to->grad_other);
  b->loss = job->total_wanted || job->wide_loss ? to->losses : NULL;
  w->function(b);
  put_back(&job->grad, columns, first, n, b->grad, to->grad);
  put_back(&job->grad_target, columns, first, n, b->grad_target, to->grad_target);
  put_back(&job->grad_other, columns, first, n, b->grad_other, to->grad_other);
  if (job->wide_loss && job->form == VLOSS_FORM_ELEMENTS)
    memcpy(job->wide_loss + first, to->losses, n * sizeof(double));
}

/* The mean of each row that ends in the block. What is added up together depends on column numbers only. */
static void add_row_means(struct work *w, size_t first, size_t n) {
  const struct vloss_loss_job *job = w->job;
  const size_t columns = job->columns;
  for (struct segment s = segment_at(first / columns, first % columns, 0, columns, n); s.length;
       s = next_segment(s, columns, n)) {
    struct lanes lanes = no_lanes();
    add_numbers(&lanes, &w->of_row, w->buffers.losses + s.done, s.length);
    add_lanes(&w->of_row, lanes);
    if (s.column + s.length < columns) continue;
    const double mean = vloss_exact_quotient(&w->of_row, (double)columns);
    job->wide_loss[s.row] = mean == mean ? mean : WIDE_NAN;
    vloss_exact_clear(&w->of_row);
  }
}

/* How many elements to take so that no row is cut but where a whole block lies in it. */
static size_t rows_block(size_t columns, size_t column, size_t block) {
  if (columns <= WIDE_ELEMENTS) return block / columns * columns;
  return columns - column < block ? columns - column : block;
}

/* Of a parameter or a scale: products with elements that are not far are numbers. */
static int is_near(double v) { return v > -0x1p100 && v < 0x1p100; }

void KERNEL(wide_elementwise)(const struct vloss_loss_job *job, wide_function *function, struct vloss_range range,
                              struct vloss_partial *partial) {
  struct work w = {.job = job,
                   .function = function,
                   .b = {.scale = job->grad_scale, .scale_low = job->grad_scale_low, .parameters = job->parameters}};
  w.b.near = w.b.scale != 0 && is_near(w.b.scale);
  for (int i = 0; i < 4; i++) w.b.near &= is_near(job->parameters[i]);
  const int row_means = job->form == VLOSS_FORM_ROW_MEANS;
  vloss_exact_clear(&w.of_row);
  struct lanes lanes = no_lanes();
  if (job->total_wanted) w.b.sum = &lanes, w.b.exact = &partial->sum;
  if (row_means && job->wide_loss) w.b.sum = NULL;
  for (size_t first = range.first, n; first < range.last; first += n) {
    const size_t left = range.last - first;
    n = left < WIDE_ELEMENTS ? left : WIDE_ELEMENTS;
    if (row_means) n = rows_block(job->columns, first % job->columns, n);
    do_block(&w, first, n);
    if (row_means && job->wide_loss) add_row_means(&w, first, n);
    if (!job->total_wanted) continue;
    if (!w.b.sum) add_numbers(&lanes, &partial->sum, w.buffers.losses, n);
    if ((first + n - range.first) % TOTAL_ELEMENTS && first + n < range.last) continue;
    add_lanes(&partial->sum, lanes);
    lanes = no_lanes();
  }
}
