/* See arrays.h. */
#include "arrays.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("vloss-score: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

struct array_file map_file(const char *path) {
  struct array_file file = {.path = path};
  const int descriptor = open(path, O_RDONLY);
  struct stat status;
  if (descriptor < 0 || fstat(descriptor, &status) != 0) fail("cannot open %s: %s", path, strerror(errno));
  if (!S_ISREG(status.st_mode)) fail("%s is no regular file", path);
  if (status.st_size <= 0) fail("%s is empty", path);
  file.map_size = (size_t)status.st_size;
  void *const map = mmap(NULL, file.map_size, PROT_READ, MAP_SHARED, descriptor, 0);
  if (map == MAP_FAILED) fail("cannot map %s: %s", path, strerror(errno));
  close(descriptor);
  file.map = map;
  return file;
}
void unmap_file(struct array_file *file) {
  munmap((void *)(uintptr_t)file->map, file->map_size);
  file->map = NULL;
}

static const unsigned char magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
int is_npy(const struct array_file *file) {
  return file->map_size >= sizeof magic && memcmp(file->map, magic, sizeof magic) == 0;
}

/* Behind "'key':" in a header; null if it is not there. */
static const char *value_of(const char *header, const char *key) {
  char quoted[32];
  snprintf(quoted, sizeof quoted, "'%s':", key);
  const char *at = strstr(header, quoted);
  if (!at) return NULL;
  at += strlen(quoted);
  return at + strspn(at, " ");
}

/* "(3, 4, 5)": the product of all but the last, and the last. */
static int parse_shape(const char *text, size_t *rows, size_t *columns) {
  size_t axes = 0;
  *rows = 1;
  if (*text++ != '(') return 0;
  for (;;) {
    text += strspn(text, " ,");
    if (*text == ')') return axes > 0;
    char *end;
    errno = 0;
    const unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || errno || n > SIZE_MAX) return 0;
    if (axes++ && __builtin_mul_overflow(*rows, *columns, rows)) return 0;
    *columns = (size_t)n;
    text = end;
  }
}

static void need_bytes(const struct array_file *file, size_t start, size_t width) {
  size_t count, bytes;
  if (__builtin_mul_overflow(file->rows, file->columns, &count) || __builtin_mul_overflow(count, width, &bytes) ||
      bytes > SIZE_MAX - start)
    fail("%s: %zu rows of %zu elements are more than memory can address", file->path, file->rows, file->columns);
  if (file->map_size != start + bytes)
    fail("%s has %zu bytes, but %zu rows of %zu elements of %zu bytes are %zu%s", file->path, file->map_size,
         file->rows, file->columns, width, start + bytes, file->map_size < start + bytes ? ": it is cut short" : "");
}

void parse_npy(struct array_file *file) {
  char header[4096];
  const unsigned char *const map = file->map;
  if (file->map_size < 12) fail("%s: the header of .npy is cut short", file->path);
  const int major = map[6];
  const size_t prefix = major == 1 ? 10 : 12;
  size_t length = (size_t)map[8] | (size_t)map[9] << 8;
  if (major > 1) length |= (size_t)map[10] << 16 | (size_t)map[11] << 24;
  if (major < 1 || major > 3) fail("%s: version %d of .npy is not known", file->path, major);
  if (length >= sizeof header || prefix + length > file->map_size)
    fail("%s: the header of .npy is cut short or damaged", file->path);
  memcpy(header, map + prefix, length);
  header[length] = 0;
  const char *const descr = value_of(header, "descr"), *const order = value_of(header, "fortran_order");
  const char *const shape = value_of(header, "shape");
  if (!descr || !order || !shape || descr[0] != '\'' || strlen(descr) < 4)
    fail("%s: the header of .npy has no descr, fortran_order or shape", file->path);
  if (strncmp(order, "False", 5) != 0)
    fail("%s: is in Fortran's order; save numpy.ascontiguousarray of it", file->path);
  const char native = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>';
  if (descr[1] != native && descr[1] != '|') fail("%s: the elements are not in this machine's byte order", file->path);
  file->kind = descr[2];
  file->width = strtoul(descr + 3, NULL, 10);
  if (!parse_shape(shape, &file->rows, &file->columns)) fail("%s: the shape in the header is damaged", file->path);
  file->data = map + prefix + length;
  need_bytes(file, prefix + length, file->width);
}

void take_raw(struct array_file *file, size_t rows, size_t columns, size_t width) {
  file->rows = rows;
  file->columns = columns;
  file->width = width;
  file->data = file->map;
  need_bytes(file, 0, width);
}

size_t npy_header(char *header, const char *descr, size_t rows, size_t columns) {
  char shape[64];
  if (columns)
    snprintf(shape, sizeof shape, "(%zu, %zu)", rows, columns);
  else
    snprintf(shape, sizeof shape, "(%zu,)", rows);
  memset(header, ' ', 128);
  memcpy(header, magic, sizeof magic);
  header[6] = 1, header[7] = 0;
  header[8] = 118, header[9] = 0; /* of 128 bytes, ten are before the text */
  const int length = snprintf(header + 10, 117, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);
  header[10 + length] = ' ';
  header[127] = '\n';
  return 128;
}
