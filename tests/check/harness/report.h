/* What a run found: a table for a person, JSON for a program, a command to repeat every failure. */
#ifndef VLOSS_TESTS_CHECK_REPORT_H
#define VLOSS_TESTS_CHECK_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "library.h"

/* One line of the table: a function under one set of options, or one property of a function. */
struct line {
  const char *function, *what;
  size_t cases, failures, isas;
  size_t unequal;  /* results that were not the same bit for bit */
  size_t left_out; /* cases that a kernel declined */
  size_t failures_of[MAX_VARIANTS];
  struct worst {
    const char *output;
    double ulp, gate;
    double ulp_of[MAX_VARIANTS];
  } worst[4];
  size_t outputs;
};

struct failure {
  const char *function, *what;
  char *isa, *where, *text;
};

struct report {
  uint64_t seed;
  const char *isas;      /* as listed in the head */
  const char *arguments; /* that make a repeated run the same: level of sizes */
  const char *program;   /* that repeats it; null: vloss-check */
  bool quiet;            /* no table (JSON on standard output) */
  size_t expected;       /* lines, to say how far it is; 0: not to be said */
  time_t begin;
  struct line *lines;
  size_t count;
  size_t failures;
  struct failure *shown; /* those that were printed */
  size_t shown_count;
};

void report_begin(struct report *report);
/* Prints the finished line and keeps it. */
void report_line(struct report *report, const struct line *line);
/* Notes a failure of the line and prints it, unless the line has had many: where it happened, what, how to repeat it.
 */
void report_failure(struct report *report, struct line *line, const char *isa, const char *where, const char *format,
                    ...) __attribute__((format(printf, 5, 6)));
/* Takes an output's error into the line. */
void report_ulp(struct line *line, const char *isa, const char *output, double ulp, double gate);
/* The last words; gives the lines back. The exit status, 0 or 1. */
int report_end(struct report *report);
/* Writes the whole report as JSON. False: the file could not be written. */
bool report_json(const struct report *report, const char *path);

#endif
