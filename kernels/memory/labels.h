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
};

static inline int64_t vloss_label_at(const struct vloss_labels *labels, size_t i) {
  return labels->narrow ? ((const int32_t *)labels->p)[i] : ((const int64_t *)labels->p)[i];
}

/* The bytes of one label. */
static inline size_t vloss_label_size(int narrow) { return narrow ? sizeof(int32_t) : sizeof(int64_t); }

/* The labels from row `first` on. */
static inline struct vloss_labels vloss_labels_from(const struct vloss_labels *labels, size_t first) {
  struct vloss_labels from = *labels;
  if (from.p) from.p = (const char *)from.p + first * vloss_label_size(from.narrow);
  return from;
}

#endif
