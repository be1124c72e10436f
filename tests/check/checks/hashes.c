/* Results as hashes in a file: what one machine, compiler and ISA computed, the others must compute bit for bit. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "types.h"

/* Of the inputs behind the file. Changing either of them, or the inputs, changes every line. */
enum { SEED = 1, JOBS_PER_SIZE = 3 };
#define ALL ((size_t)0x80000000u)
#define LONG_ROWS ((size_t)0x80000001u)

/* FNV-1a over the bits of 32-bit words, low byte first whatever the machine. */
static uint64_t hash_word(uint64_t h, uint32_t word) {
  for (int i = 0; i < 4; i++) h = (h ^ (word >> 8 * i & 0xff)) * 0x100000001b3u;
  return h;
}

static uint64_t hash_results(uint64_t h, const struct job *job, size_t *elements) {
  for (size_t i = 0; i < job->array_count; i++) {
    const struct array *array = &job->arrays[i];
    if (!array->output) continue;
    size_t length = job_length(job, array);
    *elements += length;
    for (size_t k = 0; k < length; k++) {
      const bool wide = array->element == I64 || array->element == F64;
      const uint64_t bits =
          wide ? ((const uint64_t *)array->values)[k] : (uint64_t)((const uint32_t *)array->values)[k];
      h = hash_word(h, (uint32_t)bits);
      if (wide) h = hash_word(h, (uint32_t)(bits >> 32));
    }
  }
  return h;
}

/* A group that is being hashed. */
struct group {
  struct check *check;
  struct line *line;
  const struct function *function;
  const char *isa;
  uint64_t hash;
  size_t elements;
};

/* Adds a job to the group. False: it failed. */
static bool hash_job(struct group *group, size_t option, struct case_rows rows, size_t classes, enum family family) {
  struct job job;
  job_create(&job, group->function, &group->function->options[option], rows.rows, classes, family, SEED);
  const struct layout layout = {.count = rows.rows, .inner = rows.inner, .outputs = (uint32_t)ALL_OUTPUTS};
  const bool ran =
      check_run(group->check, group->line, &job, layout, job.seed, group->isa, check_default_environment());
  if (ran) group->hash = hash_results(group->hash, &job, &group->elements);
  job_destroy(&job);
  return ran;
}

/* The first option that adds up losses. */
static size_t first_total(const struct function *function) {
  size_t option = 0;
  while (option < function->option_count && function->options[option].reduction == VLOSS_NONE) option++;
  return option;
}

/* Jobs of many sizes under one option or, where o is ALL, under all of them in turn; and one or two whose total is of
 * several blocks. False: a job failed. */
static bool hash_group(struct group *group, size_t o) {
  static const size_t classes[] = {1, 2, 3, 7, 10, 16, 17, 31, 33, 64, 65, 100, 129, 257, 513, 1000, 2049, 4097};
  const size_t options = group->function->option_count;
  struct random r = {SEED};
  group->hash = 0xcbf29ce484222325u;
  group->elements = 0;
  /* 16-bit elements are computed with as floats: a job a size shows how they are read and written. */
  const bool halves = job_type == VLOSS_BF16 || job_type == VLOSS_F16;
  const size_t jobs = halves ? 1 : JOBS_PER_SIZE;
  for (size_t i = 0; i < jobs * sizeof classes / sizeof *classes; i++) {
    const size_t count = classes[i / jobs];
    const struct case_rows rows = case_rows(&r, count, 1500);
    const enum family family = (enum family)((i + 2 * (uint64_t)o) % FAMILIES);
    if (!hash_job(group, o == ALL ? i % options : o, rows, count, family)) return false;
  }
  if (halves) return true;
  size_t totals = 0;
  for (size_t option = o == ALL ? 0 : o; option < options && totals < (o == ALL ? 2 : 1); option++) {
    const vloss_reduction reduction = group->function->options[option].reduction;
    if (reduction == VLOSS_NONE || reduction == VLOSS_KERAS_NONE) {
      if (o != ALL) break;
      continue;
    }
    if (!group->function->loss && option != first_total(group->function)) break; /* emulated, they take minutes */
    totals++;
    if (!hash_job(group, option, (struct case_rows){33001, 1}, 2, PLAIN)) return false;
  }
  return true;
}

