/* vloss-check: compares every function of the library with the scalar reference, and every ISA with the others. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

struct command {
  const char *isa, *function, *hashes, *json;
  bool write_hashes, to_json, values;
  enum level level;
  uint64_t seed;
};

static void usage(FILE *out) {
  fputs(
      "Usage: vloss-check [options]\n"
      "Compares the functions of vloss with a scalar reference in ulp, and its ISAs with each other bit for bit.\n\n"
      "  --isa NAME            only this ISA (default: every ISA that can run here)\n"
      "  --function NAME       only this function\n"
      "  --seed N              of the inputs (default 1)\n"
      "  --quick               fewer sizes, for emulators\n"
      "  --large               every family at every size, and a million rows\n"
      "  --values              only compare with values known in advance: published ones, and those at kinks\n"
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

static struct command parse(int count, char **words) {
  struct command command = {.level = NORMAL, .seed = 1};
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
    else if (strcmp(word, "--seed") == 0)
      command.seed = number(value_of(count, words, &i));
    else if (strcmp(word, "--quick") == 0)
      command.level = QUICK;
    else if (strcmp(word, "--large") == 0)
      command.level = LARGE;
    else if (strcmp(word, "--values") == 0)
      command.values = true;
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
  return command;
}

/* The ISAs to check: the named one, or all that can run here. */
static void choose_isas(struct check *check, const char *only) {
  bool known = false;
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *name = vloss_isa_name(i), *reason = vloss_isa_unsupported_reason(name);
    if (only && strcmp(only, name) != 0) continue;
    known = true;
    if (!reason)
      check->isas[check->isa_count++] = name;
    else if (only)
      mistake(reason, name);
  }
  if (only && !known) mistake("no such ISA", only);
}

static void check_function(struct check *check, const struct function *function, bool values_only) {
  check_values(check, function);
  if (values_only) return;
  check_derivatives(check, function);
  check_accuracy(check, function);
  check_sums(check, function);
  check_layouts(check, function);
  check_past_cache(check, function);
  check_outputs(check, function);
  check_in_place(check, function);
  check_environment(check, function);
  check_stack(check, function);
  check_refusals(check, function);
}

int main(int count, char **words) {
  struct command command = parse(count, words);
  struct report report = {.seed = command.seed, .quiet = command.to_json && !command.json};
  struct check check = {.seed = command.seed, .level = command.level, .report = &report};
  report.arguments = command.level == QUICK ? " --quick" : command.level == LARGE ? " --large" : "";
  choose_isas(&check, command.isa);
  char isas[200] = "";
  for (size_t i = 0; i < check.isa_count; i++) {
    if (i) strcat(isas, " ");
    strcat(isas, check.isas[i]);
  }
  report.isas = isas;
  functions_collect();
  bool found = false;
  for (size_t f = 0; f < function_count; f++)
    found |= !command.function || !strcmp(command.function, functions[f].name);
  if (!found) mistake("no such function", command.function);

  report_begin(&report);
  if (command.hashes) {
    if (!check_hashes(&check, command.hashes, command.write_hashes, command.function))
      mistake(strerror(errno), command.hashes);
  } else {
    for (size_t f = 0; f < function_count; f++)
      if (!command.function || strcmp(command.function, functions[f].name) == 0)
        check_function(&check, &functions[f], command.values);
  }
  if (command.to_json && !report_json(&report, command.json)) mistake(strerror(errno), command.json);
  return report_end(&report);
}
