/* See crash.h. */
#define _DEFAULT_SOURCE /* sigaction, sigsetjmp */
#include "crash.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

#ifndef SIGBUS /* Windows */
#define SIGBUS SIGSEGV
#endif
static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
enum { CAUGHT = sizeof caught / sizeof *caught };

#ifdef _WIN32
static jmp_buf escape;
static void leave(int number) { longjmp(escape, number); }

int crash_guard(void (*body)(void *), void *context) {
  int number = setjmp(escape);
  if (number == 0) {
    for (int i = 0; i < CAUGHT; i++) signal(caught[i], leave);
    body(context);
  }
  for (int i = 0; i < CAUGHT; i++) signal(caught[i], SIG_DFL);
  return number;
}
#else
static sigjmp_buf escape;
static void leave(int signal) { siglongjmp(escape, signal); }

int crash_guard(void (*body)(void *), void *context) {
  struct sigaction before[CAUGHT], action = {.sa_handler = leave};
  sigemptyset(&action.sa_mask);
  int signal = sigsetjmp(escape, 1);
  if (signal == 0) {
    for (int i = 0; i < CAUGHT; i++) sigaction(caught[i], &action, &before[i]);
    body(context);
  }
  for (int i = 0; i < CAUGHT; i++) sigaction(caught[i], &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
  return signal;
}
#endif

const char *crash_name(int signal) {
  switch (signal) {
    case SIGSEGV:
      return "SIGSEGV";
#if SIGBUS != SIGSEGV
    case SIGBUS:
      return "SIGBUS";
#endif
    case SIGILL:
      return "SIGILL";
    case SIGFPE:
      return "SIGFPE";
    default:
      return "a signal";
  }
}
