/* The ISAs of this build that this CPU can run, for the tests that have one table of functions per ISA. */
#ifndef VLOSS_TESTS_WORDS_ISAS_H
#define VLOSS_TESTS_WORDS_ISAS_H

#include <stdio.h>

#include "vloss/vloss.h"

/* Whether the ISA can run here; says so if it cannot. */
static inline int isa_runs(const char *isa) {
  const char *reason = vloss_isa_unsupported_reason(isa);
  if (reason) printf("SKIP %s: %s\n", isa, reason);
  return !reason;
}

#endif
