/* See report.h: lines and failures as they come, and the file of JSON at the end. */
#include "report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 3 }; /* failures printed per line and variant */

void report_begin(struct report *report) {
  report->begin = time(NULL);
  if (report->quiet) return;
  printf("%s %s, seed %llu, ISAs: %s\n\n", report->program ? report->program : "vloss-check",
         library->version ? library->version() : library->name, (unsigned long long)report->seed, report->isas);
  printf("%-22s %-45s %7s %-5s %s\n", "function", "options or property", "cases", "bits", "worst ulp / gate");
}

static const char *bits(const struct line *line) { return line->unequal ? "DIFF" : line->isas > 1 ? "equal" : "one"; }

/* As lines take about equally long. */
static void say_progress(const struct report *report) {
  const size_t step = report->expected / 10 + 1;
  if (!report->expected || (report->count % step && report->count < report->expected)) return;
  const double left =
      difftime(time(NULL), report->begin) * (double)(report->expected - report->count) / (double)report->count;
  fprintf(stderr, "checked %3zu%%, about %.0f s left\n", 100 * report->count / report->expected, left);
}

void report_line(struct report *report, const struct line *line) {
  struct line *grown = realloc(report->lines, (report->count + 1) * sizeof *grown);
  if (!grown) exit(2);
  report->lines = grown;
  report->lines[report->count++] = *line;
  say_progress(report);
  if (report->quiet) return;
  printf("%-22s %-45s %7zu %-5s", line->function, line->what, line->cases, bits(line));
  for (size_t i = 0; i < line->outputs; i++)
    printf(" %s %.2f/%.3g", line->worst[i].output, line->worst[i].ulp, line->worst[i].gate);
  if (line->left_out) printf(" left out %zu", line->left_out);
  if (line->failures) printf(" FAILED %zu", line->failures);
  printf("\n");
  fflush(stdout);
}

/* Of a variant; 0 also for what is none: the reference. */
static size_t index_of(const char *isa) {
  const struct variant *variant = library_variant(isa);
  return variant ? (size_t)(variant - variants) : 0;
}

static char *copy(const char *text) {
  char *copied = malloc(strlen(text) + 1);
  if (!copied) exit(2);
  return strcpy(copied, text);
}

void report_failure(struct report *report, struct line *line, const char *isa, const char *where, const char *format,
                    ...) {
  report->failures++;
  line->failures++;
  if (line->failures_of[index_of(isa)]++ >= SHOWN) return;
  char text[1000];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  fprintf(stderr, "FAIL %s [%s] %s: %s: %s", line->function, line->what, isa, where, text);
  struct failure *grown = realloc(report->shown, (report->shown_count + 1) * sizeof *grown);
  if (!grown) exit(2);
  report->shown = grown;
  grown[report->shown_count++] = (struct failure){line->function, line->what, copy(isa), copy(where), copy(text)};
  /* who failed may be the reference rather than an ISA */
  const char *option = library_variant(isa) ? " --isa " : "", *value = *option ? isa : "";
  fprintf(stderr, "\n     repeat with: %s --function %s%s%s --seed %llu%s\n",
          report->program ? report->program : "vloss-check", line->function, option, value,
          (unsigned long long)report->seed, report->arguments);
}

void report_ulp(struct line *line, const char *isa, const char *output, double ulp, double gate) {
  struct worst *worst = line->worst, *end = worst + line->outputs;
  while (worst < end && strcmp(worst->output, output) != 0) worst++;
  if (worst == line->worst + sizeof line->worst / sizeof *line->worst) return;
  if (worst == end) {
    *worst = (struct worst){output, 0, gate, {0}};
    line->outputs++;
  }
  double *own = &worst->ulp_of[index_of(isa)];
  if (ulp > *own) *own = ulp;
  if (ulp > worst->ulp) worst->ulp = ulp;
}

