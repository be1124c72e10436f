/* The loop around the elementwise losses. A call is cut into blocks of BLOCK_ELEMENTS elements, numbered row by row. A
 * block's operands are contiguous: in place, or gathered into buffers where they are strided or spread; its results,
 * too, are scattered from buffers where they are strided, lie over an input, or go past the cache. So the arithmetic
 * (elementwise.h) sees flat arrays only, and the layout cannot change a bit.
 */
#include <string.h>

#include "block.h"
#include "memory/past_cache.h"

/* Where a block starts. */
struct position {
  size_t row, column;
};

/* Calls STEP(row, column, done, length) for each run of a block's elements that lies in one row. */
#define FOR_ROW_SEGMENTS(at, columns, n, STEP)                                            \
  for (size_t row_ = (at).row, column_ = (at).column, done_ = 0; done_ < (n);) {          \
    const size_t length_ = (n)-done_ < (columns)-column_ ? (n)-done_ : (columns)-column_; \
    STEP(row_, column_, done_, length_);                                                  \
    done_ += length_, row_++, column_ = 0;                                                \
  }

static int contiguous(size_t row_stride, size_t columns, struct position at, size_t n) {
  return row_stride == columns || at.column + n <= columns;
}

/* The block's elements of an operand, null if it is not given. */
static const float *gathered(const struct vloss_operand *o, size_t columns, struct position at, size_t n,
                             float *buffer) {
  if (!o->p) return NULL;
  const size_t column_stride = columns == 1 ? 1 : o->column_stride;
  if (column_stride == 1 && contiguous(o->row_stride, columns, at, n)) return o->p + at.row * o->row_stride + at.column;
#define GATHER(row, column, done, length)                                    \
  do {                                                                       \
    const float *from = o->p + (row)*o->row_stride + (column)*column_stride; \
    if (column_stride == 1)                                                  \
      memcpy(buffer + (done), from, (length) * sizeof *buffer);              \
    else                                                                     \
      for (size_t i_ = 0; i_ < (length); i_++) buffer[(done) + i_] = *from;  \
  } while (0)
  FOR_ROW_SEGMENTS(at, columns, n, GATHER)
#undef GATHER
  return buffer;
}

/* Where the block function writes a result: null if it is not wanted, in place if nothing speaks against it. */
static float *result_place(const struct vloss_result *r, size_t columns, struct position at, size_t n, int staged,
                           float *buffer) {
  if (!r->p || staged || !contiguous(r->row_stride, columns, at, n)) return r->p ? buffer : NULL;
  return r->p + at.row * r->row_stride + at.column;
}
static void copy_result(float *to, const float *from, size_t n, int past_cache) {
  if (past_cache)
    copy_past_cache(to, from, n);
  else
    memcpy(to, from, n * sizeof *to);
}
static void put_back(const struct vloss_result *r, size_t columns, struct position at, size_t n, const float *from,
                     const float *buffer, int past_cache) {
  if (from != buffer) return;
  if (contiguous(r->row_stride, columns, at, n)) {
    copy_result(r->p + at.row * r->row_stride + at.column, buffer, n, past_cache);
    return;
  }
#define SCATTER(row, column, done, length) \
  memcpy(r->p + (row)*r->row_stride + (column), buffer + (done), (length) * sizeof(float))
  FOR_ROW_SEGMENTS(at, columns, n, SCATTER)
#undef SCATTER
}

