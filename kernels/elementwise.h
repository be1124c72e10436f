/* The loop around the elementwise losses. A call is cut into blocks of BLOCK_ELEMENTS elements, numbered row by row. A
 * block's operands are contiguous: in place, or gathered into buffers where they are strided or spread; its results,
 * too, are scattered from buffers where they are strided, lie over an input, or go past the cache. So the arithmetic
 * sees flat arrays only, and the layout cannot change a bit.
 *
 * Each loss has two kinds of block function. The fast ones take no weights and nothing special, and only add up the
 * losses; where that sum is not finite, they are done again by a careful one, which takes everything, and the sum is
 * the same where there was no need.
 */
#ifndef VLOSS_KERNELS_ELEMENTWISE_H
#define VLOSS_KERNELS_ELEMENTWISE_H

#include "loss.h"
#include "past_cache.h"

/* Nine buffers of this size are on the stack: 36 KiB. */
#define BLOCK_ELEMENTS 1024
/* What a fast function does between two looks at the sum, and the careful one again if it was not finite. */
#define FAST_ELEMENTS 4096

struct block {
  size_t n;
  const float *p, *t, *other, *weights, *upstream; /* the last three: null is 1 */
  double grad_scale;                               /* multiplies every gradient */
  float *loss, *grad, *grad_target, *grad_other;   /* null: not wanted; the fast functions do not look at them */
  int past_cache;                                  /* fast functions: grad is on a 64-byte boundary */
  struct constants k;
};

/* The sum of a block's losses is in 16 lanes, which add up, in double, the pairs e[32 i + j] + e[32 i + j + 16] rounded
 * to float. One rounding a pair is at most half an ulp of what it adds to. */
typedef size_t fast_function(const struct block *b, vd *sum);
typedef vd careful_function(const struct block *b, vd sum);

struct elementwise_loss {
  void (*constants)(const double *parameters, struct constants *k);
  fast_function *sum, *sum_and_grad;
  careful_function *losses, *gradients, *everything;
};

/* 1 is a valid probability, label and variance: what lies beyond a tail is harmless. */
VFN vf operand_at(const float *p, size_t i, size_t n) { return n < 16 ? vtail(p + i, n, 1.0f) : vload(p + i); }
VFN vf operand_or_1_at(const float *p, size_t i, size_t n) { return p ? operand_at(p, i, n) : vset1(1.0f); }
VFN void result_at(float *p, size_t i, size_t n, vf v) {
  if (n < 16)
    vstore_tail(p + i, v, n);
  else
    vstore(p + i, v);
}

/* What a block function computes; constant in each. */
struct wanted {
  int careful, loss, grad, other_grads;
};
#define BLOCK_INLINE static inline __attribute__((always_inline))
typedef struct derivatives element_function(struct element e, const struct constants *k);

BLOCK_INLINE struct element element_at(const struct block *b, size_t i, size_t n, struct wanted wanted) {
  return (struct element){operand_at(b->p, i, n), operand_at(b->t, i, n), operand_or_1_at(b->other, i, n),
                          !wanted.careful};
}

/* Writes what is wanted of elements i .. i + n - 1 of a block. Returns d with the weighted loss, 0 beyond n. */
BLOCK_INLINE struct derivatives written(const struct block *b, size_t i, size_t n, struct derivatives d,
                                        struct wanted wanted) {
  const float scale = (float)b->grad_scale;
  if (!wanted.careful) {
    const vf grad = vmul(d.grad, vset1(scale));
    if (wanted.grad && b->past_cache && n == 16)
      vstream(b->grad + i, grad);
    else if (wanted.grad)
      result_at(b->grad, i, n, grad);
  } else {
    const vf w = operand_or_1_at(b->weights, i, n);
    const vd factor = dmul(dmul(dwiden(w), dwiden(operand_or_1_at(b->upstream, i, n))), dset1(b->grad_scale));
    const int factors = b->weights || b->upstream;
#define GRADIENT(g) (factors ? dscaled(g, factor) : vscaled(g, vset1(scale)))
    if (wanted.grad && b->grad) result_at(b->grad, i, n, GRADIENT(d.grad));
    if (wanted.other_grads && b->grad_target) result_at(b->grad_target, i, n, GRADIENT(d.grad_target));
    if (wanted.other_grads && b->grad_other) result_at(b->grad_other, i, n, GRADIENT(d.grad_other));
#undef GRADIENT
    if (wanted.loss) d.loss = vscaled(d.loss, w);
    if (wanted.loss && b->loss) result_at(b->loss, i, n, d.loss);
  }
  if (n < 16) {
    float lanes[16];
    vstore(lanes, d.loss);
    d.loss = vtail(lanes, n, 0.0f);
  }
  return d;
}

