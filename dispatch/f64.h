/* Whether a call can compute doubles here. */
#ifndef VLOSS_DISPATCH_F64_H
#define VLOSS_DISPATCH_F64_H

#include <stdint.h>

#include "memory/types.h"

struct vloss_table; /* kernels/table.h */

/* VLOSS_OK; VLOSS_ERROR_NO_SLEEF or VLOSS_ERROR_NO_FMA. */
vloss_status vloss_check_f64(const struct vloss_table *table);

/* The same of any type; VLOSS_ERROR_TYPE for one that is not built. */
static inline vloss_status vloss_check_type(vloss_type type, const struct vloss_table *table) {
  if (!vloss_builds_type(type)) return VLOSS_ERROR_TYPE;
  return type == VLOSS_F64 ? vloss_check_f64(table) : VLOSS_OK;
}

/* The same of a CPU with those features (cpu.h). */
vloss_status vloss_f64_decide(const struct vloss_table *table, uint32_t features);

#endif
