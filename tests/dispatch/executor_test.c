/* Executors: what is refused, before anything is written; which calls are cut; that the first bad row is the first one
 * whoever finds it; and totals of many blocks, whatever number of threads adds them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "tuning.h"
#include "vloss/vloss.h"

struct runs {
  size_t runs, most_tasks;
  int backwards;
};
static void run(void *context, size_t count, vloss_task *task, void *argument) {
  struct runs *runs = context;
  runs->runs++;
  if (count > runs->most_tasks) runs->most_tasks = count;
  for (size_t i = 0; i < count; i++) task(argument, runs->backwards ? count - 1 - i : i);
}

enum { ROWS = 200000, CLASSES = 3 };
static float logits[ROWS * CLASSES], other[ROWS * CLASSES], grad[ROWS * CLASSES];
static int64_t labels[ROWS];

static vloss_cross_entropy_args cross_entropy(size_t rows, const vloss_executor *executor, float *loss) {
  return (vloss_cross_entropy_args){.rows = rows,
                                    .classes = CLASSES,
                                    .logits = logits,
                                    .labels = labels,
                                    .reduction = VLOSS_SUM,
                                    .loss = loss,
                                    .executor = executor};
}
static vloss_loss_args loss_of(vloss_loss_kind kind, size_t elements, const vloss_executor *executor, float *loss) {
  return (vloss_loss_args){.kind = kind,
                           .rows = 1,
                           .columns = elements,
                           .prediction = logits,
                           .target = other,
                           .other = kind == VLOSS_GAUSSIAN_NLL ? other : NULL,
                           .loss = loss,
                           .executor = executor};
}

static void refusals(void) {
  struct runs runs = {0};
  const vloss_executor none = {&runs, 2, NULL}, of_0 = {&runs, 0, run};
  const vloss_executor *const bad[] = {&none, &of_0};
  for (int i = 0; i < 2; i++) {
    float loss = 42, lse[4] = {42, 42, 42, 42};
    const vloss_cross_entropy_args ce = cross_entropy(4, bad[i], &loss);
    const vloss_loss_args mse = loss_of(VLOSS_MSE, 4, bad[i], &loss);
    const vloss_softmax_args sm = {.rows = 4, .classes = 3, .input = logits, .output = lse, .executor = bad[i]};
    EXPECT(vloss_cross_entropy(&ce) == VLOSS_ERROR_EXECUTOR && loss == 42, "cross_entropy, executor %d", i);
    EXPECT(vloss_nll(&ce) == VLOSS_ERROR_EXECUTOR && loss == 42, "nll, executor %d", i);
    EXPECT(vloss_loss(&mse) == VLOSS_ERROR_EXECUTOR && loss == 42, "mse, executor %d", i);
    EXPECT(vloss_log_sum_exp(&sm) == VLOSS_ERROR_EXECUTOR && lse[0] == 42, "log_sum_exp, executor %d", i);
  }
  EXPECT(runs.runs == 0, "a refused call ran");
}

/* Calls of less than two tasks' work, and executors of one thread, run where they are. */
static void which_are_cut(void) {
  const struct {
    size_t elements, threads;
    int cut;
  } calls[] = {{2 * TASK_ELEMENTS, 2, 1},
               {2 * TASK_ELEMENTS - 1, 2, 0},
               {2 * TASK_ELEMENTS, 1, 0},
               {600000, SIZE_MAX, 1},
               {600000, SIZE_MAX / 2, 1}};
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    struct runs runs = {0};
    const vloss_executor executor = {&runs, calls[i].threads, run};
    float loss;
    const vloss_loss_args args = loss_of(VLOSS_MSE, calls[i].elements, &executor, &loss);
    EXPECT(vloss_loss(&args) == VLOSS_OK, "call %zu", i);
    EXPECT((runs.runs > 0) == calls[i].cut, "call %zu: %zu runs", i, runs.runs);
    EXPECT(!calls[i].cut || runs.most_tasks > 1, "call %zu: %zu tasks", i, runs.most_tasks);
  }
}

