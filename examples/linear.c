/* Two linear classifiers of two classes of Fashion-MNIST that differ in nothing but the loss: logistic regression
 * (binary cross-entropy on logits) and a linear support vector machine (hinge).
 *
 * Loss and gradient come from one call of vloss_loss, the gradient in place of the scores. As in training.c all sums
 * have a fixed order, so the trained weights have the same bits under every ISA; their hash is printed.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdbool.h>

#include "fashion_mnist.h"
#include "sgd.h"

static const char usage[] =
    "usage: linear [--loss logistic|hinge|both] [--classes A,B] [--epochs N] [--every-isa] [--data DIRECTORY]\n"
    "  --loss L       what to train with (default both)\n"
    "  --classes A,B  the two classes to tell apart, by number (default 0,6: T-shirts and shirts)\n"
    "  --epochs N     passes over the training images (default 20)\n"
    "  --every-isa    train once on each ISA that can run here and compare the final bits\n"
    "  --data DIR     where the four files of Fashion-MNIST are\n";

/* https://github.com/zalandoresearch/fashion-mnist, section "Labels" */
static const char *const class_names[CLASSES] = {"T-shirt", "trouser", "pullover", "dress", "coat",
                                                 "sandal",  "shirt",   "sneaker",  "bag",   "ankle boot"};

enum { BATCH = 100, WEIGHTS = PIXELS + 1, DEFAULT_EPOCHS = 20 };
#define DEFAULT_CLASSES 0, 6
#define RATE 0.01f
#define PENALTY 1e-4f /* times half the squared norm of the weights, the bias included */
#define BAR 0.84      /* test accuracy: with the defaults both reach 84.5%; guessing gives 50% */

/* The images of two classes: pixels from 0 to 1 and a 1 for the bias; targets 0 (the first class) and 1. */
struct samples {
  size_t count;
  float *x; /* count x WEIGHTS */
  float *targets;
};

struct model {
  const char *name;
  vloss_loss_kind loss;
  const double *parameters;
  size_t parameter_count;
  float weights[WEIGHTS];
};

static struct samples select_classes(const struct images *images, const size_t classes[2]) {
  struct samples samples = {.count = 0};
  for (size_t i = 0; i < images->count; i++)
    samples.count += images->labels[i] == classes[0] || images->labels[i] == classes[1];
  samples.x = allocate(samples.count * WEIGHTS, sizeof(float));
  samples.targets = allocate(samples.count, sizeof(float));
  float *x = samples.x, *target = samples.targets;
  for (size_t i = 0; i < images->count; i++) {
    if (images->labels[i] != classes[0] && images->labels[i] != classes[1]) continue;
    load_image(images, i, x);
    x[PIXELS] = 1;
    *target++ = images->labels[i] == classes[1];
    x += WEIGHTS;
  }
  return samples;
}

/* The score of each sample: above 0 it means the second class. The order of the sum is fixed; eight sums side by side
 * take as many terms at a time. */
static void score(const float *weights, size_t rows, const float *x, float *scores) {
  for (size_t r = 0; r < rows; r++, x += WEIGHTS) {
    float sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= WEIGHTS; i += 8)
      for (size_t k = 0; k < 8; k++) sums[k] += x[i + k] * weights[i + k];
    scores[r] = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    for (; i < WEIGHTS; i++) scores[r] += x[i] * weights[i];
  }
}

/* The mean loss of scores; grad: null, or where its gradient goes. */
static double mean_loss(const struct model *model, size_t rows, const float *scores, const float *targets,
                        float *grad) {
  float loss;
  require(vloss_loss(&(vloss_loss_args){
      .kind = model->loss,
      .rows = rows,
      .columns = 1,
      .prediction = scores,
      .target = targets,
      .parameters = model->parameters,
      .parameter_count = model->parameter_count,
      .reduction = VLOSS_MEAN,
      .loss = &loss,
      .grad = grad,
  }));
  return (double)loss;
}

/* Returns the mean loss over the epoch. The rate falls in a line from `rate` to `last_rate`. */
static double train_epoch(struct model *model, const struct samples *samples, uint32_t *order, uint64_t *random,
                          float *velocity, float rate, float last_rate) {
  static float x[BATCH * WEIGHTS];
  double sum = 0;
  shuffle(samples->count, order, random);
  for (size_t first = 0; first < samples->count; first += BATCH) {
    const size_t rows = samples->count - first < BATCH ? samples->count - first : BATCH;
    float scores[BATCH], targets[BATCH], gradient[WEIGHTS];
    for (size_t r = 0; r < rows; r++) {
      memcpy(x + r * WEIGHTS, samples->x + order[first + r] * WEIGHTS, WEIGHTS * sizeof(float));
      targets[r] = samples->targets[order[first + r]];
    }
    score(model->weights, rows, x, scores);
    sum += (double)rows * mean_loss(model, rows, scores, targets, scores); /* scores become their gradient */
    for (size_t i = 0; i < WEIGHTS; i++) gradient[i] = PENALTY * model->weights[i];
    for (size_t r = 0; r < rows; r++) add_scaled(WEIGHTS, scores[r], x + r * WEIGHTS, gradient);
    descend(WEIGHTS, rate + (last_rate - rate) * ((float)first / (float)samples->count), gradient, velocity,
            model->weights);
    if (first % (20 * BATCH) == 0) progress("training images", first, samples->count);
  }
  return sum / (double)samples->count;
}

