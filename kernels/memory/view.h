/* Views of the caller's memory: the one place that knows types of elements. Arithmetic is in float; an element of 16
 * bits is widened when it is read, exactly, and rounded once when it is written. */
#ifndef VLOSS_KERNELS_MEMORY_VIEW_H
#define VLOSS_KERNELS_MEMORY_VIEW_H

#include <stddef.h>

#include "types.h"
#include "vloss/vloss.h"

static inline size_t vloss_type_size(vloss_type type) {
  return type == VLOSS_F64 ? sizeof(double) : type == VLOSS_F32 ? sizeof(float) : sizeof(uint16_t);
}

/* Where element i of an array is; of one that is not given, a place that nobody looks at. */
static inline const void *vloss_element(const void *p, vloss_type type, size_t i) {
  return (const void *)((uintptr_t)p + i * vloss_type_size(type));
}
static inline void *vloss_element_out(void *p, vloss_type type, size_t i) {
  return (void *)((uintptr_t)p + i * vloss_type_size(type));
}

#ifdef VLOSS_ISA /* for kernels */
#include "words/isa.h"

#define view_read VLOSS_ISA_SYMBOL(vloss_view_read)
#define view_write VLOSS_ISA_SYMBOL(vloss_view_write)
#define view_gather VLOSS_ISA_SYMBOL(vloss_view_gather)
#define view_scatter VLOSS_ISA_SYMBOL(vloss_view_scatter)

/* n elements from `from` on, as floats; and n floats as elements, past the cache where that is said. */
void view_read(float *to, const void *from, vloss_type type, size_t n);
void view_write(void *to, const float *from, vloss_type type, size_t n, int past_cache);

/* n elements of 16 bits that lie `step` apart. */
void view_gather(float *to, const void *from, vloss_type type, size_t step, size_t n);
void view_scatter(void *to, const float *from, vloss_type type, size_t step, size_t n);

/* One element. */
VFN float view_element(const void *p, vloss_type type, size_t i) {
  const void *from = vloss_element(p, type, i);
  if (type == VLOSS_F32) return *(const float *)from;
  float v;
  view_read(&v, from, type, 1);
  return v;
}
VFN void view_put(void *p, vloss_type type, size_t i, float v) {
  if (type == VLOSS_F32)
    ((float *)p)[i] = v;
  else
    view_write(vloss_element_out(p, type, i), &v, type, 1, 0);
}
#endif

#endif
