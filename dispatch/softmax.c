/* The softmax functions: check the arguments, choose the kernel, call it. */
#include "check.h"
#include "environment.h"
#include "select.h"

enum { SOFTMAX, LOG_SOFTMAX, LOG_SUM_EXP, SOFTMAX_BACKWARD, LOG_SOFTMAX_BACKWARD };

/* Arrays: pointers, strides, alignment, overlap; and the job that the kernels get. */
static vloss_status prepare(const vloss_softmax_args *a, int function, struct vloss_softmax_job *job) {
  const int backward = function == SOFTMAX_BACKWARD || function == LOG_SOFTMAX_BACKWARD;
  const int per_row = function == LOG_SUM_EXP;
  struct vloss_shape shape;
  struct vloss_array input, upstream, output;
  vloss_status status;
  if (a->type < VLOSS_F32 || a->type > VLOSS_BF16) return VLOSS_ERROR_ENUM;
  if (a->type != VLOSS_F32) return VLOSS_ERROR_TYPE;
  if (!backward && a->upstream) return VLOSS_ERROR_ARGUMENTS;
  if (per_row && a->output_stride) return VLOSS_ERROR_ARGUMENTS;
  if (!a->output) return VLOSS_ERROR_NO_OUTPUT;
  if ((status = vloss_check_shape(a->rows, a->classes, a->inner, &shape))) return status;
  const size_t rows = shape.outer * shape.inner;
  if (rows && (!a->input || (backward && !a->upstream))) return VLOSS_ERROR_NULL;
  if ((status = vloss_check_tensor(a->input, &shape, a->input_stride, &input))) return status;
  if ((status = vloss_check_tensor(a->upstream, &shape, a->upstream_stride, &upstream))) return status;
  if ((status = vloss_check_tensor(a->output, &shape, a->output_stride, &output))) return status;
  if (per_row) output = vloss_array_flat(a->output, rows, sizeof(float));
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, input);
  vloss_add_input(&memory, upstream);
  vloss_add_output(&memory, output, per_row ? NULL : a->output);
  if ((status = vloss_check_memory(&memory))) return status;
  *job = (struct vloss_softmax_job){.shape = shape,
                                    .x = a->input,
                                    .upstream = a->upstream,
                                    .x_stride = input.stride,
                                    .upstream_stride = upstream.stride,
                                    .out = a->output,
                                    .out_stride = output.stride};
  return VLOSS_OK;
}

static vloss_status run(const void *args, size_t size, int function) {
  const struct vloss_table *table;
  vloss_softmax_args copy;
  const void *complete;
  struct vloss_softmax_job job;
  vloss_status status = vloss_check_args(&complete, &copy, sizeof copy, args, size);
  if (!status) status = vloss_select(&table);
  if (!status) status = prepare(complete, function, &job);
  if (status) return status;
  switch (function) {
    case SOFTMAX:
      table->softmax(&job);
      break;
    case LOG_SOFTMAX:
      table->log_softmax(&job);
      break;
    case LOG_SUM_EXP:
      table->log_sum_exp(&job);
      break;
    case SOFTMAX_BACKWARD:
      table->softmax_backward(&job);
      break;
    case LOG_SOFTMAX_BACKWARD:
      table->log_softmax_backward(&job);
      break;
  }
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
