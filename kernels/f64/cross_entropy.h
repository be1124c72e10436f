/* Cross-entropy of doubles: what its files share. A row is read (its sums become what is known of it), then finished.
 */
#ifndef VLOSS_KERNELS_F64_CROSS_ENTROPY_H
#define VLOSS_KERNELS_F64_CROSS_ENTROPY_H

#include "kernels.h"
#include "logits/row_state.h"
#include "rows.h"
#include "wide_bins.h"

#define wide_known_rows VLOSS_ISA_SYMBOL(vloss_wide_known_rows)
#define wide_plain_losses VLOSS_ISA_SYMBOL(vloss_wide_plain_losses)
#define wide_target_of VLOSS_ISA_SYMBOL(vloss_wide_target_of)
#define wide_coefficients VLOSS_ISA_SYMBOL(vloss_wide_coefficients)
#define wide_loss_of VLOSS_ISA_SYMBOL(vloss_wide_loss_of)
#define wide_lse_of VLOSS_ISA_SYMBOL(vloss_wide_lse_of)
#define wide_gradient VLOSS_ISA_SYMBOL(vloss_wide_gradient)
#define wide_put_row VLOSS_ISA_SYMBOL(vloss_wide_put_row)
#define wide_loss_rows VLOSS_ISA_SYMBOL(vloss_wide_loss_rows)
#define wide_blocks VLOSS_ISA_SYMBOL(vloss_wide_blocks)
#define wide_merge VLOSS_ISA_SYMBOL(vloss_wide_merge)
#define wide_known_of VLOSS_ISA_SYMBOL(vloss_wide_known_of)
#define wide_q_of VLOSS_ISA_SYMBOL(vloss_wide_q_of)

typedef struct vloss_cross_entropy_job job_of_rows;

VFN int is_spread(const job_of_rows *job) { return job->half.targets || job->smoothing > 0; }
/* Of class c of the whole row. */
VFN double weight_of(const job_of_rows *job, size_t c) { return job->wide.weights ? job->wide.weights[c] : 1; }
/* A row of logits as they count. */
VFN struct wide_row wide_logits_of(const job_of_rows *job, size_t row) {
  struct wide_row x = wide_row_of(&job->shape, job->half.x, job->x_stride, row);
  if (job->scale != 1 || job->softcap != 0) x.change = (struct wide_change){job->scale, job->softcap};
  return x;
}
/* w v, but 0 where w is 0, whatever v; NaN excepted. */
VFN double times(double w, double v) { return w == 0 && v == v ? 0 : w * v; }

/* A row between its labels and its results. */
struct wide_target {
  int ignored, bad;
  size_t label;        /* in the whole row; WIDE_NO_CLASS: none */
  double weight;       /* of the row */
  struct total factor; /* of its gradient, the weight included; set where one is wanted */
};
struct wide_target wide_target_of(const job_of_rows *job, size_t row);

/* What is known of a row when all of its classes were read. `q`, of rows of several blocks, is that of wide_q_of. */
struct known_row {
  struct log_sum s;
  double x;    /* the label's logit, with index labels */
  double loss; /* without the weights of the row and, where q is not spread over classes, of the label */
  double q;    /* the sum of q, where it is spread */
};
/* Of at most 16 rows; nothing of those that are ignored. */
void wide_known_rows(const job_of_rows *job, size_t row, size_t n, const struct wide_target *t,
                     const struct wide_bins *q, struct known_row *known);
/* Sets the losses of rows without spread q, of the rest. */
void wide_plain_losses(struct known_row *known, size_t n);
/* q of classes c .. c + n - 1 of the shard; 0 beyond. `label` may be WIDE_NO_CLASS. */
vd wide_coefficients(const job_of_rows *job, size_t row, size_t label, size_t c, size_t n);

/* The loss but for what z_loss adds, and that. */
struct wide_loss {
  double main, z;
};
struct wide_loss wide_loss_of(const job_of_rows *job, const struct known_row *known, const struct wide_target *t);
double wide_lse_of(const struct known_row *known);
void wide_gradient(const job_of_rows *job, size_t row, const struct known_row *known, const struct wide_target *t);
/* What a row has beside its loss and gradients. */
void wide_put_row(const job_of_rows *job, size_t row, const struct known_row *known, const struct wide_target *t);

/* Computes at most 16 rows at a time and adds up their losses; total_classes says where blocks of rows end. */
typedef void rows_function(const job_of_rows *job, size_t row, size_t n, const struct wide_bins *q,
                           struct wide_loss *losses);
void wide_loss_rows(const job_of_rows *job, struct vloss_range range, struct vloss_partial *partial,
                    rows_function *function, const struct wide_bins *q);

/* ---- Rows of several blocks of CLASS_BLOCK classes --------------------------------------------------------------- */

/* What is known of some blocks, the same whatever the order and grouping in which it was merged. */
struct some_blocks {
  double max;
  int32_t best, nan;     /* in the whole row; STATE_NO_CLASS */
  struct wide_bins rest; /* e^x of the classes other than `best`; see long_rows.c for logits beyond LARGE_LOGIT */
  struct wide_bins x;    /* q_c x_c, but for the label's part of q */
};
struct some_blocks wide_blocks(const job_of_rows *job, size_t row);
void wide_merge(struct some_blocks *into, const struct some_blocks *from);
/* The sum of q_c of the whole row but for the label's part. */
struct wide_bins wide_q_of(const job_of_rows *job);
/* `x` is the label's logit. */
struct known_row wide_known_of(const job_of_rows *job, const struct some_blocks *blocks, const struct wide_bins *q,
                               const struct wide_target *t, double x);

#endif
