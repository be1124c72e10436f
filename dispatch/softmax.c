/* The softmax functions: check the arguments, choose the kernel, call it. */
#include "check.h"
#include "environment.h"
#include "executor.h"
#include "f64.h"
#include "select.h"
#include "tuning.h"

enum { SOFTMAX, LOG_SOFTMAX, LOG_SUM_EXP, SOFTMAX_BACKWARD, LOG_SOFTMAX_BACKWARD };

/* Dense floats, the output apart from the inputs or in the place of one. */
static int is_dense(const vloss_softmax_args *a, const struct vloss_shape *shape, int per_row) {
  size_t bytes, rows = shape->outer * shape->inner;
  if ((a->input_stride | a->upstream_stride | a->output_stride | (uintptr_t)a->type) ||
      !vloss_aligned_floats((uintptr_t)a->input | (uintptr_t)a->upstream | (uintptr_t)a->output) ||
      !vloss_fits(rows, shape->classes, &bytes) || !vloss_fits(bytes, sizeof(float), &bytes))
    return 0;
  const size_t out = per_row ? rows * sizeof(float) : bytes;
  return ((a->output == a->input && !per_row) || vloss_apart(a->output, out, a->input, bytes)) &&
         (!a->upstream || a->output == a->upstream || vloss_apart(a->output, out, a->upstream, bytes));
}

/* Arrays: pointers, strides, alignment, overlap; and the job that the kernels get. */
static vloss_status prepare(const vloss_softmax_args *a, int function, const struct vloss_table *table,
                            struct vloss_softmax_job *job) {
  const int backward = function == SOFTMAX_BACKWARD || function == LOG_SOFTMAX_BACKWARD;
  const int per_row = function == LOG_SUM_EXP;
  struct vloss_shape shape;
  struct vloss_array input, upstream, output;
  vloss_status status;
  if (!vloss_is_type(a->type)) return VLOSS_ERROR_ENUM;
  if ((status = vloss_check_type(a->type, table))) return status;
  if (!backward && a->upstream) return VLOSS_ERROR_ARGUMENTS;
  if (per_row && a->output_stride) return VLOSS_ERROR_ARGUMENTS;
  if (!a->output) return VLOSS_ERROR_NO_OUTPUT;
  if ((status = vloss_check_executor(a->executor))) return status;
  if ((status = vloss_check_shape(a->rows, a->classes, a->inner, &shape))) return status;
  const size_t rows = shape.outer * shape.inner;
  if (rows && (!a->input || (backward && !a->upstream))) return VLOSS_ERROR_NULL;
  if (is_dense(a, &shape, per_row)) {
    const size_t width = shape.classes * shape.inner;
    vloss_zero(job, sizeof *job);
    job->shape = shape;
    job->x = a->input;
    job->upstream = a->upstream;
    job->x_stride = job->upstream_stride = job->out_stride = width;
    job->out = a->output;
    return VLOSS_OK;
  }
  if ((status = vloss_check_tensor(a->input, &shape, a->input_stride, a->type, &input))) return status;
  if ((status = vloss_check_tensor(a->upstream, &shape, a->upstream_stride, a->type, &upstream))) return status;
  if ((status = vloss_check_tensor(a->output, &shape, a->output_stride, a->type, &output))) return status;
  if (per_row) output = vloss_array_flat(a->output, rows, a->type == VLOSS_F64 ? sizeof(double) : sizeof(float));
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, input);
  vloss_add_input(&memory, upstream);
  vloss_add_output(&memory, output, per_row ? NULL : a->output);
  if ((status = vloss_check_memory(&memory))) return status;
  const int half = a->type != VLOSS_F32, float_out = !half || (per_row && a->type != VLOSS_F64);
  *job = (struct vloss_softmax_job){.shape = shape,
                                    .type = a->type,
                                    .x = half ? NULL : a->input,
                                    .upstream = half ? NULL : a->upstream,
                                    .x_stride = input.stride,
                                    .upstream_stride = upstream.stride,
                                    .out = float_out ? a->output : NULL,
                                    .out_stride = output.stride};
  if (half) job->half = (struct vloss_half_tensors){a->input, a->upstream, float_out ? NULL : a->output};
  return VLOSS_OK;
}

static vloss_softmax_kernel *wide_kernel_of(const struct vloss_f64_softmax *kernels, int function) {
  vloss_softmax_kernel *const by_function[] = {kernels->softmax, kernels->log_softmax, kernels->log_sum_exp,
                                               kernels->softmax_backward, kernels->log_softmax_backward};
  return by_function[function];
}
static vloss_softmax_kernel *kernel_of(const struct vloss_table *table, int function, vloss_type type) {
  if (type == VLOSS_F64) return wide_kernel_of(table->f64->softmax, function);
  switch (function) {
    case SOFTMAX:
      return table->softmax;
    case LOG_SOFTMAX:
      return table->log_softmax;
    case LOG_SUM_EXP:
      return table->log_sum_exp;
    case SOFTMAX_BACKWARD:
      return table->softmax_backward;
  }
  return table->log_softmax_backward;
}

struct kernel_call {
  vloss_softmax_kernel *kernel;
  const struct vloss_softmax_job *job;
};
static void run_kernel(const void *call, struct vloss_range range, struct vloss_partial *partial) {
  const struct kernel_call *c = call;
  (void)partial; /* each row has its own result */
  c->kernel(c->job, range);
}

/* The straight way of one short row. Returns 0 where it is none, or something is wrong, and nothing has been written
 * that counts. */
static int run_lone(const vloss_softmax_args *a, int function, const struct vloss_table *table) {
  const struct vloss_shape shape = {1, a->classes, 1};
  if (a->rows != 1 || a->inner > 1 || a->classes - 1 >= SHORT_ROW || !a->input || !a->output || a->upstream ||
      a->executor || function > LOG_SUM_EXP || !is_dense(a, &shape, function == LOG_SUM_EXP))
    return 0;
  vloss_lone_softmax_kernel *const kernel = function == SOFTMAX       ? table->lone_softmax
                                            : function == LOG_SOFTMAX ? table->lone_log_softmax
                                                                      : table->lone_log_sum_exp;
  return kernel(a->input, a->classes, a->output);
}

static vloss_status run(const void *args, size_t size, int function) {
  const struct vloss_table *table;
  vloss_softmax_args copy;
  const void *complete;
  struct vloss_softmax_job job;
  vloss_status status = vloss_check_args(&complete, &copy, sizeof copy, args, size);
  const vloss_softmax_args *a = complete;
  if (!status) status = vloss_select(&table);
  if (!status && run_lone(a, function, table)) return VLOSS_OK;
  if (!status) status = prepare(a, function, table, &job);
  if (status) return status;
  const struct kernel_call call = {kernel_of(table, function, a->type), &job};
  const int in_place = a->output == a->input || a->output == a->upstream;
  vloss_run_rows(a->executor, &job.shape, in_place, run_kernel, &call);
  return VLOSS_OK;
}

vloss_status vloss_softmax_sized(const vloss_softmax_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, SOFTMAX);
}
vloss_status vloss_log_softmax_sized(const vloss_softmax_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, LOG_SOFTMAX);
}
vloss_status vloss_log_sum_exp_sized(const vloss_softmax_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, LOG_SUM_EXP);
}
vloss_status vloss_softmax_backward_sized(const vloss_softmax_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, SOFTMAX_BACKWARD);
}
vloss_status vloss_log_softmax_backward_sized(const vloss_softmax_args *args, size_t size) {
  return vloss_in_default_environment(run, args, size, LOG_SOFTMAX_BACKWARD);
}
