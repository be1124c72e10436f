/* Known bits: whether this build of the library, on this CPU, computes what every other does. */
#ifndef VLOSS_TOOLS_SELF_TEST_H
#define VLOSS_TOOLS_SELF_TEST_H

/* Computes fixed inputs on every ISA that can be used here and prints what it did. Answers how many of the results
 * have other bits than they must have. */
int self_test(void);

#endif
