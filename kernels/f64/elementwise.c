/* The loop around the elementwise losses of doubles: as kernels/losses/elementwise.c, of which it is the careful half.
 * Blocks of WIDE_ELEMENTS elements, numbered row by row, whose operands are in place or gathered, and whose results are
 * scattered where they are strided or lie over an input: so the arithmetic (elementwise.h) sees flat arrays only, and
 * the layout cannot change a bit. */
#include "elementwise.h"

#include "tuning.h"

static size_t up_to_16(const struct wide_block *b, size_t i) { return b->n - i < 16 ? b->n - i : 16; }
void wide_all_operands(const struct wide_block *b, size_t i, struct wide *e) {
  const size_t n = up_to_16(b, i);
  *e = (struct wide){wide_at(b->p, i, n), wide_at(b->t, i, n), wide_at(b->other, i, n), 0, b->weights != NULL};
}
void wide_all_results(const struct wide_block *b, size_t i, const struct wide *e, const struct wide_result *r) {
  const size_t n = up_to_16(b, i);
  const dm nan = dmor(dnan(e->p), dmor(dnan(e->t), dnan(e->other)));
  const vd all = dset1(WIDE_NAN);
  const struct wide_result canonical = {dsel(nan, all, r->loss), dsel(nan, all, r->grad),
                                        dsel(nan, all, r->grad_target), dsel(nan, all, r->grad_other)};
  const vd loss = wide_results(b, i, n, canonical, 0);
  if (b->loss) wide_put(b->loss, i, n, wide_canonical(loss));
}

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

/* A block: n elements, the first of which is in this row and column. */
struct place {
  size_t columns, row, column, n;
};
static struct segment first_segment(struct place at) { return segment_at(at.row, at.column, 0, at.columns, at.n); }
static int contiguous(size_t row_stride, struct place at) {
  return row_stride == at.columns || at.column + at.n <= at.columns;
}

/* An operand's elements, null if it is not given. */
static const double *gathered(const struct vloss_operand *o, struct place at, double *buffer) {
  const double *const p = o->p;
  const size_t column_stride = at.columns == 1 ? 1 : o->column_stride;
  if (!p) return NULL;
  if (column_stride == 1 && contiguous(o->row_stride, at)) return p + at.row * o->row_stride + at.column;
  for (struct segment s = first_segment(at); s.length; s = next_segment(s, at.columns, at.n)) {
    const double *const from = p + s.row * o->row_stride + s.column * column_stride;
    if (column_stride == 1)
      memcpy(buffer + s.done, from, s.length * sizeof *from);
    else
      for (size_t i = 0; i < s.length; i++) buffer[s.done + i] = *from; /* one value for all */
  }
  return buffer;
}

/* Where a result is written: null if it is not wanted, in place if nothing speaks against it. */
static double *result_place(const struct vloss_result *r, struct place at, int staged, double *buffer) {
  if (!r->p) return NULL;
  if (staged || !contiguous(r->row_stride, at)) return buffer;
  return (double *)r->p + at.row * r->row_stride + at.column;
}
static void put_back(const struct vloss_result *r, struct place at, const double *from, const double *buffer) {
  if (from != buffer) return;
  for (struct segment s = first_segment(at); s.length; s = next_segment(s, at.columns, at.n))
    memcpy((double *)r->p + s.row * r->row_stride + s.column, buffer + s.done, s.length * sizeof *buffer);
}

struct buffers {
  double p[WIDE_ELEMENTS], t[WIDE_ELEMENTS], other[WIDE_ELEMENTS], weights[WIDE_ELEMENTS], upstream[WIDE_ELEMENTS];
  double losses[WIDE_ELEMENTS], grad[WIDE_ELEMENTS], grad_target[WIDE_ELEMENTS], grad_other[WIDE_ELEMENTS];
  struct vloss_exact_sum of_row; /* of the row that is not at its end */
};

/* A call. */
struct work {
  const struct vloss_loss_job *job;
  wide_function *function;
  int flat; /* is_flat */
  struct wide_block b;
  struct buffers *buffers;
};

/* Whether elements lie one after the other in all that is given, and results are written in place. */
static int is_flat(const struct vloss_loss_job *job) {
  const struct vloss_operand *const operands[] = {&job->prediction, &job->target, &job->other, &job->weights,
                                                  &job->upstream};
  const struct vloss_result *const results[] = {&job->grad, &job->grad_target, &job->grad_other};
  const size_t columns = job->columns;
  int flat = !job->staged_results;
  for (int i = 0; i < 5; i++)
    if (operands[i]->p) flat &= operands[i]->row_stride == columns && (operands[i]->column_stride == 1 || columns == 1);
  for (int i = 0; i < 3; i++)
    if (results[i]->p) flat &= results[i]->row_stride == columns;
  return flat;
}
static double *element_of(const void *p, size_t i) { return p ? (double *)p + i : NULL; }

