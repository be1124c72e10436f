/* See view.h. */
#include "view.h"

#include <string.h>

#include "past_cache.h"
#include "words/half.h"

/* 16-bit elements, 16 at a time; a tail by way of a copy. While a block that was read is computed with, the memory is
 * idle: so the next one is asked for. */
typedef vf load_half(const uint16_t *p);
typedef void store_half(uint16_t *p, vf v);
VFN void ask_for_next(const uint16_t *p) { __builtin_prefetch((const void *)((uintptr_t)p + VIEW_AHEAD_BYTES), 0, 3); }
VFN void read_half(float *to, const uint16_t *from, size_t n, load_half *const load) {
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    ask_for_next(from + i), ask_for_next(from + i + 32);
    UNROLL for (size_t k = 0; k < 64; k += 16) vstore(to + i + k, load(from + i + k));
  }
  for (; i + 16 <= n; i += 16) vstore(to + i, load(from + i));
  if (i == n) return;
  uint16_t tail[16] = {0};
  memcpy(tail, from + i, (n - i) * sizeof *tail);
  vstore_tail(to + i, load(tail), n - i);
}
VFN void write_some(uint16_t *to, const float *from, size_t n, store_half *const store) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) store(to + i, vload(from + i));
  if (i == n) return;
  uint16_t tail[16];
  store(tail, vtail(from + i, n - i, 0.0f));
  memcpy(to + i, tail, (n - i) * sizeof *tail);
}
/* 64 numbers at a time, and others, NaN among them, as they come. */
typedef void store_numbers(uint16_t *p, vf a, vf b);
VFN void write_half(uint16_t *to, const float *from, size_t n, store_half *const store, store_numbers *const numbers) {
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    vf v[4];
    UNROLL for (size_t j = 0; j < 4; j++) v[j] = vload(from + i + 16 * j);
    if (__builtin_expect(vany(vmor(vmor(vnan(v[0]), vnan(v[1])), vmor(vnan(v[2]), vnan(v[3])))), 0)) {
      write_some(to + i, from + i, 64, store);
      continue;
    }
    numbers(to + i, v[0], v[1]);
    numbers(to + i + 32, v[2], v[3]);
  }
  write_some(to + i, from + i, n - i, store);
}
VFN void write_half_past_cache(uint16_t *to, const float *from, size_t n, store_half *const store,
                               store_numbers *const numbers) {
  size_t head = (64 - (uintptr_t)to % 64) % 64 / sizeof *to;
  if (head > n) head = n;
  write_some(to, from, head, store);
  write_half(to + head, from + head, n - head, store, numbers);
}

static void write_f16(uint16_t *to, const float *from, size_t n, int past_cache) {
  const unsigned flags = vflags();
  if (past_cache)
    write_half_past_cache(to, from, n, vstore_f16, vstream_f16_numbers);
  else
    write_half(to, from, n, vstore_f16, vstore_f16_numbers);
  vrestore_flags(flags);
}

void view_read(float *to, const void *from, vloss_type type, size_t n) {
  if (!VLOSS_IS_HALF(type))
    memcpy(to, from, n * sizeof *to);
  else if (VLOSS_HALF_IS_BF16(type))
    read_half(to, from, n, vload_bf16);
  else
    read_half(to, from, n, vload_f16);
}

void view_write(void *to, const float *from, vloss_type type, size_t n, int past_cache) {
  if (!VLOSS_IS_HALF(type) && past_cache)
    copy_past_cache(to, from, n);
  else if (!VLOSS_IS_HALF(type))
    memcpy(to, from, n * sizeof *from);
  else if (VLOSS_HALF_IS_BF16(type) && past_cache)
    write_half_past_cache(to, from, n, vstore_bf16, vstream_bf16_numbers);
  else if (VLOSS_HALF_IS_BF16(type))
    write_half(to, from, n, vstore_bf16, vstore_bf16_numbers);
  else
    write_f16(to, from, n, past_cache);
}

/* ---- Elements that are not neighbours ---------------------------------------------------------------------------- */

void view_gather(float *to, const void *from, vloss_type type, size_t step, size_t n) {
  const uint16_t *const p = from;
  uint16_t some[64];
  for (size_t i = 0, m; i < n; i += m) {
    m = n - i < 64 ? n - i : 64;
    for (size_t k = 0; k < m; k++) some[k] = p[(i + k) * step];
    view_read(to + i, some, type, m);
  }
}
void view_scatter(void *to, const float *from, vloss_type type, size_t step, size_t n) {
  uint16_t *const p = to;
  uint16_t some[64];
  for (size_t i = 0, m; i < n; i += m) {
    m = n - i < 64 ? n - i : 64;
    view_write(some, from + i, type, m, 0);
    for (size_t k = 0; k < m; k++) p[(i + k) * step] = some[k];
  }
}
