/* vloss-check: compares every function of the library with the scalar reference, and every ISA with the others. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "types.h"

struct command {
  const char *isa, *function, *hashes, *json;
  const char *outputs, *libraries[MAX_LIBRARIES];
  size_t library_count;
  bool write_hashes, to_json, values, environment, accuracy, bits, progress, search;
  double search_seconds; /* an output */
  enum level level;
  uint64_t seed;
  size_t part, parts;
};

static void usage(FILE *out) {
  fputs(
      "Usage: vloss-check [options]\n"
      "Compares the functions of vloss with a scalar reference in ulp, and its ISAs with each other bit for bit.\n\n"
      "  --library NAME=PATH   checks this shared library in place of the one linked in; given again, compares each\n"
      "                        further one with the first, bit for bit. It exports vloss, or some of its functions.\n"
      "                        NAME:ISA=PATH: only this ISA of it\n"
      "  --isa NAME,...        only this ISA, or these with commas between (default: every ISA that can run\n"
      "                        here); of one library: LIBRARY:ISA\n"
      "  --function NAME       only this function\n"
      "  --part K/N            only every Nth function, from the Kth on, so that N runs share the work\n"
      "  --type NAME           f32 (default), bf16 or f16: of logits, predictions, targets and gradients; or f64: of "
      "all\n"
      "  --seed N              of the inputs (default 1)\n"
      "  --quick               fewer sizes, for emulators\n"
      "  --large               every family at every size, and a million rows\n"
      "  --values              only compare with values known in advance: published ones, and those at kinks\n"
      "  --environment         only compare results, and what the caller has left, in all floating-point environments\n"
      "  --accuracy            only compare with the reference, ISA with ISA, and library with library\n"
      "  --bits                compare ISA with ISA, but not with the reference\n"
      "  --outputs NAME,...    with --accuracy: ask the functions for no other outputs than these\n"
      "  --progress            with --accuracy: say on standard error how far it is\n"
      "  --search [SECONDS]    only search for inputs that break the promised accuracy, so long an output (default 5)\n"
      "  --hashes FILE         only compare the results of a fixed set of inputs with the hashes in FILE\n"
      "  --write-hashes FILE   only write such a file\n"
      "  --json [FILE]         the report as JSON, to FILE, or to standard output in place of the table\n"
      "  --help                this text\n\n"
      "Exit status: 0 all well, 1 something differs, 2 a mistake in the command.\n",
      out);
}

static void mistake(const char *what, const char *which) {
  fprintf(stderr, "vloss-check: %s%s%s; --help lists the options\n", what, which ? ": " : "", which ? which : "");
  exit(2);
}

static const char *value_of(int count, char **words, int *i) {
  if (*i + 1 >= count) mistake("a value is missing after", words[*i]);
  return words[++*i];
}

static uint64_t number(const char *text) {
  char *end;
  errno = 0;
  unsigned long long n = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end || errno) mistake("not a whole number", text);
  return n;
}

static void take_type(const char *name) {
  if (!type_named(name, &job_type)) mistake("no type", name);
}

/* "2/4" */
static void parse_part(struct command *command, const char *text) {
  char end;
  if (sscanf(text, "%zu/%zu%c", &command->part, &command->parts, &end) != 2 || command->part < 1 ||
      command->part > command->parts)
    mistake("not K/N with K from 1 to N", text);
}
/* Whether function number f is one of those that the command asks for. */
static bool asked_for(const struct command *command, size_t f) {
  if (job_type == VLOSS_F64 && !functions[f].doubles) return false;
  if (command->function && strcmp(command->function, functions[f].name) != 0) return false;
  return f % command->parts == command->part - 1;
}