/* Returns the share of samples on the right side; *loss gets their mean loss. */
static double test(const struct model *model, const struct samples *samples, double *loss) {
  float *scores = allocate(samples->count, sizeof *scores);
  size_t right = 0;
  score(model->weights, samples->count, samples->x, scores);
  *loss = mean_loss(model, samples->count, scores, samples->targets, NULL);
  for (size_t i = 0; i < samples->count; i++) right += (scores[i] > 0) == (samples->targets[i] > 0);
  free(scores);
  return (double)right / (double)samples->count;
}

struct run {
  struct model *model;
  size_t epochs;
  const struct samples *training, *testing;
  double bar; /* the test accuracy to reach; 0: any */
};

/* Trains from the start and returns the hash of the weights. */
static uint64_t train(void *context) {
  const struct run *run = context;
  struct model *model = run->model;
  const char *isa;
  require(vloss_isa_current(&isa));
  float velocity[WEIGHTS] = {0};
  memset(model->weights, 0, sizeof model->weights);
  uint64_t random = 1;
  uint32_t *order = allocate(run->training->count, sizeof *order);
  for (size_t i = 0; i < run->training->count; i++) order[i] = (uint32_t)i;

  printf("\n%s, %d weights, loss on %s\n", model->name, WEIGHTS, isa);
  printf("epoch  train loss  test loss  test accuracy  seconds\n");
  double accuracy = 0;
  for (size_t epoch = 0; epoch < run->epochs; epoch++) {
    double start = seconds(), test_loss;
    float rate = RATE * (float)(run->epochs - epoch) / (float)run->epochs;
    float last_rate = RATE * (float)(run->epochs - epoch - 1) / (float)run->epochs;
    double loss = train_epoch(model, run->training, order, &random, velocity, rate, last_rate);
    accuracy = test(model, run->testing, &test_loss);
    progress("", 0, 0);
    printf("%5zu %11.4f %10.4f %13.2f%% %8.3f\n", epoch + 1, loss, test_loss, 100 * accuracy, seconds() - start);
    fflush(stdout);
  }
  uint64_t hash = hash_floats(WEIGHTS, model->weights, HASH_START);
  printf("weights %016llx\n", (unsigned long long)hash);
  if (!(accuracy >= run->bar))
    fail("%s: test accuracy %.2f%% is below %.1f%%", model->name, 100 * accuracy, 100 * run->bar);
  free(order);
  return hash;
}

/* "0,6": two different classes. */
static void parse_classes(const char *text, size_t classes[2]) {
  const bool right = text[0] >= '0' && text[0] <= '9' && text[1] == ',' && text[2] >= '0' && text[2] <= '9' &&
                     text[3] == '\0' && text[0] != text[2];
  if (!right) fail("--classes wants two different numbers from 0 to 9, such as 0,6, not \"%s\"", text);
  classes[0] = (size_t)(text[0] - '0');
  classes[1] = (size_t)(text[2] - '0');
}

int main(int argc, char **argv) {
  static const double zero_and_one = 1; /* label_mode */
  static struct model models[] = {
      {.name = "logistic regression", .loss = VLOSS_BCE_WITH_LOGITS},
      {.name = "linear SVM", .loss = VLOSS_HINGE, .parameters = &zero_and_one, .parameter_count = 1},
  };
  bool wanted[] = {true, true}, every_isa = false;
  size_t epochs = DEFAULT_EPOCHS, classes[2] = {DEFAULT_CLASSES};
  const char *directory = DEFAULT_DATA;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--loss") == 0) {
      const char *name = option_value(argc, argv, &i);
      wanted[0] = strcmp(name, "logistic") == 0 || strcmp(name, "both") == 0;
      wanted[1] = strcmp(name, "hinge") == 0 || strcmp(name, "both") == 0;
      if (!wanted[0] && !wanted[1]) fail("--loss wants logistic, hinge or both, not \"%s\"", name);
    } else if (strcmp(argv[i], "--classes") == 0) {
      parse_classes(option_value(argc, argv, &i), classes);
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
  struct samples training = select_classes(&data.training, classes), testing = select_classes(&data.testing, classes);
  free_fashion_mnist(&data);
  printf("Fashion-MNIST, %s or %s: %zu images to train on, %zu to test\n", class_names[classes[0]],
         class_names[classes[1]], training.count, testing.count);
  const size_t default_classes[2] = {DEFAULT_CLASSES};
  const bool judged = epochs >= DEFAULT_EPOCHS && memcmp(classes, default_classes, sizeof classes) == 0;
  for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
    struct run run = {&models[m], epochs, &training, &testing, judged ? BAR : 0};
    if (!wanted[m]) continue;
    if (every_isa)
      train_on_every_isa(models[m].name, train, &run);
    else
      train(&run);
  }
  free(training.x);
  free(training.targets);
  free(testing.x);
  free(testing.targets);
  return EXIT_SUCCESS;
}
