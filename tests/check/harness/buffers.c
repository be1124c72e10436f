/* See buffers.h. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "buffers.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

#define POISON 0x7fa5u    /* signalling NaN of bf16 and, twice, of float; as int32 and int64 far from any label */
#define SURROUNDINGS 1024 /* bytes watched on either side of an array: 16 vectors */

/* Memory between two pages that nothing may touch. */
#ifdef _WIN32
static size_t page_size(void) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}
static char *map_guarded(size_t size, size_t page) {
  char *all = VirtualAlloc(NULL, size + 2 * page, MEM_RESERVE, PAGE_NOACCESS);
  return all ? VirtualAlloc(all + page, size, MEM_COMMIT, PAGE_READWRITE) : NULL;
}
static void unmap_guarded(char *pages, size_t size, size_t page) {
  (void)size;
  VirtualFree(pages - page, 0, MEM_RELEASE);
}
#else
static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }
static char *map_guarded(size_t size, size_t page) {
  char *all = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return all == MAP_FAILED || mprotect(all + page, size, PROT_READ | PROT_WRITE) ? NULL : all + page;
}
static void unmap_guarded(char *pages, size_t size, size_t page) { munmap(pages - page, size + 2 * page); }
#endif

static void reserve(struct buffer *buffer, size_t bytes) {
  size_t page = page_size(), size = (bytes + 2 * page) / page * page;
  if (size <= buffer->size) return;
  if (buffer->pages) unmap_guarded(buffer->pages, buffer->size, page);
  size += size / 2 / page * page;
  buffer->pages = map_guarded(size, page);
  if (!buffer->pages) {
    perror("vloss-check: guarded memory");
    exit(2);
  }
  buffer->size = size;
}

void buffer_poison(void *data, size_t bytes) {
  uint16_t *word = data;
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
  const uint16_t *word = (const void *)buffer->window;
  for (size_t i = 0; i < buffer->window_bytes / sizeof *word; i++)
    if (word[i] != POISON) return false;
  return true;
}
