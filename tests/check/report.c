#include "report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vloss/vloss.h"

enum { SHOWN = 5 }; /* failures printed per line */

void report_begin(const struct report *report) {
  if (report->quiet) return;
  printf("vloss-check %s, seed %llu, ISAs: %s\n\n", vloss_version(), (unsigned long long)report->seed, report->isas);
  printf("%-22s %-45s %7s %-5s %s\n", "function", "options or property", "cases", "bits", "worst ulp / gate");
}

static const char *bits(const struct line *line) { return line->unequal ? "DIFF" : line->isas > 1 ? "equal" : "one"; }

void report_line(struct report *report, const struct line *line) {
  struct line *grown = realloc(report->lines, (report->count + 1) * sizeof *grown);
  if (!grown) exit(2);
  report->lines = grown;
  report->lines[report->count++] = *line;
  if (report->quiet) return;
  printf("%-22s %-45s %7zu %-5s", line->function, line->what, line->cases, bits(line));
  for (size_t i = 0; i < line->outputs; i++)
    printf(" %s %.2f/%.3g", line->worst[i].output, line->worst[i].ulp, line->worst[i].gate);
  if (line->failures) printf(" FAILED %zu", line->failures);
  printf("\n");
  fflush(stdout);
}

void report_failure(struct report *report, struct line *line, const char *isa, const char *where, const char *format,
                    ...) {
  report->failures++;
  if (line->failures++ >= SHOWN) return;
  fprintf(stderr, "FAIL %s [%s] %s: %s: ", line->function, line->what, isa, where);
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  /* who failed may be the reference rather than an ISA */
  const char *option = vloss_isa_unsupported_reason(isa) ? "" : " --isa ", *value = *option ? isa : "";
  fprintf(stderr, "\n     repeat with: vloss-check --function %s%s%s --seed %llu%s\n", line->function, option, value,
          (unsigned long long)report->seed, report->arguments);
}

void report_ulp(struct line *line, const char *output, double ulp, double gate) {
  struct worst *worst = line->worst, *end = worst + line->outputs;
  while (worst < end && strcmp(worst->output, output) != 0) worst++;
  if (worst == line->worst + sizeof line->worst / sizeof *line->worst) return;
  if (worst == end) {
    *worst = (struct worst){output, 0, gate};
    line->outputs++;
  }
  if (ulp > worst->ulp) worst->ulp = ulp;
}

int report_end(struct report *report) {
  size_t cases = 0, unequal = 0;
  for (size_t i = 0; i < report->count; i++) {
    cases += report->lines[i].cases;
    unequal += report->lines[i].unequal;
  }
  if (!report->quiet)
    printf("\n%zu cases, %zu unequal results, %zu failures, seed %llu\n", cases, unequal, report->failures,
           (unsigned long long)report->seed);
  free(report->lines);
  report->lines = NULL;
  report->count = 0;
  return report->failures ? 1 : 0;
}

/* Names and options hold no character that JSON would have to escape. */
bool report_json(const struct report *report, const char *path) {
  FILE *out = path ? fopen(path, "w") : stdout;
  if (!out) return false;
  fprintf(out, "{\"version\": \"%s\", \"seed\": %llu, \"isas\": \"%s\", \"failures\": %zu, \"lines\": [",
          vloss_version(), (unsigned long long)report->seed, report->isas, report->failures);
  for (size_t i = 0; i < report->count; i++) {
    const struct line *line = &report->lines[i];
    fprintf(out, "%s\n  {\"function\": \"%s\", \"what\": \"%s\", \"cases\": %zu, \"failures\": %zu, \"bits\": \"%s\"",
            i ? "," : "", line->function, line->what, line->cases, line->failures, bits(line));
    fprintf(out, ", \"ulp\": {");
    for (size_t k = 0; k < line->outputs; k++) {
      const struct worst *worst = &line->worst[k];
      fprintf(out, "%s\"%s\": ", k ? ", " : "", worst->output);
      fprintf(out, isfinite(worst->ulp) ? "%.6g" : "\"%g\"", worst->ulp);
    }
    fprintf(out, "}}");
  }
  fprintf(out, "\n]}\n");
  return (path ? fclose(out) : fflush(out)) == 0;
}
