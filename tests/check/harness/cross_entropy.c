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

static void describe(struct job *job, struct random *r, double loss_gate) {
  const struct option *option = job->option;
  enum shape per_loss = option->reduction == VLOSS_NONE ? PER_ROW : SCALAR;
  float *x = job_add(job, "logits", MATRIX, F32)->values;
  if (option->targets) {
    fill_probabilities(r, job->family, job->rows, job->classes, job_add(job, "targets", MATRIX, F32)->values);
    fill_logits(r, job->family, job->rows, job->classes, NULL, x);
  } else {
    struct array *labels = job_add(job, "labels", PER_ROW, option->label_type == VLOSS_I64 ? I64 : I32);
    for (size_t row = 0; row < job->rows; row++, x += job->classes) {
      int64_t label = any_label(option, r, job->classes);
      set_label(labels, row, label);
      fill_logits(r, job->family, 1, job->classes, &label, x);
      bool ignored = option->ignore != VLOSS_IGNORE_NOTHING && label == ignored_label(option);
      for (size_t c = 0; ignored && c < job->classes; c++) x[c] = NAN; /* must not be read */
    }
  }
  if (option->weights)
    fill_weights(r, option->signed_weights, job->classes, job_add(job, "weights", PER_CLASS, F32)->values);
  if (option->upstream) {
    struct array *upstream = job_add(job, "upstream", per_loss, F32);
    fill_scales(r, !option->weights && !option->targets, job_length(job, upstream), upstream->values);
  }
  job_add_output(job, "loss", per_loss, F32, loss_gate);
  struct array *grad = job_add_output(job, "grad", MATRIX, F32, 4);
  grad->flushed = job_type != VLOSS_F64; /* of doubles denormals are written as they are */
  grad->over[0] = "logits";
}

void cross_entropy_describe(struct job *job, struct random *r) {
  describe(job, r, job_type == VLOSS_F64 ? 4 : 2);
  job_add_output(job, "lse", PER_ROW, F32, 2);
  job_add_output(job, "predicted", PER_ROW, job->option->label_type == VLOSS_I64 ? I64 : I32, 0);
}

void nll_describe(struct job *job, struct random *r) {
  describe(job, r, job->option->reduction == VLOSS_NONE ? 0.5 : 2);
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
  args.inner = args.logits_stride = args.targets_stride = 0;
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
  return (struct cross_entropy_expectations){expected(job, "loss"), expected(job, "grad"), expected(job, "lse"),
                                             expected(job, "predicted")};
}

void cross_entropy_expect(struct job *job) {
  vloss_cross_entropy_args args = contents(job);
  struct cross_entropy_expectations out = expectations(job);
  reference_cross_entropy(&args, &out);
}

void nll_expect(struct job *job) {
  vloss_cross_entropy_args args = contents(job);
  struct cross_entropy_expectations out = expectations(job);
  reference_nll(&args, &out);
}
