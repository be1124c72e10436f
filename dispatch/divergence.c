/* vloss_divergence: check the arguments, choose the kernel, call it. */
#include <math.h>

#include "check.h"
#include "environment.h"
#include "executor.h"
#include "f64.h"
#include "memory/labels.h"
#include "select.h"

/* The fields that stand for themselves, before any array is looked at. */
static vloss_status check_fields(const vloss_divergence_args *a, const struct vloss_table *table) {
  vloss_status status;
  if (a->kind < VLOSS_FORWARD_KL || a->kind > VLOSS_TOTAL_VARIATION || !vloss_is_type(a->student_type) ||
      !vloss_is_type(a->teacher_type) || a->label_type < VLOSS_I64 || a->label_type > VLOSS_I32 ||
      a->ignore < VLOSS_IGNORE_DEFAULT || a->ignore > VLOSS_IGNORE_NOTHING || a->reduction < VLOSS_MEAN ||
      a->reduction > VLOSS_NONE || a->flags & ~(uint32_t)VLOSS_EMPTY_MEAN_ZERO)
    return VLOSS_ERROR_ENUM;
  if ((status = vloss_check_type(a->student_type, table)) || (status = vloss_check_type(a->teacher_type, table)))
    return status;
  if ((a->student_type == VLOSS_F64) != (a->teacher_type == VLOSS_F64) || (a->grad_stride && !a->grad))
    return VLOSS_ERROR_ARGUMENTS;
  if (!vloss_is_scale(a->scale)) return VLOSS_ERROR_SCALE;
  if (!(a->beta >= 0 && a->beta < 1) || (a->beta != 0 && a->kind != VLOSS_JSD)) return VLOSS_ERROR_PARAMETER;
  if (a->ignore_index != 0 && (a->ignore == VLOSS_IGNORE_NOTHING || !a->labels)) return VLOSS_ERROR_IGNORE_INDEX;
  if (!a->loss && !a->same_top && !a->grad) return VLOSS_ERROR_NO_OUTPUT;
  return vloss_check_executor(a->executor);
}

/* Arrays: pointers, strides, alignment, overlap; and the job that the kernel gets. */
static vloss_status prepare(const vloss_divergence_args *a, struct vloss_divergence_job *job) {
  struct vloss_shape shape;
  struct vloss_array student, teacher, grad;
  vloss_status status;
  if ((status = vloss_check_shape(a->rows, a->classes, a->inner, &shape))) return status;
  const size_t rows = shape.outer * shape.inner, one_or_rows = a->reduction == VLOSS_NONE ? rows : 1;
  if (rows && (!a->student || !a->teacher)) return VLOSS_ERROR_NULL;
  if ((status = vloss_check_tensor(a->student, &shape, a->student_stride, a->student_type, &student)) ||
      (status = vloss_check_tensor(a->teacher, &shape, a->teacher_stride, a->teacher_type, &teacher)) ||
      (status = vloss_check_tensor(a->grad, &shape, a->grad_stride, a->student_type, &grad)))
    return status;
  const int narrow = a->label_type == VLOSS_I32;
  const size_t number = a->student_type == VLOSS_F64 ? sizeof(double) : sizeof(float);
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, student);
  vloss_add_input(&memory, teacher);
  vloss_add_input(&memory, vloss_array_flat(a->labels, rows, vloss_label_size(narrow)));
  vloss_add_input(&memory, vloss_array_flat(a->upstream, one_or_rows, number));
  vloss_add_output(&memory, vloss_array_flat(a->loss, one_or_rows, number), NULL);
  vloss_add_output(&memory, vloss_array_flat(a->same_top, rows, sizeof *a->same_top), NULL);
  vloss_add_output(&memory, grad, a->student);
  const int64_t ignored = a->ignore == VLOSS_IGNORE_DEFAULT && a->ignore_index == 0 ? -100 : a->ignore_index;
  *job = (struct vloss_divergence_job){
      .kind = a->kind,
      .shape = shape,
      .student = {a->student, a->student_type, student.stride},
      .teacher = {a->teacher, a->teacher_type, teacher.stride},
      .scale = a->scale == 0 ? 1 : a->scale,
      .beta = a->beta == 0 ? 0.5 : a->beta,
      .labels = {.p = a->labels,
                 .narrow = narrow,
                 .ignoring = a->ignore != VLOSS_IGNORE_NOTHING,
                 .ignore_index = ignored},
      .upstream = a->upstream,
      .upstream_per_row = a->reduction == VLOSS_NONE,
      .grad_scale = 1,
      .loss = a->reduction == VLOSS_NONE ? a->loss : NULL,
      .same_top = a->same_top,
      .grad = a->grad,
      .grad_stride = grad.stride,
  };
  return vloss_check_memory(&memory);
}

static size_t live_rows(const vloss_divergence_args *a, const struct vloss_divergence_job *job) {
  const size_t rows = job->shape.outer * job->shape.inner;
  if (!a->labels) return rows;
  const struct vloss_label_check check = {.labels = &job->labels, .classes = job->shape.classes, .unchecked = 1};
  const struct vloss_work work = {a->executor, rows, TOTAL_ELEMENTS, rows, vloss_check_labels, &check};
  struct vloss_partial partial;
  vloss_run_work(&work, &partial);
  return partial.live;
}

struct kernel_call {
  vloss_divergence_kernel *kernel;
  const struct vloss_divergence_job *job;
};
static void run_kernel(const void *call, struct vloss_range range, struct vloss_partial *partial) {
  const struct kernel_call *c = call;
  c->kernel(c->job, range, partial);
}

static vloss_status run(const void *args, size_t size, int unused) {
  const struct vloss_table *table;
  vloss_divergence_args copy;
  const void *complete;
  struct vloss_divergence_job job;
  (void)unused;
  vloss_status status = vloss_check_args(&complete, &copy, sizeof copy, args, size);
  const vloss_divergence_args *a = complete;
  if (!status) status = vloss_select(&table);
  if (!status) status = check_fields(a, table);
  if (!status) status = prepare(a, &job);
  if (status) return status;
  const size_t rows = job.shape.outer * job.shape.inner, live = a->reduction == VLOSS_MEAN ? live_rows(a, &job) : 0;
  double divisor = 1;
  if (a->reduction == VLOSS_MEAN && (live || !(a->flags & VLOSS_EMPTY_MEAN_ZERO))) {
    divisor = live ? (double)live : (double)__builtin_nanf(""); /* of nothing there is no mean */
    job.grad_scale = live ? 1 / divisor : 0;
    job.grad_scale_low = live ? fma(-job.grad_scale, divisor, 1) / divisor : 0;
  }
  const struct kernel_call call = {a->student_type == VLOSS_F64 ? table->f64->divergence : table->divergence, &job};
  const struct vloss_work work = {
      .executor = a->executor,
      .count = rows,
      .step = vloss_row_step(a->executor, a->classes, job.shape.inner, a->grad == a->student),
      .elements = rows * a->classes,
      .task = run_kernel,
      .call = &call};
  struct vloss_partial partial;
  vloss_run_work(&work, &partial);
  const struct vloss_total loss = {&partial.sum, divisor};
  if (a->loss && a->reduction != VLOSS_NONE) vloss_put_total(a->loss, a->student_type, &loss, NULL);
  return VLOSS_OK;
}

vloss_status vloss_divergence_sized(const vloss_divergence_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, 0);
}
