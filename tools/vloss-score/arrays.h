/* Arrays in files, for vloss-score: .npy of NumPy, or raw elements whose shape the caller says. They are mapped into
 * memory, not read. */
#ifndef VLOSS_SCORE_ARRAYS_H
#define VLOSS_SCORE_ARRAYS_H

#include <stddef.h>
#include <stdint.h>

#include "vloss/vloss.h"

/* Prints "vloss-score: ..." and ends the program with status 1. */
__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...);

/* What stands behind the last axis is one row each: rows x columns. */
struct array_file {
  const char *path;
  const unsigned char *map; /* the whole file */
  size_t map_size;
  const void *data; /* the elements */
  size_t rows, columns;
  char kind;    /* 'f' floating, 'i' signed, 'u' unsigned */
  size_t width; /* bytes of an element */
};

/* A file of .npy, told by its first bytes; in C order, in this machine's byte order. */
int is_npy(const struct array_file *file);
/* Maps a file; fails with a message if it cannot. */
struct array_file map_file(const char *path);
/* Makes the array of a mapped .npy file. */
void parse_npy(struct array_file *file);
/* A raw file of so many rows and columns of elements of that width. */
void take_raw(struct array_file *file, size_t rows, size_t columns, size_t width);
void unmap_file(struct array_file *file);

/* The header of a .npy file of a shape of one or two axes (columns 0: one): its bytes, a multiple of 64, are written
 * to `header`, 128 bytes long. */
size_t npy_header(char *header, const char *descr, size_t rows, size_t columns);

#endif
