/* Published values, to nine digits: both the reference and every ISA must give them. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "ulp.h"

/* Row-major logits of 3 x 3 and their targets; w are the class weights, P class probabilities. */
static const float A[] = {1, 2, 3, 0.5f, -0.5f, 0, 2, 0, -1};
static const float W[] = {1, 2, 4};
static const float P[] = {0.2f, 0.3f, 0.5f, 0.1f, 0.1f, 0.1f, 1, 0, 0};
static const int64_t LABELS[] = {2, 0, 1}, ROW_1_IGNORED[] = {2, -100, 1};
static const float X[] = {-1, -2, -3, -0.5f, -0.1f, -4}; /* for nll */
static const int64_t X_LABELS[] = {2, 0};

struct known {
  const char *function;
  struct option option;
  const float *logits;
  size_t rows;
  const int64_t *labels;
  double loss[3], grad[9];
};

#define CE "cross_entropy"
#define NONE .reduction = VLOSS_NONE
#define SUM .reduction = VLOSS_SUM
#define WEIGHTS .weights = true
#define SMOOTHING .smoothing = 0.1
#define TARGETS .targets = true

static const struct known table[] = {
    {CE,
     {.name = "CE none", NONE},
     A,
     3,
     LABELS,
     {0.407605964, 0.680269671, 2.16984602},
     {0.0900305732, 0.244728471, -0.334759044, -0.493519609, 0.186323723, 0.307195886, 0.843794734, -0.885804801,
      0.0420100661}},
    {CE,
     {.name = "CE mean"},
     A,
     3,
     LABELS,
     {1.08590722},
     {0.0300101911, 0.081576157, -0.111586348, -0.164506536, 0.0621079077, 0.102398629, 0.281264911, -0.295268267,
      0.0140033554}},
    {CE,
     {.name = "CE sum", SUM},
     A,
     3,
     LABELS,
     {3.25772165},
     {0.0900305732, 0.244728471, -0.334759044, -0.493519609, 0.186323723, 0.307195886, 0.843794734, -0.885804801,
      0.0420100661}},
    {CE,
     {.name = "CE w none", NONE, WEIGHTS},
     A,
     3,
     LABELS,
     {1.63042386, 0.680269671, 4.33969204},
     {0.360122293, 0.978913884, -1.33903618, -0.493519609, 0.186323723, 0.307195886, 1.68758947, -1.7716096,
      0.0840201323}},
    {CE,
     {.name = "CE w mean", WEIGHTS},
     A,
     3,
     LABELS,
     {0.950055081},
     {0.0514460418, 0.139844841, -0.191290882, -0.0705028013, 0.0266176747, 0.0438851265, 0.24108421, -0.253087086,
      0.012002876}},
    {CE,
     {.name = "CE w mean, row 1 ignored", WEIGHTS},
     A,
     3,
     ROW_1_IGNORED,
     {0.995019316},
     {0.0600203821, 0.163152314, -0.223172696, 0, 0, 0, 0.281264911, -0.295268267, 0.0140033554}},
    {CE,
     {.name = "CE 0.1 none", NONE, SMOOTHING},
     A,
     3,
     LABELS,
     {0.507605964, 0.730269671, 2.13651269},
     {0.0566972398, 0.211395138, -0.268092378, -0.426852942, 0.15299039, 0.273862552, 0.810461401, -0.819138134,
      0.0086767328}},
    {CE,
     {.name = "CE w 0.1 none", NONE, WEIGHTS, SMOOTHING},
     A,
     3,
     LABELS,
     {1.69582286, 0.904305627, 4.47868691},
     {0.311783864, 0.871459139, -1.183243, -0.359322223, 0.14450022, 0.214822004, 1.68238263, -1.63446976,
      -0.0479128655}},
    {CE,
     {.name = "CE w 0.1 mean", WEIGHTS, SMOOTHING},
     A,
     3,
     LABELS,
     {1.01125934},
     {0.044540552, 0.124494163, -0.169034715, -0.0513317462, 0.0206428885, 0.0306888577, 0.240340375, -0.23349568,
      -0.00684469508}},
    {CE,
     {.name = "CE w 0.1 mean, row 1 ignored", WEIGHTS, SMOOTHING},
     A,
     3,
     ROW_1_IGNORED,
     {1.02908496},
     {0.0519639773, 0.14524319, -0.197207167, 0, 0, 0, 0.280397104, -0.272411627, -0.00798547759}},
    {CE,
     {.name = "CE prob none", NONE, TARGETS},
     A,
     3,
     NULL,
     {1.10760596, 0.354080901, 0.16984602},
     {-0.109969427, -0.0552715289, 0.165240956, 0.0519441173, -0.044102883, -0.00784123428, -0.156205266, 0.114195199,
      0.0420100661}},
    {CE,
     {.name = "CE prob w 0.1 mean", TARGETS, WEIGHTS, SMOOTHING},
     A,
     3,
     NULL,
     {1.32068891},
     {0.0115169483, 0.0223841301, -0.0339010784, 0.10464269, -0.0286023952, -0.0760402951, 0.00765578858, 0.0209181864,
      -0.028573975}},
    {"nll", {.name = "NLL w none", NONE, WEIGHTS}, X, 2, X_LABELS, {12, 0.5}, {0, 0, -4, -1, 0, 0}},
    {"nll", {.name = "NLL w mean", WEIGHTS}, X, 2, X_LABELS, {2.5}, {0, 0, -0.8, -0.2, 0, 0}},
};

