/* The row losses of doubles, and the loop around them: one row after the other, whatever the layout. */
#include "row_loss.h"

#include "memory/blocks.h"
#include "memory/labels.h"

#define VLOSS_WIDE
#include "loss/categorical_hinge.h"
#include "loss/cosine_embedding.h"
#include "loss/cosine_similarity.h"
#include "loss/keras_categorical_crossentropy.h"
#include "loss/keras_kl_divergence.h"
#include "loss/keras_sparse_categorical_crossentropy.h"
#include "loss/multi_margin.h"
#include "loss/multilabel_margin.h"
#include "loss/multilabel_soft_margin.h"
#include "loss/triplet_margin.h"

typedef double wide_row_function(const struct wide_loss_row *r);

static double times(double w, double v) { return w == 0 && v == v ? 0 : w * v; }

/* Whether a label of the row is out of range; else *label is the row's one. A list has labels from -1 on. */
static int find_label(const struct vloss_loss_job *job, size_t row, size_t *label) {
  const size_t count = job->labels.list ? job->columns : 1;
  const uint64_t below = job->labels.list != 0, values = job->columns + below;
  int64_t c = 0;
  for (size_t i = 0; i < count; i++) {
    c = vloss_label_at(&job->labels, row * count + i);
    if ((uint64_t)c + below >= values) return 1;
  }
  *label = (size_t)c;
  return 0;
}

/* A row of an array, null if that is not given. */
static struct wide_row row_of(const struct vloss_shape *shape, const void *p, size_t stride, size_t row) {
  return p ? wide_row_of(shape, p, stride, row) : (struct wide_row){.step = 1};
}
static struct wide_row operand_row(const struct vloss_shape *shape, const struct vloss_operand *o, size_t row) {
  return row_of(shape, o->column_stride ? o->p : NULL, o->row_stride, row);
}
static struct wide_row result_row(const struct vloss_shape *shape, const struct vloss_result *r, size_t row) {
  return row_of(shape, r->p, r->row_stride, row);
}
/* One that has no column of its own in each row; 1 if it is not given. */
static double value_of(const struct vloss_operand *o, size_t row) {
  return o->p && !o->column_stride ? ((const double *)o->p)[row * o->row_stride] : 1;
}

/* The loss of a row with its weight, after its gradients. */
static double do_row(const struct vloss_loss_job *job, wide_row_function *function, size_t row) {
  const struct vloss_shape shape = {job->outer, job->columns, job->inner}, class_weights = {1, job->columns, 1};
  const double w = value_of(&job->weights, row);
  struct wide_loss_row r = {.columns = job->columns,
                            .p = operand_row(&shape, &job->prediction, row),
                            .t = operand_row(&shape, &job->target, row),
                            .other = operand_row(&shape, &job->other, row),
                            .weights = operand_row(&shape, &job->weights, row),
                            .target = value_of(&job->target, row),
                            .labels = job->labels,
                            .first_label = row * job->columns,
                            .parameters = job->parameters,
                            .grad = result_row(&shape, &job->grad, row),
                            .grad_target = result_row(&shape, &job->grad_target, row),
                            .grad_other = result_row(&shape, &job->grad_other, row)};
  if (job->class_weights) r.weights = row_of(&class_weights, job->class_weights, 0, 0);
  const struct parts scale = {dset1(job->grad_scale), dset1(job->grad_scale_low)};
  r.factor = parts_product(product_of(dset1(w), dset1(value_of(&job->upstream, row))), scale);
  r.factor_is_0 = first_of(r.factor.high) == 0;
  /* A bad label, met in unchecked mode, makes NaN of the row. */
  const int bad = job->labels.p && find_label(job, row, &r.label);
  const double loss = bad ? WIDE_NAN : function(&r);
  if (loss != loss) fill_gradients(&r, WIDE_NAN);
  return times(w, loss);
}

static void rows(const struct vloss_loss_job *job, wide_row_function *function, struct vloss_range range,
                 struct vloss_partial *partial) {
  const size_t block = vloss_block_rows(job->columns);
  for (size_t row = range.first; row < range.last;) {
    const size_t end = range.last - row < block ? range.last : row + block;
    struct lanes lanes = no_lanes();
    while (row < end) {
      double losses[16];
      const size_t n = end - row < 16 ? end - row : 16;
      for (size_t i = 0; i < n; i++) {
        const double loss = do_row(job, function, row + i);
        losses[i] = loss == loss ? loss : WIDE_NAN;
      }
      if (job->wide_loss) memcpy(job->wide_loss + row, losses, n * sizeof *losses);
      add_numbers(&lanes, &partial->sum, losses, n);
      row += n;
    }
    add_lanes(&partial->sum, lanes);
  }
}

#define WIDE_ROW_LOSS(name)                                                                                            \
  void KERNEL(name##_f64)(const struct vloss_loss_job *job, struct vloss_range range, struct vloss_partial *partial) { \
    rows(job, name##_wide, range, partial);                                                                            \
  }
WIDE_ROW_LOSS(keras_categorical_crossentropy)
WIDE_ROW_LOSS(keras_sparse_categorical_crossentropy)
WIDE_ROW_LOSS(keras_kl_divergence)
WIDE_ROW_LOSS(categorical_hinge)
WIDE_ROW_LOSS(cosine_similarity)
WIDE_ROW_LOSS(cosine_embedding)
WIDE_ROW_LOSS(multi_margin)
WIDE_ROW_LOSS(multilabel_margin)
WIDE_ROW_LOSS(multilabel_soft_margin)
WIDE_ROW_LOSS(triplet_margin)
