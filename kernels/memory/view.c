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
  else if (past_cache)
    write_half_past_cache(to, from, n, vstore_f16, vstream_f16_numbers);
  else
    write_half(to, from, n, vstore_f16, vstore_f16_numbers);
}

/* ---- Elements and runs of elements that are not neighbours --------------------------------------------------------
 */

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

VFN void read_runs(float *to, const uint16_t *from, size_t step, size_t length, size_t runs, size_t readable,
                   load_half *const load) {
  size_t k = 0;
  for (; k < runs && k * step + 16 <= readable; k++) vstore(to + 16 * k, load(from + k * step));
  for (; k < runs; k++) {
    uint16_t run[16] = {0};
    memcpy(run, from + k * step, length * sizeof *run);
    vstore(to + 16 * k, load(run));
  }
}
void view_read_runs(float *to, const void *from, vloss_type type, size_t step, size_t length, size_t runs,
                    size_t readable) {
  if (VLOSS_HALF_IS_BF16(type))
    read_runs(to, from, step, length, runs, readable, vload_bf16);
  else
    read_runs(to, from, step, length, runs, readable, vload_f16);
}

/* n elements, 1 to 16, by copies of constant length that may overlap. */
VFN void copy_run(uint16_t *restrict to, const uint16_t *restrict from, size_t n) {
  const size_t part = n >= 8 ? 8 : n >= 4 ? 4 : n >= 2 ? 2 : 1, last = n - part;
  if (part == 8)
    memcpy(to, from, 16), memcpy(to + last, from + last, 16);
  else if (part == 4)
    memcpy(to, from, 8), memcpy(to + last, from + last, 8);
  else if (part == 2)
    memcpy(to, from, 4), memcpy(to + last, from + last, 4);
  else
    *to = *from;
}
VFN void write_runs(uint16_t *to, const float *from, size_t step, size_t length, size_t runs, store_half *const store) {
  uint16_t halves[16 * 16];
  if (length == 16) {
    for (size_t k = 0; k < runs; k++) store(to + k * step, vload(from + 16 * k));
    return;
  }
  for (size_t k = 0; k < runs; k++) store(halves + 16 * k, vload(from + 16 * k));
  for (size_t k = 0; k < runs; k++) copy_run(to + k * step, halves + 16 * k, length);
}
void view_write_runs(void *to, const float *from, vloss_type type, size_t step, size_t length, size_t runs) {
  if (VLOSS_HALF_IS_BF16(type))
    write_runs(to, from, step, length, runs, vstore_bf16);
  else
    write_runs(to, from, step, length, runs, vstore_f16);
}
