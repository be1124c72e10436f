/* Checks of what callers pass in, shared by the public functions: sizes, strides, alignment, overlap, labels. Each
 * answers a status, and none writes anything of the caller's. What every call passes through is inline: a call on one
 * short row costs 100 ns, and a dozen calls of functions would be a tenth of that. */
#ifndef VLOSS_DISPATCH_CHECK_H
#define VLOSS_DISPATCH_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "table.h"
#include "vloss/vloss.h"
#include "words/strict.h"

/* The argument struct in our size: *args is the caller's own if the sizes agree, else `copy` (our_size bytes) of it.
 * Fields the caller does not know are 0; fields that we do not know must be 0. */
static inline vloss_status vloss_check_args(const void **args, void *copy, size_t our_size, const void *theirs,
                                            size_t their_size) {
  *args = theirs;
  if (!theirs) return VLOSS_ERROR_NULL;
  if (their_size == our_size) return VLOSS_OK;
  memset(copy, 0, our_size);
  memcpy(copy, theirs, their_size < our_size ? their_size : our_size);
  *args = copy;
  for (size_t i = our_size; i < their_size; i++)
    if (((const unsigned char *)theirs)[i]) return VLOSS_ERROR_VERSION;
  return VLOSS_OK;
}

/* Zeroes, in steps that a compiler makes into a few stores: of the whole GCC makes an instruction that takes as long as
 * the kernel of a short row. */
static inline void vloss_zero(void *p, size_t size) {
  char *at = p;
  for (; size >= 64; at += 64, size -= 64) memset(at, 0, 64);
  memset(at, 0, size);
}

/* Whether it is one of the types of vloss.h, built or not. */
static inline int vloss_is_type(vloss_type type) { return type >= VLOSS_F32 && type <= VLOSS_BF16; }

/* A scale or softcap; 0: none. As floats: what is written with is one. */
static inline int vloss_is_scale(double v) {
  return v >= 0 && (float)v <= __FLT_MAX__ && (v == 0 || (float)v >= __FLT_MIN__);
}

/* *product = a * b, false if that overflows what a pointer difference can hold. */
static inline int vloss_fits(size_t a, size_t b, size_t *product) {
  return !__builtin_mul_overflow(a, b, product) && *product <= (size_t)PTRDIFF_MAX;
}

/* Fills *shape. The class count is limited to what an int32 label can name. */
static inline vloss_status vloss_check_shape(size_t rows, size_t classes, size_t inner, struct vloss_shape *shape) {
  *shape = (struct vloss_shape){rows, classes, inner ? inner : 1};
  size_t count;
  if (classes > INT32_MAX || !vloss_fits(shape->outer, shape->inner, &count) ||
      !vloss_fits(count, sizeof(int64_t), &count))
    return VLOSS_ERROR_OVERFLOW;
  if (classes == 0 && rows > 0) return VLOSS_ERROR_NO_CLASSES;
  return VLOSS_OK;
}

/* One array argument: `lines` runs of `width` elements, `stride` elements apart. */
struct vloss_array {
  const void *p; /* null: not given */
  size_t lines, width, stride, element;
};

/* The strided array of a tensor of that shape and type; stride 0 is dense. */
static inline vloss_status vloss_check_tensor(const void *p, const struct vloss_shape *shape, size_t stride,
                                              vloss_type type, struct vloss_array *array) {
  const size_t element = vloss_type_size(type);
  size_t width, span;
  *array = (struct vloss_array){NULL, 0, 0, 0, element};
  if (!p && stride == 0) return VLOSS_OK;
  if (!vloss_fits(shape->classes, shape->inner, &width) || !vloss_fits(width, element, &span))
    return VLOSS_ERROR_OVERFLOW;
  if (stride == 0) stride = width;
  if (stride < width) return VLOSS_ERROR_STRIDE;
  if (!vloss_fits(stride, shape->outer, &span) || !vloss_fits(span, element, &span)) return VLOSS_ERROR_OVERFLOW;
  *array = (struct vloss_array){p, shape->outer, width, stride, element};
  return VLOSS_OK;
}

/* The arrays of a call, those that are given. */
enum { VLOSS_MAX_ARRAYS = 10 };
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

/* The straight way through the checks for what most calls are, a few dense arrays of floats: that they are aligned, and
 * that no byte of one of `bytes` is one of the other. Where not, the way of all arrays says why, or that it is fine. */
static inline int vloss_aligned_floats(uintptr_t pointers) { return pointers % sizeof(float) == 0; }
static inline int vloss_apart(const void *a, size_t a_bytes, const void *b, size_t b_bytes) {
  return (uintptr_t)a - (uintptr_t)b >= b_bytes && (uintptr_t)b - (uintptr_t)a >= a_bytes;
}

/* Alignment of every array, and that no output overlaps an input or another output. */
vloss_status vloss_check_memory(const struct vloss_memory *m);

/* That `count` states of `size` bytes, a multiple of 8, can be merged from one array into another; *bytes: all of them.
 */
vloss_status vloss_check_merge(const void *into, const void *from, size_t count, size_t size, size_t *bytes);

/* That classes [offset, offset + classes) of total_classes are a shard of rows. */
vloss_status vloss_check_shard(size_t rows, size_t classes, size_t offset, size_t total_classes);

/* Labels to be looked at: which rows count, and the sum of their class weights. */
struct vloss_label_check {
  const struct vloss_labels *labels;
  size_t classes;
  const void *weights; /* float; double where `wide` */
  int wide;
  int unchecked; /* labels out of range count, with weight 1 */
};
/* Of a range of rows, for vloss_run_work with TOTAL_ELEMENTS rows a step: sets live, sum and first_bad, where it stops.
 */
void vloss_check_labels(const void *label_check, struct vloss_range range, struct vloss_partial *partial);

#endif
