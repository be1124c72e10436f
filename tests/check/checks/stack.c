/* How much stack a call takes: it runs on a painted stack of its own, and what is no longer paint was used. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, ucontext */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

#ifdef _WIN32
void check_stack(struct check *check, const struct function *function) {
  (void)check;
  fprintf(stderr, "SKIP %s, stack use: Windows has no contexts to run on a stack of our own\n", function->name);
}
#else
#include <sys/mman.h>
#include <ucontext.h>

#define PROMISE (64 * 1024) /* of vloss.h, in every build type, but not of code that a sanitizer pads */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PADDED 1
#elif defined(__has_feature)
#define PADDED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define PADDED 0
#endif
#define STACK (1 << 20)
#define PAINT 0x5a

static const struct job *current;
static vloss_status status;

static void call(void) { status = current->function->call(current); }

/* Bytes of stack that the placed job's call uses. */
static size_t stack_use(const struct job *job, unsigned char *stack) {
  ucontext_t back, there;
  memset(stack, PAINT, STACK);
  current = job;
  if (getcontext(&there)) return SIZE_MAX;
  there.uc_stack.ss_sp = stack;
  there.uc_stack.ss_size = STACK;
  there.uc_link = &back;
  makecontext(&there, call, 0);
  if (swapcontext(&back, &there)) return SIZE_MAX;
  size_t untouched = 0;
  while (untouched < STACK && stack[untouched] == PAINT) untouched++;
  return STACK - untouched;
}

void check_stack(struct check *check, const struct function *function) {
  /* The most stack is needed by ways that only some rows take: of huge, masked or rising logits. */
  static const enum family families[] = {PLAIN, HUGE_RANGE, MASKED, RISING};
  static const size_t classes[] = {10, 64, 100, 300, 5000}, inners[] = {1, 2, 17};
  enum { FAMILY_COUNT = sizeof families / sizeof *families, SIZES = sizeof classes / sizeof *classes };
  struct line line = {.function = function->name, .what = "below 64 KiB of stack", .isas = check->isa_count};
  if (PADDED) {
    fprintf(stderr, "SKIP %s, stack use: this build has a sanitizer\n", function->name);
    return;
  }
  unsigned char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) {
    perror("vloss-check: a stack");
    exit(2);
  }
  for (size_t o = 0; o < function->option_count; o++)
    for (size_t i = 0; i < SIZES * FAMILY_COUNT; i++) {
      if (!case_turn(function, o, i, SIZES * FAMILY_COUNT, 1)) continue;
      struct job job;
      struct random r = {check->seed};
      job_create(&job, function, &function->options[o], 34, classes[i % SIZES], families[i / SIZES], check->seed);
      for (size_t k = 0; k < check->isa_count; k++) {
        struct layout layout = {.count = 34, .inner = inners[(o + i) % 3], .outputs = (uint32_t)ALL_OUTPUTS};
        job_place(&job, layout, &r);
        library_use(check->isas[k]);
        size_t used = stack_use(&job, stack);
        line.cases++;
        if (status != VLOSS_OK || used > PROMISE)
          report_failure(check->report, &line, check->isas[k], check_where(&job), "%s, %zu bytes of stack",
                         vloss_status_name(status), used);
      }
      job_destroy(&job);
    }
  munmap(stack, STACK);
  report_line(check->report, &line);
}
#endif