int report_end(struct report *report) {
  size_t cases = 0, unequal = 0, left_out = 0;
  for (size_t i = 0; i < report->count; i++) {
    cases += report->lines[i].cases;
    unequal += report->lines[i].unequal;
    left_out += report->lines[i].left_out;
  }
  if (!report->quiet)
    printf("\n%zu cases, %zu unequal results, %zu failures, seed %llu\n", cases, unequal, report->failures,
           (unsigned long long)report->seed);
  if (left_out && !cases) {
    fprintf(stderr, "FAIL nothing was checked: the kernel declined every case\n");
    report->failures++;
  }
  for (size_t i = 0; i < report->shown_count; i++) {
    free(report->shown[i].isa);
    free(report->shown[i].where);
    free(report->shown[i].text);
  }
  free(report->shown);
  report->shown = NULL;
  report->shown_count = 0;
  free(report->lines);
  report->lines = NULL;
  report->count = 0;
  return report->failures ? 1 : 0;
}

static void write_json_string(FILE *out, const char *text) {
  fputc('"', out);
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') fputc('\\', out);
    fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
  }
  fputc('"', out);
}

/* An infinite error is a string: JSON has no infinity. */
static void write_json_number(FILE *out, double x) { fprintf(out, isfinite(x) ? "%.6g" : "\"%g\"", x); }

static void write_json_ulp(FILE *out, const struct line *line, size_t of) {
  for (size_t k = 0; k < line->outputs; k++) {
    const struct worst *worst = &line->worst[k];
    fprintf(out, "%s\"%s\": ", k ? ", " : "", worst->output);
    write_json_number(out, of < variant_count ? worst->ulp_of[of] : worst->ulp);
  }
}

static void write_json_failure(FILE *out, const struct failure *failure) {
  const char *const fields[][2] = {{"function", failure->function},
                                   {"what", failure->what},
                                   {"isa", failure->isa},
                                   {"where", failure->where},
                                   {"text", failure->text}};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    fprintf(out, "%s\"%s\": ", i ? ", " : "{", fields[i][0]);
    write_json_string(out, fields[i][1]);
  }
  fputc('}', out);
}

/* Names and options hold no character that JSON would have to escape. Each variant has its own
 * errors and failures in ulp_of and failures_of. */
bool report_json(const struct report *report, const char *path) {
  FILE *out = path ? fopen(path, "w") : stdout;
  if (!out) return false;
  fprintf(out, "{\"version\": \"%s\", \"seed\": %llu, \"isas\": \"%s\", \"failures\": %zu, \"lines\": [",
          library->version ? library->version() : "", (unsigned long long)report->seed, report->isas, report->failures);
  for (size_t i = 0; i < report->count; i++) {
    const struct line *line = &report->lines[i];
    fprintf(out, "%s\n  {\"function\": \"%s\", \"what\": \"%s\", \"cases\": %zu, \"failures\": %zu, \"bits\": \"%s\"",
            i ? "," : "", line->function, line->what, line->cases, line->failures, bits(line));
    fprintf(out, ", \"left_out\": %zu, \"unequal\": %zu, \"ulp\": {", line->left_out, line->unequal);
    write_json_ulp(out, line, variant_count);
    fprintf(out, "}, \"ulp_of\": {");
    for (size_t of = 0; of < variant_count; of++) {
      fprintf(out, "%s\"%s\": {", of ? ", " : "", variants[of].name);
      write_json_ulp(out, line, of);
      fputc('}', out);
    }
    fprintf(out, "}, \"failures_of\": {");
    for (size_t of = 0; of < variant_count; of++)
      fprintf(out, "%s\"%s\": %zu", of ? ", " : "", variants[of].name, line->failures_of[of]);
    fprintf(out, "}}");
  }
  fprintf(out, "\n], \"shown\": [");
  for (size_t i = 0; i < report->shown_count; i++) {
    fputs(i ? ",\n  " : "\n  ", out);
    write_json_failure(out, &report->shown[i]);
  }
  fprintf(out, "\n]}\n");
  return (path ? fclose(out) : fflush(out)) == 0;
}