static void first_bad(void) {
  static const size_t bad[][2] = {{0, ROWS - 1}, {70000, 70001}, {32767, 32768}, {199998, 199999}, {150000, 40000}};
  for (size_t i = 0; i < 2 * sizeof bad / sizeof *bad; i++) {
    struct runs runs = {.backwards = i % 2};
    const vloss_executor executor = {&runs, 7, run};
    const size_t a = bad[i / 2][0], b = bad[i / 2][1], first = a < b ? a : b;
    size_t found = SIZE_MAX;
    float loss = 42;
    labels[a] = 3, labels[b] = -1;
    vloss_cross_entropy_args ce = cross_entropy(ROWS, &executor, &loss);
    ce.bad_row = &found;
    ce.grad = grad;
    EXPECT(vloss_cross_entropy(&ce) == VLOSS_ERROR_LABEL && found == first, "labels %zu, %zu: %zu", a, b, found);
    EXPECT(vloss_nll(&ce) == VLOSS_ERROR_LABEL && found == first, "nll, labels %zu, %zu: %zu", a, b, found);
    ce.grad = NULL;
    found = SIZE_MAX;
    EXPECT(vloss_nll(&ce) == VLOSS_ERROR_LABEL && found == first && loss == 42, "nll, loss, labels %zu, %zu: %zu", a, b,
           found);
    labels[a] = labels[b] = 1;

    const float kept[2] = {logits[a], logits[b]};
    logits[a] = 1.5f, logits[b] = NAN;
    vloss_loss_args bce = loss_of(VLOSS_BCE, ROWS, &executor, &loss);
    bce.bad_index = &found;
    EXPECT(vloss_loss(&bce) == VLOSS_ERROR_PROBABILITY && found == first, "bce %zu, %zu: %zu", a, b, found);
    bce.grad = grad;
    EXPECT(vloss_loss(&bce) == VLOSS_ERROR_PROBABILITY && found == first, "bce, grad %zu, %zu: %zu", a, b, found);
    logits[a] = kept[0], logits[b] = kept[1];

    const float variance[2] = {other[a], other[b]};
    other[a] = -1, other[b] = -2;
    vloss_loss_args gaussian = loss_of(VLOSS_GAUSSIAN_NLL, ROWS, &executor, &loss);
    gaussian.bad_index = &found;
    gaussian.grad = grad;
    EXPECT(vloss_loss(&gaussian) == VLOSS_ERROR_VARIANCE && found == first, "variance %zu, %zu: %zu", a, b, found);
    other[a] = variance[0], other[b] = variance[1];
    EXPECT(loss == 42 && grad[0] == 0 && grad[ROWS - 1] == 0, "a refused call wrote");
    EXPECT(runs.runs > 0, "no call was cut");
  }
}

/* Hinge reads targets that are all 0 or 1 another way than -1 and 1: one element decides. */
static void label_mode(void) {
  for (int i = 0; i < 2; i++) {
    struct runs runs = {.backwards = i};
    const vloss_executor executor = {&runs, 5, run};
    float alone, shared;
    other[199990] = -1;
    vloss_loss_args args = loss_of(VLOSS_HINGE, ROWS, NULL, &alone);
    EXPECT(vloss_loss(&args) == VLOSS_OK, "alone");
    args.executor = &executor, args.loss = &shared;
    EXPECT(vloss_loss(&args) == VLOSS_OK, "shared");
    EXPECT(memcmp(&alone, &shared, sizeof alone) == 0 && runs.runs == 2, "%a, %a in %zu runs", (double)alone,
           (double)shared, runs.runs);
    other[199990] = 1;
  }
}

int main(void) {
  for (size_t i = 0; i < ROWS * CLASSES; i++) logits[i] = (float)(i % 997) / 1000, other[i] = (float)(i % 2);
  for (size_t i = 0; i < ROWS; i++) labels[i] = (int64_t)(i % CLASSES);
  refusals();
  which_are_cut();
  first_bad();
  label_mode();
  return report("executors");
}
