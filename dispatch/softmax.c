/* The softmax functions: check the arguments, choose the kernel, call it. */
#include "check.h"
#include "select.h"

enum form { FORWARD, BACKWARD, PER_ROW };

/* The table and the job for valid arguments. */
static vloss_status prepare(const vloss_softmax_args *args, size_t size, enum form form,
                            const struct vloss_table **table, struct vloss_softmax_job *job) {
  vloss_softmax_args copy;
  const void *complete;
  struct vloss_shape shape;
  struct vloss_array input, upstream, output;
  vloss_status status = vloss_check_args(&complete, &copy, sizeof copy, args, size);
  const vloss_softmax_args *a = complete;
  if (!status) status = vloss_select(table);
  if (status) return status;
  if (a->type < VLOSS_F32 || a->type > VLOSS_BF16) return VLOSS_ERROR_ENUM;
  if (a->type != VLOSS_F32) return VLOSS_ERROR_TYPE;
  if (form != BACKWARD && a->upstream) return VLOSS_ERROR_ARGUMENTS;
  if (form == PER_ROW && a->output_stride) return VLOSS_ERROR_ARGUMENTS;
  if (!a->output) return VLOSS_ERROR_NO_OUTPUT;
  if ((status = vloss_check_shape(a->rows, a->classes, a->inner, &shape))) return status;
  const size_t rows = shape.outer * shape.inner;
  if (rows && (!a->input || (form == BACKWARD && !a->upstream))) return VLOSS_ERROR_NULL;
  if ((status = vloss_check_tensor(a->input, &shape, a->input_stride, &input))) return status;
  if ((status = vloss_check_tensor(a->upstream, &shape, a->upstream_stride, &upstream))) return status;
  if ((status = vloss_check_tensor(a->output, &shape, a->output_stride, &output))) return status;
  if (form == PER_ROW) output = vloss_array_flat(a->output, rows, sizeof(float));
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, input);
  vloss_add_input(&memory, upstream);
  vloss_add_output(&memory, output, form == PER_ROW ? NULL : a->output);
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

#define SOFTMAX_FUNCTION(name, form)                                               \
  vloss_status vloss_##name##_sized(const vloss_softmax_args *args, size_t size) { \
    const struct vloss_table *table;                                               \
    struct vloss_softmax_job job;                                                  \
    vloss_status status = prepare(args, size, form, &table, &job);                 \
    if (status) return status;                                                     \
    const vloss_environment environment = vloss_fp_enter();                        \
    table->name(&job);                                                             \
    vloss_fp_leave(environment);                                                   \
    return VLOSS_OK;                                                               \
  }
SOFTMAX_FUNCTION(softmax, FORWARD)
SOFTMAX_FUNCTION(log_softmax, FORWARD)
SOFTMAX_FUNCTION(log_sum_exp, PER_ROW)
SOFTMAX_FUNCTION(softmax_backward, BACKWARD)
SOFTMAX_FUNCTION(log_softmax_backward, BACKWARD)
