/* What runs the snippets of apis.c and checks what they give. */
#ifndef VLOSS_TESTS_APIS_H
#define VLOSS_TESTS_APIS_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../dispatch/expect.h"
#include "vloss/vloss.h"

enum { API_COUNT = 37 };

static const char *selected; /* the title of the only snippet to run; null: all */
static const char *title;    /* of the snippet that runs; null: none yet */
static int snippets, results;
static bool seen[API_COUNT + 1];
static vloss_status status; /* of the snippet's call */

static void end_snippet(void) { EXPECT(!title || results >= 2, "%s checks no loss and gradient", title); }

/* True if the snippet is to be run. Its title is the number of the API, its name, and the arguments that matter, such
 * as "20: torch.nn.SmoothL1Loss(beta=0.5)"; `kind` is the loss that serves the API. */
static bool api(const char *wanted, vloss_loss_kind kind) {
  if (selected && strcmp(selected, wanted) != 0) return false;
  end_snippet();
  title = wanted;
  results = 0;
  status = VLOSS_ERROR_NO_OUTPUT;
  snippets++;

  const unsigned long number = strtoul(wanted, NULL, 10);
  const bool listed = number >= 1 && number <= API_COUNT;
  EXPECT(listed, "%s is not one of the %d", title, API_COUNT);
  if (listed) seen[number] = true;

  const char *name = strchr(wanted, ' ') + 1;
  const size_t length = strcspn(name, "(");
  const vloss_loss_info *info = vloss_loss_info_of(kind);
  bool served = false;
  for (const char *const *a = info->apis; *a; a++) served |= strlen(*a) == length && strncmp(*a, name, length) == 0;
  EXPECT(served, "%s: not among the APIs of %s in the registry", title, info->name);
  return true;
}

/* Within 4 ulp, the promise of vloss.h; the expected values have nine digits. */
static void gives(const char *what, size_t count, const float *got, size_t expected_count, const double *expected) {
  results++;
  EXPECT(status == VLOSS_OK, "%s: %s", title, vloss_status_message(status));
  EXPECT(count == expected_count, "%s: %s has %zu numbers, %zu are expected", title, what, count, expected_count);
  for (size_t i = 0; i < count && i < expected_count; i++)
    EXPECT(fabs((double)got[i] - expected[i]) <= (4 * FLT_EPSILON + 5e-9) * fabs(expected[i]),
           "%s: %s[%zu] is %.9g, not %.9g", title, what, i, (double)got[i], expected[i]);
}

/* GIVES(loss, 0.5): that is what the call wrote to `loss`, a number or an array, after which it is NaN again. */
#define GIVES(result, ...)                                                           \
  (gives(#result, sizeof(result) / sizeof(float), (const float *)&(result),          \
         sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__}), \
   memset(&(result), 0xff, sizeof(result)))

/* Of all, or of the one snippet that was selected. */
static int report_snippets(void) {
  end_snippet();
  EXPECT(snippets > 0, "no snippet is called %s", selected);
  for (int i = 1; i <= API_COUNT && !selected; i++) EXPECT(seen[i], "API %d has no snippet", i);
  return report(selected ? selected : "apis");
}

#endif