/* All results of elements first .. first + n - 1; their losses are in the buffer, where sums of them are wanted. */
static void do_block(struct work *w, size_t first, struct place at) {
  const struct vloss_loss_job *job = w->job;
  struct buffers *const to = w->buffers;
  struct wide_block *const b = &w->b;
  const int each = job->wide_loss && job->form == VLOSS_FORM_ELEMENTS; /* contiguous, and over no input */
  b->loss = each ? job->wide_loss + first : job->total_wanted || job->wide_loss ? to->losses : NULL;
  b->n = at.n;
  if (w->flat) {
    b->p = element_of(job->prediction.p, first);
    b->t = element_of(job->target.p, first);
    b->other = element_of(job->other.p, first);
    b->weights = element_of(job->weights.p, first);
    b->upstream = element_of(job->upstream.p, first);
    b->grad = element_of(job->grad.p, first);
    b->grad_target = element_of(job->grad_target.p, first);
    b->grad_other = element_of(job->grad_other.p, first);
    w->function(b);
    return;
  }
  b->p = gathered(&job->prediction, at, to->p);
  b->t = gathered(&job->target, at, to->t);
  b->other = gathered(&job->other, at, to->other);
  b->weights = gathered(&job->weights, at, to->weights);
  b->upstream = gathered(&job->upstream, at, to->upstream);
  b->grad = result_place(&job->grad, at, job->staged_results, to->grad);
  b->grad_target = result_place(&job->grad_target, at, job->staged_results, to->grad_target);
  b->grad_other = result_place(&job->grad_other, at, job->staged_results, to->grad_other);
  w->function(b);
  put_back(&job->grad, at, b->grad, to->grad);
  put_back(&job->grad_target, at, b->grad_target, to->grad_target);
  put_back(&job->grad_other, at, b->grad_other, to->grad_other);
}

/* The mean of each row that ends in the block. What is added up together depends on column numbers only. */
static void add_row_means(struct work *w, struct place at) {
  const struct vloss_loss_job *job = w->job;
  const size_t columns = at.columns;
  for (struct segment s = first_segment(at); s.length; s = next_segment(s, columns, at.n)) {
    struct lanes lanes = no_lanes();
    add_numbers(&lanes, &w->buffers->of_row, w->buffers->losses + s.done, s.length);
    add_lanes(&w->buffers->of_row, lanes);
    if (s.column + s.length < columns) continue;
    const double mean = vloss_exact_quotient(&w->buffers->of_row, (double)columns);
    job->wide_loss[s.row] = mean == mean ? mean : WIDE_NAN;
    vloss_exact_clear(&w->buffers->of_row);
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
  struct buffers buffers; /* not cleared, which would take as long as 2,000 elements */
  struct work w = {.job = job,
                   .function = function,
                   .flat = is_flat(job),
                   .buffers = &buffers,
                   .b = {.scale = job->grad_scale, .scale_low = job->grad_scale_low, .parameters = job->parameters}};
  w.b.near = w.b.scale != 0 && is_near(w.b.scale);
  for (int i = 0; i < 4; i++) w.b.near &= is_near(job->parameters[i]);
  const int row_means = job->form == VLOSS_FORM_ROW_MEANS;
  vloss_exact_clear(&buffers.of_row);
  struct lanes lanes = no_lanes();
  if (job->total_wanted) w.b.sum = &lanes, w.b.exact = &partial->sum;
  if (row_means && job->wide_loss) w.b.sum = NULL;
  for (size_t first = range.first, n; first < range.last; first += n) {
    const size_t left = range.last - first;
    n = left < WIDE_ELEMENTS ? left : WIDE_ELEMENTS;
    struct place at = {.columns = job->columns, .row = first / job->columns, .column = first % job->columns};
    if (row_means) n = rows_block(at.columns, at.column, n);
    at.n = n;
    do_block(&w, first, at);
    if (row_means && job->wide_loss) add_row_means(&w, at);
    if (!job->total_wanted) continue;
    if (!w.b.sum) add_numbers(&lanes, &partial->sum, buffers.losses, n);
    if ((first + n - range.first) % TOTAL_ELEMENTS && first + n < range.last) continue;
    add_lanes(&partial->sum, lanes);
    lanes = no_lanes();
  }
}
