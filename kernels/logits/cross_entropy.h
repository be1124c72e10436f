/* What the files of cross-entropy know of a group of rows. */
#ifndef VLOSS_KERNELS_CROSS_ENTROPY_H
#define VLOSS_KERNELS_CROSS_ENTROPY_H

#include "group_sums.h"
#include "totals.h"

#define block_spread VLOSS_ISA_SYMBOL(vloss_block_spread)
#define group_spread VLOSS_ISA_SYMBOL(vloss_group_spread)
#define spread_blocks VLOSS_ISA_SYMBOL(vloss_spread_blocks)
#define spread_sums_from VLOSS_ISA_SYMBOL(vloss_spread_sums_from)
#define read_labels VLOSS_ISA_SYMBOL(vloss_read_labels)
#define sum_group VLOSS_ISA_SYMBOL(vloss_sum_group)
#define weigh_losses VLOSS_ISA_SYMBOL(vloss_weigh_losses)
#define losses_of_group VLOSS_ISA_SYMBOL(vloss_losses_of_group)
#define predicted_class VLOSS_ISA_SYMBOL(vloss_predicted_class)
#define group_gradient VLOSS_ISA_SYMBOL(vloss_group_gradient)
#define slab_weights VLOSS_ISA_SYMBOL(vloss_slab_weights)
#define gradient_of_group VLOSS_ISA_SYMBOL(vloss_gradient_of_group)
#define rows_gradient VLOSS_ISA_SYMBOL(vloss_rows_gradient)
#define row_gradient VLOSS_ISA_SYMBOL(vloss_row_gradient)
#define tile_gradient VLOSS_ISA_SYMBOL(vloss_tile_gradient)
#define band_gradient VLOSS_ISA_SYMBOL(vloss_band_gradient)
#define slabs_gradient VLOSS_ISA_SYMBOL(vloss_slabs_gradient)

VFN int is_spread(const struct vloss_cross_entropy_job *job) { return job->targets || job->smoothing > 0; }

/* What a group of rows needs to know before its logits are read. */
struct group_labels {
  ALIGNED int32_t label[16];           /* -1: no class of this row is the target */
  ALIGNED double ignored[16], bad[16]; /* 1 where the row is ignored; where an unchecked label is out of range */
  ALIGNED double weight[16];           /* w_t */
  ALIGNED double upstream[16];         /* gradient scale of the row, reduction and weight of the row included */
  ALIGNED double row_weight[16];       /* where the job has such */
};

struct spread {
  ALIGNED double qt[16], at[16], qu[16], au[16];
};

/* A group between its sums and its losses. */
struct group_state {
  struct group g;
  struct group_labels l;
  struct row_sums sums;
  struct spread q;
  ALIGNED float target[16],
      left_out[16]; /* the logit of the label, and of the class that the sum leaves out; or -inf */
  struct tile x_tile, t_tile;
  struct stash stash;
  int kept; /* x_copy holds exp(x_c) / 2^N rather than x_c */
  ALIGNED float x_copy[GATHER_CLASSES * 16], t_copy[GATHER_CLASSES * 16];
};

/* A group's losses, and how much of q they are of: a is the label's own share, uniform that of every class. z is what
 * z_loss adds; row.lse is exact then. */
struct group_losses {
  struct finished row;
  vd a, total, wide_target, wide_left_out, loss, z;
  double uniform;
};

VFN struct sum_rows rows_of(const struct vloss_cross_entropy_job *job, const struct group_state *s) {
  return (struct sum_rows){job->shape, s->g, job->x, job->x_stride, s->l.label, s->l.ignored};
}
/* The logits of the labels. */
VFN void read_targets(const struct vloss_cross_entropy_job *job, struct group_state *s) {
  for (size_t i = 0; i < s->g.n; i++)
    if (s->l.label[i] >= 0)
      s->target[i] =
          job->x[row_offset(&job->shape, job->x_stride, s->g.first + i) + (size_t)s->l.label[i] * job->shape.inner];
}
/* Whether anything of row i is wanted that its class of the greatest logit decides. */
VFN int finds_class(const struct vloss_cross_entropy_job *job, const struct group_state *s, size_t i) {
  /* It is not the label where another class is above that. */
  return s->l.ignored[i] == 0 && (job->predicted || (job->correct && !(s->sums.max[i] > s->target[i])));
}
/* Of which class c is the one; -1: none. */
VFN void write_found(const struct vloss_cross_entropy_job *job, size_t row, int32_t label, int32_t c) {
  if (job->correct) job->correct[row] = c >= 0 && c == label;
  if (!job->predicted) return;
  if (job->predicted_narrow)
    ((int32_t *)job->predicted)[row] = c;
  else
    ((int64_t *)job->predicted)[row] = c;
}
/* What gradients and the lse of a group take beyond its losses. */
VFN int wants_all(const struct vloss_cross_entropy_job *job) { return job->half.grad || job->lse || job->z_loss > 0; }

