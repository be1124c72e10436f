/* The last layer of a language model and its loss without the array of all logits: logits = H W^T + b by CBLAS, a chunk
 * of rows and of classes at a time, and between the products what vloss knows of rows in parts. Each chunk of logits
 * is computed twice: once for the loss, and once for the gradient, which takes its place and goes into dH, dW and db.
 * With --check the results are held against those of all logits at once. docs/recipes.md has the page about it.
 */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include <cblas.h>

#include "example.h"

static const char usage[] =
    "usage: linear_cross_entropy [--rows N] [--classes V] [--width D] [--check]\n"
    "  --rows N      tokens (default 512)\n"
    "  --classes V   words of the vocabulary (default 20000)\n"
    "  --width D     of the hidden state (default 64)\n"
    "  --check       also computes with all logits at once, and compares\n";

enum { CHUNK_ROWS = 256, CHUNK_CLASSES = 2 * VLOSS_CLASS_BLOCK };

struct layer {
  size_t rows, classes, width;
  float *h, *w, *b;    /* rows x width, classes x width, classes */
  float *dh, *dw, *db; /* of the mean loss */
  int64_t *labels;
};

/* A normal number, nearly. */
static float normal(uint64_t *state) {
  float sum = 0;
  for (int i = 0; i < 4; i++) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    sum += (float)(*state >> 40) * 0x1p-24f;
  }
  return (sum - 2) * 1.7f;
}
static struct layer make_layer(size_t rows, size_t classes, size_t width) {
  struct layer l = {.rows = rows, .classes = classes, .width = width};
  uint64_t state = 1;
  l.h = allocate(rows * width, sizeof(float));
  l.w = allocate(classes * width, sizeof(float));
  l.b = allocate(classes, sizeof(float));
  l.dh = allocate(rows * width, sizeof(float));
  l.dw = allocate(classes * width, sizeof(float));
  l.db = allocate(classes, sizeof(float));
  l.labels = allocate(rows, sizeof(int64_t));
  const float scale = 2 / sqrtf((float)width);
  for (size_t i = 0; i < rows * width; i++) l.h[i] = normal(&state);
  for (size_t i = 0; i < classes * width; i++) l.w[i] = normal(&state) * scale;
  for (size_t i = 0; i < classes; i++) l.b[i] = normal(&state) * 0.1f;
  for (size_t i = 0; i < rows; i++) {
    l.labels[i] = (int64_t)(state % classes);
    state = state * 6364136223846793005u + 1442695040888963407u;
    if (i % 50 == 49) l.labels[i] = -100; /* a token that does not count */
  }
  return l;
}

/* Rows first .. first + n - 1, classes c .. c + m - 1. */
struct chunk {
  size_t first, n, c, m;
};
static void logits_of(const struct layer *l, struct chunk k, float *logits) {
  for (size_t r = 0; r < k.n; r++) memcpy(logits + r * k.m, l->b + k.c, k.m * sizeof(float));
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)k.n, (int)k.m, (int)l->width, 1, l->h + k.first * l->width,
              (int)l->width, l->w + k.c * l->width, (int)l->width, 1, logits, (int)k.m);
}
/* Adds what the gradient of a chunk's logits gives. */
static void add_gradients(const struct layer *l, struct chunk k, const float *g) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)k.n, (int)l->width, (int)k.m, 1, g, (int)k.m,
              l->w + k.c * l->width, (int)l->width, 1, l->dh + k.first * l->width, (int)l->width);
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)k.m, (int)l->width, (int)k.n, 1, g, (int)k.m,
              l->h + k.first * l->width, (int)l->width, 1, l->dw + k.c * l->width, (int)l->width);
  for (size_t r = 0; r < k.n; r++)
    for (size_t c = 0; c < k.m; c++) l->db[k.c + c] += g[r * k.m + c];
}

static vloss_cross_entropy_args of_chunk(const struct layer *l, struct chunk k, float *logits,
                                         vloss_row_state *states) {
  return (vloss_cross_entropy_args){.rows = k.n,
                                    .classes = k.m,
                                    .class_offset = k.c,
                                    .total_classes = l->classes,
                                    .logits = logits,
                                    .labels = l->labels + k.first,
                                    .reduction = VLOSS_SUM,
                                    .states = states};
}

/* The sum of the losses of a chunk of rows; their share of the gradients, of which the mean's is 1 / live. */
static double chunk_of_rows(const struct layer *l, size_t first, size_t n, float live, float *logits,
                            vloss_row_state *states) {
  const float share = 1 / live;
  float loss;
  memset(states, 0, n * sizeof *states);
  for (size_t c = 0; c < l->classes; c += CHUNK_CLASSES) {
    const struct chunk k = {first, n, c, l->classes - c < CHUNK_CLASSES ? l->classes - c : CHUNK_CLASSES};
    logits_of(l, k, logits);
    const vloss_cross_entropy_args args = of_chunk(l, k, logits, states + n);
    require(vloss_cross_entropy_partial(&args));
    require(vloss_cross_entropy_merge(states, states + n, n));
  }
  vloss_cross_entropy_args whole = of_chunk(l, (struct chunk){first, n, 0, 0}, NULL, states);
  whole.loss = &loss;
  require(vloss_cross_entropy_finish(&whole));
  for (size_t c = 0; c < l->classes; c += CHUNK_CLASSES) {
    const struct chunk k = {first, n, c, l->classes - c < CHUNK_CLASSES ? l->classes - c : CHUNK_CLASSES};
    logits_of(l, k, logits);
    vloss_cross_entropy_args args = of_chunk(l, k, logits, states);
    args.upstream = &share;
    args.grad = logits;
    require(vloss_cross_entropy_partial_gradient(&args));
    add_gradients(l, k, logits);
  }
  return (double)loss;
}

