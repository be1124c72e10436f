/* Whether a call can compute doubles here. */
#ifndef VLOSS_DISPATCH_F64_H
#define VLOSS_DISPATCH_F64_H

#include <stdint.h>

#include "vloss/vloss.h"

struct vloss_table; /* kernels/table.h */

/* VLOSS_OK; VLOSS_ERROR_NO_SLEEF or VLOSS_ERROR_NO_FMA. */
vloss_status vloss_check_f64(const struct vloss_table *table);

/* The same of a CPU with those features (cpu.h). */
vloss_status vloss_f64_decide(const struct vloss_table *table, uint32_t features);

#endif
