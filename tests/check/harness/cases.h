/* The sizes that the checks run over: numbers of classes around every vector, block and flush length, and numbers of
 * rows and inner positions around the vector length. */
#ifndef VLOSS_TESTS_CHECK_CASES_H
#define VLOSS_TESTS_CHECK_CASES_H

#include <stddef.h>

#include "check.h"

/* The numbers of classes of a level, ascending; *count of them. */
const size_t *case_classes(enum level level, size_t *count);

/* A number of rows and of inner positions (a divisor of it), so that rows * classes stays below limit if it can. */
struct case_rows {
  size_t rows, inner;
};
struct case_rows case_rows(struct random *r, size_t classes, size_t limit);

/* Whether option o of the function meets size i of `sizes`. The options of a loss take turns over the sizes, those of
 * other functions in `others` turns. */
bool case_turn(const struct function *function, size_t o, size_t i, size_t sizes, size_t others);

#endif
