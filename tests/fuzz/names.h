/* What answers names and numbers: statuses, losses and ISAs, asked for by the input's bytes. A question may be of
 * nothing that there is. */
#ifndef VLOSS_TESTS_FUZZ_NAMES_H
#define VLOSS_TESTS_FUZZ_NAMES_H

#include <stddef.h>
#include <stdint.h>

/* Aborts where something does not hold. Leaves the ISA to the library's choice. */
void names_check(const uint8_t *bytes, size_t count);

#endif
