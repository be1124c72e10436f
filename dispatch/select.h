/* Which ISA's kernels run. The decision is a pure function of features, build and request; the process keeps its answer
 * in one atomic pointer to that ISA's table of kernels.
 */
#ifndef VLOSS_DISPATCH_SELECT_H
#define VLOSS_DISPATCH_SELECT_H

#include <stddef.h>
#include <stdint.h>

#include "vloss/vloss.h"

struct vloss_table; /* kernels/table.h */

/* Sets *table to the kernels to use: for every public function that computes. Once the choice is made, this is one
 * atomic load and two comparisons. */
vloss_status vloss_select(const struct vloss_table **table);

/* The decision: features as bits of cpu.h; built has bit i set if the build contains ISA number i of vloss_isa_name();
 * request is a name, or null for the best usable ISA. Sets *isa to the number of the ISA, except for an unknown one. */
vloss_status vloss_isa_decide(uint32_t features, uint32_t built, const char *request, size_t *isa);

/* Why ISA number isa cannot be used with those features and that build, as a sentence; null if it can. */
const char *vloss_isa_obstacle(uint32_t features, uint32_t built, size_t isa);

/* The bits of the ISAs that this build contains. */
uint32_t vloss_isa_built(void);

/* If the name last asked for in vain, by VLOSS_ISA or vloss_isa_force(), fails with that status: writes it to name, cut
 * to fit and with ? for unprintable bytes, and answers the reason. Otherwise null. */
enum { VLOSS_ISA_ASKED_SIZE = 32 };
const char *vloss_isa_failure(vloss_status status, char name[VLOSS_ISA_ASKED_SIZE]);

#endif
