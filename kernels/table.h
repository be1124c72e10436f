/* What dispatch hands to a kernel, and the table of kernels that each ISA exports. Jobs are complete and valid: every
 * stride resolved, every label checked (or marked as unchecked), no output overlapping what is still read. */
#ifndef VLOSS_KERNELS_TABLE_H
#define VLOSS_KERNELS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "memory/exact_sum.h"
#include "memory/labels.h"
#include "memory/view.h"

/* The part of a call that a kernel is to do: rows, or elements of an elementwise loss, first .. last - 1. A range
 * begins and ends at borders of blocks (memory/blocks.h), or where the call does. */
struct vloss_range {
  size_t first, last;
};

/* What a part of a call adds to the whole, in whatever order the parts come. */
struct vloss_partial {
  struct vloss_exact_sum sum; /* of losses, or of weights: block by block */
  struct vloss_exact_sum z;   /* of what z_loss adds to losses */
  size_t live;                /* rows that are not ignored, where labels are looked at */
  size_t first_bad;           /* the first number whose values are not accepted, where these are looked at */
};

/* Class c of row r = o * inner + i is at element o * stride + c * inner + i; there are outer * inner rows. */
struct vloss_shape {
  size_t outer, classes, inner;
};

struct vloss_state;
struct vloss_cross_entropy_job {
  struct vloss_shape shape;
  vloss_type type;
  const float *x;
  size_t x_stride;
  struct vloss_labels labels;
  int counts_labels; /* of nll: nobody has looked at the labels; live and first_bad are wanted, and nothing written */
  const float *targets;
  size_t targets_stride;
  const float *weights;
  double smoothing;
  size_t total_classes;       /* of the whole row: what labels name and smoothing is divided by */
  size_t class_offset;        /* of rows that several calls read: the first class here, */
  struct vloss_state *states; /* and what is known of each row (logits/row_state.h) */
  const float *upstream;      /* null: 1 */
  int upstream_per_row;
  double grad_scale; /* what the reduction multiplies every gradient by: 1 or 1/denominator */
  float *loss;       /* a row each, or null */
  float *grad;
  size_t grad_stride;
  float *lse;
  void *predicted; /* of the labels' type */
  int predicted_narrow;
  double scale, softcap;    /* what is done to logits; 1, and 0 for none */
  double z_loss, z_in_grad; /* z; and what gradients have in its place: a mean divides z by another number */
  const void *row_weights;  /* floats, or doubles with doubles, as the three below; null: 1 */
  void *z_loss_part;        /* a row each, or null */
  void *max, *log_sum;
  int32_t *correct;
  size_t grad_targets_stride;
  int by_block;              /* what only the functions for rows read block by block do, whatever the type */
  struct vloss_half_logits { /* what is of `type`; where that is not float, x, targets and grad are null */
    const void *x, *targets;
    void *grad, *grad_targets;
  } half;
  struct vloss_wide_rows { /* of doubles: weights, upstream, loss and lse are not used then */
    const double *weights, *upstream;
    double *loss, *lse;
    double grad_scale_low; /* what grad_scale lacks */
  } wide;
};

struct vloss_log_probs_job {
  struct vloss_shape shape;
  vloss_type type; /* of x and grad; all other numbers are floats, or doubles with doubles */
  const void *x;
  size_t x_stride;
  double scale, softcap;   /* softcap 0: none */
  struct vloss_labels ids; /* ids_per_row of them a row */
  size_t ids_per_row, top;
  size_t total_classes, class_offset; /* of rows that several calls read, as in vloss_cross_entropy_job */
  void *states; /* what is known of each row (logits/log_probs_state.h), to be written by log_probs_partial and read by
                   log_probs in place of x; null: rows are whole */
  size_t state_bytes;
  int spread; /* whether sums for the entropy are wanted: by the gradient, too */
  void *logprob, *top_logprob;
  void *rank, *top_id; /* of the ids' type */
  void *max, *log_sum, *lse, *entropy;
  const void *upstream, *entropy_upstream, *lse_upstream;
  void *grad;
  size_t grad_stride;
};

struct vloss_divergence_job {
  vloss_divergence_kind kind;
  struct vloss_shape shape;
  struct vloss_compared { /* a tensor of logits */
    const void *p;
    vloss_type type; /* doubles in both or in none; upstream and loss are then doubles, too */
    size_t stride;
  } student, teacher;
  double scale, beta;
  struct vloss_labels labels; /* p null: no row is ignored */
  const void *upstream;       /* null: 1 */
  int upstream_per_row;
  double grad_scale, grad_scale_low; /* what the reduction multiplies every gradient by, and what that lacks */
  void *loss;                        /* a row each, or null */
  int32_t *same_top;
  void *grad; /* of the student's type */
  size_t grad_stride;
};

struct vloss_softmax_job {
  struct vloss_shape shape;
  vloss_type type;
  const float *x, *upstream;
  size_t x_stride, upstream_stride;
  float *out;
  size_t out_stride;
  struct vloss_half_tensors { /* what is of `type`, where that is not float: x, upstream and out are not used then */
    const void *x, *upstream;
    void *out; /* null for log_sum_exp of 16 bits, which writes floats to the other `out` */
  } half;
};

