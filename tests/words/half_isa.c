/* The words of half.h of one ISA: compiled once per ISA. */
#include "half.h"

#include "words/half.h"

static void widen_bf16(const uint16_t *from, float *to) { vstore(to, vload_bf16(from)); }
static void widen_f16(const uint16_t *from, float *to) { vstore(to, vload_f16(from)); }
static void narrow_bf16(const float *from, uint16_t *to) { vstore_bf16(to, vload(from)); }
static void narrow_f16(const float *from, uint16_t *to) { vstore_f16(to, vload(from)); }

const struct halves VLOSS_ISA_SYMBOL(halves) = {VLOSS_ISA_NAME, {widen_bf16, narrow_bf16}, {widen_f16, narrow_f16}};
