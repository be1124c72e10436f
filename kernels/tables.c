/* One ISA's table of kernels, from all files of that ISA. */
#include "kernels.h"

#include "losses/scan.h"

static void loss(const struct vloss_loss_job *job, struct vloss_range range, struct vloss_partial *partial) {
  static vloss_loss_kernel *const losses[] = {
#define ENTRY_ELEMENTWISE(name) KERNEL(name),
#define ENTRY_ROWS(name) KERNEL(name),
#define ENTRY_LOGITS(name) NULL, /* a function of its own */
#define LOSS(kind, name, family, ...) ENTRY_##family(name)
#include "losses.def"
#undef LOSS
  };
  losses[job->index](job, range, partial);
}

const struct vloss_table KERNEL(table) = {
    .name = VLOSS_ISA_NAME,
    .cross_entropy = KERNEL(cross_entropy),
    .nll = KERNEL(nll),
    .lone_cross_entropy = KERNEL(lone_cross_entropy),
    .lone_softmax = KERNEL(lone_softmax),
    .lone_log_softmax = KERNEL(lone_log_softmax),
    .lone_log_sum_exp = KERNEL(lone_log_sum_exp),
    .cross_entropy_partial = KERNEL(cross_entropy_partial),
    .cross_entropy_finish = KERNEL(cross_entropy_finish),
    .cross_entropy_split_gradient = KERNEL(cross_entropy_split_gradient),
    .merge_states = KERNEL(merge_states),
    .softmax = KERNEL(softmax),
    .log_softmax = KERNEL(log_softmax),
    .log_sum_exp = KERNEL(log_sum_exp),
    .softmax_backward = KERNEL(softmax_backward),
    .log_softmax_backward = KERNEL(log_softmax_backward),
    .log_probs = KERNEL(log_probs),
    .log_probs_partial = KERNEL(log_probs_partial),
    .divergence = KERNEL(divergence),
    .loss = loss,
    .first_outside = first_outside,
    .all_binary = all_binary,
#ifdef VLOSS_WITH_F64
    .f64 = &KERNEL(f64_table),
#endif
};
