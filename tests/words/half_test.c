/* The words for 16-bit floats on every ISA against plain C: widening all 65,536 of them, narrowing every float (--all)
 * or every 4099th and those next to a tie. NaN must become the one quiet NaN; NaN that is widened may be any. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "half.h"
#include "isas.h"

static float of_bits(uint32_t bits) {
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}
static uint32_t bits_of(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

/* A 16-bit format: how many bits of a significand are stored, and the bias of the exponent. */
struct format {
  const char *name;
  int digits, bias;
  uint16_t infinity, nan;
};
static const struct format formats[] = {{"bf16", 7, 127, 0x7f80, 0x7fc0}, {"f16", 10, 15, 0x7c00, 0x7e00}};

/* By arithmetic, for there is nothing of it in the words. */
static float widened(const struct format *f, uint16_t h) {
  const int exponent = (h & 0x7fff) >> f->digits, digits = h & ((1 << f->digits) - 1);
  const float sign = h & 0x8000 ? -1.0f : 1.0f;
  if ((h & 0x7fff) > f->infinity) return NAN;
  if ((h & 0x7fff) == f->infinity) return sign * INFINITY;
  const int lead = exponent ? 1 << f->digits : 0, power = (exponent ? exponent : 1) - f->bias - f->digits;
  return sign * (float)ldexp(lead + digits, power);
}
/* The sizes of all numbers, and what would be next where infinity stands. */
static double sizes[2][0x8000];
static void fill_sizes(void) {
  for (int k = 0; k < 2; k++) {
    const struct format *f = &formats[k];
    for (uint16_t h = 0; h < f->infinity; h++) sizes[k][h] = (double)widened(f, h);
    sizes[k][f->infinity] = 2 * sizes[k][f->infinity - 1] - sizes[k][f->infinity - 2];
  }
}
/* The nearest of the two around it, by their distances; ties to even. */
static uint16_t narrowed(const struct format *f, float v) {
  if (isnan(v)) return f->nan;
  const double *size_of = sizes[f - formats], size = fabs((double)v);
  const uint16_t sign = signbit(v) ? 0x8000 : 0;
  if (size >= size_of[f->infinity]) return sign | f->infinity;
  uint16_t low = 0, high = f->infinity;
  while (high - low > 1) {
    const uint16_t middle = (uint16_t)((low + high) / 2);
    *(size_of[middle] <= size ? &low : &high) = middle;
  }
  const double to_low = size - size_of[low], to_high = size_of[high] - size;
  return sign | (to_low < to_high || (to_low == to_high && low % 2 == 0) ? low : high);
}

static int failures;
static size_t checked;
static void check_widening(const char *isa, const struct format *f, const struct half *half) {
  for (uint32_t h = 0; h < 65536; h += 16) {
    uint16_t from[16];
    float to[16];
    for (uint32_t i = 0; i < 16; i++) from[i] = (uint16_t)(h + i);
    half->widen(from, to);
    for (int i = 0; i < 16; i++, checked++) {
      const float expected = widened(f, from[i]);
      if (isnan(expected) ? isnan(to[i]) : bits_of(expected) == bits_of(to[i])) continue;
      if (failures++ < 10)
        printf("%s %s: %#06x becomes %a, not %a\n", isa, f->name, from[i], (double)to[i], (double)expected);
    }
  }
}
static void check_narrowing(const char *isa, const struct format *f, const struct half *half, uint32_t stride) {
  for (uint64_t at = 0; at < UINT64_C(1) << 32; at += 32 * (uint64_t)stride) {
    float from[32];
    uint16_t to[32], of_numbers[32];
    _Alignas(64) uint16_t past_cache[32];
    bool numbers = true;
    /* Below the stride, every other one is moved to a tie of bf16 or f16, or next to it. */
    for (uint32_t i = 0; i < 32; i++) {
      uint32_t bits = (uint32_t)(at + i * stride);
      if (stride > 1 && i % 2) bits = (bits & 0xffff8000) + (uint32_t)(i / 2 % 3) - 1;
      if (stride > 1 && i % 4 == 3) bits = (bits & 0xfffff000) + (uint32_t)(i / 4 % 3) - 1;
      from[i] = of_bits(bits);
      numbers &= !isnan(from[i]);
    }
    half->narrow(from, to);
    half->narrow(from + 16, to + 16);
    if (numbers) {
      half->numbers(from, of_numbers);
      half->past_cache(from, past_cache);
    }
    for (int i = 0; i < 32; i++, checked++) {
      const uint16_t expected = narrowed(f, from[i]);
      if (numbers && (of_numbers[i] != to[i] || past_cache[i] != to[i]) && failures++ < 10)
        printf("%s %s: %a becomes %#06x among numbers, %#06x past the cache, else %#06x\n", isa, f->name,
               (double)from[i], of_numbers[i], past_cache[i], to[i]);
      if (expected == to[i]) continue;
      if (failures++ < 10)
        printf("%s %s: %a becomes %#06x, not %#06x\n", isa, f->name, (double)from[i], to[i], expected);
    }
  }
}

static void check_turning(const struct halves *halves) {
  uint16_t from[64], to[64 + 32 + 8];
  for (int i = 0; i < 64; i++) from[i] = (uint16_t)(1000 * i);
  halves->turn(from, to);
  for (int i = 0; i < 8; i++) failures += to[96 + i] != (i < 4 ? from[i] : 0);
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < 8; k++, checked++)
      if ((to[8 * i + k] != from[8 * k + i] || (k < 4 && to[64 + 4 * i + k] != from[8 * k + i])) && failures++ < 10)
        printf("%s: element %d of turned row %d is wrong\n", halves->isa, k, i);
}

/* 32 elements are 16 numbers as memory has them. */
static void check_pairs(const struct halves *halves) {
  uint16_t from[33];
  int32_t to[16];
  for (int i = 0; i < 33; i++) from[i] = (uint16_t)(2003 * i);
  for (int shift = 0; shift < 2; shift++, checked++) {
    halves->pairs(from + shift, to);
    if (memcmp(to, from + shift, sizeof to) != 0 && failures++ < 10) printf("%s: pairs are wrong\n", halves->isa);
  }
}

#define ISA(isa, ISA, ...) VLOSS_IF_BUILT(ISA, extern const struct halves halves_##isa;)
#include "isas.def"
#undef ISA
static const struct halves *const isas[] = {
#define ISA(isa, ISA, ...) VLOSS_IF_BUILT(ISA, &halves_##isa, )
#include "isas.def"
#undef ISA
};

int main(int argc, char **argv) {
  fill_sizes();
  const bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
  for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
    if (!isa_runs(isas[i]->isa)) continue;
    check_turning(isas[i]);
    check_pairs(isas[i]);
    const struct half *const halves[] = {&isas[i]->bf16, &isas[i]->f16};
    for (int k = 0; k < 2; k++) {
      check_widening(isas[i]->isa, &formats[k], halves[k]);
      check_narrowing(isas[i]->isa, &formats[k], halves[k], all ? 1 : 4099);
    }
  }
  printf("16-bit floats: %zu conversions, %d wrong\n", checked, failures);
  return failures != 0 || checked == 0;
}
