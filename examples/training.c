/* Trains on Fashion-MNIST: softmax regression, and a network with one hidden layer of ReLU units.
 *
 * Loss and gradient come from one call of vloss, the gradient in place of the logits. All else here adds in a fixed
 * order too (own random numbers, sums that the compiler may not reorder), so the trained weights have the same bits
 * under every ISA; their hash is printed. With --type, logits and their gradient have 16 bits, and the weights stay in
 * f32.
 */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "elements.h"
#include "fashion_mnist.h"
#include "sgd.h"

static const char usage[] =
    "usage: training [--model softmax|network|both] [--type f32|bf16|f16] [--epochs N] [--every-isa]\n"
    "                [--data DIRECTORY]\n"
    "  --model M      what to train (default both)\n"
    "  --type T       of the logits and of their gradient (default f32)\n"
    "  --epochs N     passes over the training images (default 20 for softmax, 12 for the network)\n"
    "  --every-isa    train once on each ISA that can run here and compare the final bits\n"
    "  --data DIR     where the four files of Fashion-MNIST are\n";

enum { BATCH = 100, MAX_LAYERS = 2 };

/* ---- The model: dense layers with ReLU between them -------------------------------------------------------------- */

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
  vloss_type type;
  uint16_t halves[BATCH * CLASSES]; /* the logits, where that has 16 bits */
};

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

static void descend_all(struct model *model, float rate) {
  for (size_t l = 0; l < model->layers; l++) {
    struct layer *layer = &model->layer[l];
    descend(parameter_count(layer), rate, layer->gradient, layer->velocity, layer->parameters);
  }
}

static uint64_t hash_parameters(const struct model *model) {
  uint64_t hash = HASH_START;
  for (size_t l = 0; l < model->layers; l++)
    hash = hash_floats(parameter_count(&model->layer[l]), model->layer[l].parameters, hash);
  return hash;
}

/* ---- Training ---------------------------------------------------------------------------------------------------- */

/* Puts `rows` images, the ones that `order` lists (or the ones from `first` on), into the model's first layer. */
static void load_batch(struct model *model, const struct images *images, const uint32_t *order, size_t first,
                       size_t rows, int32_t labels[BATCH]) {
  float *x = model->layer[0].x;
  for (size_t r = 0; r < rows; r++) {
    size_t image = order != NULL ? order[first + r] : first + r;
    labels[r] = images->labels[image];
    load_image(images, image, x + r * PIXELS);
  }
}

/* What vloss gets: the logits, in their type. The gradient comes back in their place. */
static void *typed_logits(struct model *model) {
  if (model->type == VLOSS_F32) return model->logits;
  elements_of_floats(model->type, model->halves, model->logits, BATCH * CLASSES);
  return model->halves;
}
static void take_gradient(struct model *model) {
  for (size_t i = 0; i < BATCH * CLASSES && model->type != VLOSS_F32; i++)
    model->logits[i] = of_half(model->type, model->halves[i]);
}

/* Returns the mean loss over the epoch. The rate falls in a line from `rate` to `last_rate`. */
static double train_epoch(struct model *model, const struct images *images, uint32_t *order, uint64_t *random,
                          float rate, float last_rate) {
  shuffle(images->count, order, random);
  double sum = 0;
  for (size_t first = 0; first < images->count; first += BATCH) {
    int32_t labels[BATCH];
    float loss;
    load_batch(model, images, order, first, BATCH, labels);
    forward(model, BATCH);
    void *const logits = typed_logits(model);
    require(vloss_cross_entropy(&(vloss_cross_entropy_args){
        .rows = BATCH,
        .classes = CLASSES,
        .type = model->type,
        .logits = logits,
        .labels = labels,
        .label_type = VLOSS_I32,
        .reduction = VLOSS_MEAN,
        .loss = &loss,
        .grad = logits,
    }));
    take_gradient(model);
    backward(model, BATCH);
    descend_all(model, rate + (last_rate - rate) * ((float)first / (float)images->count));
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
    void *const logits = typed_logits(model);
    require(vloss_cross_entropy(&(vloss_cross_entropy_args){
        .rows = BATCH,
        .classes = CLASSES,
        .type = model->type,
        .logits = logits,
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

struct run {
  struct model *model;
  size_t epochs; /* 0: the model's own number, and its bar */
  const struct fashion_mnist *data;
};

/* Trains from the start and returns the hash of the weights. */
static uint64_t train(void *context) {
  const struct run *run = context;
  struct model *model = run->model;
  const struct images *training = &run->data->training, *testing = &run->data->testing;
  const bool judged = run->epochs == 0 || run->epochs == model->epochs;
  const size_t epochs = run->epochs == 0 ? model->epochs : run->epochs;
  const char *isa;
  require(vloss_isa_current(&isa));
  uint64_t random = 1;
  build(model, &random);
  uint32_t *order = allocate(training->count, sizeof *order);
  for (size_t i = 0; i < training->count; i++) order[i] = (uint32_t)i;

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

int main(int argc, char **argv) {
  static struct model models[] = {
      {.name = "softmax regression", .epochs = 20, .rate = 0.02f, .bar = 0.84},
      {.name = "network of 128 hidden units", .hidden = 128, .epochs = 12, .rate = 0.05f, .bar = 0.87},
  };
  bool wanted[] = {true, true}, every_isa = false;
  size_t epochs = 0;
  vloss_type type = VLOSS_F32;
  const char *directory = DEFAULT_DATA;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--model") == 0) {
      const char *name = option_value(argc, argv, &i);
      wanted[0] = strcmp(name, "softmax") == 0 || strcmp(name, "both") == 0;
      wanted[1] = strcmp(name, "network") == 0 || strcmp(name, "both") == 0;
      if (!wanted[0] && !wanted[1]) fail("--model wants softmax, network or both, not \"%s\"", name);
    } else if (strcmp(argv[i], "--type") == 0) {
      type = option_type(argc, argv, &i);
      if (type == VLOSS_F64) fail("--type wants f32, bf16 or f16 here: the weights are f32");
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

  struct fashion_mnist data = read_fashion_mnist(directory);
  printf("Fashion-MNIST: %d images to train on, %d to test, %d x %d, %d classes\n", TRAINING, TEST, SIDE, SIDE,
         CLASSES);
  for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
    struct run run = {&models[m], epochs, &data};
    models[m].type = type;
    if (!wanted[m]) continue;
    if (every_isa)
      train_on_every_isa(models[m].name, train, &run);
    else
      train(&run);
  }
  free_fashion_mnist(&data);
  return EXIT_SUCCESS;
}