/* The lanes plus a pair; those of a fast function are times 2^-896 where losses are not negative. */
BLOCK_INLINE vd pair_added(vd sum, struct derivatives low, vf high, struct wanted wanted) {
  if (!wanted.loss) return sum;
  const vf pairs = vadd(low.loss, high);
  return dadd(sum, low.negative ? dwiden(pairs) : wanted.careful ? dsplit(pairs) : dsplit_positive(pairs));
}

/* The lanes plus elements first .. first + n - 1 of a block. */
BLOCK_INLINE vd block_added(vd sum, const struct block *b, const struct constants *k, size_t first, size_t n,
                            element_function *element, struct wanted wanted) {
  size_t i = first;
  for (const size_t end = first + n / 32 * 32; i < end; i += 32) {
    /* Both are read before anything is written: a read may have to wait for a write that ends in the same 12 bits. */
    const struct element e_low = element_at(b, i, 16, wanted), e_high = element_at(b, i + 16, 16, wanted);
    const struct derivatives low = element(e_low, k), high = element(e_high, k);
    const struct derivatives done = written(b, i, 16, low, wanted);
    sum = pair_added(sum, done, written(b, i + 16, 16, high, wanted).loss, wanted);
  }
  const size_t rest = n % 32, n_low = rest < 16 ? rest : 16, n_high = rest - n_low;
  if (rest) {
    const struct derivatives low = written(b, i, n_low, element(element_at(b, i, n_low, wanted), k), wanted);
    vf high = vset1(0.0f);
    if (n_high) {
      const struct element e = element_at(b, i + 16, n_high, wanted);
      high = written(b, i + 16, n_high, element(e, k), wanted).loss;
    }
    sum = pair_added(sum, low, high, wanted);
  }
  return sum;
}

static int all_finite(vd lanes) {
  const vf narrow = dnarrow(lanes);
  return !vany(vnan(vsub(narrow, narrow)));
}
static int none_negative(vd lanes) { return !vany(vgt(vset1(0.0f), dnarrow(lanes))); }

/* Any number of elements, FAST_ELEMENTS at a time, until the sum is not finite, which -0 is taken for where losses are
 * not negative. Returns how many were done. */
BLOCK_INLINE size_t fast_blocks(const struct block *b, vd *sum, element_function *element, int grad) {
  const struct constants k = b->k; /* a copy: no store can change it */
  const struct block copy = *b;
  const int negative = element((struct element){vset1(0.0f), vset1(0.0f), vset1(0.0f), 1}, &k).negative;
  const double shrink = negative ? 1 : 0x1p-896, grow = negative ? 1 : 0x1p896;
  if (!negative && !none_negative(*sum)) return 0;
  vd lanes = dmul(*sum, dset1(shrink));
  size_t i = 0;
  while (i < copy.n) {
    const size_t n = copy.n - i < FAST_ELEMENTS ? copy.n - i : FAST_ELEMENTS;
    lanes = block_added(lanes, &copy, &k, i, n, element, (struct wanted){0, 1, grad, 0});
    const vd grown = dmul(lanes, dset1(grow));
    if (!all_finite(grown)) break;
    *sum = grown;
    i += n;
  }
  return i;
}
BLOCK_INLINE vd careful_block(const struct block *b, vd sum, element_function *element, struct wanted wanted) {
  const struct constants k = b->k;
  const struct block copy = *b;
  return block_added(sum, &copy, &k, 0, copy.n, element, wanted);
}

