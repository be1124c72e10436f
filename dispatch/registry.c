/* The registry: what losses there are, from kernels/losses.def. */
#include "registry.h"

#include <string.h>

static const struct vloss_loss_row losses[] = {
#define LOSS(loss, name_of, family_of, ...) \
  {.info.kind = VLOSS_##loss, .info.family = VLOSS_##family_of, .info.name = #name_of, __VA_ARGS__},
#include "losses.def"
#undef LOSS
};
enum { LOSS_COUNT = sizeof losses / sizeof *losses };

/* The rows stand in the order of the enumerators, so that there is nothing to search. */
enum {
#define LOSS(kind, ...) INDEX_##kind,
#include "losses.def"
#undef LOSS
};
#define LOSS(kind, ...) \
  _Static_assert((int)INDEX_##kind + 1 == (int)VLOSS_##kind, #kind " stands elsewhere in vloss_loss_kind");
#include "losses.def"
#undef LOSS

const struct vloss_loss_row *vloss_loss_row_at(size_t index) { return index < LOSS_COUNT ? &losses[index] : NULL; }

int vloss_loss_index(vloss_loss_kind kind, size_t *index) {
  *index = (size_t)kind - 1;
  return *index < LOSS_COUNT;
}

const vloss_loss_info *vloss_loss_info_at(size_t index) { return index < LOSS_COUNT ? &losses[index].info : NULL; }

const vloss_loss_info *vloss_loss_info_of(vloss_loss_kind kind) {
  size_t index;
  return vloss_loss_index(kind, &index) ? &losses[index].info : NULL;
}

const vloss_loss_info *vloss_loss_info_named(const char *name) {
  for (size_t i = 0; name && i < LOSS_COUNT; i++)
    if (strcmp(losses[i].info.name, name) == 0) return &losses[i].info;
  return NULL;
}
