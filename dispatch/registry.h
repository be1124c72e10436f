/* The losses by their index in kernels/losses.def. */
#ifndef VLOSS_DISPATCH_REGISTRY_H
#define VLOSS_DISPATCH_REGISTRY_H

#include "vloss/vloss.h"

/* No loss has more. */
enum { VLOSS_MAX_PARAMETERS = 4 };

/* The index of a kind; false if there is none. */
int vloss_loss_index(vloss_loss_kind kind, size_t *index);

#endif
