/* See refusals.h: the list of a function on every ISA, with what a crash or a left-behind flag would show. */
#include "refusals.h"

#include "crash.h"
#include "environment.h"

void refusals_note(struct refusals *refusals, const char *text, vloss_status expected, vloss_status got, bool written) {
  struct report *report = refusals->check->report;
  refusals->line.cases++;
  refusals->last = text;
  if (got != expected)
    report_failure(report, &refusals->line, refusals->isa, text, "answered %s, expected %s", vloss_status_name(got),
                   vloss_status_name(expected));
  else if (written)
    report_failure(report, &refusals->line, refusals->isa, text, "refused with %s, but wrote", vloss_status_name(got));
}

static void refuse(void *context) {
  struct refusals *refusals = context;
  refusals->function->refuse(refusals);
}

void check_refusals(struct check *check, const struct function *function) {
  struct refusals refusals = {.check = check, .function = function};
  refusals.line = (struct line){.function = function->name, .what = "bad input", .isas = check->isa_count};
  for (size_t i = 0; i < check->isa_count; i++) {
    refusals.isa = check->isas[i];
    refusals.last = "the first change";
    vloss_status forced = library_use(refusals.isa);
    if (!library->isa_force) continue; /* a kernel need not refuse what the caller never sends */
    if (forced != VLOSS_OK)
      report_failure(check->report, &refusals.line, refusals.isa, "choosing the ISA", "%s", vloss_status_name(forced));
    environment_set(check_default_environment());
    int signal = forced == VLOSS_OK ? crash_guard(refuse, &refusals) : 0;
    if (environment_get() != check_default_environment())
      report_failure(check->report, &refusals.line, refusals.isa, "all of them", "exception flags were left behind");
    if (signal)
      report_failure(check->report, &refusals.line, refusals.isa, refusals.last, "%s in the call after this one",
                     crash_name(signal));
  }
  report_line(check->report, &refusals.line);
}