/* The steps of a group, in their order: its labels; its sums, labels included; its losses, and with `all` what lse and
 * gradients need; the weights of rows and z_loss, where there are such; the class of the greatest logit of row i; its
 * gradient. */
void read_labels(const struct vloss_cross_entropy_job *job, const struct group *g, struct group_labels *l);
void sum_group(const struct vloss_cross_entropy_job *job, struct group_state *s);
void losses_of_group(const struct vloss_cross_entropy_job *job, const struct group_state *s, int all,
                     struct group_losses *l);
void weigh_losses(const struct vloss_cross_entropy_job *job, const struct group_state *s, struct group_losses *l);
size_t predicted_class(const struct vloss_cross_entropy_job *job, const struct group_state *s, size_t i);
void group_gradient(const struct vloss_cross_entropy_job *job, struct group_state *s, const struct group_losses *l);

/* Totals of a job: of losses, and of what z_loss adds to them. */
VFN void begin_totals(const struct vloss_cross_entropy_job *job, struct vloss_range range,
                      struct vloss_partial *partial, struct totals *totals) {
  totals_begin(&totals[0], job->total_classes, range, &partial->sum);
  if (job->z_loss > 0) totals_begin(&totals[1], job->total_classes, range, &partial->z);
}
/* The losses of a group, whose lse is known, to where they are wanted. */
VFN void put_losses(const struct vloss_cross_entropy_job *job, const struct group_state *s, struct group_losses *l,
                    struct totals *totals) {
  const struct group *g = &s->g;
  if (job->row_weights || job->z_loss > 0 || job->z_loss_part) weigh_losses(job, s, l);
  vd loss = l->loss;
  add_losses(&totals[0], g, loss);
  if (job->z_loss > 0) {
    add_losses(&totals[1], g, l->z);
    loss = dadd(loss, l->z);
  }
  if (job->loss) vstore_tail(job->loss + g->first, canonical(dnarrow_small(loss)), g->n);
  if (job->z_loss_part) vstore_tail((float *)job->z_loss_part + g->first, canonical(dnarrow_small(l->z)), g->n);
}

/* What the gradient loops need of 16 rows beside their factors. */
struct gradient {
  const struct finished *row; /* what kept long rows make the factors of their blocks from: this, and total upstream */
  vd scale;
  ALIGNED float at_target[16];            /* the entry at the label */
  ALIGNED float flat[16], flat_value[16]; /* 1 for rows with one value everywhere, and that value */
  ALIGNED float minus_qt[16],
      minus_qu[16]; /* -upstream (1 - e) and -upstream e / C: what targets and weights are scaled by */
};

/* The sums of a group with spread q: the class of the maximum left out, and the sums weighted by q. */
void group_spread(const struct vloss_cross_entropy_job *job, struct group_state *s);
/* The same of rows that are one block, or one block of theirs. */
void block_spread(const struct vloss_cross_entropy_job *job, struct group_state *s);
/* Of a long row's blocks, without an order. A block's a is relative to its own maximum: a_b = sum k_c (m_b - x_c). */
struct long_spread {
  struct long_row row;
  struct binned_sum q, x; /* sum k_c, and sum k_c x_c as q_b m_b - a_b: so a = q m - x, whatever m turns out to be */
};
/* The coefficient k_c, whose target is t. */
VFN double spread_coefficient(const struct vloss_cross_entropy_job *job, double t, size_t c) {
  const double w = job->weights ? (double)job->weights[c] : 1, e = job->smoothing;
  if (!job->targets) return w;
  return w * (e > 0 ? t * (1 - e) + e / (double)job->total_classes : t);
}
/* Adds the blocks of rows, or of parts of them; and what row i comes to. */
void spread_blocks(const struct vloss_cross_entropy_job *job, struct group_state *s, struct long_spread *rows);
void spread_sums_from(const struct long_spread *row, int targets, struct group_state *s, size_t i);
/* The weights of classes c..c+63 (null: 1) as the values of a slab's block, 0 behind the last class. What is there
 * already serves again where there is nothing to read. */
void slab_weights(const float *weights, size_t c, size_t classes, size_t w, float *buffer);

/* What the gradients of a group are made of, */
void gradient_of_group(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                       const struct group_losses *l, struct row_factors *factors, struct gradient *grad);
/* and they themselves, by the group's layout. */
void rows_gradient(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                   const struct row_factors *factors, const struct gradient *grad);
void row_gradient(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                  const struct row_factors *factors, const struct gradient *grad, size_t i);
void tile_gradient(const struct vloss_cross_entropy_job *job, struct group_state *s, const struct row_factors *factors,
                   const struct gradient *grad);
void band_gradient(const struct vloss_cross_entropy_job *job, struct group_state *groups, size_t count,
                   const struct row_factors *factors, const struct gradient *grad);
void slabs_gradient(const struct vloss_cross_entropy_job *job, const struct group_state *s,
                    const struct row_factors *factors, const struct gradient *grad);

#endif