#define DEFINE_ELEMENTWISE(name)                                                                             \
  static size_t name##_sum(const struct block *b, vd *sum) { return fast_blocks(b, sum, name, 0); }          \
  static size_t name##_sum_and_grad(const struct block *b, vd *sum) { return fast_blocks(b, sum, name, 1); } \
  static vd name##_losses(const struct block *b, vd sum) {                                                   \
    return careful_block(b, sum, name, (struct wanted){1, 1, 0, 0});                                         \
  }                                                                                                          \
  static vd name##_gradients(const struct block *b, vd sum) {                                                \
    return careful_block(b, sum, name, (struct wanted){1, 0, 1, 0});                                         \
  }                                                                                                          \
  static vd name##_everything(const struct block *b, vd sum) {                                               \
    return careful_block(b, sum, name, (struct wanted){1, 1, 1, 1});                                         \
  }
#define ELEMENTWISE_ENTRY(name) \
  { name##_constants, name##_sum, name##_sum_and_grad, name##_losses, name##_gradients, name##_everything }

/* ---- Blocks of a call ------------------------------------------------------------------------------------------- */

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

static void elementwise_call(struct vloss_loss_job *job, const struct elementwise_loss *loss) {
  struct buffers buffers;
  const size_t columns = job->columns, total = job->outer * columns;
  const int loss_wanted = job->total_wanted || job->loss, other_grads = job->grad_target.p || job->grad_other.p;
  const int past_cache = total * sizeof(float) > STREAM_BYTES, staged = job->staged_results || past_cache;
  struct block b = {.grad_scale = job->grad_scale};
  const float scale = (float)job->grad_scale;
  loss->constants(job->parameters, &b.k);
  careful_function *careful = loss->everything;
  if (!other_grads && !job->grad.p) careful = loss->losses;
  if (!other_grads && !loss_wanted) careful = loss->gradients;
  fast_function *fast = NULL;
  if (job->total_wanted && !other_grads && !job->weights.p && !job->upstream.p)
    fast = !job->grad.p ? loss->sum : scale - scale == 0 && scale != 0 ? loss->sum_and_grad : NULL;
  /* Whether a fast function can have all elements at once. */
  const int aligned = (uintptr_t)job->grad.p % 64 == 0;
  const int one_run = fast && !job->staged_results && (!past_cache || aligned) && all_contiguous(job, total);
  b.past_cache = past_cache && one_run;

  vd sum = dset1(0.0), row_sum = dset1(0.0);
  size_t careful_until = 0;
  for (size_t first = 0, done; first < total; first += done) {
    const struct position at = {first / columns, first % columns};
    size_t block = total - first < BLOCK_ELEMENTS ? total - first : BLOCK_ELEMENTS;
    if (job->form == VLOSS_FORM_ROW_MEANS) block = rows_block(columns, at.column, block);
    done = 0;
    if (fast && first >= careful_until) {
      b.n = one_run ? total - first : block;
      place_block(&b, job, at, staged && !one_run, &buffers);
      done = fast(&b, &sum);
      if (!done) careful_until = first + FAST_ELEMENTS;
    }
    if (!done) {
      done = b.n = block;
      place_block(&b, job, at, staged, &buffers);
      b.loss = loss_wanted ? buffers.losses : NULL;
      const vd lanes = careful(&b, sum);
      /* A pair may overflow where the mean does not. */
      sum = loss_wanted && !all_finite(lanes) ? widened_sum(sum, buffers.losses, block) : lanes;
      if (!all_finite(sum)) fast = NULL; /* it could only stop at once */
      if (job->form == VLOSS_FORM_ROW_MEANS && job->loss) row_means(job, at, buffers.losses, block, &row_sum);
      if (job->form == VLOSS_FORM_ELEMENTS && job->loss)
        copy_result(job->loss + first, buffers.losses, block, past_cache);
    }
    put_back(&job->grad, columns, at, done, b.grad, buffers.grad, past_cache);
    put_back(&job->grad_target, columns, at, done, b.grad_target, buffers.grad_target, past_cache);
    put_back(&job->grad_other, columns, at, done, b.grad_other, buffers.grad_other, past_cache);
  }
  if (past_cache) vstream_end();
  job->total = dsum(sum);
}

#endif
