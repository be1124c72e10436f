/* The registry: what losses there are, from kernels/losses.def. */
#include "registry.h"

#include <float.h>
#include <string.h>

#define PARAMETERS(...) \
  { {NULL, 0, 0, 0, 0, 0, VLOSS_OK}, __VA_ARGS__ } /* an array cannot be empty: number 0 is no parameter */
#define APIS(...) \
  { __VA_ARGS__, NULL }
#define LOSS(kind, name, family, operands, other, parameters, apis)   \
  static const vloss_parameter_info name##_parameters[] = parameters; \
  static const char *const name##_apis[] = apis;
#include "losses.def"
#undef LOSS

static const vloss_loss_info losses[] = {
#define LOSS(kind, name, family, operands, other, parameters, apis) \
  {VLOSS_##kind,                                                    \
   VLOSS_##family,                                                  \
   #name,                                                           \
   operands,                                                        \
   other,                                                           \
   name##_parameters + 1,                                           \
   sizeof name##_parameters / sizeof *name##_parameters - 1,        \
   name##_apis},
#include "losses.def"
#undef LOSS
};
enum { LOSS_COUNT = sizeof losses / sizeof *losses };

#define LOSS(kind, name, ...)                                                                      \
  _Static_assert(sizeof name##_parameters / sizeof *name##_parameters - 1 <= VLOSS_MAX_PARAMETERS, \
                 "raise VLOSS_MAX_PARAMETERS");
#include "losses.def"
#undef LOSS

const vloss_loss_info *vloss_loss_info_at(size_t index) { return index < LOSS_COUNT ? &losses[index] : NULL; }

/* The rows of losses.def stand in the order of the enumerators, so that there is nothing to search; the registry's test
 * holds them to it. */
int vloss_loss_index(vloss_loss_kind kind, size_t *index) {
  *index = (size_t)kind - 1;
  return *index < LOSS_COUNT;
}

const vloss_loss_info *vloss_loss_info_of(vloss_loss_kind kind) {
  size_t index;
  return vloss_loss_index(kind, &index) ? &losses[index] : NULL;
}

const vloss_loss_info *vloss_loss_info_named(const char *name) {
  for (size_t i = 0; name && i < LOSS_COUNT; i++)
    if (strcmp(losses[i].name, name) == 0) return &losses[i];
  return NULL;
}