static void set(struct job *job, const char *name, const void *values, size_t bytes) {
  const struct array *array = job_array(job, name);
  if (array) memcpy(array->values, values, bytes);
}

static void compare(struct check *check, struct line *line, struct job *job, const char *isa, const char *name,
                    const double *known) {
  const struct array *array = job_array(job, name);
  for (size_t i = 0; i < job_length(job, array); i++) {
    double by_reference = (double)array->expected[i].value, by_isa = ((const float *)array->values)[i];
    double allowed =
        2e-6 * fmax(fabs(known[i]), 0.01); /* the table has nine digits; small entries come of large ones */
    if (!(fabs(by_isa - known[i]) <= allowed))
      report_failure(check->report, line, isa, job->option->name, "%s[%zu] is %.9g, expected %.9g", name, i, by_isa,
                     known[i]);
    if (!(fabs(by_reference - known[i]) <= allowed))
      report_failure(check->report, line, "reference", job->option->name, "%s[%zu] is %.9g, expected %.9g", name, i,
                     by_reference, known[i]);
  }
}

void check_values(struct check *check, const struct function *function) {
  struct line line = {.function = function->name, .what = "published values", .isas = check->isa_count};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct known *known = &table[i];
    if (strcmp(known->function, function->name) != 0) continue;
    struct job job;
    size_t size = known->rows * 3 * sizeof(float);
    job_create(&job, function, &known->option, known->rows, 3, PLAIN, check->seed);
    set(&job, "logits", known->logits, size);
    set(&job, "labels", known->labels, known->rows * sizeof(int64_t));
    set(&job, "weights", W, sizeof W);
    set(&job, "targets", P, sizeof P);
    struct layout layout = {.count = known->rows, .inner = 1, .outputs = (uint32_t)ALL_OUTPUTS};
    job_place(&job, layout, &(struct random){1});
    function->expect(&job);
    for (size_t k = 0; k < check->isa_count; k++) {
      if (!check_run(check, &line, &job, layout, k, check->isas[k], check_default_environment())) continue;
      compare(check, &line, &job, check->isas[k], "loss", known->loss);
      compare(check, &line, &job, check->isas[k], "grad", known->grad);
    }
    job_destroy(&job);
  }
  if (line.cases) report_line(check->report, &line);
}