/* Rows of several blocks of 4,096 classes, under all options in turn. */
static bool hash_long_rows(struct group *group) {
  static const size_t classes[] = {4097, 8192, 8449, 12500, 20000};
  const size_t sizes = sizeof classes / sizeof *classes;
  struct random r = {SEED};
  group->hash = 0xcbf29ce484222325u;
  group->elements = 0;
  for (size_t i = 0; i < 7 * sizes; i++) {
    const size_t count = classes[i % sizes];
    const struct case_rows rows = case_rows(&r, count, 40000);
    if (!hash_job(group, i % group->function->option_count, rows, count, (enum family)(i % FAMILIES))) return false;
  }
  return true;
}

/* Finds the line of a group: "<hash> <elements> <function>: <options>". Lines that begin with # are comments. */
static bool find_hash(FILE *file, const char *group, uint64_t *hash) {
  char text[300];
  rewind(file);
  while (fgets(text, sizeof text, file)) {
    int name = 0;
    text[strcspn(text, "\n")] = 0;
    if (sscanf(text, "%" SCNx64 " %*u %n", hash, &name) == 1 && name && strcmp(text + name, group) == 0) return true;
  }
  return false;
}

static void hash_option(struct check *check, const struct function *function, size_t o, FILE *file, bool write) {
  const char *what = o == LONG_ROWS           ? "long rows"
                     : o != ALL               ? function->options[o].name
                     : job_type == VLOSS_BF16 ? "every option, bf16"
                     : job_type == VLOSS_F16  ? "every option, f16"
                     : job_type == VLOSS_F64  ? "every option, f64"
                                              : "every option";
  struct line line = {.function = function->name, .what = what, .isas = check->isa_count};
  char group[200];
  snprintf(group, sizeof group, "%s: %s", function->name, line.what);
  uint64_t expected = 0;
  bool known = !write && find_hash(file, group, &expected);
  if (!write && !known) report_failure(check->report, &line, "any", group, "not in the file of hashes");
  for (size_t i = 0; i < check->isa_count; i++) {
    const char *isa = check->isas[i];
    struct group hashed = {.check = check, .line = &line, .function = function, .isa = isa};
    if (!(o == LONG_ROWS ? hash_long_rows(&hashed) : hash_group(&hashed, o))) continue;
    const uint64_t hash = hashed.hash;
    if (write && i == 0) {
      fprintf(file, "%016" PRIx64 " %zu %s\n", hash, hashed.elements, group);
      expected = hash;
      known = true;
    }
    if (!known || hash == expected) continue;
    line.unequal++;
    report_failure(check->report, &line, isa, group, "hash %016" PRIx64 ", expected %016" PRIx64, hash, expected);
  }
  report_line(check->report, &line);
}

bool check_hashes(struct check *check, const char *path, bool write, const char *only_function) {
  FILE *file = fopen(path, write ? "w" : "r");
  if (!file) return false;
  if (write)
    fputs(
        "# The results of vloss-check's fixed inputs, on every ISA: hash, elements, function and options. Written by\n"
        "# vloss-check --write-hashes FILE; vloss-check --hashes FILE compares.\n",
        file);
  bool built[TYPE_COUNT];
  for (size_t i = 0; i < TYPE_COUNT; i++) {
    const vloss_status status = type_status(type_names[i].type);
    built[i] = status == VLOSS_OK;
    if (!built[i]) fprintf(stderr, "no hashes of %s: %s\n", type_names[i].name, vloss_status_message(status));
  }
  for (size_t f = 0; f < function_count; f++) {
    if (only_function && strcmp(only_function, functions[f].name) != 0) continue;
    for (size_t i = 0; i < TYPE_COUNT; i++) {
      job_type = type_names[i].type;
      const bool computed = job_type == VLOSS_F32   ? functions[f].loss != NULL
                            : job_type == VLOSS_F64 ? functions[f].doubles
                                                    : true;
      if (!computed || !built[i]) continue;
      hash_option(check, &functions[f], ALL, file, write);
    }
    job_type = VLOSS_F32;
    for (size_t o = 0; !functions[f].loss && o < functions[f].option_count; o++)
      hash_option(check, &functions[f], o, file, write);
    if (!functions[f].loss) hash_option(check, &functions[f], LONG_ROWS, file, write);
  }
  return fclose(file) == 0;
}
