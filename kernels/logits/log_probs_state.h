/* What is known of the log-probabilities of a row of which some classes were read: the layout of a state of
 * vloss_log_probs_partial. Plain C, for dispatch and the kernels alike. A state keeps what each block of classes came
 * to, so merging is putting blocks side by side, and finishing adds them as a call on the whole row does. */
#ifndef VLOSS_KERNELS_LOG_PROBS_STATE_H
#define VLOSS_KERNELS_LOG_PROBS_STATE_H

#include "row_state.h"

/* Callers have all of these as bytes. */
struct __attribute__((may_alias)) vloss_log_probs_state {
  uint64_t signature; /* of the call and the row; 0: zeros, which are nothing */
  uint32_t blocks, total_blocks;
  uint32_t ids, top;
  uint32_t top_count; /* of the top: those that are known */
  uint32_t doubles;
};
/* What a block came to, as struct row_summary has it. */
struct __attribute__((may_alias)) vloss_known_block {
  double max, rest, spread;
  uint64_t read; /* 1, or 0: it was not */
};
struct __attribute__((may_alias)) vloss_known_id {
  double y;
  uint64_t read;
};
/* In the order of the top. */
struct __attribute__((may_alias)) vloss_known_top {
  double y;
  int64_t c;
};
_Static_assert(sizeof(struct vloss_log_probs_state) == 32 && sizeof(struct vloss_known_block) == 32 &&
                   sizeof(struct vloss_known_id) == 16 && sizeof(struct vloss_known_top) == 16,
               "vloss.h tells the size of a state");

/* The parts of a state, one behind the other. */
static inline struct vloss_known_block *vloss_known_blocks(const struct vloss_log_probs_state *s) {
  return (struct vloss_known_block *)(uintptr_t)(s + 1);
}
static inline struct vloss_known_id *vloss_known_ids(const struct vloss_log_probs_state *s) {
  return (struct vloss_known_id *)(vloss_known_blocks(s) + s->total_blocks);
}
static inline struct vloss_known_top *vloss_known_tops(const struct vloss_log_probs_state *s) {
  return (struct vloss_known_top *)(vloss_known_ids(s) + s->ids);
}
static inline struct vloss_log_probs_state *vloss_log_probs_state_of(const struct vloss_log_probs_job *job,
                                                                     size_t row) {
  return (struct vloss_log_probs_state *)((char *)job->states + row * job->state_bytes);
}

static inline uint64_t vloss_log_probs_bytes(uint64_t blocks, uint64_t ids, uint64_t top) {
  return sizeof(struct vloss_log_probs_state) + blocks * sizeof(struct vloss_known_block) +
         ids * sizeof(struct vloss_known_id) + top * sizeof(struct vloss_known_top); /* each below 2^31: no overflow */
}
static inline uint64_t vloss_log_probs_bytes_of(const struct vloss_log_probs_state *s) {
  return vloss_log_probs_bytes(s->total_blocks, s->ids, s->top);
}

/* What states of one row have in common: the options that its results depend on, and its ids. */
static inline uint64_t vloss_log_probs_signature(const struct vloss_log_probs_job *job, size_t row) {
  uint64_t scale, softcap, z = vloss_state_mix(job->total_classes);
  memcpy(&scale, &job->scale, sizeof scale);
  memcpy(&softcap, &job->softcap, sizeof softcap);
  z = vloss_state_mix(vloss_state_mix(z ^ scale) ^ softcap);
  z = vloss_state_mix(vloss_state_mix(z ^ job->top) ^ job->ids_per_row);
  z = vloss_state_mix(z ^ (uint64_t)(job->type == VLOSS_F64));
  for (size_t k = 0; k < job->ids_per_row; k++) {
    const int64_t id = vloss_label_at(&job->ids, row * job->ids_per_row + k);
    const int ignored = job->ids.ignoring && id == job->ids.ignore_index;
    const int bad = id < 0 || (uint64_t)id >= job->total_classes;
    z = vloss_state_mix(z ^ (uint64_t)(ignored ? -1 : bad ? -2 : id));
  }
  return z ? z : 1;
}

/* A state of this row, its classes of this call counted in, but none of them read yet. */
static inline struct vloss_log_probs_state *vloss_log_probs_begin(const struct vloss_log_probs_job *job, size_t row) {
  struct vloss_log_probs_state *const s = vloss_log_probs_state_of(job, row);
  memset(s, 0, job->state_bytes);
  s->signature = vloss_log_probs_signature(job, row);
  s->blocks = vloss_state_blocks(job->shape.classes);
  s->total_blocks = vloss_state_blocks(job->total_classes);
  s->ids = (uint32_t)job->ids_per_row;
  s->top = (uint32_t)job->top;
  s->doubles = job->type == VLOSS_F64;
  return s;
}

#endif
