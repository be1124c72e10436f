/* The losses by their index in kernels/losses.def, with what only vloss itself has to know of them. */
#ifndef VLOSS_DISPATCH_REGISTRY_H
#define VLOSS_DISPATCH_REGISTRY_H

#include "loss_row.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The row of that index; null if there are not that many. */
const struct vloss_loss_row *vloss_loss_row_at(size_t index);

/* The index of a kind; false if there is none. */
int vloss_loss_index(vloss_loss_kind kind, size_t *index);

#ifdef __cplusplus
}
#endif

#endif
