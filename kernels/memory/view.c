/* See view.h. */
#include "view.h"

#include <string.h>

#include "past_cache.h"
#include "words/half.h"

/* 16-bit elements, 16 at a time; a tail by way of a copy. */
typedef vf load_half(const uint16_t *p);
typedef void store_half(uint16_t *p, vf v);
VFN void read_half(float *to, const uint16_t *from, size_t n, load_half *const load) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) vstore(to + i, load(from + i));
  if (i == n) return;
  uint16_t tail[16] = {0};
  memcpy(tail, from + i, (n - i) * sizeof *tail);
  vstore_tail(to + i, load(tail), n - i);
}
VFN void write_half(uint16_t *to, const float *from, size_t n, store_half *const store) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) store(to + i, vload(from + i));
  if (i == n) return;
  uint16_t tail[16];
  store(tail, vtail(from + i, n - i, 0.0f));
  memcpy(to + i, tail, (n - i) * sizeof *tail);
}

void view_read(float *to, const void *from, vloss_type type, size_t n) {
  if (type == VLOSS_BF16)
    read_half(to, from, n, vload_bf16);
  else if (type == VLOSS_F16)
    read_half(to, from, n, vload_f16);
  else
    memcpy(to, from, n * sizeof *to);
}

void view_write(void *to, const float *from, vloss_type type, size_t n, int past_cache) {
  if (type == VLOSS_BF16)
    write_half(to, from, n, vstore_bf16);
  else if (type == VLOSS_F16)
    write_half(to, from, n, vstore_f16);
  else if (past_cache)
    copy_past_cache(to, from, n);
  else
    memcpy(to, from, n * sizeof *from);
}
