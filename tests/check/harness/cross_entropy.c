/* See cross_entropy.h: the options of cross-entropy and NLL, their jobs, calls and expected results. */
#include "cross_entropy.h"

#include <math.h>

static int64_t ignored_label(const struct option *option) {
  return option->ignore == VLOSS_IGNORE_DEFAULT && option->ignore_index == 0 ? -100 : option->ignore_index;
}

/* One label: usually a class; sometimes the value that means "ignore this row", or one that is out of range. */
static int64_t any_label(const struct option *option, struct random *r, size_t classes) {
  const int64_t far = option->label_type == VLOSS_I64 ? INT64_MAX : INT32_MAX, c = (int64_t)classes;
  const int64_t bad[] = {-1, c, c + 15, far, -far - 1};
  int64_t label;
  fill_labels(r, 1, classes, &label);
  if ((option->flags & VLOSS_UNCHECKED) && random_below(r, 4) == 0) label = bad[random_below(r, 5)];
  if (option->ignore != VLOSS_IGNORE_NOTHING && random_below(r, 8) == 0) label = ignored_label(option);
  return label;
}

static void set_label(struct array *labels, size_t row, int64_t label) {
  if (labels->element == I64)
    ((int64_t *)labels->values)[row] = label;
  else
    ((int32_t *)labels->values)[row] = (int32_t)label;
}

/* The rows of a sequence: as few as there may be. None: labels are not shifted. */
static size_t sequence_of(const struct job *job) {
  for (size_t n = job->option->shift + 1; job->option->shift && n <= job->rows; n++)
    if (job->rows % n == 0) return n;
  return 0;
}
/* Whether a row has a label, and where that is. */
static bool has_label(const struct job *job, size_t row, size_t *label) {
  const size_t sequence = sequence_of(job), shift = sequence ? job->option->shift : 0;
  *label = row + shift;
  return shift == 0 || row % sequence < sequence - shift;
}

static int64_t label_at(const struct array *labels, size_t i) {
  return labels->element == I64 ? ((const int64_t *)labels->values)[i] : ((const int32_t *)labels->values)[i];
}

static void fill_labels_and_logits(struct job *job, struct random *r, struct array *labels, float *x) {
  const struct option *option = job->option;
  const bool shifted = sequence_of(job) > 0;
  for (size_t row = 0; shifted && row < job->rows; row++) set_label(labels, row, any_label(option, r, job->classes));
  for (size_t row = 0; row < job->rows; row++, x += job->classes) {
    size_t at;
    const bool has = has_label(job, row, &at);
    if (!shifted) set_label(labels, row, any_label(option, r, job->classes));
    const int64_t label = has ? label_at(labels, at) : 0;
    fill_logits(r, job->family, 1, job->classes, &label, x);
    const bool ignored = !has || (option->ignore != VLOSS_IGNORE_NOTHING && label == ignored_label(option));
    for (size_t c = 0; ignored && c < job->classes; c++) x[c] = NAN; /* must not be read */
  }
}

static void describe(struct job *job, struct random *r, double loss_gate) {
  const struct option *option = job->option;
  enum shape per_loss = option->reduction == VLOSS_NONE ? PER_ROW : SCALAR;
  float *x = job_add(job, "logits", MATRIX, F32)->values;
  if (option->targets) {
    fill_probabilities(r, job->family, job->rows, job->classes, job_add(job, "targets", MATRIX, F32)->values);
    fill_logits(r, job->family, job->rows, job->classes, NULL, x);
  } else {
    struct array *labels = job_add(job, "labels", PER_ROW, option->label_type == VLOSS_I64 ? I64 : I32);
    fill_labels_and_logits(job, r, labels, x);
  }
  if (option->weights)
    fill_weights(r, option->signed_weights, job->classes, job_add(job, "weights", PER_CLASS, F32)->values);
  if (option->upstream) {
    struct array *upstream = job_add(job, "upstream", per_loss, F32);
    const bool alone = !option->weights && !option->targets && !option->row_weights && option->scale == 0 &&
                       option->softcap == 0 && option->z_loss == 0;
    fill_scales(r, alone, job_length(job, upstream), upstream->values);
  }
  if (option->row_weights)
    fill_weights(r, option->signed_weights, job->rows, job_add(job, "row_weights", PER_ROW, F32)->values);
  job->whole = sequence_of(job) > 0;
  job_add_output(job, "loss", per_loss, F32, loss_gate);
  /* What z_loss makes of doubles has the error of lse twice. */
  const double with_z = job_type == VLOSS_F64 && option->z_loss > 0 ? 8 : 4;
  struct array *grad = job_add_output(job, "grad", MATRIX, F32, with_z);
  grad->flushed = job_type != VLOSS_F64; /* of doubles denormals are written as they are */
  grad->over[0] = "logits";
}

