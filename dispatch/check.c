/* See check.h. */
#include "check.h"

#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
#endif

vloss_status vloss_check_args(const void **args, void *copy, size_t our_size, const void *theirs, size_t their_size) {
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

/* *product = a * b, false if that overflows what a pointer difference can hold. */
static int fits(size_t a, size_t b, size_t *product) {
  return !__builtin_mul_overflow(a, b, product) && *product <= (size_t)PTRDIFF_MAX;
}

vloss_status vloss_check_shape(size_t rows, size_t classes, size_t inner, struct vloss_shape *shape) {
  *shape = (struct vloss_shape){rows, classes, inner ? inner : 1};
  size_t count;
  if (classes > INT32_MAX || !fits(shape->outer, shape->inner, &count) || !fits(count, sizeof(int64_t), &count))
    return VLOSS_ERROR_OVERFLOW;
  if (classes == 0 && rows > 0) return VLOSS_ERROR_NO_CLASSES;
  return VLOSS_OK;
}

vloss_status vloss_check_tensor(const void *p, const struct vloss_shape *shape, size_t stride,
                                struct vloss_array *array) {
  size_t width, span;
  *array = (struct vloss_array){NULL, 0, 0, 0, sizeof(float)};
  if (!p && stride == 0) return VLOSS_OK;
  if (!fits(shape->classes, shape->inner, &width) || !fits(width, sizeof(float), &span)) return VLOSS_ERROR_OVERFLOW;
  if (stride == 0) stride = width;
  if (stride < width) return VLOSS_ERROR_STRIDE;
  if (!fits(stride, shape->outer, &span) || !fits(span, sizeof(float), &span)) return VLOSS_ERROR_OVERFLOW;
  *array = (struct vloss_array){p, shape->outer, width, stride, sizeof(float)};
  return VLOSS_OK;
}

/* The bytes from the first element to the last. */
static size_t extent(const struct vloss_array *a) {
  return a->lines && a->width ? ((a->lines - 1) * a->stride + a->width) * a->element : 0;
}

/* Element sizes are powers of two. */
static int misaligned(const struct vloss_array *a) { return ((uintptr_t)a->p & (a->element - 1)) != 0; }

static int same(const struct vloss_array *a, const struct vloss_array *b) {
  return a->p == b->p && a->element == b->element && a->width == b->width &&
         (a->stride == b->stride || (a->lines <= 1 && b->lines <= 1));
}

/* Whether two arrays share a byte. Arrays of one stride may interleave: lines side by side in a wider matrix. */
static int overlap(const struct vloss_array *a, const struct vloss_array *b) {
  const uintptr_t pa = (uintptr_t)a->p, pb = (uintptr_t)b->p;
  const size_t na = extent(a), nb = extent(b);
  if (!na || !nb || (pa >= pb ? pa - pb >= nb : pb - pa >= na)) return 0;
  const size_t stride = a->stride * a->element;
  if (stride != b->stride * b->element) return 1;
  const size_t shift = (size_t)(pa >= pb ? pa - pb : pb - pa) % stride;
  const size_t low = (pa >= pb ? b : a)->width * a->element, high = (pa >= pb ? a : b)->width * a->element;
  return shift < low || stride - shift < high;
}

vloss_status vloss_check_memory(const struct vloss_memory *m) {
  for (size_t i = 0; i < m->input_count; i++)
    if (misaligned(&m->inputs[i])) return VLOSS_ERROR_ALIGNMENT;
  for (size_t o = 0; o < m->output_count; o++)
    if (misaligned(&m->outputs[o].array)) return VLOSS_ERROR_ALIGNMENT;
  for (size_t o = 0; o < m->output_count; o++) {
    const struct vloss_output *out = &m->outputs[o];
    for (size_t i = 0; i < m->input_count; i++)
      if (overlap(&out->array, &m->inputs[i]) && !(m->inputs[i].p == out->in_place && same(&out->array, &m->inputs[i])))
        return VLOSS_ERROR_OVERLAP;
    for (size_t other = 0; other < o; other++)
      if (overlap(&out->array, &m->outputs[other].array)) return VLOSS_ERROR_OVERLAP;
  }
  return VLOSS_OK;
}

vloss_status vloss_check_labels(const struct vloss_labels *labels, size_t rows, size_t classes, const float *weights,
                                int unchecked, struct vloss_label_count *count, size_t *bad_row) {
  size_t live = 0;
  double weight = 0;
  const int64_t ignore_index = labels->ignore_index;
  for (size_t row = 0; row < rows; row++) {
    const int64_t t = labels->narrow ? ((const int32_t *)labels->p)[row] : ((const int64_t *)labels->p)[row];
    if (labels->ignoring && t == ignore_index) continue;
    live++;
    if ((uint64_t)t < classes) {
      if (weights) weight += (double)weights[t];
    } else if (unchecked) {
      weight += 1;
    } else {
      if (bad_row) *bad_row = row;
      return VLOSS_ERROR_LABEL;
    }
  }
  *count = (struct vloss_label_count){live, weights ? weight : (double)live};
  return VLOSS_OK;
}

#if defined(__x86_64__) || defined(__i386__)
/* Every exception masked, round to nearest, no flush to zero; the low six bits are flags. Writing the register stalls
 * the pipeline, so it is written only where that changes something. */
#define DEFAULT_MXCSR 0x1f80u
#define MXCSR_FLAGS 0x3fu
uint64_t vloss_fp_enter(void) {
  const unsigned saved = _mm_getcsr();
  if ((saved & ~MXCSR_FLAGS) != DEFAULT_MXCSR) _mm_setcsr(DEFAULT_MXCSR);
  return saved;
}
void vloss_fp_leave(uint64_t saved) {
  if (_mm_getcsr() != (unsigned)saved) _mm_setcsr((unsigned)saved);
}
#elif defined(__aarch64__)
/* FPCR (modes) in the low half, FPSR (flags) in the high half; the default of both is 0. */
uint64_t vloss_fp_enter(void) {
  uint64_t control, flags;
  __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control), "=r"(flags));
  __asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(0)));
  return control | flags << 32;
}
void vloss_fp_leave(uint64_t saved) {
  __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(saved & 0xffffffff), "r"(saved >> 32));
}
#else
#include <fenv.h>
/* Rounding mode only: what C can name portably. */
uint64_t vloss_fp_enter(void) {
  int saved = fegetround();
  fesetround(FE_TONEAREST);
  return (uint64_t)saved;
}
void vloss_fp_leave(uint64_t saved) { fesetround((int)saved); }
#endif
