/* See softmax.h: the jobs, calls and expected results of the five functions. */
#include "softmax.h"

#include <string.h>

typedef void fill(struct random *r, enum family family, size_t rows, size_t classes, float *x);

static void logits(struct random *r, enum family family, size_t rows, size_t classes, float *x) {
  fill_logits(r, family, rows, classes, NULL, x);
}

static void forward(struct job *job, struct random *r, enum shape shape, double gate, bool flushed) {
  logits(r, job->family, job->rows, job->classes, job_add(job, "input", MATRIX, F32)->values);
  struct array *output = job_add_output(job, "output", shape, F32, gate);
  output->flushed = flushed;
  if (shape == MATRIX) output->over[0] = "input";
}

static void backward(struct job *job, struct random *r, fill *fill_input) {
  fill_input(r, job->family, job->rows, job->classes, job_add(job, "input", MATRIX, F32)->values);
  struct array *upstream = job_add(job, "upstream", MATRIX, F32);
  float *h = upstream->values;
  for (size_t row = 0; row < job->rows; row++, h += job->classes)
    (random_below(r, 4) ? fill_upstream : fill_one_hot)(r, job->classes, h);
  struct array *output = job_add_output(job, "output", MATRIX, F32, 4);
  output->flushed = job_type != VLOSS_F64;
  output->over[0] = "input";
  output->over[1] = "upstream";
}

/* Of doubles 4 ulp are promised of all, and denormals are written as they are. */
static bool doubles(void) { return job_type == VLOSS_F64; }
void softmax_describe(struct job *job, struct random *r) { forward(job, r, MATRIX, 4, !doubles()); }
void log_softmax_describe(struct job *job, struct random *r) { forward(job, r, MATRIX, doubles() ? 4 : 2, false); }
void log_sum_exp_describe(struct job *job, struct random *r) { forward(job, r, PER_ROW, 2, false); }
void softmax_backward_describe(struct job *job, struct random *r) { backward(job, r, fill_probabilities); }
void log_softmax_backward_describe(struct job *job, struct random *r) { backward(job, r, fill_log_probabilities); }

static vloss_softmax_args arguments(const struct job *job) {
  const struct array *output = job_array(job, "output");
  return (vloss_softmax_args){
      .rows = job->count / job->inner,
      .classes = job->classes,
      .inner = job->inner,
      .input = job_data(job, "input"),
      .input_stride = job_stride(job, "input"),
      .upstream = job_data(job, "upstream"),
      .upstream_stride = job_stride(job, "upstream"),
      .output = output->data,
      .output_stride = output->shape == MATRIX ? output->stride : 0,
      .type = job_type,
      .executor = job_executor,
  };
}

/* For the reference: the contents as floats, or doubles, row by row. */
static const void *rows_in_call(const struct job *job, const char *name) {
  const struct array *const array = job_array(job, name);
  const size_t element = doubles() ? sizeof(double) : sizeof(float);
  return array ? (const char *)array->values + job->first * job->classes * element : NULL;
}
static vloss_softmax_args contents(const struct job *job) {
  return (vloss_softmax_args){.rows = job->count,
                              .classes = job->classes,
                              .input = rows_in_call(job, "input"),
                              .upstream = rows_in_call(job, "upstream"),
                              .type = doubles() ? VLOSS_F64 : VLOSS_F32};
}

#define DEFINE(name)                                            \
  vloss_status name##_call(const struct job *job) {             \
    vloss_softmax_args args = arguments(job);                   \
    return library->name##_sized(&args, sizeof args);           \
  }                                                             \
  void name##_expect(struct job *job) {                         \
    vloss_softmax_args args = contents(job);                    \
    reference->name(&args, job_array(job, "output")->expected); \
  }
DEFINE(softmax)
DEFINE(log_softmax)
DEFINE(log_sum_exp)
DEFINE(softmax_backward)
DEFINE(log_softmax_backward)
