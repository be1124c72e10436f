/* What is known of a row of which some classes were read: the inside of vloss_row_state. Plain C, for dispatch and the
 * kernels alike. It is the same bit for bit in whatever order and grouping the parts of a row were merged. */
#ifndef VLOSS_KERNELS_ROW_STATE_H
#define VLOSS_KERNELS_ROW_STATE_H

#include "memory/labels.h"
#include "table.h"
#include "tuning.h"

enum {
  STATE_HAS_TARGET = 1, /* the label's class is among those that were read */
  STATE_SPREAD = 2,     /* of label smoothing */
  STATE_MET = 2,        /* from this bit on, three for each sum: what it met beside numbers */
  STATE_DOUBLES = 1 << 16
};
#define STATE_NO_CLASS INT32_MAX

struct __attribute__((may_alias)) vloss_state { /* callers have it as vloss_row_state */
  uint64_t signature;                           /* of the call and the row; 0: a struct of zeros, which is nothing */
  uint64_t coverage;                            /* the sum of a number for each block that was read */
  uint32_t blocks, total_blocks;
  union {
    struct {
      float target, max; /* the label's logit; the maximum of the sums */
    };
    double wide_target; /* the same of doubles */
  };
  int32_t best, nan; /* the first class at the greatest logit; the first NaN */
  uint32_t flags;
  int32_t top[3];
  union {
    int64_t digit[3][3]; /* sums without an order (long_rows.h): of exp; the same in double for lse; k_c x_c */
    struct {
      double sum, q, a, lse;
      float n, shift, max, left_out;
    } whole; /* of rows of one block, which are read at once or not at all */
    struct {
      double max;
      int64_t rest_top, rest[3], x[4]; /* sums of f64/long_rows.h; the top of the second is top[0] */
    } wide;
    struct {
      double max, rest, rest_but, loss, q;
    } wide_whole;
  } u;
};
_Static_assert(sizeof(struct vloss_state) == 128, "vloss.h promises the size of a state");

static inline uint64_t vloss_state_mix(uint64_t z) { /* splitmix64 (Steele, Lea, Flood 2014) */
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* Of the blocks of classes [offset, offset + classes). */
static inline uint32_t vloss_state_blocks(size_t classes) {
  return (uint32_t)((classes + CLASS_BLOCK - 1) / CLASS_BLOCK);
}
static inline uint64_t vloss_state_coverage(size_t offset, size_t classes) {
  uint64_t coverage = 0;
  for (size_t b = 0; b < vloss_state_blocks(classes); b++) coverage += vloss_state_mix(offset / CLASS_BLOCK + b);
  return coverage;
}

/* What states of one row have in common: the options that its results depend on, and its label. */
static inline uint64_t vloss_state_signature(const struct vloss_cross_entropy_job *job, size_t row) {
  int ignored;
  const int64_t label = vloss_row_label(&job->labels, row, &ignored);
  const int bad = label < 0 || (uint64_t)label >= job->total_classes;
  uint64_t smoothing, z = vloss_state_mix(job->total_classes);
  memcpy(&smoothing, &job->smoothing, sizeof smoothing);
  z = vloss_state_mix(z ^ smoothing);
  z = vloss_state_mix(z ^ (uint64_t)(job->weights != NULL || job->wide.weights != NULL));
  z = vloss_state_mix(z ^ (uint64_t)(ignored ? -1 : bad ? -2 : label));
  if (job->type == VLOSS_F64) z = vloss_state_mix(z);
  if (job->scale != 1 || job->softcap != 0) {
    uint64_t scale, softcap;
    memcpy(&scale, &job->scale, sizeof scale);
    memcpy(&softcap, &job->softcap, sizeof softcap);
    z = vloss_state_mix(vloss_state_mix(z ^ scale) ^ softcap);
  }
  return z ? z : 1;
}

#endif
