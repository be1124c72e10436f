/* What the examples share: how they fail, skip, read numbers, tell the time and show progress. */
#ifndef VLOSS_EXAMPLE_H
#define VLOSS_EXAMPLE_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vloss/vloss.h"

enum { EXIT_SKIP = 77 }; /* what ctest takes for "could not run here" (SKIP_RETURN_CODE) */

#if defined(__GNUC__)
#define EXAMPLE_PRINTF __attribute__((format(printf, 1, 2), noreturn))
#else
#define EXAMPLE_PRINTF
#endif

/* Shows how far a long run is, on one line of a terminal; total 0 wipes the line. Silent when stderr is a file. */
static inline void progress(const char *what, size_t done, size_t total) {
  if (!isatty(STDERR_FILENO)) return;
  if (total == 0) {
    fputs("\r\033[K", stderr);
  } else {
    fprintf(stderr, "\r\033[K%s: %zu of %zu", what, done, total);
  }
  fflush(stderr);
}

static inline void complain(const char *prefix, const char *format, va_list arguments) {
  progress("", 0, 0);
  fflush(stdout);
  fputs(prefix, stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
}

/* Wrong input or a failed check. */
EXAMPLE_PRINTF static inline void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  complain("error: ", format, arguments);
  va_end(arguments);
  exit(EXIT_FAILURE);
}

/* Something this machine lacks. */
EXAMPLE_PRINTF static inline void skip(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  complain("SKIP: ", format, arguments);
  va_end(arguments);
  exit(EXIT_SKIP);
}

static inline void require(vloss_status status) {
  if (status != VLOSS_OK) fail("vloss: %s", vloss_status_message(status));
}

static inline void *allocate(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (memory == NULL) fail("no memory for %zu times %zu bytes", count, size);
  return memory;
}

static inline double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The value that follows the option at argv[*i]; moves *i onto it. */
static inline const char *option_value(int argc, char **argv, int *i) {
  if (*i + 1 >= argc) fail("%s needs a value", argv[*i]);
  return argv[++*i];
}

static inline size_t option_count(int argc, char **argv, int *i) {
  const char *option = argv[*i], *text = option_value(argc, argv, i);
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value == 0 || value > 1000000000)
    fail("%s wants a whole number from 1 to 1000000000, not \"%s\"", option, text);
  return (size_t)value;
}

#endif
