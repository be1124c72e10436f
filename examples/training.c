/* Trains on Fashion-MNIST: softmax regression, and a network with one hidden layer of ReLU units.
 *
 * Loss and gradient come from one call of vloss, the gradient in place of the logits. All else here adds in a fixed
 * order too (own random numbers, sums that the compiler may not reorder), so the trained weights have the same bits
 * under every ISA; their hash is printed.
 */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#include "example.h"

static const char usage[] =
    "usage: training [--model softmax|network|both] [--epochs N] [--every-isa] [--data DIRECTORY]\n"
    "  --model M      what to train (default both)\n"
    "  --epochs N     passes over the training images (default 20 for softmax, 12 for the network)\n"
    "  --every-isa    train once on each ISA that can run here and compare the final bits\n"
    "  --data DIR     where the four files of Fashion-MNIST are\n";

#define DEFAULT_DATA "/usr/share/datasets/fashion-mnist"

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10, TRAINING = 60000, TEST = 10000, BATCH = 100, MAX_LAYERS = 2 };

/* ---- The data: IDX files (big-endian header, then bytes), gzip
 * ------------------------------------------------------- */

struct images {
  size_t count;
  uint8_t *pixels; /* count x PIXELS */
  uint8_t *labels; /* count */
};

/* Reads the file of an array of bytes with exactly these dimensions; the array of dimensions ends with 0. */
static uint8_t *read_idx(const char *directory, const char *name, const size_t *dimensions) {
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

static struct images read_images(const char *directory, const char *prefix, size_t count) {
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

/* ---- The model: dense layers with ReLU between them
 * ------------------------------------------------------------------ */

/* y = x W + b. Each array of parameters is (inputs + 1) x outputs: W by inputs, then b. */
struct layer {
  size_t inputs, outputs;
  float *parameters, *gradient, *velocity;
  float *x; /* BATCH x inputs: what the layer was last applied to */
};

struct model {
  const char *name;
  size_t hidden; /* 0: softmax regression */
  size_t epochs;
  float rate;
  double bar; /* the test accuracy that the default number of epochs has to reach */

  size_t layers;
  struct layer layer[MAX_LAYERS];
  float logits[BATCH * CLASSES];
  size_t count; /* of all parameters */
};

/* SplitMix64: a full-period generator with 64 bits of state (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* y += a x, the one loop that costs time: its elements do not depend on each other, so any vector width gives the same
 * bits. */
static void add_scaled(size_t n, float a, const float *restrict x, float *restrict y) {
  for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

static size_t parameter_count(const struct layer *layer) { return (layer->inputs + 1) * layer->outputs; }

static void build(struct model *model, uint64_t *random) {
  const size_t width[] = {PIXELS, model->hidden > 0 ? model->hidden : CLASSES, CLASSES};
  model->layers = model->hidden > 0 ? 2 : 1;
  model->count = 0;
  for (size_t l = 0; l < model->layers; l++) {
    struct layer *layer = &model->layer[l];
    *layer = (struct layer){.inputs = width[l], .outputs = width[l + 1]};
    size_t count = parameter_count(layer);
    layer->parameters = allocate(count, sizeof(float));
    layer->gradient = allocate(count, sizeof(float));
    layer->velocity = allocate(count, sizeof(float));
    layer->x = allocate(BATCH * layer->inputs, sizeof(float));
    /* Uniform weights of variance 2 / inputs keep the scale of the activations through ReLU (He et al. 2015). */
    float reach = sqrtf(6.0f / (float)layer->inputs);
    for (size_t i = 0; i < layer->inputs * layer->outputs; i++)
      layer->parameters[i] = reach * ((float)(next_random(random) >> 40) * 0x1p-23f - 1.0f);
    model->count += count;
  }
}

static void destroy(struct model *model) {
  for (size_t l = 0; l < model->layers; l++) {
    struct layer *layer = &model->layer[l];
    free(layer->parameters);
    free(layer->gradient);
    free(layer->velocity);
    free(layer->x);
  }
}

/* Fills model->logits from the pixels in the first layer's x. */
static void forward(struct model *model, size_t rows) {
  for (size_t l = 0; l < model->layers; l++) {
    const struct layer *layer = &model->layer[l];
    bool last = l + 1 == model->layers;
    float *y = last ? model->logits : model->layer[l + 1].x;
    for (size_t r = 0; r < rows; r++, y += layer->outputs) {
      const float *x = layer->x + r * layer->inputs;
      memcpy(y, layer->parameters + layer->inputs * layer->outputs, layer->outputs * sizeof *y);
      for (size_t i = 0; i < layer->inputs; i++) /* half of all pixels are black */
        if (x[i] != 0) add_scaled(layer->outputs, x[i], layer->parameters + i * layer->outputs, y);
      for (size_t j = 0; j < layer->outputs && !last; j++) y[j] = y[j] < 0 ? 0 : y[j];
    }
  }
}

/* From the gradient in model->logits to that of the parameters. A hidden layer's x is overwritten with its gradient. */
static void backward(struct model *model, size_t rows) {
  for (size_t l = model->layers; l-- > 0;) {
    struct layer *layer = &model->layer[l];
    const float *dy = l + 1 == model->layers ? model->logits : model->layer[l + 1].x;
    memset(layer->gradient, 0, parameter_count(layer) * sizeof(float));
    for (size_t r = 0; r < rows; r++, dy += layer->outputs) {
      float *x = layer->x + r * layer->inputs;
      for (size_t i = 0; i < layer->inputs; i++) {
        if (x[i] == 0) continue; /* adds nothing; and where ReLU cut off, no gradient passes */
        add_scaled(layer->outputs, x[i], dy, layer->gradient + i * layer->outputs);
        if (l == 0) continue;
        float sum = 0;
        for (size_t j = 0; j < layer->outputs; j++) sum += layer->parameters[i * layer->outputs + j] * dy[j];
        x[i] = sum;
      }
      add_scaled(layer->outputs, 1, dy, layer->gradient + layer->inputs * layer->outputs);
    }
  }
}

/* Gradient descent with momentum 0.9. */
static void descend(struct model *model, float rate) {
  for (size_t l = 0; l < model->layers; l++) {
    struct layer *layer = &model->layer[l];
    for (size_t i = 0; i < parameter_count(layer); i++) {
      layer->velocity[i] = 0.9f * layer->velocity[i] + layer->gradient[i];
      layer->parameters[i] -= rate * layer->velocity[i];
    }
  }
}

/* FNV-1a over the bits of all parameters, lowest byte first on any machine. */
static uint64_t hash_parameters(const struct model *model) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (size_t l = 0; l < model->layers; l++) {
    for (size_t i = 0; i < parameter_count(&model->layer[l]); i++) {
      uint32_t bits;
      memcpy(&bits, &model->layer[l].parameters[i], sizeof bits);
      for (int shift = 0; shift < 32; shift += 8) hash = (hash ^ (bits >> shift & 0xff)) * UINT64_C(0x100000001b3);
    }
  }
  return hash;
}

/* ---- Training
 * -------------------------------------------------------------------------------------------------------- */

/* Puts `rows` images, the ones that `order` lists (or the ones from `first` on), into the model's first layer. */
static void load_batch(struct model *model, const struct images *images, const uint32_t *order, size_t first,
                       size_t rows, int32_t labels[BATCH]) {
  float *x = model->layer[0].x;
  for (size_t r = 0; r < rows; r++) {
    size_t image = order != NULL ? order[first + r] : first + r;
    labels[r] = images->labels[image];
    for (size_t i = 0; i < PIXELS; i++) *x++ = (float)images->pixels[image * PIXELS + i] * (1.0f / 255);
  }
}

/* Returns the mean loss over the epoch. The rate falls in a line from `rate` to `last_rate`. */
static double train_epoch(struct model *model, const struct images *images, uint32_t *order, uint64_t *random,
                          float rate, float last_rate) {
  for (size_t i = images->count - 1; i > 0; i--) { /* Fisher-Yates */
    size_t j = (size_t)(next_random(random) % (i + 1));
    uint32_t other = order[j];
    order[j] = order[i];
    order[i] = other;
  }
  double sum = 0;
  for (size_t first = 0; first < images->count; first += BATCH) {
    int32_t labels[BATCH];
    float loss;
    load_batch(model, images, order, first, BATCH, labels);
    forward(model, BATCH);
    require(vloss_cross_entropy(&(vloss_cross_entropy_args){
        .rows = BATCH,
        .classes = CLASSES,
        .logits = model->logits,
        .labels = labels,
        .label_type = VLOSS_I32,
        .reduction = VLOSS_MEAN,
        .loss = &loss,
        .grad = model->logits,
    }));
    backward(model, BATCH);
    descend(model, rate + (last_rate - rate) * ((float)first / (float)images->count));
    sum += (double)loss * BATCH;
    if (first % (20 * BATCH) == 0) progress("training images", first, images->count);
  }
  return sum / (double)images->count;
}

/* Returns the share of images whose class the model finds; *mean_loss gets their mean loss. */
static double test(struct model *model, const struct images *images, double *mean_loss) {
  size_t right = 0;
  double sum = 0;
  for (size_t first = 0; first < images->count; first += BATCH) {
    int32_t labels[BATCH], predicted[BATCH];
    float loss;
    load_batch(model, images, NULL, first, BATCH, labels);
    forward(model, BATCH);
    require(vloss_cross_entropy(&(vloss_cross_entropy_args){
        .rows = BATCH,
        .classes = CLASSES,
        .logits = model->logits,
        .labels = labels,
        .label_type = VLOSS_I32,
        .reduction = VLOSS_SUM,
        .loss = &loss,
        .predicted = predicted,
    }));
    sum += (double)loss;
    for (size_t r = 0; r < BATCH; r++) right += predicted[r] == labels[r];
  }
  *mean_loss = sum / (double)images->count;
  return (double)right / (double)images->count;
}

/* Trains from the start and returns the hash of the weights. epochs 0: the model's own number, and its bar. */
static uint64_t run(struct model *model, size_t epochs, const struct images *training, const struct images *testing) {
  const char *isa;
  require(vloss_isa_current(&isa));
  uint64_t random = 1;
  build(model, &random);
  uint32_t *order = allocate(training->count, sizeof *order);
  for (size_t i = 0; i < training->count; i++) order[i] = (uint32_t)i;
  bool judged = epochs == 0 || epochs == model->epochs;
  if (epochs == 0) epochs = model->epochs;

  printf("\n%s, %zu weights, loss on %s\n", model->name, model->count, isa);
  printf("epoch  train loss  test loss  test accuracy  seconds\n");
  double accuracy = 0;
  for (size_t epoch = 0; epoch < epochs; epoch++) {
    double start = seconds(), test_loss;
    float rate = model->rate * (float)(epochs - epoch) / (float)epochs;
    float last_rate = model->rate * (float)(epochs - epoch - 1) / (float)epochs;
    double loss = train_epoch(model, training, order, &random, rate, last_rate);
    accuracy = test(model, testing, &test_loss);
    progress("", 0, 0);
    printf("%5zu %11.4f %10.4f %13.2f%% %8.1f\n", epoch + 1, loss, test_loss, 100 * accuracy, seconds() - start);
    fflush(stdout);
  }
  uint64_t hash = hash_parameters(model);
  printf("weights %016llx\n", (unsigned long long)hash);
  if (judged && !(accuracy >= model->bar))
    fail("%s: test accuracy %.2f%% is below %.0f%%", model->name, 100 * accuracy, 100 * model->bar);
  free(order);
  destroy(model);
  return hash;
}

/* Trains under every ISA that can run here and compares the weights. */
static void run_every_isa(struct model *model, size_t epochs, const struct images *training,
                          const struct images *testing) {
  uint64_t first_hash = 0;
  const char *first = NULL;
  for (size_t i = 0; i < vloss_isa_count(); i++) {
    const char *name = vloss_isa_name(i), *reason = vloss_isa_unsupported_reason(name);
    if (reason != NULL) {
      printf("\n%s: not trained on %s: %s\n", model->name, name, reason);
      continue;
    }
    require(vloss_isa_force(name));
    uint64_t hash = run(model, epochs, training, testing);
    if (first == NULL) {
      first = name;
      first_hash = hash;
    } else if (hash != first_hash) {
      fail("%s: the weights differ between %s and %s", model->name, first, name);
    } else {
      printf("the same bits as on %s\n", first);
    }
  }
}

int main(int argc, char **argv) {
  static struct model models[] = {
      {.name = "softmax regression", .epochs = 20, .rate = 0.02f, .bar = 0.84},
      {.name = "network of 128 hidden units", .hidden = 128, .epochs = 12, .rate = 0.05f, .bar = 0.87},
  };
  bool wanted[] = {true, true}, every_isa = false;
  size_t epochs = 0;
  const char *directory = DEFAULT_DATA;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--model") == 0) {
      const char *name = option_value(argc, argv, &i);
      wanted[0] = strcmp(name, "softmax") == 0 || strcmp(name, "both") == 0;
      wanted[1] = strcmp(name, "network") == 0 || strcmp(name, "both") == 0;
      if (!wanted[0] && !wanted[1]) fail("--model wants softmax, network or both, not \"%s\"", name);
    } else if (strcmp(argv[i], "--epochs") == 0) {
      epochs = option_count(argc, argv, &i);
    } else if (strcmp(argv[i], "--every-isa") == 0) {
      every_isa = true;
    } else if (strcmp(argv[i], "--data") == 0) {
      directory = option_value(argc, argv, &i);
    } else {
      bool help = strcmp(argv[i], "--help") == 0;
      if (!help) fprintf(stderr, "error: unknown option %s\n", argv[i]);
      fputs(usage, help ? stdout : stderr);
      return help ? EXIT_SUCCESS : EXIT_FAILURE;
    }
  }
  const char *isa;
  require(vloss_isa_current(&isa)); /* a wrong VLOSS_ISA is told before the data are read */

  struct images training = read_images(directory, "train", TRAINING), testing = read_images(directory, "t10k", TEST);
  printf("Fashion-MNIST: %zu images to train on, %zu to test, %d x %d, %d classes\n", training.count, testing.count,
         SIDE, SIDE, CLASSES);
  for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
    if (!wanted[m]) continue;
    if (every_isa) {
      run_every_isa(&models[m], epochs, &training, &testing);
    } else {
      run(&models[m], epochs, &training, &testing);
    }
  }
  free(training.pixels);
  free(training.labels);
  free(testing.pixels);
  free(testing.labels);
  return EXIT_SUCCESS;
}
