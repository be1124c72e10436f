/* The caller's floating-point environment, as one control-and-status word per platform: MXCSR, or FPCR and FPSR. */
#ifndef VLOSS_TESTS_CHECK_ENVIRONMENT_H
#define VLOSS_TESTS_CHECK_ENVIRONMENT_H

#include <stddef.h>
#include <stdint.h>

struct environment {
  const char *name;
  uint64_t word;
};

uint64_t environment_get(void);
void environment_set(uint64_t word);

/* The environments worth trying, beginning with the default one. */
const struct environment *environment_list(size_t *count);

#endif
