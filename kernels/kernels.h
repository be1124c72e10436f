/* What the files of one ISA know of each other: its kernels, each with the ISA's name behind its own. */
#ifndef VLOSS_KERNELS_KERNELS_H
#define VLOSS_KERNELS_KERNELS_H

#include "table.h"
#include "words/isa.h"

#define KERNEL(name) VLOSS_ISA_SYMBOL(vloss_##name)

vloss_cross_entropy_kernel KERNEL(cross_entropy), KERNEL(nll), KERNEL(cross_entropy_partial),
    KERNEL(cross_entropy_finish), KERNEL(cross_entropy_split_gradient);
vloss_lone_cross_entropy_kernel KERNEL(lone_cross_entropy);
vloss_lone_softmax_kernel KERNEL(lone_softmax), KERNEL(lone_log_softmax), KERNEL(lone_log_sum_exp);
void KERNEL(merge_states)(struct vloss_state *into, const struct vloss_state *from);
vloss_softmax_kernel KERNEL(softmax), KERNEL(log_softmax), KERNEL(log_sum_exp), KERNEL(softmax_backward),
    KERNEL(log_softmax_backward);
vloss_log_probs_kernel KERNEL(log_probs), KERNEL(log_probs_partial), KERNEL(f64_log_probs),
    KERNEL(f64_log_probs_partial);
vloss_divergence_kernel KERNEL(divergence), KERNEL(f64_divergence);

extern const struct vloss_f64_table KERNEL(f64_table);
extern const struct vloss_f64_softmax KERNEL(f64_softmax);
extern const struct vloss_f64_cross_entropy KERNEL(f64_cross_entropy);
vloss_cross_entropy_kernel KERNEL(f64_nll), KERNEL(f64_cross_entropy_partial), KERNEL(f64_cross_entropy_finish),
    KERNEL(f64_cross_entropy_split_gradient);
void KERNEL(f64_merge_states)(struct vloss_state *into, const struct vloss_state *from);

/* The head of a loss's kernel. */
#define LOSS_KERNEL(name) \
  void KERNEL(name)(const struct vloss_loss_job *job, struct vloss_range range, struct vloss_partial *partial)

/* The losses. Those of logits are the functions above. */
#define DECLARE_ELEMENTWISE(name) vloss_loss_kernel KERNEL(name);
#define DECLARE_ROWS(name) vloss_loss_kernel KERNEL(name);
#define DECLARE_LOGITS(name)
#define LOSS(kind, name, family, ...) DECLARE_##family(name)
#include "losses.def"
#undef LOSS

#endif
