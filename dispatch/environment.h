/* The floating-point environment of a call: kernels must not feel the caller's rounding mode, flush-to-zero mode or
 * unmasked traps, and leave no exception flags. */
#ifndef VLOSS_DISPATCH_ENVIRONMENT_H
#define VLOSS_DISPATCH_ENVIRONMENT_H

#include <stddef.h>

#include "vloss/vloss.h"

/* What a public function does: `args` is its argument struct of `size` bytes as the caller has it, `function` says
 * which one it is of those that share the struct. */
typedef vloss_status vloss_run(const void *args, size_t size, int function);

/* Calls run in the default environment, and restores the caller's. Checks compare floating-point fields, so they belong
 * inside. A function of another file, through a pointer: compilers may move arithmetic across the change of the
 * environment where they see both. */
vloss_status vloss_in_default_environment(vloss_run *run, const void *args, size_t size, int function);

#endif
