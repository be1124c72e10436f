/* The element types by their names, and the call that tells whether a library computes one. Shared by vloss-info and
 * vloss-check. */
#ifndef VLOSS_TOOLS_TYPES_H
#define VLOSS_TOOLS_TYPES_H

#include <string.h>

#include "vloss/vloss.h"

static const struct {
  vloss_type type;
  const char *name;
} type_names[] = {{VLOSS_F32, "f32"}, {VLOSS_BF16, "bf16"}, {VLOSS_F16, "f16"}, {VLOSS_F64, "f64"}};
enum { TYPE_COUNT = sizeof type_names / sizeof *type_names };

/* False: there is none. */
static inline int type_named(const char *name, vloss_type *type) {
  for (int i = 0; i < TYPE_COUNT; i++)
    if (strcmp(type_names[i].name, name) == 0) return *type = type_names[i].type, 1;
  return 0;
}
static inline const char *type_name(vloss_type type) {
  for (int i = 0; i < TYPE_COUNT; i++)
    if (type_names[i].type == type) return type_names[i].name;
  return "?";
}

/* A loss of no elements: an elementwise one, as these have every type that any function has. loss: for a double. */
static inline vloss_loss_args type_question(vloss_type type, double *loss) {
  return (vloss_loss_args){.kind = VLOSS_MSE, .columns = 1, .type = type, .loss = loss};
}

#endif
