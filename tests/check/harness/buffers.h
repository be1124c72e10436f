/* Memory with a page that cannot be touched on either side. An array lies directly against one of the two, or some
 * elements away from it; everything around it is poison, so that a stray write shows as well as a stray access. */
#ifndef VLOSS_TESTS_CHECK_BUFFERS_H
#define VLOSS_TESTS_CHECK_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
  char *pages; /* the usable pages, between the two guards */
  size_t size;
  char *data; /* the array placed last ... */
  size_t bytes;
  char *window; /* ... and the part of the pages that it and its poisoned surroundings take */
  size_t window_bytes;
};

/* Places an array of `bytes` bytes, `offset` bytes after the front guard page or, if at_end, before the back one, and
 * poisons it and its surroundings. */
char *buffer_place(struct buffer *buffer, size_t bytes, size_t offset, bool at_end);

/* Writes the poison over bytes (a multiple of 4) of an array: a float NaN that no function of the library may write. */
void buffer_poison(void *data, size_t bytes);

/* Whether the array and its surroundings hold nothing but poison. */
bool buffer_is_poison(const struct buffer *buffer);

#endif