/* The lanes plus n floats, each widened before it is added. */
static vd widened_sum(vd lanes, const float *p, size_t n) {
  for (size_t i = 0; i < n; i += 16) lanes = dadd(lanes, dwiden(n - i < 16 ? vtail(p + i, n - i, 0.0f) : vload(p + i)));
  return lanes;
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

/* The mean of each row that ends in the block; row_sum is what earlier blocks left of the first. */
static void row_means(const struct vloss_loss_job *job, struct position at, const float *losses, size_t n,
                      vd *row_sum) {
#define ROW_MEANS(row, column, done, length)                      \
  do {                                                            \
    *row_sum = widened_sum(*row_sum, losses + (done), length);    \
    if ((column) + (length) == job->columns) {                    \
      const double mean = dsum(*row_sum) / (double)job->columns;  \
      job->loss[row] = mean == mean ? (float)mean : NOT_A_NUMBER; \
      *row_sum = dset1(0.0);                                      \
    }                                                             \
  } while (0)
  FOR_ROW_SEGMENTS(at, job->columns, n, ROW_MEANS)
#undef ROW_MEANS
}

/* How much of a block to take so that no row is cut but where a whole block lies in it: a row's sum then is the same
 * wherever the row starts. */
static size_t rows_block(size_t columns, size_t column, size_t block) {
  if (columns <= BLOCK_ELEMENTS) return block / columns * columns;
  return columns - column < block ? columns - column : block;
}

static int all_contiguous(const struct vloss_loss_job *job, size_t total) {
  const struct vloss_operand *operands[] = {&job->prediction, &job->target, &job->other};
  const struct position start = {0, 0};
  for (int i = 0; i < 3; i++)
    if (operands[i]->p &&
        (operands[i]->column_stride != 1 || !contiguous(operands[i]->row_stride, job->columns, start, total)))
      return 0;
  return !job->grad.p || contiguous(job->grad.row_stride, job->columns, start, total);
}

static int is_finite(vd lanes) { return !vany(vnan(dnarrow(dsub(lanes, lanes)))); }

/* The total of a call's losses: what is finite, and the blocks in which something is not, apart from it: so a NaN or an
 * infinity costs its own block the fast functions, and no other. */
struct running_total {
  vd finite, special;
  int any_special;
  size_t pairs; /* vectors of pairs in `finite` */
};
static void add_block(struct running_total *sum, vd lanes, const float *losses, size_t n) {
  if (is_finite(lanes)) {
    sum->finite = lanes;
    sum->pairs += (n + 31) / 32;
    return;
  }
  lanes = widened_sum(sum->finite, losses, n); /* a pair may overflow where the sum does not */
  if (is_finite(lanes)) {
    sum->finite = lanes;
  } else {
    sum->special = widened_sum(sum->special, losses, n);
    sum->any_special = 1;
  }
}
/* The same of a block with factors, whose losses were added from 0. */
static void add_weighted_block(struct running_total *sum, vd lanes) {
  if (is_finite(lanes)) {
    sum->finite = dadd(sum->finite, lanes);
  } else {
    sum->special = dadd(sum->special, lanes);
    sum->any_special = 1;
  }
}
static double total_of(const struct running_total *sum, int product) {
  const double start = product ? 16 * (double)PAIR_START * (double)sum->pairs : 0.0;
  const double finite = dsum(sum->finite) - start;
  return sum->any_special ? finite + dsum(sum->special) : finite;
}

void KERNEL(elementwise)(struct vloss_loss_job *job, const struct elementwise_loss *loss,
                         const struct call *constants) {
  struct buffers buffers;
  const size_t columns = job->columns, total = job->outer * columns;
  const int loss_wanted = job->total_wanted || job->loss, other_grads = job->grad_target.p || job->grad_other.p;
  const int grads = job->grad.p || other_grads;
  const int past_cache = total * sizeof(float) > STREAM_BYTES, staged = job->staged_results || past_cache;
  const int factors = job->weights.p || job->upstream.p || (grads && !may_round_before(job->grad_scale));
  careful_function *const careful = factors ? loss->weighted : grads ? loss->everything : loss->losses;
  struct block b = {.grad_scale = job->grad_scale, .constants = constants};
  fast_function *fast = job->grad.p ? loss->sum_and_grad : loss->sum;
  if (job->loss || other_grads || factors || constants->careful) fast = NULL;
  /* Whether a fast function can have all elements at once. */
  const int aligned = (uintptr_t)job->grad.p % 64 == 0;
  const int one_run = fast && !job->staged_results && (!past_cache || aligned) && all_contiguous(job, total);
  b.past_cache = past_cache && one_run;

  struct running_total sum = {dset1(0.0), dset1(0.0), 0, 0};
  vd row_sum = dset1(0.0);
  size_t careful_until = 0;
  for (size_t first = 0, done; first < total; first += done) {
    const struct position at = {first / columns, first % columns};
    size_t block = total - first < BLOCK_ELEMENTS ? total - first : BLOCK_ELEMENTS;
    if (job->form == VLOSS_FORM_ROW_MEANS) block = rows_block(columns, at.column, block);
    done = 0;
    if (fast && first >= careful_until) {
      b.n = one_run ? total - first : block;
      place_block(&b, job, at, staged && !one_run, &buffers);
      done = fast(&b, &sum.finite);
      sum.pairs += (done + 31) / 32;
      if (!done) careful_until = first + FAST_ELEMENTS;
    }
    if (!done) {
      done = b.n = block;
      place_block(&b, job, at, staged, &buffers);
      b.loss = job->loss ? buffers.losses : NULL;
      vd lanes = careful(&b, factors ? dset1(0.0) : sum.finite);
      if (factors) {
        add_weighted_block(&sum, lanes);
      } else if (loss_wanted) {
        if (!b.loss && !is_finite(lanes)) { /* once more, for the losses themselves */
          b.loss = buffers.losses;
          lanes = careful(&b, sum.finite);
        }
        add_block(&sum, lanes, buffers.losses, block);
      }
      if (job->form == VLOSS_FORM_ROW_MEANS && job->loss) row_means(job, at, buffers.losses, block, &row_sum);
      if (job->form == VLOSS_FORM_ELEMENTS && job->loss)
        copy_result(job->loss + first, buffers.losses, block, past_cache);
    }
    put_back(&job->grad, columns, at, done, b.grad, buffers.grad, past_cache);
    put_back(&job->grad_target, columns, at, done, b.grad_target, buffers.grad_target, past_cache);
    put_back(&job->grad_other, columns, at, done, b.grad_other, buffers.grad_other, past_cache);
    if (sum.any_special && !grads && !job->loss && dsum(sum.special) != dsum(sum.special)) break; /* NaN stays NaN */
  }
  if (past_cache) vstream_end();
  job->total = total_of(&sum, (loss->traits & PRODUCT) && !factors);
}