/* An operand of a loss: element (row, column) is at p[row * row_stride + column * column_stride]; a stride of 0 spreads
 * one value over all. */
struct vloss_operand {
  const void *p; /* null: not given */
  vloss_type type;
  size_t row_stride, column_stride;
};

/* How the losses of the elements become numbers. */
enum vloss_form { VLOSS_FORM_TOTAL, VLOSS_FORM_ELEMENTS, VLOSS_FORM_ROW_MEANS };

/* Rows as in vloss_shape: row r = o * inner + i of column c. For elementwise losses inner is 1; the strides of a row
 * loss's operands lead from one o to the next, and 1 leads from i to i + 1. */
struct vloss_loss_job {
  size_t index; /* in kernels/losses.def */
  size_t outer, columns, inner;
  struct vloss_operand prediction, target, other, weights, upstream;
  struct vloss_labels labels;
  int labels_checked;        /* none of them is out of range */
  const void *class_weights; /* row losses whose formula has them: floats, or doubles of VLOSS_F64 */
  const double *parameters;  /* all of them */
  enum vloss_form form;
  double grad_scale;     /* what the reduction multiplies every gradient by */
  double grad_scale_low; /* what that lacks, for doubles */
  float *loss;           /* elements or row means, as form says; null: not wanted */
  double *wide_loss;     /* the same of doubles */
  int total_wanted;
  struct vloss_result {
    void *p; /* null: not wanted */
    vloss_type type;
    size_t row_stride;
  } grad, grad_target, grad_other;
  int staged_results; /* some result lies over an input */
  int few;            /* a try: the total, and the gradient, of a plain job of few elements in one go, or nothing. Of an
                         elementwise one only index, the pointers of prediction, target, other (null) and grad,
                         parameters and grad_scale are set */
  int plain;          /* floats without gaps: a prediction, a target and perhaps a gradient, which touch nothing else */
};

typedef void vloss_cross_entropy_kernel(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                                        struct vloss_partial *partial);

typedef void vloss_softmax_kernel(const struct vloss_softmax_job *job, struct vloss_range range);
typedef void vloss_log_probs_kernel(const struct vloss_log_probs_job *job, struct vloss_range range);
typedef void vloss_divergence_kernel(const struct vloss_divergence_job *job, struct vloss_range range,
                                     struct vloss_partial *partial);
typedef void vloss_loss_kernel(const struct vloss_loss_job *job, struct vloss_range range,
                               struct vloss_partial *partial);

/* One row of floats, without options (logits/lone_rows.c): the loss, and the gradient if that is not null, with a label
 * that is a class; or an output a class. 0: not done, to be asked for as a job. */
typedef int vloss_lone_cross_entropy_kernel(const float *x, size_t classes, size_t label, float *grad, double *loss);
typedef int vloss_lone_softmax_kernel(const float *x, size_t classes, float *out);

/* Kernels of doubles: jobs whose arrays are all of VLOSS_F64. */
struct vloss_f64_softmax {
  vloss_softmax_kernel *softmax, *log_softmax, *log_sum_exp, *softmax_backward, *log_softmax_backward;
};
struct vloss_f64_cross_entropy {
  vloss_cross_entropy_kernel *cross_entropy, *nll, *partial, *finish, *split_gradient;
  void (*merge_states)(struct vloss_state *into, const struct vloss_state *from);
};
struct vloss_f64_table {
  const struct vloss_f64_softmax *softmax;
  const struct vloss_f64_cross_entropy *cross_entropy;
  vloss_log_probs_kernel *log_probs, *log_probs_partial;
  vloss_divergence_kernel *divergence;
  vloss_loss_kernel *loss;
  size_t (*first_outside)(const double *p, size_t n, double high, int nan_welcome); /* as those of vloss_table */
  int (*all_binary)(const double *p, size_t n);
};

struct vloss_table {
  const char *name;
  vloss_cross_entropy_kernel *cross_entropy, *nll;
  vloss_lone_cross_entropy_kernel *lone_cross_entropy;
  vloss_lone_softmax_kernel *lone_softmax, *lone_log_softmax, *lone_log_sum_exp;
  /* Of rows that several calls read: states are written; states become losses; states become the gradient here. */
  vloss_cross_entropy_kernel *cross_entropy_partial, *cross_entropy_finish, *cross_entropy_split_gradient;
  void (*merge_states)(struct vloss_state *into, const struct vloss_state *from);
  vloss_softmax_kernel *softmax, *log_softmax, *log_sum_exp, *softmax_backward, *log_softmax_backward;
  vloss_log_probs_kernel *log_probs, *log_probs_partial;
  vloss_divergence_kernel *divergence;
  vloss_loss_kernel *loss;
  /* The first of n elements outside [0, high], or n; NaN is outside unless it is welcome. */
  size_t (*first_outside)(const void *p, vloss_type type, size_t n, float high, int nan_welcome);
  /* Whether each of n elements is 0 or 1. */
  int (*all_binary)(const void *p, vloss_type type, size_t n);
  const struct vloss_f64_table *f64; /* null: built without SLEEF */
};

#define ISA(isa, ...) extern const struct vloss_table vloss_table_##isa;
#include "isas.def"
#undef ISA

#endif