void cross_entropy_describe(struct job *job, struct random *r) {
  describe(job, r, job_type == VLOSS_F64 ? 4 : 2);
  job_add_output(job, "lse", PER_ROW, F32, job_type == VLOSS_F64 ? 4 : 2);
  const struct option *option = job->option;
  /* Whether two capped logits are alike, the reference cannot know: its own are not rounded as the library's. */
  const bool ranks = option->softcap == 0;
  if (ranks) job_add_output(job, "predicted", PER_ROW, option->label_type == VLOSS_I64 ? I64 : I32, 0);
  if (option->z_loss > 0)
    job_add_output(job, "z_loss_part", option->reduction == VLOSS_NONE ? PER_ROW : SCALAR, F32,
                   job_type == VLOSS_F64 ? 8 : 4);
  if (option->log_sums) job_add_output(job, "max", PER_ROW, F32, ranks ? 0 : 1);
  if (option->log_sums) job_add_output(job, "log_sum", PER_ROW, F32, job_type == VLOSS_F64 ? 4 : 2);
  if (option->correct) job_add_output(job, "correct", PER_ROW, I32, 0);
  if (!option->grad_targets) return;
  struct array *const grad_targets = job_add_output(job, "grad_targets", MATRIX, F32, 4);
  grad_targets->flushed = job_type != VLOSS_F64;
  grad_targets->over[0] = "targets";
}

void nll_describe(struct job *job, struct random *r) {
  const double of_row = job_type == VLOSS_F64 ? 1 : 0.5, of_total = job_type == VLOSS_F64 ? 4 : 2;
  describe(job, r, job->option->reduction == VLOSS_NONE ? of_row : of_total);
}

static vloss_cross_entropy_args arguments(const struct job *job) {
  const struct option *option = job->option;
  return (vloss_cross_entropy_args){
      .rows = job->count / job->inner,
      .classes = job->classes,
      .inner = job->inner,
      .logits = job_data(job, "logits"),
      .logits_stride = job_stride(job, "logits"),
      .type = job_type,
      .labels = job_data(job, "labels"),
      .label_type = option->label_type,
      .ignore = option->ignore,
      .ignore_index = option->ignore_index,
      .targets = job_data(job, "targets"),
      .targets_stride = job_stride(job, "targets"),
      .weights = job_data(job, "weights"),
      .label_smoothing = option->smoothing,
      .reduction = option->reduction,
      .flags = option->flags,
      .upstream = job_data(job, "upstream"),
      .loss = job_data(job, "loss"),
      .grad = job_data(job, "grad"),
      .grad_stride = job_stride(job, "grad"),
      .lse = job_data(job, "lse"),
      .predicted = job_data(job, "predicted"),
      .executor = job_executor,
      .scale = option->scale,
      .softcap = option->softcap,
      .z_loss = option->z_loss,
      .row_weights = job_data(job, "row_weights"),
      .shift = sequence_of(job) ? option->shift : 0,
      .sequence = sequence_of(job),
      .z_loss_part = job_data(job, "z_loss_part"),
      .max = job_data(job, "max"),
      .log_sum = job_data(job, "log_sum"),
      .correct = job_data(job, "correct"),
      .grad_targets = job_data(job, "grad_targets"),
      .grad_targets_stride = job_stride(job, "grad_targets"),
  };
}

vloss_status cross_entropy_call(const struct job *job) {
  vloss_cross_entropy_args args = arguments(job);
  return library->cross_entropy_sized(&args, sizeof args);
}

vloss_status nll_call(const struct job *job) {
  vloss_cross_entropy_args args = arguments(job);
  return library->nll_sized(&args, sizeof args);
}

/* For the reference: the contents of matrices as floats, or doubles, row by row. */
static const void *rows_in_call(const struct job *job, const char *name) {
  const struct array *array = job_array(job, name);
  const size_t element = job_type == VLOSS_F64 ? sizeof(double) : sizeof(float);
  return array ? (const char *)array->values + job->first * job->classes * element : NULL;
}
static vloss_cross_entropy_args contents(const struct job *job) {
  vloss_cross_entropy_args args = arguments(job);
  args.rows = job->count;
  args.inner = args.logits_stride = args.targets_stride = 0; /* the reference writes what it expects densely */
  if (job_type != VLOSS_F64) args.type = VLOSS_F32;
  args.logits = rows_in_call(job, "logits");
  args.targets = rows_in_call(job, "targets");
  return args;
}

static struct expectation *expected(const struct job *job, const char *name) {
  const struct array *array = job_array(job, name);
  return array ? array->expected : NULL;
}

static struct cross_entropy_expectations expectations(const struct job *job) {
#define EXPECTED(name) .name = expected(job, #name)
  return (struct cross_entropy_expectations){EXPECTED(loss),      EXPECTED(grad),        EXPECTED(lse),
                                             EXPECTED(predicted), EXPECTED(z_loss_part), EXPECTED(max),
                                             EXPECTED(log_sum),   EXPECTED(correct),     EXPECTED(grad_targets)};
}

void cross_entropy_expect(struct job *job) {
  vloss_cross_entropy_args args = contents(job);
  struct cross_entropy_expectations out = expectations(job);
  reference->cross_entropy(&args, &out);
}

void nll_expect(struct job *job) {
  vloss_cross_entropy_args args = contents(job);
  struct cross_entropy_expectations out = expectations(job);
  reference->nll(&args, &out);
}
