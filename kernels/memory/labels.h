/* Class indices as the caller has them, int64_t or int32_t, and the one place that reads them. For dispatch and the
 * kernels alike: plain C, compiled for no ISA. */
#ifndef VLOSS_KERNELS_MEMORY_LABELS_H
#define VLOSS_KERNELS_MEMORY_LABELS_H

#include <stddef.h>
#include <stdint.h>

/* Class indices as the caller has them. */
struct vloss_labels {
  const void *p; /* int64_t, or int32_t if narrow; null: probability targets */
  int narrow;
  int list;     /* a list of them a row */
  int ignoring; /* rows whose label is ignore_index are ignored */
  int64_t ignore_index;
  size_t shift;    /* row i has the label of row i + shift of its sequence; 0: its own */
  size_t sequence; /* rows of a sequence, more than shift; the last `shift` of them are ignored */
  size_t before;   /* the rows before the first one here */
};

static inline int64_t vloss_label_at(const struct vloss_labels *labels, size_t i) {
  return labels->narrow ? ((const int32_t *)labels->p)[i] : ((const int64_t *)labels->p)[i];
}

/* Of row i; *ignored: the row does not count. */
static inline int64_t vloss_row_label(const struct vloss_labels *labels, size_t i, int *ignored) {
  if (labels->shift && (labels->before + i) % labels->sequence >= labels->sequence - labels->shift) {
    *ignored = 1;
    return 0;
  }
  const int64_t label = vloss_label_at(labels, i + labels->shift);
  *ignored = labels->ignoring && label == labels->ignore_index;
  return label;
}
/* Whether the labels of rows i .. i + n - 1 lie together as these do: from *first on. */
static inline int vloss_labels_together(const struct vloss_labels *labels, size_t i, size_t n, size_t *first) {
  *first = i + labels->shift;
  return !labels->shift || (labels->before + i) % labels->sequence + labels->shift + n <= labels->sequence;
}

/* Whether n labels from `first` on are all from -below on, 0 or 1, and `values` of them: then neither t + below nor
 * values - 1 - t - below is negative. Without branches, as most calls have nothing but such labels. */
static inline int vloss_labels_within(const struct vloss_labels *labels, size_t first, size_t n, size_t below,
                                      size_t values) {
  const uint64_t last = values - 1, from = below;
  uint64_t signs = 0;
  uint32_t narrow_signs = 0;
  if (labels->narrow) {
    const int32_t *const p = (const int32_t *)labels->p + first;
    for (size_t i = 0; i < n; i++) {
      const uint32_t t = (uint32_t)p[i] + (uint32_t)from;
      narrow_signs |= t | ((uint32_t)last - t);
    }
  } else {
    const int64_t *const p = (const int64_t *)labels->p + first;
    for (size_t i = 0; i < n; i++) {
      const uint64_t t = (uint64_t)p[i] + from;
      signs |= t | (last - t);
    }
  }
  return !(signs >> 63) && !(narrow_signs >> 31);
}

/* The bytes of one label. */
static inline size_t vloss_label_size(int narrow) { return narrow ? sizeof(int32_t) : sizeof(int64_t); }

/* The labels from row `first` on. */
static inline struct vloss_labels vloss_labels_from(const struct vloss_labels *labels, size_t first) {
  struct vloss_labels from = *labels;
  if (from.p) from.p = (const char *)from.p + first * vloss_label_size(from.narrow);
  from.before += first;
  return from;
}

#endif