static struct command parse(int count, char **words) {
  struct command command = {.level = NORMAL, .seed = 1, .part = 1, .parts = 1};
  for (int i = 1; i < count; i++) {
    const char *word = words[i];
    if (strcmp(word, "--help") == 0) {
      usage(stdout);
      exit(0);
    }
    if (strcmp(word, "--isa") == 0)
      command.isa = value_of(count, words, &i);
    else if (strcmp(word, "--function") == 0)
      command.function = value_of(count, words, &i);
    else if (strcmp(word, "--library") == 0) {
      if (command.library_count == MAX_LIBRARIES) mistake("too many libraries", word);
      command.libraries[command.library_count++] = value_of(count, words, &i);
    } else if (strcmp(word, "--accuracy") == 0)
      command.accuracy = true;
    else if (strcmp(word, "--bits") == 0)
      command.bits = true;
    else if (strcmp(word, "--progress") == 0)
      command.progress = true;
    else if (strcmp(word, "--outputs") == 0)
      command.outputs = value_of(count, words, &i);
    else if (strcmp(word, "--part") == 0)
      parse_part(&command, value_of(count, words, &i));
    else if (strcmp(word, "--type") == 0)
      take_type(value_of(count, words, &i));
    else if (strcmp(word, "--seed") == 0)
      command.seed = number(value_of(count, words, &i));
    else if (strcmp(word, "--quick") == 0)
      command.level = QUICK;
    else if (strcmp(word, "--large") == 0)
      command.level = LARGE;
    else if (strcmp(word, "--values") == 0)
      command.values = true;
    else if (strcmp(word, "--search") == 0) {
      command.search = true;
      command.search_seconds = 5;
      if (i + 1 < count && words[i + 1][0] != '-') command.search_seconds = (double)number(words[++i]);
    } else if (strcmp(word, "--environment") == 0)
      command.environment = true;
    else if (strcmp(word, "--hashes") == 0)
      command.hashes = value_of(count, words, &i);
    else if (strcmp(word, "--write-hashes") == 0) {
      command.hashes = value_of(count, words, &i);
      command.write_hashes = true;
    } else if (strcmp(word, "--json") == 0) {
      command.to_json = true;
      if (i + 1 < count && words[i + 1][0] != '-') command.json = words[++i];
    } else {
      mistake("unknown option", word);
    }
  }
  if (command.parts > 1 && command.hashes) mistake("--part is not for hashes", NULL);
  if (command.outputs && !command.accuracy) mistake("--outputs needs --accuracy", NULL);
  if (command.progress && !command.accuracy) mistake("--progress needs --accuracy", NULL);
  return command;
}

static void open_libraries(const struct command *command) {
  for (size_t i = 0; i < command->library_count; i++) {
    const char *wrong = library_open(command->libraries[i]);
    if (wrong) mistake(wrong, NULL);
  }
  library_list_variants();
  library = libraries;
}

/* Adds the variants of that name, or of that ISA; null: all. */
static void add_isas(struct check *check, const char *name) {
  const size_t before = check->isa_count;
  for (const struct variant *v = variants; v < variants + variant_count; v++) {
    if (check->isa_count == MAX_VARIANTS) mistake("ISAs more than once", name);
    if (!name || strcmp(name, v->name) == 0 || (v->isa && strcmp(name, v->isa) == 0))
      check->isas[check->isa_count++] = v->name;
  }
  if (check->isa_count > before || !name) return;
  for (size_t i = 0; libraries->isa_force && i < libraries->isa_count(); i++)
    if (strcmp(name, libraries->isa_name(i)) == 0) mistake(libraries->isa_unsupported_reason(name), name);
  mistake("no such ISA", name);
}

/* The variants of libraries to check: names with commas between, or null for all that can run here. */
static void choose_isas(struct check *check, const char *names) {
  if (!names) add_isas(check, NULL);
  while (names && *names) {
    char name[sizeof variants->name];
    const size_t length = strcspn(names, ",");
    snprintf(name, sizeof name, "%.*s", (int)length, names);
    add_isas(check, name);
    names += length + (names[length] == ',');
  }
  if (!check->isa_count) mistake("no ISA can run here", NULL);
}

/* The same check with the variants of those libraries alone that have the function. */
static struct check of_function(const struct check *check, const struct function *function) {
  struct check of = *check;
  of.isa_count = 0;
  for (size_t i = 0; i < check->isa_count; i++)
    if (library_has(library_variant(check->isas[i])->library, function->name)) of.isas[of.isa_count++] = check->isas[i];
  return of;
}

/* Says which functions a library does not have. */
static void say_left_out(const char *only_function) {
  for (size_t i = 0; i < library_count; i++) {
    size_t count = 0;
    for (size_t f = 0; f < function_count; f++) {
      if (library_has(&libraries[i], functions[f].name)) continue;
      if (only_function && strcmp(only_function, functions[f].name) != 0) continue;
      if (count++ == 0) fprintf(stderr, "left out, as %s does not have them:", libraries[i].name);
      fprintf(stderr, " %s", functions[f].name);
    }
    if (count) fprintf(stderr, "\n");
  }
}

static const double search_seconds[] = {[QUICK] = 0.01, [NORMAL] = 0.1, [LARGE] = 5}; /* an output */

/* What there is to see of other elements than floats: values, layouts, outputs over inputs. The rest is as with floats.
 */
