/* Runs a call and survives what it may raise: SIGSEGV, SIGBUS, SIGILL, SIGFPE. */
#ifndef VLOSS_TESTS_CHECK_CRASH_H
#define VLOSS_TESTS_CHECK_CRASH_H

/* Calls body(context). 0, or the number of the signal that ended it. */
int crash_guard(void (*body)(void *), void *context);

/* "SIGSEGV" and so on. */
const char *crash_name(int signal);

#endif
