/* The data of the examples that train: Fashion-MNIST, in IDX files (big-endian header, then bytes) packed by gzip. */
#ifndef VLOSS_FASHION_MNIST_H
#define VLOSS_FASHION_MNIST_H

#include <string.h>
#include <zlib.h>

#include "example.h"

#define DEFAULT_DATA "/usr/share/datasets/fashion-mnist"

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10, TRAINING = 60000, TEST = 10000 };

struct images {
  size_t count;
  uint8_t *pixels; /* count x PIXELS */
  uint8_t *labels; /* count */
};

/* Reads the file of an array of bytes with exactly these dimensions; the array of dimensions ends with 0. */
static inline uint8_t *read_idx(const char *directory, const char *name, const size_t *dimensions) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) fail("%s: the path is too long", path);
  if (access(path, R_OK) != 0) {
    if (strcmp(directory, DEFAULT_DATA) == 0 && errno == ENOENT)
      skip("no %s here: install the package dataset-fashion-mnist", path);
    fail("cannot read %s: %s", path, strerror(errno));
  }
  gzFile file = gzopen(path, "rb");
  if (file == NULL) fail("cannot open %s: %s", path, strerror(errno));

  size_t rank = 0, size = 1;
  for (; dimensions[rank] != 0; rank++) size *= dimensions[rank];
  uint8_t header[4 * (1 + 3)];
  int header_size = (int)(4 * (1 + rank));
  if (gzread(file, header, (unsigned)header_size) != header_size) fail("%s: too short, or not gzip", path);
  if (header[0] != 0 || header[1] != 0 || header[2] != 0x08 || header[3] != rank)
    fail("%s: begins with %02x%02x%02x%02x, not with %08zx: no IDX array of bytes of rank %zu", path, header[0],
         header[1], header[2], header[3], 0x0800 + rank, rank);
  for (size_t i = 0; i < rank; i++) {
    const uint8_t *d = header + 4 * (1 + i);
    size_t found = (size_t)d[0] << 24 | (size_t)d[1] << 16 | (size_t)d[2] << 8 | d[3];
    if (found != dimensions[i]) fail("%s: axis %zu has %zu entries, not %zu", path, i, found, dimensions[i]);
  }
  uint8_t *bytes = allocate(size, 1), beyond;
  if (gzread(file, bytes, (unsigned)size) != (int)size) fail("%s: cut short or damaged", path);
  if (gzread(file, &beyond, 1) != 0) fail("%s: damaged, or data after the end of the array", path);
  if (gzclose(file) != Z_OK) fail("%s: damaged", path);
  return bytes;
}

static inline struct images read_images(const char *directory, const char *prefix, size_t count) {
  char name[64];
  snprintf(name, sizeof name, "%s-images-idx3-ubyte.gz", prefix);
  struct images images = {.count = count};
  images.pixels = read_idx(directory, name, (size_t[]){count, SIDE, SIDE, 0});
  snprintf(name, sizeof name, "%s-labels-idx1-ubyte.gz", prefix);
  images.labels = read_idx(directory, name, (size_t[]){count, 0});
  for (size_t i = 0; i < count; i++)
    if (images.labels[i] >= CLASSES) fail("%s/%s: label %u at entry %zu", directory, name, images.labels[i], i);
  return images;
}

struct fashion_mnist {
  struct images training, testing;
};

static inline struct fashion_mnist read_fashion_mnist(const char *directory) {
  return (struct fashion_mnist){read_images(directory, "train", TRAINING), read_images(directory, "t10k", TEST)};
}

static inline void free_fashion_mnist(struct fashion_mnist *data) {
  free(data->training.pixels);
  free(data->training.labels);
  free(data->testing.pixels);
  free(data->testing.labels);
}

/* Pixel values from 0 to 1. */
static inline void load_image(const struct images *images, size_t image, float x[PIXELS]) {
  for (size_t i = 0; i < PIXELS; i++) x[i] = (float)images->pixels[image * PIXELS + i] * (1.0f / 255);
}

#endif
