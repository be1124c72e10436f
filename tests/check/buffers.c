#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "buffers.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POISON 0x7fa5a5a5u /* a signalling NaN; as int32 and int64 far from any label */
#define SURROUNDINGS 1024  /* bytes watched on either side of an array: 16 vectors */

static void reserve(struct buffer *buffer, size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (bytes + 2 * page) / page * page;
  if (size <= buffer->size) return;
  if (buffer->pages) munmap(buffer->pages - page, buffer->size + 2 * page);
  size += size / 2 / page * page;
  char *all = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED || mprotect(all + page, size, PROT_READ | PROT_WRITE)) {
    perror("vloss-check: guarded memory");
    exit(2);
  }
  buffer->pages = all + page;
  buffer->size = size;
}

void buffer_poison(void *data, size_t bytes) {
  uint32_t *word = data;
  for (size_t i = 0; i < bytes / sizeof *word; i++) word[i] = POISON;
}

char *buffer_place(struct buffer *buffer, size_t bytes, size_t offset, bool at_end) {
  reserve(buffer, bytes + offset);
  char *end = buffer->pages + buffer->size;
  buffer->data = at_end ? end - offset - bytes : buffer->pages + offset;
  buffer->bytes = bytes;
  size_t before = (size_t)(buffer->data - buffer->pages), after = (size_t)(end - buffer->data) - bytes;
  if (before > SURROUNDINGS) before = SURROUNDINGS;
  if (after > SURROUNDINGS) after = SURROUNDINGS;
  buffer->window = buffer->data - before;
  buffer->window_bytes = before + bytes + after;
  buffer_poison(buffer->window, buffer->window_bytes);
  return buffer->data;
}

bool buffer_is_poison(const struct buffer *buffer) {
  const uint32_t *word = (const void *)buffer->window;
  for (size_t i = 0; i < buffer->window_bytes / sizeof *word; i++)
    if (word[i] != POISON) return false;
  return true;
}
