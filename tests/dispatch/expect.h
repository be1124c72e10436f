/* Checks that count: EXPECT(condition, message...) prints where and what failed and goes on; main returns report(). */
#ifndef VLOSS_TESTS_DISPATCH_EXPECT_H
#define VLOSS_TESTS_DISPATCH_EXPECT_H

#include <stdio.h>

static int checks, failures;

#define EXPECT(condition, ...)                                              \
  do {                                                                      \
    checks++;                                                               \
    if (!(condition)) {                                                     \
      failures++;                                                           \
      fprintf(stderr, "%s:%d: %s fails: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                                         \
      fputc('\n', stderr);                                                  \
    }                                                                       \
  } while (0)

static inline int report(const char *what) {
  printf("%s: %d checks, %d failed\n", what, checks, failures);
  return failures != 0 || checks == 0;
}

#endif
