/* What the tests of rows whose classes are spread share: where shards begin and end, and threads that are none. */
#ifndef VLOSS_TESTS_DISPATCH_SHARDS_H
#define VLOSS_TESTS_DISPATCH_SHARDS_H

#include "../check/harness/random.h"
#include "vloss/vloss.h"

/* Borders of at most `most` shards, empty ones among them; how many shards. */
static inline size_t any_borders(struct random *r, size_t total, size_t most, size_t *border) {
  const size_t blocks = (total + VLOSS_CLASS_BLOCK - 1) / VLOSS_CLASS_BLOCK;
  size_t count = 0;
  border[0] = 0;
  for (size_t b = 0; b < blocks; b++) {
    if (b && (count + 2 >= most || random_below(r, 2) == 0)) continue;
    if (b) border[++count] = b * VLOSS_CLASS_BLOCK;
    if (random_below(r, 6) == 0 && count + 3 < most) {
      border[count + 1] = border[count];
      count++;
    }
  }
  border[++count] = total;
  return count;
}

/* An executor that begins at the end. */
static inline void backwards(void *context, size_t count, vloss_task *task, void *argument) {
  (void)context;
  while (count-- > 0) task(argument, count);
}
static const vloss_executor executor = {NULL, 3, backwards};

#endif
