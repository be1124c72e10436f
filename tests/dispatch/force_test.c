/* VLOSS_ISA and vloss_isa_force() through the public API. Each scenario runs in a process of its own, because the first
 * call of a process is the one that reads the environment.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "expect.h"

/* Every function answers the status; it computes the right thing if that is VLOSS_OK, and writes nothing otherwise. */
static void expect_calls(vloss_status expected, const char *when) {
  for (int i = 0; i < CALL_COUNT; i++) {
    struct call_outputs out, poison;
    memset(&poison, 0xa5, sizeof poison);
    memset(&out, 0xa5, sizeof out);
    const vloss_status status = call(i, &out);
    EXPECT(status == expected, "%s: function %d answers %s", when, i, vloss_status_name(status));
    EXPECT(expected == VLOSS_OK ? right(i, &out) : memcmp(&out, &poison, sizeof out) == 0, "%s: function %d writes %s",
           when, i, expected == VLOSS_OK ? "something wrong" : "although it refuses");
  }
}

static void expect_running(const char *isa, const char *when) {
  const char *name = NULL;
  EXPECT(vloss_isa_current(&name) == VLOSS_OK && name && strcmp(name, isa) == 0, "%s: %s runs, not %s", when,
         name ? name : "nothing", isa);
  expect_calls(VLOSS_OK, when);
}

static void expect_refusal(vloss_status status, const char *asked, const char *when) {
  static const char untouched[] = "untouched";
  const char *name = untouched;
  EXPECT(vloss_isa_current(&name) == status && name == untouched, "%s: vloss_isa_current, name %s", when, name);
  expect_calls(status, when);
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\"", asked);
  const char *message = vloss_status_message(status);
  EXPECT(strstr(message, quoted), "%s: the message does not name %s: %s", when, quoted, message);
  if (status == VLOSS_ERROR_ISA_UNSUPPORTED)
    EXPECT(strstr(message, vloss_isa_unsupported_reason(asked)), "%s: the message gives no reason: %s", when, message);
}

static const char *best(void) {
  size_t i = 0;
  while (vloss_isa_unsupported_reason(vloss_isa_name(i))) i++;
  return vloss_isa_name(i);
}

/* An ISA that cannot be used here: x86 has no NEON, ARM no AVX2. */
static const char *unsupported(void) { return vloss_isa_unsupported_reason("neon") ? "neon" : "avx2"; }

static void automatic(void) { expect_running(best(), "nothing asked for"); }

static void from_environment(void) { expect_running(getenv("VLOSS_ISA"), "VLOSS_ISA"); }

static void bad_environment(void) {
  const char *asked = getenv("VLOSS_ISA");
  const vloss_status status = strcmp(asked, unsupported()) == 0 ? VLOSS_ERROR_ISA_UNSUPPORTED : VLOSS_ERROR_ISA_UNKNOWN;
  char cut[32] = {0}; /* what a message keeps of a name */
  strncpy(cut, asked, sizeof cut - 1);
  expect_refusal(status, cut, "bad VLOSS_ISA");
  expect_refusal(status, cut, "bad VLOSS_ISA, asked again");
  EXPECT(vloss_isa_force("scalar") == VLOSS_OK, "recovery");
  expect_running("scalar", "forced after a bad VLOSS_ISA");
  EXPECT(vloss_isa_force(NULL) == status, "back to a bad VLOSS_ISA");
  expect_refusal(status, cut, "back to a bad VLOSS_ISA");
}

static void force_each(void) {
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *name = vloss_isa_name(i);
    if (vloss_isa_unsupported_reason(name)) {
      EXPECT(vloss_isa_force(name) == VLOSS_ERROR_ISA_UNSUPPORTED, "%s", name);
      expect_refusal(VLOSS_ERROR_ISA_UNSUPPORTED, name, "forced an unsupported one");
    } else {
      EXPECT(vloss_isa_force(name) == VLOSS_OK, "%s", name);
      expect_running(name, "forced");
    }
  }
  EXPECT(vloss_isa_force("avx3") == VLOSS_ERROR_ISA_UNKNOWN, "avx3");
  expect_refusal(VLOSS_ERROR_ISA_UNKNOWN, "avx3", "forced an unknown one");
  EXPECT(!strstr(vloss_status_message(VLOSS_ERROR_ISA_UNSUPPORTED), "avx3"), "avx3 is not unsupported but unknown");
  EXPECT(vloss_isa_force("AVX2") == VLOSS_ERROR_ISA_UNKNOWN, "names are exact");
  expect_refusal(VLOSS_ERROR_ISA_UNKNOWN, "AVX2", "forced another unknown one");
  EXPECT(vloss_isa_force("") == VLOSS_ERROR_ISA_UNKNOWN, "the empty name is unknown, too");
  expect_calls(VLOSS_ERROR_ISA_UNKNOWN, "forced the empty name");
  EXPECT(vloss_isa_force(NULL) == VLOSS_OK, "back");
  expect_running(best(), "back to the best");
}

static void force_over_environment(void) {
  EXPECT(vloss_isa_force(best()) == VLOSS_OK, "%s", best());
  expect_running(best(), "forced over VLOSS_ISA=scalar, before the first call");
  EXPECT(vloss_isa_force(NULL) == VLOSS_OK, "back");
  expect_running("scalar", "back to VLOSS_ISA=scalar");
}

static void null_argument(void) {
  EXPECT(vloss_isa_current(NULL) == VLOSS_ERROR_NULL, "null name");
  EXPECT(!strchr(vloss_status_message(VLOSS_ERROR_ISA_UNKNOWN), '"'), "nothing was asked for, so nothing is named");
}

/* Runs a scenario in a child with that VLOSS_ISA (null: unset); its checks count here, by way of a pipe. */
static void in_child(const char *isa, void (*scenario)(void)) {
  int counts[2] = {0, 0}, ends[2], status = -1;
  if (pipe(ends)) abort();
  const pid_t child = fork();
  if (child == 0) {
    checks = failures = 0;
    if (isa ? setenv("VLOSS_ISA", isa, 1) : unsetenv("VLOSS_ISA")) abort();
    scenario();
    counts[0] = checks, counts[1] = failures;
    _exit(write(ends[1], counts, sizeof counts) != (ssize_t)sizeof counts);
  }
  close(ends[1]);
  const ssize_t n = read(ends[0], counts, sizeof counts);
  close(ends[0]);
  waitpid(child, &status, 0);
  EXPECT(child > 0 && n == (ssize_t)sizeof counts && counts[0] > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0,
         "the scenario with VLOSS_ISA=%s died", isa ? isa : "(unset)");
  checks += counts[0], failures += counts[1];
}

int main(void) {
  in_child(NULL, automatic);
  in_child("", automatic);
  for (size_t i = 0; i < vloss_isa_count(); i++)
    if (!vloss_isa_unsupported_reason(vloss_isa_name(i))) in_child(vloss_isa_name(i), from_environment);
  in_child("avx3", bad_environment);
  in_child("AVX2", bad_environment);
  in_child(" scalar", bad_environment);
  in_child("a-name-that-is-longer-than-any-ISA-will-ever-have", bad_environment);
  in_child(unsupported(), bad_environment);
  in_child(NULL, force_each);
  in_child("scalar", force_over_environment);
  in_child(NULL, null_argument);
  return report("VLOSS_ISA and force");
}
