/* See check.h. */
#include "check.h"

#include "memory/labels.h"
#include "tuning.h"

/* The bytes from the first element to the last. */
static size_t extent(const struct vloss_array *a) {
  return a->lines && a->width ? ((a->lines - 1) * a->stride + a->width) * a->element : 0;
}

/* The alignment that an element of that size needs: its size, but for int64_t on some 32-bit machines. A power of two:
 * a division for each array would cost as much as all other checks. */
static size_t alignment(size_t element) { return element == sizeof(int64_t) ? _Alignof(int64_t) : element; }
static int misaligned(const struct vloss_array *a) { return ((uintptr_t)a->p & (alignment(a->element) - 1)) != 0; }

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

vloss_status vloss_check_merge(const void *into, const void *from, size_t count, size_t size, size_t *bytes) {
  if (count && (!into || !from)) return VLOSS_ERROR_NULL;
  if (!vloss_fits(count, size, bytes)) return VLOSS_ERROR_OVERFLOW;
  struct vloss_memory memory;
  memory.input_count = memory.output_count = 0;
  vloss_add_input(&memory, vloss_array_flat(from, *bytes / 8, 8));
  vloss_add_output(&memory, vloss_array_flat(into, *bytes / 8, 8), NULL);
  return vloss_check_memory(&memory);
}

vloss_status vloss_check_shard(size_t rows, size_t classes, size_t offset, size_t total_classes) {
  if (total_classes > INT32_MAX) return VLOSS_ERROR_OVERFLOW;
  if (total_classes == 0 && rows) return VLOSS_ERROR_NO_CLASSES;
  if (offset > total_classes || classes > total_classes - offset) return VLOSS_ERROR_SHARD;
  const size_t end = offset + classes;
  if ((offset % CLASS_BLOCK && offset != total_classes) || (end % CLASS_BLOCK && end != total_classes))
    return VLOSS_ERROR_SHARD;
  return VLOSS_OK;
}

/* Of one step. Without weights every row counts 1. */
static inline double check_rows(const struct vloss_label_check *check, struct vloss_range range,
                                struct vloss_partial *partial, const int shifted) {
  const struct vloss_labels *labels = check->labels;
  const void *const weights = check->weights;
  const int64_t ignore_index = labels->ignore_index;
  const int may_ignore = labels->ignoring && (uint64_t)ignore_index < check->classes;
  size_t live = 0;
  double weight = 0;
  if (!shifted && !weights && !may_ignore &&
      vloss_labels_within(labels, range.first, range.last - range.first, 0, check->classes)) {
    partial->live += range.last - range.first;
    return (double)(range.last - range.first);
  }
  for (size_t row = range.first; row < range.last; row++) {
    int ignored;
    const int64_t t = shifted ? vloss_row_label(labels, row, &ignored) : vloss_label_at(labels, row);
    if (shifted ? ignored : labels->ignoring && t == ignore_index) continue;
    live++;
    if ((uint64_t)t < check->classes) {
      if (weights && check->wide)
        vloss_exact_add(&partial->sum, ((const double *)weights)[t]); /* of doubles one by one: digits would be lost */
      else if (weights)
        weight += (double)((const float *)weights)[t];
    } else if (check->unchecked) {
      weight += 1;
    } else {
      partial->first_bad = row;
      break;
    }
  }
  partial->live += live;
  return weights ? weight : (double)live;
}
static double check_step(const struct vloss_label_check *check, struct vloss_range range,
                         struct vloss_partial *partial) {
  return check->labels->shift ? check_rows(check, range, partial, 1) : check_rows(check, range, partial, 0);
}
void vloss_check_labels(const void *label_check, struct vloss_range range, struct vloss_partial *partial) {
  while (range.first < range.last && partial->first_bad == SIZE_MAX) {
    struct vloss_range step = range;
    if (step.last - step.first > TOTAL_ELEMENTS) step.last = step.first + TOTAL_ELEMENTS;
    vloss_exact_add(&partial->sum, check_step(label_check, step, partial));
    range.first = step.last;
  }
}
