/* Checks of what callers pass in, shared by the public functions: sizes, strides, alignment, overlap, labels. Each
 * answers a status, and none writes anything of the caller's. */
#ifndef VLOSS_DISPATCH_CHECK_H
#define VLOSS_DISPATCH_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "table.h"
#include "vloss/vloss.h"

/* The argument struct in our size: *args is the caller's own if the sizes agree, else `copy` (our_size bytes) of it.
 * Fields the caller does not know are 0; fields that we do not know must be 0. */
vloss_status vloss_check_args(const void **args, void *copy, size_t our_size, const void *theirs, size_t their_size);

/* Fills *shape. The class count is limited to what an int32 label can name. */
vloss_status vloss_check_shape(size_t rows, size_t classes, size_t inner, struct vloss_shape *shape);

/* One array argument: `lines` runs of `width` elements, `stride` elements apart. */
struct vloss_array {
  const void *p; /* null: not given */
  size_t lines, width, stride, element;
};

/* The strided array of a tensor of that shape; stride 0 is dense. */
vloss_status vloss_check_tensor(const void *p, const struct vloss_shape *shape, size_t stride,
                                struct vloss_array *array);

/* The arrays of a call, those that are given. */
enum { VLOSS_MAX_ARRAYS = 8 };
struct vloss_memory {
  struct vloss_array inputs[VLOSS_MAX_ARRAYS];
  struct vloss_output {
    struct vloss_array array;
    const void *in_place; /* an input that this output may coincide with, exactly */
  } outputs[VLOSS_MAX_ARRAYS];
  size_t input_count, output_count;
};
static inline void vloss_add_input(struct vloss_memory *m, struct vloss_array array) {
  if (array.p) m->inputs[m->input_count++] = array;
}
static inline void vloss_add_output(struct vloss_memory *m, struct vloss_array array, const void *in_place) {
  if (array.p) m->outputs[m->output_count++] = (struct vloss_output){array, in_place};
}
static inline struct vloss_array vloss_array_flat(const void *p, size_t count, size_t element) {
  return (struct vloss_array){p, 1, count, count, element};
}

/* Alignment of every array, and that no output overlaps an input or another output. */
vloss_status vloss_check_memory(const struct vloss_memory *m);

/* The rows that count, and the sum of their class weights. Stops at the first label out of range unless unchecked. */
struct vloss_label_count {
  size_t live;
  double weight;
};
vloss_status vloss_check_labels(const struct vloss_labels *labels, size_t rows, size_t classes, const float *weights,
                                int unchecked, struct vloss_label_count *count, size_t *bad_row);

/* Sets the floating-point control word to its default, and back: kernels must not feel the caller's rounding mode,
 * flush-to-zero mode or unmasked traps, and leave no exception flags. */
uint64_t vloss_fp_enter(void);
void vloss_fp_leave(uint64_t saved);

#endif
