/* The checks, each of them over one function of the table. What they share: the ISAs, the seed, the sizes, and running
 * a job so that whatever goes wrong becomes a failure in the report. */
#ifndef VLOSS_TESTS_CHECK_CHECK_H
#define VLOSS_TESTS_CHECK_CHECK_H

#include "functions.h"
#include "report.h"

enum level { QUICK, NORMAL, LARGE }; /* QUICK is meant for emulators, LARGE for a night */

struct check {
  const char *isas[MAX_VARIANTS]; /* names of variants, see library.h: "avx2", "head:avx2" */
  size_t isa_count;
  uint64_t seed;
  enum level level;
  struct report *report;
  bool bits; /* only ISA against ISA: the reference is not asked */
};

/* Against the reference in ulp, and ISA against ISA bit for bit: one line a set of options. */
void check_accuracy(struct check *check, const struct function *function);
size_t accuracy_lines(const struct function *function); /* how many */

/* The same bits in every layout: batch, position, stride, alignment, class axis; with any outputs left out; in place
 * of an input. One line each. */
void check_layouts(struct check *check, const struct function *function);
void check_past_cache(struct check *check, const struct function *function);
void check_thresholds(struct check *check, const struct function *function);
void check_past_cache_alignment(struct check *check, const struct function *function);
void check_denormals(struct check *check, const struct function *function);
void check_outputs(struct check *check, const struct function *function);
void check_in_place(struct check *check, const struct function *function);

/* The same bits in every floating-point environment of the caller, which comes back as it was. */
void check_environment(struct check *check, const struct function *function);

/* The same bits on any number of threads. */
void check_threads(struct check *check, const struct function *function);

/* A call stays below the stack use that the header promises. */
void check_stack(struct check *check, const struct function *function);

/* Climbs from random inputs to worse ones, of every output that has a number a row, for nominally so many seconds an
 * output. */
void check_search(struct check *check, const struct function *function, double seconds);
/* Whether there is a reference that is exact enough to search with. */
bool search_has_reference(void);

/* Every status, each from a call with one thing wrong; nothing is written. */
void check_refusals(struct check *check, const struct function *function);
void check_order(struct check *check, const struct function *function);

/* Sums and means of a loss against its element losses. */
void check_sums(struct check *check, const struct function *function);

/* Values known in advance (known.h), and the reference's gradients against differences of its losses. */
void check_values(struct check *check, const struct function *function);
void check_derivatives(struct check *check, const struct function *function);

/* Hashes of the results of a fixed set of jobs, one line a set of options, compared with a file, or written to it.
 * False: the file cannot be read or written. */
bool check_hashes(struct check *check, const char *path, bool write, const char *only_function);

/* ---- Shared by them ---- */

/* Lays out, runs and collects. False if the call failed, crashed, changed the environment, or wrote where it must not;
 * that is then in the report. */
bool check_run(struct check *check, struct line *line, struct job *job, struct layout layout, uint64_t layout_seed,
               const char *isa, uint64_t environment);

/* Compares what was collected with what the reference expects. */
void check_ulp(struct check *check, struct line *line, struct job *job, const char *isa);

/* How far element i of a floating-point output is off, in ulp of its type, and how far it may be. */
double check_error(const struct array *array, size_t i);
double check_gate(const struct array *array);

/* Compares what was collected with kept results. */
void check_same(struct check *check, struct line *line, struct job *job, const struct results *kept, const char *isa,
                const char *what);

/* Sizes of a job in words, for messages; valid until the next call. */
const char *check_where(const struct job *job);

uint64_t check_default_environment(void);

#endif
