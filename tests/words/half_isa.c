/* The words of half.h of one ISA: compiled once per ISA. */
#include "half.h"

#include "words/half.h"

static void widen_bf16(const uint16_t *from, float *to) { vstore(to, vload_bf16(from)); }
static void widen_f16(const uint16_t *from, float *to) { vstore(to, vload_f16(from)); }
static void narrow_bf16(const float *from, uint16_t *to) { vstore_bf16(to, vload(from)); }
static void narrow_f16(const float *from, uint16_t *to) { vstore_f16(to, vload(from)); }
static void numbers_bf16(const float *from, uint16_t *to) { vstore_bf16_numbers(to, vload(from), vload(from + 16)); }
static void numbers_f16(const float *from, uint16_t *to) { vstore_f16_numbers(to, vload(from), vload(from + 16)); }
static void past_cache_bf16(const float *from, uint16_t *to) {
  vstream_bf16_numbers(to, vload(from), vload(from + 16));
  vstream_end();
}
static void past_cache_f16(const float *from, uint16_t *to) {
  vstream_f16_numbers(to, vload(from), vload(from + 16));
  vstream_end();
}

static void turn(const uint16_t *from, uint16_t *to) {
  vh rows[8];
  for (int i = 0; i < 8; i++) rows[i] = vhload(from + 8 * i);
  vturn_halves(rows);
  for (int i = 0; i < 8; i++) vhstore(to + 8 * i, rows[i]);
  for (int i = 0; i < 8; i++) vhstore_low(to + 64 + 4 * i, rows[i]);
  vhstore(to + 96, vhload_low(from));
}

static void pairs(const uint16_t *from, int32_t *to) { vistore(to, viload_pairs(from)); }

const struct halves VLOSS_ISA_SYMBOL(halves) = {VLOSS_ISA_NAME,
                                                {widen_bf16, narrow_bf16, numbers_bf16, past_cache_bf16},
                                                {widen_f16, narrow_f16, numbers_f16, past_cache_f16},
                                                turn,
                                                pairs};