static size_t live_rows(const struct layer *l) {
  size_t live = 0;
  for (size_t r = 0; r < l->rows; r++) live += l->labels[r] != -100;
  return live;
}
static double in_chunks(const struct layer *l) {
  float *const logits = allocate((size_t)CHUNK_ROWS * CHUNK_CLASSES, sizeof(float));
  vloss_row_state *const states = allocate(2 * (size_t)CHUNK_ROWS, sizeof *states);
  const size_t live = live_rows(l);
  double sum = 0;
  for (size_t first = 0; first < l->rows; first += CHUNK_ROWS) {
    const size_t n = l->rows - first < CHUNK_ROWS ? l->rows - first : CHUNK_ROWS;
    sum += chunk_of_rows(l, first, n, (float)live, logits, states);
    progress("rows", first + n, l->rows);
  }
  progress("rows", 0, 0);
  free(states);
  free(logits);
  return sum / (double)live;
}

static double at_once(const struct layer *l) {
  float loss, *const logits = allocate(l->rows * l->classes, sizeof(float));
  const struct chunk all = {0, l->rows, 0, l->classes};
  logits_of(l, all, logits);
  require(vloss_cross_entropy(&(vloss_cross_entropy_args){
      .rows = l->rows, .classes = l->classes, .logits = logits, .labels = l->labels, .loss = &loss, .grad = logits}));
  add_gradients(l, all, logits);
  free(logits);
  return (double)loss;
}

/* The products add in another order, so the last digits differ: by a few ulp of the largest number. */
static void compare(const char *what, const float *a, const float *b, size_t n) {
  double largest = 0, apart = 0;
  for (size_t i = 0; i < n; i++) {
    largest = fmax(largest, fabs((double)b[i]));
    apart = fmax(apart, fabs((double)a[i] - (double)b[i]));
  }
  printf("%s: at most %.1e apart, of numbers up to %.1e\n", what, apart, largest);
  if (!(apart <= 2e-6 * largest)) fail("%s differs from that of all logits at once", what);
}

/* The most memory that the process has held so far. */
static double peak_mebibytes(void) {
  struct rusage usage_now;
  getrusage(RUSAGE_SELF, &usage_now);
  return (double)usage_now.ru_maxrss / 1024;
}

int main(int argc, char **argv) {
  size_t rows = 512, classes = 20000, width = 64;
  int check = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--rows") == 0) {
      rows = option_count(argc, argv, &i);
    } else if (strcmp(argv[i], "--classes") == 0) {
      classes = option_count(argc, argv, &i);
    } else if (strcmp(argv[i], "--width") == 0) {
      width = option_count(argc, argv, &i);
    } else if (strcmp(argv[i], "--check") == 0) {
      check = 1;
    } else {
      const int help = strcmp(argv[i], "--help") == 0;
      if (!help) fprintf(stderr, "error: unknown option %s\n", argv[i]);
      fputs(usage, help ? stdout : stderr);
      return help ? EXIT_SUCCESS : EXIT_FAILURE;
    }
  }
  if (rows * classes > (size_t)1 << 40 || rows * width > (size_t)1 << 32 || classes * width > (size_t)1 << 32)
    fail("%zu rows of %zu, and %zu classes, are more than an example should hold", rows, width, classes);
  struct layer l = make_layer(rows, classes, width);
  memset(l.dh, 1, rows * width * sizeof(float)); /* so that the memory is there before it is measured */
  memset(l.dw, 1, classes * width * sizeof(float));
  memset(l.dh, 0, rows * width * sizeof(float));
  memset(l.dw, 0, classes * width * sizeof(float));
  const double before = peak_mebibytes(), start = seconds();
  const double loss = in_chunks(&l), beside = peak_mebibytes() - before;
  printf("%zu rows, %zu classes, width %zu: mean loss %.6f, with dH, dW and db, in %.2f s\n", rows, classes, width,
         loss, seconds() - start);
  printf("memory beside H, W and their gradients: %.0f MiB, where all logits would be %.0f MiB\n", beside,
         (double)rows * (double)classes * 4 / 0x1p20);
  if (beside > 200) fail("that is more than 200 MiB");
  if (check) {
    struct layer whole = l;
    whole.dh = allocate(rows * width, sizeof(float));
    whole.dw = allocate(classes * width, sizeof(float));
    whole.db = allocate(classes, sizeof(float));
    const double expected = at_once(&whole);
    if (!(fabs(loss - expected) <= 1e-6 * expected))
      fail("the loss of all logits at once is %.9g, not %.9g", expected, loss);
    printf("loss of all logits at once: %.6f\n", expected);
    compare("dH", l.dh, whole.dh, rows * width);
    compare("dW", l.dw, whole.dw, classes * width);
    compare("db", l.db, whole.db, classes);
    free(whole.dh);
    free(whole.dw);
    free(whole.db);
  }
  free(l.h);
  free(l.w);
  free(l.b);
  free(l.dh);
  free(l.dw);
  free(l.db);
  free(l.labels);
  return EXIT_SUCCESS;
}
