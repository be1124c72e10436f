/* See divergence.h: the jobs, calls and expected results. */
#include "divergence.h"

#include <math.h>
#include <string.h>

/* A student as such: of a family; or the teacher itself; or the teacher and a little noise, of any size. */
static void fill_student(struct random *r, enum family family, size_t classes, const float *teacher, float *x) {
  const size_t style = random_below(r, 8);
  if (style < 4) {
    fill_logits(r, family, 1, classes, NULL, x);
    return;
  }
  const float size = style == 7 ? 0 : ldexpf(1, -(int)random_below(r, 14));
  for (size_t c = 0; c < classes; c++) x[c] = size == 0 ? teacher[c] : teacher[c] + size * any_bell(r);
}

void divergence_describe(struct job *job, struct random *r) {
  const struct option *option = job->option;
  const enum shape per_loss = option->reduction == VLOSS_NONE ? PER_ROW : SCALAR;
  float *const x = job_add(job, "student", MATRIX, F32)->values, *const z =
                                                                     job_add(job, "teacher", MATRIX, F32)->values;
  /* Labels of any value: only which one is to be ignored matters. */
  struct array *const labels =
      option->some_ignored ? job_add(job, "any labels", PER_ROW, option->label_type == VLOSS_I64 ? I64 : I32) : NULL;
  for (size_t row = 0; row < job->rows; row++) {
    const bool ignored = labels && random_below(r, 6) == 0;
    const int64_t label = ignored ? -100 : (int64_t)random_below(r, 1000) - 50;
    if (labels && labels->element == I64)
      ((int64_t *)labels->values)[row] = label;
    else if (labels)
      ((int32_t *)labels->values)[row] = (int32_t)label;
    float *const of_z = z + row * job->classes, *const of_x = x + row * job->classes;
    fill_logits(r, job->family, 1, job->classes, NULL, of_z);
    fill_student(r, job->family, job->classes, of_z, of_x);
    for (size_t c = 0; ignored && c < job->classes; c++) of_z[c] = of_x[c] = NAN; /* must not be read */
  }
  if (option->upstream) {
    struct array *const upstream = job_add(job, "upstream", per_loss, F32);
    fill_scales(r, true, job_length(job, upstream), upstream->values);
  }
  job_add_output(job, "loss", per_loss, F32, 8);
  job_add_output(job, "same_top", PER_ROW, I32, 0);
  struct array *const grad = job_add_output(job, "grad", MATRIX, F32, 8);
  grad->flushed = job_type != VLOSS_F64;
  grad->over[0] = "student";
}

static vloss_divergence_args arguments(const struct job *job) {
  const struct option *option = job->option;
  return (vloss_divergence_args){
      .kind = option->divergence,
      .rows = job->count / job->inner,
      .classes = job->classes,
      .inner = job->inner,
      .student = job_data(job, "student"),
      .student_stride = job_stride(job, "student"),
      .student_type = job_type,
      .teacher = job_data(job, "teacher"),
      .teacher_stride = job_stride(job, "teacher"),
      .teacher_type = job_type,
      .scale = option->scale,
      .beta = option->beta,
      .labels = job_data(job, "any labels"),
      .label_type = option->label_type,
      .reduction = option->reduction,
      .upstream = job_data(job, "upstream"),
      .loss = job_data(job, "loss"),
      .same_top = job_data(job, "same_top"),
      .grad = job_data(job, "grad"),
      .grad_stride = job_stride(job, "grad"),
      .executor = job_executor,
  };
}

vloss_status divergence_call(const struct job *job) {
  vloss_divergence_args args = arguments(job);
  if (!args.grad) args.grad_stride = 0;
  return library->divergence_sized(&args, sizeof args);
}

/* For the reference: the contents of the matrices as floats, or doubles, row by row. */
void divergence_expect(struct job *job) {
  vloss_divergence_args args = arguments(job);
  const size_t before = job->first * job->classes * (job_type == VLOSS_F64 ? sizeof(double) : sizeof(float));
  args.rows = job->count;
  args.inner = args.student_stride = args.teacher_stride = 0;
  if (job_type != VLOSS_F64) args.student_type = args.teacher_type = VLOSS_F32;
  args.student = (const char *)job_array(job, "student")->values + before;
  args.teacher = (const char *)job_array(job, "teacher")->values + before;
#define EXPECTED(name) job_array(job, #name) ? job_array(job, #name)->expected : NULL
  const struct divergence_expectations out = {EXPECTED(loss), EXPECTED(same_top), EXPECTED(grad)};
  reference->divergence(&args, &out);
}
