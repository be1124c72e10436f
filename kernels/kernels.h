/* What the files of one ISA know of each other: its kernels, each with the ISA's name behind its own. */
#ifndef VLOSS_KERNELS_KERNELS_H
#define VLOSS_KERNELS_KERNELS_H

#include "table.h"
#include "words/isa.h"

#define KERNEL(name) VLOSS_ISA_SYMBOL(vloss_##name)

void KERNEL(cross_entropy)(struct vloss_cross_entropy_job *job);
void KERNEL(softmax)(const struct vloss_softmax_job *job);
void KERNEL(log_softmax)(const struct vloss_softmax_job *job);
void KERNEL(log_sum_exp)(const struct vloss_softmax_job *job);
void KERNEL(softmax_backward)(const struct vloss_softmax_job *job);
void KERNEL(log_softmax_backward)(const struct vloss_softmax_job *job);

/* The losses. Those of logits are the functions above. */
#define DECLARE_ELEMENTWISE(name) void KERNEL(name)(struct vloss_loss_job * job);
#define DECLARE_ROWS(name) void KERNEL(name)(struct vloss_loss_job * job);
#define DECLARE_LOGITS(name)
#define LOSS(kind, name, family, ...) DECLARE_##family(name)
#include "losses.def"
#undef LOSS

#endif