static void check_type(struct check *check, const struct function *function) {
  check_accuracy(check, function);
  check_search(check, function, search_seconds[check->level]);
  check_layouts(check, function);
  if (!function->loss) check_denormals(check, function);
  check_outputs(check, function);
  check_in_place(check, function);
  if (job_type == VLOSS_F64) check_sums(check, function);
  if (function->first_of_family || !function->loss) check_threads(check, function);
  check_environment(check, function);
  check_stack(check, function);
}

static void check_function(struct check *check, const struct function *function, const struct command *command) {
  if (command->accuracy) {
    check_accuracy(check, function);
    return;
  }
  if (command->search) {
    check_search(check, function, command->search_seconds);
    return;
  }
  if (command->environment) {
    check_environment(check, function);
    return;
  }
  if (job_type != VLOSS_F32) {
    check_type(check, function);
    return;
  }
  check_values(check, function);
  if (command->values) return;
  check_accuracy(check, function);
  if (!command->bits) {
    check_derivatives(check, function);
    check_search(check, function, search_seconds[check->level]);
    check_sums(check, function);
  }
  check_layouts(check, function);
  check_past_cache(check, function);
  check_thresholds(check, function);
  check_past_cache_alignment(check, function);
  check_denormals(check, function);
  check_outputs(check, function);
  check_in_place(check, function);
  check_threads(check, function);
  check_environment(check, function);
  check_stack(check, function);
  check_refusals(check, function);
  check_order(check, function);
}

/* Whether the command is one that searches; where the search of doubles has no reference it is left out, and says so.
 */
static bool searches(const struct command *command) {
  return command->search || !(command->accuracy || command->environment || command->values || command->hashes);
}
static void say_no_search(const struct command *command) {
  static const char why[] = "the search of doubles is left out: it needs __float128 and its functions (GCC and glibc)";
  if (command->search) mistake(why, NULL);
  fprintf(stderr, "%s\n", why);
}

/* What makes a repeated run the same. */
static void list_arguments(const struct command *command, char *text, size_t size) {
  size_t length = 0;
  text[0] = 0;
  for (size_t i = 0; i < command->library_count && length < size; i++)
    length += (size_t)snprintf(text + length, size - length, " --library %s", command->libraries[i]);
  if (length >= size) return;
  if (command->search)
    length += (size_t)snprintf(text + length, size - length, " --search %g", command->search_seconds);
  if (length >= size) return;
  snprintf(text + length, size - length, "%s%s%s%s%s%s%s", job_type == VLOSS_F32 ? "" : " --type ",
           job_type == VLOSS_F32 ? "" : type_name(job_type),
           command->level == QUICK   ? " --quick"
           : command->level == LARGE ? " --large"
                                     : "",
           command->accuracy ? " --accuracy" : "", command->bits ? " --bits" : "",
           command->outputs ? " --outputs " : "", command->outputs ? command->outputs : "");
}

int main(int count, char **words) {
  struct command command = parse(count, words);
  struct report report = {.seed = command.seed, .quiet = command.to_json && !command.json};
  struct check check = {.seed = command.seed, .level = command.level, .bits = command.bits, .report = &report};
  char arguments[2000], isas[MAX_VARIANTS * sizeof variants->name] = "";
  list_arguments(&command, arguments, sizeof arguments);
  report.arguments = arguments;
  open_libraries(&command);
  if (type_status(job_type)) mistake(vloss_status_message(type_status(job_type)), type_name(job_type));
  choose_isas(&check, command.isa);
  for (size_t i = 0; i < check.isa_count; i++) {
    if (i) strcat(isas, " ");
    strcat(isas, check.isas[i]);
  }
  report.isas = isas;
  job_only_outputs(command.outputs);
  functions_collect();
  bool found = false;
  for (size_t f = 0; f < function_count; f++) {
    if (!asked_for(&command, f)) continue;
    found = true;
    if (command.progress && of_function(&check, &functions[f]).isa_count)
      report.expected += accuracy_lines(&functions[f]);
  }
  if (!found) mistake("no such function", command.function);

  if (searches(&command) && !search_has_reference()) say_no_search(&command);
  report_begin(&report);
  say_left_out(command.function);
  if (command.hashes) {
    if (!check_hashes(&check, command.hashes, command.write_hashes, command.function))
      mistake(strerror(errno), command.hashes);
  } else {
    for (size_t f = 0; f < function_count; f++) {
      struct check of = of_function(&check, &functions[f]);
      if (of.isa_count && asked_for(&command, f)) check_function(&of, &functions[f], &command);
    }
  }
  library = libraries;
  if (command.to_json && !report_json(&report, command.json)) mistake(strerror(errno), command.json);
  return report_end(&report);
}
